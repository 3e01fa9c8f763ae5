"""Times as certificates write them: UTC, whole seconds, `YYYY-MM-DDThh:mm:ssZ`."""

import re
from datetime import UTC, datetime

from lms.certs.core.problems import DocumentProblem

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def write_time(moment: datetime) -> str:
    """Write an aware time, cut to whole seconds.

    Raises:
        DocumentProblem: the time has no zone.
    """
    if moment.tzinfo is None:
        raise DocumentProblem("time.no_zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(len("2026-01-01T00:00:00Z"))


def read_time(text: object) -> datetime:
    """Read a time, in this one spelling only.

    Raises:
        DocumentProblem: another spelling, or no such moment.
    """
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise DocumentProblem("time.not_a_time", text=str(text)[:40])
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise DocumentProblem("time.not_a_time", text=text) from None
