import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.keys import KeyUse, encode_public, generate, seal_key
from lms.certs.core.mandate import read_mandate, write_mandate
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import read_trust, write_trust
from lms.certs.signer.commands import main
from lms.certs.signer.folder import create, furnish, trusted_party
from tests.certs.conftest import UNIVERSITY, Pair
from tests.certs.signer.conftest import MANDATE
from tests.factories.signers import opened

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "change",
    [
        {"host": "signer.example"},
        {"host": ""},
        {"company": UNIVERSITY.did},
        {"courses": ("https://duri.example/courses",)},
        {"status_lists": ("https://duri.example/status",)},
        {"port": "8101"},
        {"demo_custody": "no"},
        {"demo_custody": False, "open_roster": True},
        {"achievements": (1,)},
        {"daily_quota": -1},
        {"approval": 1},
    ],
)
def test_unsafe_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentProblem, match="bad_value"):
        read_mandate(write_mandate(replace(MANDATE, **change)))


def test_a_folder_of_the_first_release_is_completed_and_keeps_its_key(tmp_path: Path) -> None:
    folder, key = tmp_path / "university", generate()
    folder.mkdir(mode=0o700)
    settings = json.loads(write_mandate(MANDATE))
    for later in ("names", "open_roster", "daily_quota", "approval"):
        del settings[later]
    for name, content in {
        "passphrase": b"kept",
        "token": b"t",
        "journal.jsonl": b"",
        "key.json": seal_key(key, "kept"),
        "signer.json": json.dumps(settings).encode(),
    }.items():
        (folder / name).write_bytes(content)
    for _ in range(2):
        furnish(folder, datetime.now(UTC))
    party = trusted_party(folder)
    assert [str(known.use) for known in party.keys] == ["issuing", "operational", "pdf"]
    assert party.keys[0].multibase == encode_public(key.public_key())
    assert not (folder / "token").exists()
    assert read_mandate((folder / "signer.json").read_bytes()).open_roster
    settings["demo_custody"] = False
    assert not read_mandate(json.dumps(settings).encode()).open_roster


def test_what_keys_prints_goes_into_a_trust_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rotate", str(folder), "--use", "pdf"]) == 0
    capsys.readouterr()
    assert main(["keys", str(folder)]) == 0
    (printed,) = json.loads(capsys.readouterr().out)["parties"]
    uses = [key.get("use", "issuing") for key in printed["keys"]]
    assert uses == ["issuing", "operational", "pdf", "pdf"]
    parties = json.loads(write_trust(Pair().trust.parties))["parties"]
    trust = read_trust(json.dumps({"parties": [printed, parties[1]]}).encode())
    assert len(trust.parties[0].pdf_roots) == 1


def test_a_rotation_that_was_cut_short_does_not_stand_in_the_way(folder: Path) -> None:
    (folder / "issuing-2.json").write_bytes(b"{")
    assert main(["rotate", str(folder)]) == 0
    assert main(["rotate", str(folder)]) == 0
    with opened(folder) as signer:
        assert signer.keyring.current(KeyUse.ISSUING).file == "issuing-4.json"


def test_the_roster_is_kept_by_commands(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "roster.csv"
    sheet.write_text(
        "email,achievement\nA@example.org,https://duri.example/a\nb@example.org,https://duri.example/a\n"
    )
    assert main(["roster", str(folder), "import", str(sheet)]) == 0
    assert (
        main(["roster", str(folder), "add", "c@example.org", "https://duri.example/b", "--score", "90"]) == 0
    )
    assert main(["roster", str(folder), "remove", "B@example.org"]) == 0
    capsys.readouterr()
    assert main(["roster", str(folder), "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["a@example.org", "c@example.org"]
    assert main(["roster", str(folder), "add", "nobody", "https://duri.example/b"]) == 1
    assert (folder / "roster.csv").stat().st_mode & 0o077 == 0


def test_clients_are_admitted_listed_and_dismissed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "given"
    assert main(["client", str(folder), "--out", str(out)]) == 0
    assert main(["client", str(folder), "--out", str(out)]) == 1
    assert {path.name for path in out.iterdir()} == {"ca.pem", "client.pem", "client.key"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in out.iterdir())
    capsys.readouterr()
    assert main(["client", str(folder)]) == 0
    assert capsys.readouterr().out == "platform\n"
    assert main(["client", str(folder), "--dismiss"]) == 0
    assert main(["client", str(folder), "--dismiss"]) == 1


@pytest.mark.usefixtures("slow_passphrases")
def test_the_command_makes_runs_and_ends_a_signer(tmp_path: Path) -> None:
    port, folder = free_port(), str(tmp_path / "company")
    arguments = ["init", folder, "--role", "company", "--name", "누리에이아이", "--port", str(port)]
    arguments += ["--partner", UNIVERSITY.did, "--demo-custody", "--course", "https://duri.example/courses/"]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert main(["approve", folder, "--achievement", "https://duri.example/a"]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "lms.certs.signer", "run", folder], cwd=ROOT, stderr=subprocess.PIPE
    )
    with process:
        assert comes_up(Path(folder), port)["did"] == f"did:web:localhost%3A{port}"
        assert subprocess.run(
            [sys.executable, "-m", "lms.certs.signer", "run", folder],
            cwd=ROOT, capture_output=True, check=False,
        ).returncode == 1  # fmt: skip
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
    assert main(["journal", folder]) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def health(folder: Path, port: int) -> Document:
    context = ssl.create_default_context(cafile=folder / "tls" / "ca.pem")
    with urllib.request.urlopen(f"https://localhost:{port}/health", timeout=5, context=context) as answer:
        said: Document = json.loads(answer.read())
        return said


def comes_up(folder: Path, port: int) -> Document:
    for _ in range(200):
        try:
            return health(folder, port)
        except OSError:
            time.sleep(0.05)
    pytest.fail("the signer did not come up")


def test_a_fault_of_the_machine_is_said_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", str(tmp_path)]) == 1
    assert "signer.json: No such file" in capsys.readouterr().err

    def taken(_folder: Path) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("lms.certs.signer.commands.trusted_party", taken)
    assert main(["keys", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "[Errno 98] Address already in use\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root can give files away")
def test_what_root_makes_for_a_signer_belongs_to_the_signer(folder: Path, tmp_path: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 61_100, 61_100)
    victim = tmp_path / "of-root"
    victim.write_text("")
    (folder / "roster.csv.new").symlink_to(victim)
    assert main(["roster", str(folder), "add", "a@example.org", "https://duri.example/a"]) == 0
    for use in ("issuing", "pdf"):
        assert main(["rotate", str(folder), "--use", use]) == 0
    assert {path.stat().st_uid for path in folder.rglob("*")} == {61_100}
    assert victim.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root can become another user")
@pytest.mark.usefixtures("slow_passphrases")
def test_a_signer_of_its_own_user_ends_with_whoever_started_it(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "company"
    create(folder, replace(MANDATE, port=port), datetime.now(UTC))
    (folder / "rehearsal").mkdir()  # of a start that was cut short
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 61_100, 61_100)
    run = f"{sys.executable} -m lms.certs.signer run --user 61100 {folder}"
    command = f"setpriv --pdeathsig TERM {run} & wait"
    with subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, stderr=subprocess.DEVNULL) as shell:
        comes_up(folder, port)
        pid = subprocess.run(
            ["/usr/bin/pgrep", "-f", str(folder)], capture_output=True, text=True, check=True
        ).stdout
        owners = {Path(f"/proc/{each}").stat().st_uid for each in pid.split() if int(each) != shell.pid}
        assert owners == {61_100}
        shell.kill()
    for _ in range(200):
        try:
            health(folder, port)
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the signer outlived the process that started it")
