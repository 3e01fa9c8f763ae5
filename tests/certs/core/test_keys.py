import json

import pytest

from lms.certs.core.keys import (
    PublicKey,
    decode_public,
    did_document,
    did_web,
    encode_public,
    generate,
    open_key,
    seal_key,
)
from lms.certs.core.problems import KeyProblem


def test_a_sealed_key_opens_with_its_passphrase_only() -> None:
    key = generate()
    sealed = seal_key(key, "비밀번호 하나")
    assert open_key(sealed, "비밀번호 하나").private_bytes_raw() == key.private_bytes_raw()
    with pytest.raises(KeyProblem, match="wrong_passphrase"):
        open_key(sealed, "비밀번호 둘")


def test_two_seals_of_one_key_differ() -> None:
    key = generate()
    assert seal_key(key, "a") != seal_key(key, "a")


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 1024},
        {"n": 2**24},
        {"n": "32768"},
        {"r": 1},
        {"version": "duri-key-0"},
        {"kdf": "none"},
        {"salt": "!"},
        {"nonce": "AAAA"},
        {"ciphertext": None},
        {"publicKeyMultibase": "z6Mk"},
        {"extra": True},
    ],
)
def test_an_altered_envelope_does_not_open(changes: dict[str, object]) -> None:
    envelope = json.loads(seal_key(generate(), "a"))
    with pytest.raises(KeyProblem):
        open_key(json.dumps({**envelope, **changes}).encode(), "a")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\x00" * 50])
def test_another_file_is_no_envelope(content: bytes) -> None:
    with pytest.raises(KeyProblem, match="broken_envelope"):
        open_key(content, "a")


def test_a_multikey_reads_back_and_has_one_spelling() -> None:
    public = generate().public_key()
    multibase = encode_public(public)
    assert decode_public(multibase).public_bytes_raw() == public.public_bytes_raw()
    for wrong in (
        "",
        "z",
        multibase[1:],
        "z1" + multibase[1:],
        multibase + "1",
        multibase[:-1] + "0",
        "z" * 500,
    ):
        with pytest.raises(KeyProblem):
            decode_public(wrong)


def test_a_did_document_keeps_every_key_listed() -> None:
    did = did_web("localhost", 8101)
    keys = [PublicKey(f"{did}#{name}", encode_public(generate().public_key())) for name in ("old", "new")]
    document = did_document(did, keys)
    assert did == "did:web:localhost%3A8101"
    assert document["assertionMethod"] == [f"{did}#old", f"{did}#new"]
    assert [method["controller"] for method in document["verificationMethod"]] == [did, did]
