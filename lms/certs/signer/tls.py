"""Who this server is, and who may ask it: certificates of the signer's own small authority.

`tls/ca.pem` signs `tls/server.pem` and the certificates in `clients/`. Who holds `ca.pem` knows this server
from any other; whose certificate does not lie in `clients/` may not ask it.
"""

import ipaddress
import re
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from lms.certs.core.problems import KeyProblem
from lms.certs.signer.authority import Identity, key_pem, make_leaf, make_root, pem
from lms.certs.signer.files import replace_private, write_private

RENEW_DAYS = 90
_CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def make_authority(folder: Path, name: str, now: datetime) -> None:
    """Make the authority of a new signer.

    Raises:
        FileExistsError: it has one.
    """
    for part in ("tls", "clients"):
        (folder / part).mkdir(mode=0o700, exist_ok=True)
    made = make_root(f"{name[:50]} signer CA", now)
    write_private(folder / "tls" / "ca.key", key_pem(made.key))
    write_private(folder / "tls" / "ca.pem", pem(made.certificate))


def renew_server(folder: Path, names: Iterable[str], now: datetime) -> None:
    """Make the server's certificate where there is none for these names, or one that ends soon."""
    wanted = sorted({"localhost", "127.0.0.1", "::1", *names})
    path = folder / "tls" / "server.pem"
    if path.exists() and _still_good(path, folder / "tls" / "server.key", set(wanted), now):
        return
    known_as = x509.SubjectAlternativeName([_general(name) for name in wanted])
    use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    made = make_leaf(_authority(folder), wanted[-1], now, (use, known_as))
    replace_private(folder / "tls" / "server.key", key_pem(made.key))
    replace_private(path, pem(made.certificate))


def admit_client(folder: Path, name: str, target: Path, now: datetime) -> None:
    """Write what a client needs into a new folder: whom to expect, and a certificate with its key.

    A client of the same name loses its former certificate.

    Raises:
        FileExistsError: the target is there.
        KeyProblem: the name is none.
    """
    kept = _kept(folder, name)
    target.mkdir(mode=0o700, parents=True)
    use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    made = make_leaf(_authority(folder), name, now, (use,))
    write_private(target / "client.key", key_pem(made.key))
    write_private(target / "client.pem", pem(made.certificate))
    write_private(target / "ca.pem", (folder / "tls" / "ca.pem").read_bytes())
    replace_private(kept, pem(made.certificate))


def dismiss_client(folder: Path, name: str) -> None:
    """Let a client ask no more, from its next request on.

    Raises:
        FileNotFoundError: there is none of this name.
        KeyProblem: the name is none.
    """
    _kept(folder, name).unlink()


def client_of(folder: Path, presented: bytes | None) -> str | None:
    """Return the name of the admitted client that presented this certificate (DER)."""
    if presented is None:
        return None
    shown = ssl.DER_cert_to_PEM_cert(presented).split()
    for path in sorted((folder / "clients").glob("*.pem")):
        if path.read_text(encoding="ascii").split() == shown:
            return path.stem
    return None


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the settings of the server's side: TLS 1.2 at least; a client certificate is asked for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "tls" / "ca.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(folder / "tls" / "server.pem", folder / "tls" / "server.key")
    return context


def _kept(folder: Path, name: str) -> Path:
    if not _CLIENT_NAME.fullmatch(name):
        raise KeyProblem("signer.client_name", name=name[:40])
    return folder / "clients" / f"{name}.pem"


def _authority(folder: Path) -> Identity:
    key = serialization.load_pem_private_key((folder / "tls" / "ca.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyProblem("key.broken_envelope")
    return Identity(key, x509.load_pem_x509_certificate((folder / "tls" / "ca.pem").read_bytes()))


def _still_good(path: Path, key: Path, wanted: set[str], now: datetime) -> bool:
    held = x509.load_pem_x509_certificate(path.read_bytes())
    own = serialization.load_pem_private_key(key.read_bytes(), None)
    if own.public_key() != held.public_key():  # a renewal was cut short
        return False
    known_as = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    listed = {str(name.value) for name in known_as}
    return listed == wanted and held.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
