"""The places of certificates in status lists, as a signer looks at them."""

from lms.certs.core.document import Claim
from lms.certs.core.status import StatusList, decode_bits


def places_of(claim: Claim) -> list[str]:
    """Return the places that a certificate takes: to be withdrawn, and where it has one to be suspended."""
    entries = [claim.status, *([claim.suspension] if claim.suspension else [])]
    return [f"{entry.url}#{entry.index}" for entry in entries]


def ended(places: set[int], before: StatusList, edition: StatusList) -> list[int]:
    """Return at which of these places a suspension ends with this edition."""
    old, new = decode_bits(before.encoded), decode_bits(edition.encoded)
    inside = (index for index in sorted(places) if index < len(old) * 8)
    return [index for index in inside if old[index // 8] & ~new[index // 8] & (0x80 >> (index % 8))]
