"""Files that are no models, known by their first bytes, so that a refusal can say what was sent.

Nothing is loaded or unpacked: a pickle is a program, and even a listing of an archive is work for a stranger.
"""

import pickletools

from lms.errors import N_

PICKLE = N_(
    "This is a pickle, as torch.save, joblib and pickle write. Loading one runs whatever program is in it, "
    "so it is never opened. Send the weights alone: %(formats)s."
)
ZIP = N_(
    "This is a ZIP archive, as torch.save, Keras and numpy.savez write; what lies in it can be a pickle, "
    "which runs when it is loaded. Send the weights alone: %(formats)s."
)
HDF5 = N_(
    "This is an HDF5 file, as older Keras writes; it can hold code. Send the weights alone: %(formats)s."
)
NUMPY = N_("This is a NumPy file, which can hold a pickle. Send the weights alone: %(formats)s.")
PACKED = N_("This file is compressed. Send it as it is: %(formats)s.")
OTHER = N_("This is no model that can be read. Send one file: %(formats)s.")
FIRST_BYTES = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x93NUMPY", NUMPY),
    (b"\x1f\x8b", PACKED),
    (b"BZh", PACKED),
    (b"\xfd7zXZ\x00", PACKED),
    (b"\x28\xb5\x2f\xfd", PACKED),
    (b"\x04\x22\x4d\x18", PACKED),
)
PROTOCOL = b"\x80"  # begins every pickle of the second protocol and later ones
NEWEST_PROTOCOL = 5
OLDER_BYTES = 1 << 16
MOST_MARKS = 200
"""So many marks in a row, or the last one before, tell a pickle of the first two protocols."""


def describe(content: bytes) -> str:
    """Return the sentence (msgid) for a file that is no model; its parameter is `formats`."""
    for first, sentence in FIRST_BYTES:
        if content.startswith(first):
            return sentence
    return PICKLE if is_pickle(content) else OTHER


def is_pickle(content: bytes) -> bool:
    """Say whether a file is a pickle, of any protocol; it is read mark by mark and never run."""
    if content.startswith(PROTOCOL):
        return len(content) > 1 and content[1] <= NEWEST_PROTOCOL
    marks = 0
    try:
        for mark, _, _ in pickletools.genops(content[:OLDER_BYTES]):
            marks += 1
            if mark.name == "STOP" or marks > MOST_MARKS:
                return marks > 1
    except ValueError:
        return False
    return False
