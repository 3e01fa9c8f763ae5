"""Keys in a token: SoftHSM from Debian stands for the hardware."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lms.certs.core.document import build_credential
from lms.certs.core.keys import decode_public
from lms.certs.core.problems import KeyProblem
from lms.certs.core.proofs import verify_proof
from lms.certs.core.protocols import Kind
from lms.certs.signer.commands import main
from lms.certs.signer.folder import trusted_party
from lms.certs.signer.tokens import TokenKey, read_pin
from tests.certs.conftest import CLAIM, NOW
from tests.factories.signers import opened

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "4711"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("not run: softhsm2 is not installed")
    pytest.importorskip("pkcs11", reason="not run: python-pkcs11 is not installed")
    place = tmp_path_factory.mktemp("softhsm")
    settings = place / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {place}\nobjectstore.backend = file\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(settings))
        command = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            "duri",
            "--pin",
            PIN,
            "--so-pin",
            "1",
        ]
        subprocess.run([*command[:-1], "12345678"], check=True, capture_output=True)
        yield "duri"


@pytest.mark.long
def test_a_key_in_a_token_signs_and_never_leaves_it(folder: Path, token: str) -> None:
    (folder / "pin").write_text(PIN)
    rotate = ["rotate", str(folder), "--module", str(MODULE), "--token", token, "--label", "issuing-2026"]
    assert main(rotate) == 0
    document = build_credential(CLAIM)
    with opened(folder) as signer:
        proof = signer.sign(document, Kind.CREDENTIAL, NOW)
    keys = {key.id: key for key in trusted_party(folder).keys}
    verify_proof(document, proof, decode_public(keys[proof["verificationMethod"]].multibase))
    assert [key.retired_at is None for key in keys.values() if str(key.use) == "issuing"] == [False, True]
    assert not (folder / "issuing-2.json").exists()
    assert main([*rotate, "--use", "pdf"]) == 1
    assert main(rotate) == 1  # the same key again
    with pytest.raises(KeyProblem, match=r"key\.token"):
        TokenKey({"module": str(MODULE), "token": "another", "label": "x"}, PIN)


def test_without_a_pin_or_a_module_there_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert main(["rotate", str(folder), "--module", "/none.so"]) == 1
    assert "PIN" in capsys.readouterr().err
    (tmp_path / "pin").write_text(f"{PIN}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_pin(folder) == PIN
    assert main(["rotate", str(folder), "--module", "/none.so"]) == 1
    assert "token" in capsys.readouterr().err
