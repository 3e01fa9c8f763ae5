"""Put what was made into a folder."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from lms.errors import N_, Conflict


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that is not there yet: all of them, or none.

    Raises:
        Conflict: it is there.
    """
    if target.exists():
        raise Conflict(N_("%(path)s is there already. Name another folder, or remove it."), path=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as workshop:
        whole = Path(workshop, target.name)
        for path, content in files.items():
            (whole / path).parent.mkdir(parents=True, exist_ok=True)
            (whole / path).write_bytes(content)
        whole.rename(target)
