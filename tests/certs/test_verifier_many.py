import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.baking import bake_png, bake_svg
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import write_trust
from lms.certs.verifier import main
from tests.certs.conftest import STATUS_URL, Case
from tests.certs.core.test_baking import SVG, png

AT = "2026-03-02T10:00:00Z"


@pytest.fixture
def folder(case: Case, tmp_path: Path) -> Path:
    """A folder with one certificate of each answer."""
    plain = json.dumps(case.credential, ensure_ascii=False).encode()
    forged = {**case.credential, "name": "박사"}
    files: dict[str, bytes] = {
        "trust.json": write_trust(case.pair.trust.parties),
        "status.json": case.resources[STATUS_URL],
        "valid.json": plain,
        "badge.png": bake_png(png(), plain),
        "badge.svg": bake_svg(SVG, plain),
        "refused.json": json.dumps(forged).encode(),
        "unreadable.json": b"no certificate",
        "all.zip": packed(
            {"a.json": plain, "deep/b.svg": bake_svg(SVG, plain), "forged.json": json.dumps(forged)}
        ),
        "good.zip": packed({"a.json": plain, "b.json": plain}),
        "list.csv": b"label,file\nHa-neul,valid.json\n,refused.json\n,missing.json\n",
        "ids.csv": f"id\n{case.credential['id']}\n".encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def packed(files: dict[str, Any]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def run(folder: Path, *files: str, lists: bool = True, more: tuple[str, ...] = ()) -> int:
    resource = ["--resource", f"{STATUS_URL}={folder / 'status.json'}"] if lists else []
    trust = ["--trust", str(folder / "trust.json")]
    return main([*(str(folder / name) for name in files), *trust, *resource, "--at", AT, *more])


@pytest.mark.parametrize(
    ("files", "lists", "expected"),
    [
        (["valid.json", "badge.png", "badge.svg"], True, 0),
        (["good.zip"], True, 0),
        (["valid.json", "valid.json"], False, 3),
        (["valid.json", "refused.json"], False, 1),
        (["refused.json", "valid.json", "unreadable.json"], False, 2),
        (["unreadable.json", "refused.json"], True, 2),
        (["all.zip"], True, 1),
        (["ids.csv"], True, 2),
        (["badge.png"], True, 0),
        (["badge.svg"], False, 3),
    ],
)
def test_the_worst_answer_counts(folder: Path, files: list[str], lists: bool, expected: int) -> None:  # noqa: FBT001
    assert run(folder, *files, lists=lists) == expected


def test_each_is_named_with_its_answer_and_all_are_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "all.zip", "valid.json", more=("--language", "en")) == 1
    shown = capsys.readouterr().out
    for line in ("all.zip/a.json:", "all.zip/deep/b.svg:", "all.zip/forged.json:", "valid.json:"):
        assert line in shown
    assert shown.splitlines()[-1] == "0 unreadable, 1 refused, 0 undecided, 3 valid"
    assert run(folder, "good.zip", more=("--language", "ko")) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 읽을 수 없음, 0 거부함, 0 판단할 수 없음, 2 유효함"


def answer(folder: Path, capsys: pytest.CaptureFixture[str], *files: str) -> Document:
    run(folder, *files, more=("--json", "--language", "en"))
    told: Document = json.loads(capsys.readouterr().out)
    return told


def test_many_answers_as_json_are_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(folder, capsys, "list.csv", "valid.json", "refused.json", "unreadable.json")
    assert told["status"] == "unreadable"
    assert told["counts"] == {"unreadable": 2, "refused": 1, "undecided": 0, "valid": 1}
    results = {result["name"]: result for result in told["results"]}
    assert results["list.csv:2 Ha-neul valid.json"]["facts"]["claim"]["holder_name"] == "김하늘"
    missing = results["list.csv:4"]["findings"][0]
    assert (missing["code"], missing["params"]) == ("csv.no_such_file", {"file": "missing.json"})
    assert "missing.json" in missing["sentence"]
    assert results["unreadable.json"]["status"] == "unreadable"


def test_a_list_of_identifiers_is_not_fetched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(folder, capsys, "ids.csv")
    assert [finding["code"] for finding in told["results"][0]["findings"]] == ["csv.needs_platform"]


def test_a_hostile_name_in_an_archive_cannot_steer_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "evil.zip").write_bytes(packed({"\x1b[2J\r\nvalid.json": b"{}"}))
    assert run(folder, "evil.zip") == 2
    assert "\x1b" not in capsys.readouterr().out


def test_one_missing_file_of_many_is_said_before_anything_is_verified(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "valid.json", "nowhere.json") == 2
    shown = capsys.readouterr()
    assert "nowhere.json" in shown.err
    assert shown.out == ""
