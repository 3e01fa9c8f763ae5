"""`lms-verify --evidence`: a bundle alone is enough, after the platform is gone."""

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.evidence import Bundle, Piece, write_bundle
from lms.certs.core.trust import write_trust
from lms.certs.verifier import main
from tests.certs.conftest import COMPANY, NOW, UNIVERSITY, Case
from tests.factories.log import Ledger

AT = ["--at", "2026-03-02T10:00:00Z"]


@pytest.fixture
def trust(whole: Case, tmp_path: Path) -> list[str]:
    path = tmp_path / "trust.json"
    path.write_bytes(write_trust(whole.pair.trust.parties))
    return ["--trust", str(path)]


def bundled(whole: Case, folder: Path, content: bytes = b"{}", **changes: Any) -> str:
    made: dict[str, Any] = {
        "made_at": "2026-03-02T10:00:00Z",
        "credential": json.dumps(whole.credential).encode(),
        "trust": b'{"parties": "never read"}',
        "resources": whole.resources,
        "evidence": (Piece("evidence/softmax/notebook.ipynb", "5a" * 32, content),),
    }
    path = folder / "bundle.zip"
    path.write_bytes(write_bundle(Bundle(**(made | changes))))
    return str(path)


def test_a_bundle_alone_verifies(
    whole: Case, trust: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--evidence", bundled(whole, tmp_path), *trust, *AT, "--language", "en"]) == 0
    assert "what both organisations signed: 1." in capsys.readouterr().out


def test_a_file_that_is_a_bundle_is_taken_for_one_and_read_with_its_log_proof(
    whole: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger((UNIVERSITY.did, COMPANY.did), NOW, [])
    proof = ledger.proof_of(whole.credential, NOW)
    pinned = ledger.trust(whole.pair.trust)
    trust = tmp_path / "trust.json"
    trust.write_bytes(write_trust(pinned.parties, pinned.logs))
    path = bundled(whole, tmp_path, log_proof=proof)
    named = ["--trust", str(trust), *AT, "--language", "en"]
    assert main([path, *named]) == 0
    assert "what both organisations signed: 1." in capsys.readouterr().out
    assert main([bundled(whole, tmp_path, b"other", log_proof=proof), *named]) == 1
    assert main([bundled(whole, tmp_path), *named]) == 3
    assert "log proof" in capsys.readouterr().out


def test_bundles_among_several_files_are_verified_with_what_lies_in_each(
    whole: Case, trust: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundled(whole, tmp_path)
    assert main([path, path, *trust, *AT, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [each["status"] for each in results] == ["valid", "valid"]
    assert all("notice.bundle" in [one["code"] for one in each["notices"]] for each in results)


def test_a_bundle_is_never_left_unchecked_beside_an_archive_of_many(
    whole: Case, trust: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as archive:
        archive.writestr("a.json", json.dumps(whole.credential))
    path = bundled(whole, tmp_path, b"other")
    assert main([str(many), "--evidence", path, *trust, *AT]) == 2
    assert "one certificate" in capsys.readouterr().err


def test_a_file_that_differs_refuses(
    whole: Case, trust: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundled(whole, tmp_path, b"other")
    assert main(["--evidence", path, *trust, *AT, "--json"]) == 1
    assert [each["code"] for each in json.loads(capsys.readouterr().out)["findings"]] == ["evidence.differs"]


def test_the_certificate_can_come_from_elsewhere_and_must_be_that_of_the_bundle(
    whole: Case, case: Case, trust: list[str], tmp_path: Path
) -> None:
    for certificate, status in ((whole, 0), (case, 1)):
        path = tmp_path / "credential.json"
        path.write_text(json.dumps(certificate.credential))
        assert main([str(path), "--evidence", bundled(whole, tmp_path), *trust, *AT]) == status


def test_later_the_lists_of_the_bundle_are_stale_and_fresh_ones_count_before_them(
    whole: Case, trust: list[str], tmp_path: Path
) -> None:
    path = bundled(whole, tmp_path)
    assert main(["--evidence", path, *trust, "--at", "2027-03-02T10:00:00Z"]) == 3
    gone = tmp_path / "gone.json"
    gone.write_text("{}")
    url = next(iter(whole.resources))
    assert main(["--evidence", path, *trust, *AT, "--resource", f"{url}={gone}"]) == 1


def test_a_bundle_that_is_none_is_unreadable(trust: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"PK\x03\x04")
    assert main(["--evidence", str(path), *trust]) == 2
    assert main(["--evidence", str(tmp_path / "none.zip"), *trust]) == 2


@pytest.mark.parametrize(
    "arguments", [[], ["a.json", "b.json", "--evidence", "c.zip"], ["a.json", "--regrade"]]
)
def test_options_that_do_not_go_together_are_explained(
    trust: list[str], arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "b.json", "c.zip"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *trust])
    assert ended.value.code == 2


def test_grading_again_without_the_server_says_what_is_missing(
    whole: Case,
    trust: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    pieces = (Piece("evidence/softmax/notebook.ipynb", "5a" * 32, b"{}"),)
    path = bundled(whole, tmp_path, evidence=pieces)
    assert main(["--evidence", path, *trust, *AT, "--regrade", "--language", "en"]) == 3
    assert "no grade record" in capsys.readouterr().out
