"""A signer's folder: made once, completed when a newer release finds it, never written over.

It holds `signer.json` (what may be signed), `keys.json` and the sealed keys, `passphrase`, `tls/` and
`clients/` (who may ask), `roster.csv` (who may be certified) and `journal.jsonl` (every signature made).
"""

import ipaddress
import os
import secrets
from collections import Counter
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from lms.certs.core.envelope import Lock
from lms.certs.core.mandate import Mandate, read_mandate, write_mandate
from lms.certs.core.problems import DocumentProblem, KeyProblem
from lms.certs.core.trust import TrustedParty
from lms.certs.signer.enrolment import check_may_sign_in_browser
from lms.certs.signer.files import replace_private, write_private
from lms.certs.signer.keyring import ENROLMENT, make_keys, pdf_root, public_keys
from lms.certs.signer.tls import make_authority, renew_server

_LIFTED = "lifted.txt"


def create(folder: Path, mandate: Mandate, now: datetime, *, browser: bool = False) -> None:
    """Make a signer's folder with new keys and a random passphrase.

    Args:
        browser: the issuing key is to be made in a person's browser, and not here.

    Raises:
        FileExistsError: the folder is there already; keys are never overwritten.
        Refusal: a browser is to sign for the university.
    """
    if browser:
        check_may_sign_in_browser(mandate.role)
    folder.mkdir(mode=0o700, parents=True)
    write_private(folder / "passphrase", secrets.token_urlsafe(32).encode("ascii"))
    write_private(folder / "journal.jsonl", b"")
    write_private(folder / "signer.json", write_mandate(mandate))
    if browser:
        write_private(folder / ENROLMENT, b"{}\n")
    furnish(folder, now)


def furnish(folder: Path, now: datetime) -> None:
    """Make what a folder lacks: keys of a later release, certificates for HTTPS, one that ends soon."""
    mandate = read_mandate((folder / "signer.json").read_bytes())
    make_keys(folder, unlock(folder), mandate.name, now)
    if not (folder / "tls" / "ca.pem").exists():
        make_authority(folder, mandate.name, now)
    renew_server(folder, _names(mandate), now)
    (folder / "token").unlink(missing_ok=True)  # of the first release; certificates took its place


def unlock(folder: Path) -> Lock:
    """Return the lock of the folder's sealed files: `passphrase` in it, or the service's own credential.

    Raises:
        KeyProblem: there is no passphrase.
    """
    places = [folder / "passphrase"]
    if "CREDENTIALS_DIRECTORY" in os.environ:  # systemd's LoadCredential=passphrase:…
        places.append(Path(os.environ["CREDENTIALS_DIRECTORY"]) / "passphrase")
    for place in places:
        if place.exists():
            return Lock(place.read_text(encoding="utf-8").strip())
    raise KeyProblem("key.no_passphrase")


def approve(folder: Path, *, achievement: str | None = None, course: str | None = None) -> None:
    """Let the signer sign for one more achievement, or for a course (an address that ends with a slash)."""
    path = folder / "signer.json"
    content = write_mandate(read_mandate(path.read_bytes()).approve(achievement=achievement, course=course))
    read_mandate(content)
    replace_private(path, content)


def lift(folder: Path, place: str) -> None:
    """Let the suspension at a place of a list (`ADDRESS#NUMBER`) end, once.

    A later suspension at the same place wants a lift of its own.
    """
    url, _, index = place.rpartition("#")
    if not url or not index.isdecimal():
        raise DocumentProblem("document.bad_value", field="ADDRESS#NUMBER")
    path = folder / _LIFTED
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    replace_private(path, f"{known}{url}#{int(index)}\n".encode())


def count_lifts(folder: Path, url: str) -> Counter[int]:
    """Return how often the organisation has let a suspension end at each place of a list."""
    path = folder / _LIFTED
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    parted = [line.rpartition("#") for line in lines]
    return Counter(int(index) for about, _, index in parted if about == url)


def trusted_party(folder: Path) -> TrustedParty:
    """Return the organisation's entry for trust files; needs no passphrase."""
    mandate = read_mandate((folder / "signer.json").read_bytes())
    keys = public_keys(folder, mandate.did)
    return TrustedParty(mandate.role, mandate.name, mandate.did, keys, (pdf_root(folder),))


def _names(mandate: Mandate) -> set[str]:
    """Return under which names the server is reached: those that the settings give, and its identifier's."""
    names = {unquote(mandate.did.removeprefix("did:web:").partition(":")[0]).partition(":")[0]}
    if mandate.host != "localhost" and not ipaddress.ip_address(mandate.host).is_unspecified:
        names.add(mandate.host)
    return {name for name in (*names, *mandate.names) if name and name.isascii()}
