"""Roots and the certificates they sign (X.509, P-256), as a signer makes them for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT_DAYS, LEAF_DAYS = 20 * 365, 5 * 365
_LONGEST_NAME = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True)
class Identity:
    """Hold a certificate with its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def make_root(name: str, now: datetime) -> Identity:
    """Make a root: a certificate that signs itself, and others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = named(name)
    builder = _builder((subject, key.public_key()), subject, now, ROOT_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return Identity(key, builder.sign(key, hashes.SHA256()))


def make_leaf(
    root: Identity, name: str, now: datetime, extensions: Sequence[x509.ExtensionType] = ()
) -> Identity:
    """Make a key with a certificate that a root signs."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder((named(name), key.public_key()), root.certificate.subject, now, LEAF_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    for extension in (signed_by, *extensions):
        builder = builder.add_extension(extension, critical=False)
    return Identity(key, builder.sign(root.key, hashes.SHA256()))


def pem(certificate: x509.Certificate) -> bytes:
    """Write a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a private key as open PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def named(name: str) -> x509.Name:
    """Return a subject of this common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_NAME])])


def _builder(
    subject: tuple[x509.Name, ec.EllipticCurvePublicKey], issuer: x509.Name, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject[0])
        .issuer_name(issuer)
        .public_key(subject[1])
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject[1]), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=not signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
