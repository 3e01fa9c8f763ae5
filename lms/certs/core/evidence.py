"""The holder's bundle: the certificate, all that it takes to verify it, and the files behind it.

The certificate carries a salted hash of each file. The salts lie in the bundle only, so that nobody can try
out guesses at a file on the certificate, and whoever is given the bundle can check every file.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lms.certs.core.archives import ZIP_PROBLEMS
from lms.certs.core.document import Claim
from lms.certs.core.joint import Finding
from lms.certs.core.problems import MISSHAPEN, CertificateProblem, Unreadable
from lms.certs.core.strict_json import Document, read_object

_FAMILY = "duri-bundle/"
FORMAT = f"{_FAMILY}1"
SALT_BYTES = 32
MAX_BUNDLE_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 160_000_000
MAX_VERIFIED_BYTES = 20_000_000
"""So much at most is unpacked to verify the certificate alone."""
MISSING = "evidence.not_included"
"""The one finding that speaks against nothing: the holder need not share every file."""
MANIFEST = "manifest.json"

_MOST_FILES = 1_000
_MOST_MANIFEST_BYTES = 1_000_000
_MEMBERS = {"format", "made_at", "credential", "trust", "log_proof", "resources", "evidence", "files"}
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,79}){0,3}")
_SALT = re.compile(rf"[0-9a-f]{{{2 * SALT_BYTES}}}|")
_DIRECTORY_ENTRY = b"PK\x01\x02"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class BundleProblem(CertificateProblem):
    """Say that a file is no bundle, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file that a certificate's evidence is about; without a salt the hash is a plain one."""

    path: str
    salt: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Hold what a holder hands over.

    `evidence` runs beside the document's own list, with None for what is not shared. `trust` is the trust
    file of whoever made the bundle: to be compared with one's own, never to be believed.
    """

    made_at: str
    credential: bytes
    trust: bytes
    resources: Mapping[str, bytes]
    evidence: Sequence[Piece | None] = ()
    log_proof: bytes | None = None
    others: Mapping[str, bytes] = field(default_factory=dict)
    """Files by path that no check needs: papers, explanations."""


def salted_digest(salt: str, content: bytes) -> str:
    """Return the hex SHA-256 of the salt's bytes followed by the content; of the content, without a salt.

    Salts have one length, so no two pairs of salt and content are hashed as the same bytes.
    """
    return hashlib.sha256(bytes.fromhex(salt) + content).hexdigest()


def check_bundle(claim: Claim, bundle: Bundle) -> tuple[Finding, ...]:
    """Recompute the hash of every file and compare it with what both organisations signed.

    Files that the holder kept back are named with the code `MISSING`.
    """
    return tuple(_differences(claim, bundle))


def _differences(claim: Claim, bundle: Bundle) -> Iterator[Finding]:
    shared = list(bundle.evidence)
    for item, piece in zip(claim.evidence, [*shared, *[None] * len(claim.evidence)], strict=False):
        named = {"name": item.name[:200], "genre": item.genre[:80]}
        if piece is None:
            yield Finding(MISSING, named)
        elif bool(piece.salt) is not item.salted or salted_digest(piece.salt, piece.content) != item.sha256:
            yield Finding("evidence.differs", {**named, "path": piece.path})
    for piece in shared[len(claim.evidence) :]:
        if piece is not None:
            yield Finding("evidence.unnamed", {"path": piece.path})


def write_bundle(bundle: Bundle) -> bytes:
    """Write a bundle as a ZIP file; equal bundles give equal files."""
    resources = {url: f"resources/{number}.json" for number, url in enumerate(sorted(bundle.resources), 1)}
    files = {"credential.json": bundle.credential, "trust.json": bundle.trust, **bundle.others}
    files |= {path: bundle.resources[url] for url, path in resources.items()}
    files |= {piece.path: piece.content for piece in bundle.evidence if piece is not None}
    files |= {} if bundle.log_proof is None else {"log-proof.json": bundle.log_proof}
    manifest = {
        "format": FORMAT,
        "made_at": bundle.made_at,
        "credential": "credential.json",
        "trust": "trust.json",
        "log_proof": None if bundle.log_proof is None else "log-proof.json",
        "resources": resources,
        "evidence": [piece and {"path": piece.path, "salt": piece.salt} for piece in bundle.evidence],
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        written = json.dumps(manifest, ensure_ascii=False, indent=1).encode("utf-8")
        for path, content in {MANIFEST: written, **files}.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def is_bundle(content: bytes) -> bool:
    """Tell whether a ZIP file says of itself that it is a bundle, of this form or another."""
    try:
        with _opened(content) as archive:
            return str(_manifest(archive).get("format")).startswith(_FAMILY)
    except BundleProblem:
        return False


def read_bundle(content: bytes) -> Bundle:
    """Read a bundle from anywhere: nothing is written to disk, and no more is unpacked than allowed.

    Raises:
        BundleProblem: no bundle, a damaged one, or one that claims to be larger than any bundle is.
    """
    with _opened(content) as archive:
        manifest = _known(_manifest(archive))
        packed = [path for path in archive.namelist() if path != MANIFEST]
        return _bundle(manifest, _unpacked(archive, packed, MAX_UNPACKED_BYTES))


def open_bundle(content: bytes) -> Bundle:
    """Read of a bundle just what it takes to verify its certificate; all other files stay packed.

    Raises:
        BundleProblem: as `read_bundle`.
    """
    with _opened(content) as archive:
        manifest = _known(_manifest(archive))
        try:
            named = {manifest["credential"], manifest["trust"], *manifest["resources"].values()}
            named |= set() if manifest["log_proof"] is None else {manifest["log_proof"]}
            files = {path: manifest["files"][path] for path in named & set(archive.namelist())}
        except MISSHAPEN:
            raise BundleProblem("bundle.damaged", path=MANIFEST) from None
        unpacked = _unpacked(archive, files, MAX_VERIFIED_BYTES)
        return _bundle({**manifest, "files": files, "evidence": []}, unpacked)


@contextmanager
def _opened(content: bytes) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose entries are all of the one simple kind that bundles have."""
    if len(content) > MAX_BUNDLE_BYTES:
        raise BundleProblem("bundle.too_large", limit=MAX_BUNDLE_BYTES)
    if content.count(_DIRECTORY_ENTRY) > _MOST_FILES:
        raise BundleProblem("bundle.too_large", limit=_MOST_FILES)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(archive.infolist())
            yield archive
    except ZIP_PROBLEMS:
        raise BundleProblem("bundle.none") from None


def _check_entries(entries: Iterable[zipfile.ZipInfo]) -> None:
    known: set[str] = set()
    for entry in entries:
        encrypted = entry.flag_bits & 0x1
        packed = entry.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
        if encrypted or not packed or not _PATH.fullmatch(entry.filename) or entry.filename in known:
            raise BundleProblem("bundle.damaged", path=entry.filename[:200])
        known.add(entry.filename)


def _manifest(archive: zipfile.ZipFile) -> Document:
    if MANIFEST not in archive.namelist():
        raise BundleProblem("bundle.none")
    try:
        return read_object(_inflate(archive, MANIFEST, _MOST_MANIFEST_BYTES), _MOST_MANIFEST_BYTES)
    except Unreadable:
        raise BundleProblem("bundle.damaged", path=MANIFEST) from None


def _known(manifest: Document) -> Document:
    if "format" not in manifest:
        raise BundleProblem("bundle.damaged", path=MANIFEST)
    if manifest["format"] != FORMAT or set(manifest) != _MEMBERS:
        raise BundleProblem("bundle.needs_newer", format=str(manifest["format"])[:40])
    return manifest


def _unpacked(archive: zipfile.ZipFile, paths: Iterable[str], limit: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = limit
    for path in paths:
        files[path] = _inflate(archive, path, left)
        left -= len(files[path])
        if left < 0:
            raise BundleProblem("bundle.too_large", limit=limit)
    return files


def _inflate(archive: zipfile.ZipFile, path: str, most: int) -> bytes:
    """Return a file, of one that is too large a byte more than is allowed."""
    with archive.open(path) as file:
        return file.read(most + 1)


def _bundle(manifest: Document, files: dict[str, bytes]) -> Bundle:
    try:
        return _checked_bundle(manifest, files)
    except BundleProblem:
        raise
    except MISSHAPEN:
        raise BundleProblem("bundle.damaged", path=MANIFEST) from None


def _checked_bundle(manifest: Document, files: dict[str, bytes]) -> Bundle:
    listed: Mapping[str, str] = manifest["files"]
    for path in sorted(files.keys() ^ listed.keys()):
        raise BundleProblem("bundle.damaged", path=path[:200])
    for path, content in files.items():
        if hashlib.sha256(content).hexdigest() != listed[path]:
            raise BundleProblem("bundle.damaged", path=path)
    named = [manifest["credential"], manifest["trust"], *manifest["resources"].values()]
    evidence = [_piece(entry, files) for entry in manifest["evidence"]]
    named += [piece.path for piece in evidence if piece is not None]
    proof = manifest["log_proof"]
    return Bundle(
        made_at=str(manifest["made_at"])[:40],
        credential=files[manifest["credential"]],
        trust=files[manifest["trust"]],
        resources={url: files[path] for url, path in manifest["resources"].items()},
        evidence=evidence,
        log_proof=None if proof is None else files[proof],
        others={path: content for path, content in files.items() if path not in {*named, proof}},
    )


def _piece(entry: Any, files: Mapping[str, bytes]) -> Piece | None:
    if entry is None:
        return None
    if not _SALT.fullmatch(entry["salt"]):
        raise BundleProblem("bundle.damaged", path=MANIFEST)
    return Piece(entry["path"], entry["salt"], files[entry["path"]])
