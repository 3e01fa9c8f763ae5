from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lms.accounts.core.chain import START, Entry, Flaw, entry_hash, first_flaw

CODES = st.text("abcdefghij_0123456789", max_size=8)
DETAILS = st.dictionaries(CODES, st.integers() | CODES | st.none() | st.booleans(), max_size=3)


def chain(details: list[dict[str, object]]) -> list[tuple[Entry, str]]:
    rows: list[tuple[Entry, str]] = []
    for number, each in enumerate(details, 1):
        entry = Entry(
            number=number,
            at=datetime(2026, 11, 1, tzinfo=UTC),
            actor_id=number % 3 or None,
            action="courses.enrol",
            subject=f"enrolment:{number}",
            details=each,
            previous_hash=rows[-1][1] if rows else START,
        )
        rows.append((entry, entry_hash(entry)))
    return rows


@given(st.lists(DETAILS, min_size=1, max_size=8), st.data())
def test_whatever_is_changed_or_removed_inside_is_found_at_its_place(
    details: list[dict[str, object]], data: st.DataObject
) -> None:
    rows = chain(details)
    assert first_flaw(rows, rows[-1][1]) is None
    place = data.draw(st.integers(0, len(rows) - 1))
    entry, stored = rows[place]
    changed = [*rows]
    changed[place] = (replace(entry, details={**entry.details, "added": 1}), stored)
    assert first_flaw(changed) == Flaw(place + 1, "changed")
    rehashed = [*rows]
    rehashed[place] = (changed[place][0], entry_hash(changed[place][0]))
    told = first_flaw(rehashed, rows[-1][1])
    assert told is not None
    removed = rows[:place] + rows[place + 1 :]
    assert first_flaw(removed, rows[-1][1]) is not None


@given(st.lists(DETAILS, min_size=2, max_size=6), st.data())
def test_every_cut_is_found_by_every_head_noted_after_it(
    details: list[dict[str, object]], data: st.DataObject
) -> None:
    rows = chain(details)
    kept = data.draw(st.integers(0, len(rows) - 1))
    noted = data.draw(st.integers(kept, len(rows) - 1))
    assert first_flaw(rows[:kept], rows[noted][1]) == Flaw(kept + 1, "cut")
