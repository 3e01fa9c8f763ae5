"""What counts as an absolute address: an IRI with a scheme, and nothing that RDF has to escape."""

import re

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20]+")


def is_address(value: object) -> bool:
    """Tell whether this is an absolute address as documents may name one."""
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None
