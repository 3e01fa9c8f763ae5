"""What a signer co-signs: a log that only grew, by certificates that it has signed."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lms.certs.core.heads import EntryKind, LogEntry, TreeHead, hash_entry
from lms.certs.core.joint import CLOCK_SKEW
from lms.certs.core.log import Frontier
from lms.certs.core.problems import LogProblem
from lms.certs.core.strict_json import Document
from lms.certs.core.witness import (
    MOST_ENTRIES,
    Witness,
    read_witness,
    review_head,
    show_witness,
    write_head_request,
)
from tests.certs.conftest import NOW
from tests.factories.log import LOG_ID, filler

SECOND = timedelta(seconds=1)
ENTRIES = [filler(number, NOW) for number in range(12)]
OWN = {entry.document for entry in ENTRIES}


def head(entries: list[LogEntry], at: datetime = NOW) -> TreeHead:
    root = Frontier().extend(hash_entry(entry) for entry in entries).root()
    return TreeHead(LOG_ID, len(entries), root.hex(), at)


def request(size: int, first: int = 0, at: datetime = NOW) -> Document:
    return write_head_request(head(ENTRIES[:size], at), first, ENTRIES[first:size])


def witness(size: int) -> Witness:
    return review_head(request(size), Witness(), OWN, NOW)[1]


def refusal(asked: Document, before: Witness, **changes: Any) -> str:
    with pytest.raises(LogProblem) as caught:
        review_head(asked, before, changes.get("own", OWN), changes.get("now", NOW))
    return caught.value.code


def test_a_log_that_grew_is_co_signed_step_by_step() -> None:
    before = Witness()
    for size in (0, 1, 1, 4, 5, 12):
        signed, before = review_head(request(size, before.frontier.size), before, OWN, NOW)
        assert signed == head(ENTRIES[:size])
    assert before == witness(12)


def test_entries_that_are_known_may_come_again() -> None:
    assert review_head(request(9, first=2), witness(7), OWN, NOW)[1] == witness(9)
    assert review_head(request(7, first=3), witness(7), OWN, NOW)[1] == witness(7)


def test_what_a_signer_remembers_reads_back() -> None:
    for size in (0, 1, 6, 7):
        assert read_witness(json.loads(json.dumps(show_witness(witness(size))))) == witness(size)
    for wrong in (
        {},
        [],
        {**show_witness(witness(6)), "size": 7},
        {**show_witness(witness(1)), "hashes": [1]},
    ):
        with pytest.raises(LogProblem):
            read_witness(wrong)


def test_a_rewritten_log_is_not_co_signed() -> None:
    rewritten = [*ENTRIES[:2], replace(ENTRIES[2], signed="ff" * 32), *ENTRIES[3:8]]
    asked = write_head_request(head(rewritten), 5, rewritten[5:])
    assert refusal(asked, witness(5)) == "signer.log_forked"
    from_the_start = write_head_request(head(rewritten), 0, rewritten)
    assert refusal(from_the_start, witness(5)) == "signer.log_forked"


def test_a_head_that_hides_an_entry_is_not_co_signed() -> None:
    assert refusal(write_head_request(head(ENTRIES[:6]), 1, ENTRIES[:5]), witness(1)) == "signer.log_forked"


def test_a_log_that_shrank_is_not_co_signed() -> None:
    assert refusal(request(4, first=4), witness(5)) == "signer.log_shrunk"
    assert refusal(request(0), witness(5)) == "signer.log_shrunk"


def test_a_gap_is_not_co_signed() -> None:
    assert refusal(request(9, first=6), witness(5)) == "signer.log_gap"


def test_an_entry_that_the_signer_never_signed_is_not_co_signed() -> None:
    assert refusal(request(9), Witness(), own=OWN - {ENTRIES[7].document}) == "signer.log_unknown"
    stranger = replace(ENTRIES[0], kind=EntryKind.REVOKED, document="ee" * 32)
    asked = write_head_request(head([*ENTRIES[:3], stranger]), 0, [*ENTRIES[:3], stranger])
    assert refusal(asked, Witness()) == "signer.log_unknown"


def test_another_log_is_not_co_signed() -> None:
    asked = request(6)
    asked["id"] = asked["head"]["log"] = "https://other.example/log"
    assert refusal(asked, witness(5)) == "signer.other_log"


@pytest.mark.parametrize("shift", [CLOCK_SKEW + SECOND, -CLOCK_SKEW - SECOND])
def test_a_head_of_another_time_is_not_co_signed(shift: timedelta) -> None:
    assert refusal(request(3, at=NOW + shift), Witness()) == "signer.head_not_now"


def test_time_does_not_run_backwards() -> None:
    assert refusal(request(6, at=NOW - SECOND), witness(5)) == "signer.head_not_now"


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"first": -1},
        {"first": "0"},
        {"first": 1},
        {"entries": {}},
        {"entries": [1] * 6},
        {"entries": [{}] * (MOST_ENTRIES + 1)},
        {"head": None},
        {"id": "https://other.example/log"},
    ],
)
def test_a_request_of_another_form_is_refused(change: Document) -> None:
    assert refusal({**request(6), **change}, Witness()).startswith("log.bad_")
    assert refusal({}, Witness()) == "log.bad_head"
