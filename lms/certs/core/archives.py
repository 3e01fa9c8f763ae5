"""What opening a hostile ZIP raises, in one name for all that read such files."""

import struct
import zipfile
import zlib

ZIP_PROBLEMS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
