from pathlib import Path

import pytest

from lms.grading.core.contracts import BuildReport, CheckResult, CheckStatus, GradingJob, Limits, Notice
from lms.grading.core.wire import from_json, to_json
from tests.grading.core.making import LAB


@pytest.mark.parametrize(
    "record",
    [
        Notice("cell-timeout", {"cell": 3, "seconds": 2.5, "name": "소프트맥스"}, for_staff=True),
        CheckResult("t", None, 5, CheckStatus.MANUAL, notice=Notice("not-reached", {"cell": 1})),
        CheckResult("t", 0.1 + 0.2, 5, CheckStatus.PARTIAL),
        GradingJob(b"\0\xff", LAB, b"", Path("/x"), Limits(), None),
        BuildReport((Notice("a"),), (), LAB, b"1", b"2", 1, 0, 1, b"3"),
    ],
)
def test_records_survive_json(record: object) -> None:
    assert from_json(type(record), to_json(record)) == record


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '{"code": 5}', '{"params": {}}', '{"code": "x", "params": 3}']
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the words are of the parser
        from_json(Notice, text)
