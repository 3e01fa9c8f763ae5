import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.status import encode_bits
from lms.certs.core.trust import write_trust
from lms.certs.verifier import main
from tests.certs.conftest import STATUS_URL, Case

ROOT = Path(__file__).parents[2]
AT = "2026-03-02T10:00:00Z"


@dataclass
class Desk:
    """A folder with all that an employer has."""

    folder: Path

    def put(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    def arguments(self, file: str, *more: str) -> list[str]:
        return [
            str(self.folder / file),
            "--trust",
            str(self.folder / "trust.json"),
            "--resource",
            f"{STATUS_URL}={self.folder / 'status.json'}",
            "--at",
            AT,
            *more,
        ]


@pytest.fixture
def desk(case: Case, tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.put("trust.json", write_trust(case.pair.trust.parties))
    desk.put("status.json", case.resources[STATUS_URL])
    desk.put("credential.json", case.credential)
    return desk


def test_a_good_certificate_ends_with_0_and_names_all(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(desk.arguments("credential.json", "--language", "ko")) == 0
    shown = capsys.readouterr().out
    assert "유효함" in shown
    for fact in ("김하늘", "딥러닝 첫걸음", "91.4 / 100", "✓ 한강대학교", "✓ 누리에이아이"):
        assert fact in shown


def test_a_forged_certificate_ends_with_1_and_says_why(
    desk: Desk, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.put("forged.json", {**case.credential, "name": "박사"})
    assert main(desk.arguments("forged.json", "--language", "en")) == 1
    shown = capsys.readouterr().out
    assert "Refused" in shown
    assert "was changed" in shown or "was added" in shown


def test_a_revoked_certificate_ends_with_1(desk: Desk, make_list: Callable[..., Any]) -> None:
    desk.put("status.json", make_list(encoded=encode_bits([94_567]))[STATUS_URL])
    assert main(desk.arguments("credential.json")) == 1


def test_what_is_no_certificate_ends_with_2(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put("photo.png", b"\x89PNG")
    assert main(desk.arguments("photo.png")) == 2
    assert main(desk.arguments("nowhere.json")) == 2
    desk.put("trust.json", {"parties": []})
    assert main(desk.arguments("credential.json", "--language", "en")) == 2
    assert "trust file" in capsys.readouterr().err


def test_without_the_status_list_it_ends_with_3(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(desk.folder / "credential.json"), "--trust", str(desk.folder / "trust.json"), "--at", AT]
    assert main([*arguments, "--language", "en"]) == 3
    assert STATUS_URL in capsys.readouterr().out


def test_the_answer_as_json_holds_codes_sentences_and_facts(
    desk: Desk, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(desk.arguments("credential.json", "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], answer["findings"]) == ("valid", [])
    assert answer["facts"]["claim"]["holder_name"] == "김하늘"
    desk.put("alone.json", {**case.credential, "proof": case.credential["proof"][:1]})
    assert main(desk.arguments("alone.json", "--json")) == 1
    answer = json.loads(capsys.readouterr().out)
    assert {"proof.missing", "proofs.count"} == {finding["code"] for finding in answer["findings"]}
    assert all(finding["sentence"] for finding in answer["findings"])


def test_a_hostile_name_cannot_steer_the_terminal(
    desk: Desk, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(case.credential).replace(json.dumps("김하늘"), json.dumps("\x1b[2J\x1b[32mValid\r\n"))
    desk.put("hostile.json", text.encode())
    assert main(desk.arguments("hostile.json")) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(("name", "expected"), [("ko_KR.UTF-8", "유효함"), ("C.UTF-8", "Valid")])
def test_it_speaks_the_language_of_the_environment_and_loads_no_server(
    desk: Desk, name: str, expected: str
) -> None:
    probe = (
        "import sys; from lms.certs.verifier import main; status = main(sys.argv[1:]);"
        "foreign = {'flask', 'sqlalchemy', 'werkzeug', 'pydantic'};"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in foreign"
        " or m.startswith('lms.') and not m.startswith('lms.certs')), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, *desk.arguments("credential.json")],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LANG": name, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(expected)
    assert done.stderr.strip() == "[]"


def test_without_the_libraries_of_the_server_it_still_runs(desk: Desk) -> None:
    probe = (
        "import sys\n"
        "class Bar:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'flask', 'sqlalchemy', 'pydantic', 'werkzeug', 'jinja2'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Bar())\n"
        "from lms.certs.verifier import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, *desk.arguments("credential.json")],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("wrong", [["--at", "yesterday"], ["--resource", "nothing"], ["--language", "fr"]])
def test_a_misused_option_is_explained(
    desk: Desk, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(desk.arguments("credential.json", *wrong))
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_a_reader_who_has_seen_enough_does_not_change_the_answer(desk: Desk) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "lms.certs.verifier", *desk.arguments("credential.json")],
        stdout=writing, stderr=subprocess.PIPE, check=False, cwd=ROOT,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
