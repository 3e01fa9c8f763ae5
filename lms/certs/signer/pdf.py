"""An organisation's own signature over a certificate PDF (PAdES), made after it has looked at the file.

The libraries are heavy and only this part of a signer needs them: they are loaded on first use.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from lms.certs.core.mandate import Refusal
from lms.certs.core.pdf import SIGNATURE_FIELDS, binding
from lms.certs.core.pdf_reading import apart, pdf_problems
from lms.certs.core.pdf_review import Known, review_pdf
from lms.certs.core.sheet import WORDS
from lms.certs.core.strict_json import Document
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role

FONTS = (
    Path("/usr/share/fonts/truetype/nanum/NanumSquareR.ttf"),
    Path("/usr/share/fonts/truetype/nanum/NanumGothic.ttf"),
)
_COLOURS = {Role.UNIVERSITY: (0.227, 0.247, 0.749), Role.COMPANY: (0.043, 0.478, 0.459)}
_TIMESTAMP_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class PdfIdentity:
    """Hold the key of a party's PDF signatures (P-256), its certificate, and those up to its root."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate
    chain: Sequence[x509.Certificate] = ()

    @property
    def name(self) -> str:
        """Return the name that the certificate gives its owner."""
        names = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(names[0].value) if names else self.certificate.subject.rfc4514_string()


@dataclass(frozen=True, kw_only=True)
class PdfSealing:
    """Hold everything with which one organisation signs PDFs.

    `timestamps` is the address of an RFC 3161 authority; without one the time is the signer's own word.
    """

    role: Role
    identity: PdfIdentity
    font: Path | None = None
    timestamps: str | None = None

    def sign(self, content: bytes, known: Known, now: datetime) -> tuple[bytes, Document]:
        """Return what is appended to the PDF to sign it, and what the journal should say of it.

        Raises:
            CertificateProblem: the organisation does not sign this.
            OSError: the time stamp or the font cannot be had now.
        """
        order = review_pdf(content, self.role, known)
        try:
            signed = apart(lambda: self.seal(content, order.sheet.language, order.sha256, now))
        except pdf_problems() as problem:
            if isinstance(problem, OSError):
                raise
            raise Refusal("signer.pdf_form", part="PDF") from None
        if not signed.startswith(content):  # only ever an addition
            raise Refusal("signer.pdf_form", part="PDF")
        entry = {"credential": order.credential_id, "credentialSha256": order.sha256, "at": write_time(now)}
        return signed[len(content) :], entry

    def seal(self, content: bytes, language: str, sha256: str, now: datetime) -> bytes:
        """Return a PDF signed in this party's field, without a look at it: `sign` looks first."""
        signers = import_module("pyhanko.sign.signers")
        fields = import_module("pyhanko.sign.fields")
        writing = import_module("pyhanko.pdf_utils.incremental_writer")
        meta = signers.PdfSignatureMetadata(
            field_name=SIGNATURE_FIELDS[self.role].name,
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.PADES,
            certify=self.role is Role.UNIVERSITY,
            docmdp_permissions=fields.MDPPerm.FILL_FORMS,
            reason=binding(sha256),
            name=self.identity.name,
        )
        signer = signers.PdfSigner(
            meta,
            _signer(self.identity),
            timestamper=self._timestamper(),
            stamp_style=self._stamp(language, now),
        )
        out = io.BytesIO()
        writer = writing.IncrementalPdfFileWriter(io.BytesIO(content))
        signer.sign_pdf(writer, existing_fields_only=True, output=out)
        return out.getvalue()

    def _timestamper(self) -> Any:
        if self.timestamps is None:
            return None
        client = import_module("pyhanko.sign.timestamps.aiohttp_client")
        return client.HTTPTimeStamper(self.timestamps, timeout=_TIMESTAMP_SECONDS)

    def _stamp(self, language: str, now: datetime) -> Any:
        stamps = import_module("lms.certs.signer.stamp")
        sealed = WORDS[language]["sealed"].format(at=f"{now:%Y-%m-%d %H:%M} UTC")
        font = self.font or next((path for path in FONTS if path.exists()), FONTS[0])
        return stamps.make_stamp(str(font), (self.identity.name, sealed), _COLOURS[self.role])


def _signer(identity: PdfIdentity) -> Any:
    signers = import_module("pyhanko.sign.signers")
    keys, certificates = import_module("asn1crypto.keys"), import_module("asn1crypto.x509")
    registry = import_module("pyhanko_certvalidator.registry").SimpleCertificateStore()
    registry.register_multiple([certificates.Certificate.load(_der(item)) for item in identity.chain])
    private = identity.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signers.SimpleSigner(
        signing_cert=certificates.Certificate.load(_der(identity.certificate)),
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=registry,
    )


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
