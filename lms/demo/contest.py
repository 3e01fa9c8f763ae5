"""The demonstration's students take part in the challenges, each with one plain file."""

import csv
import io
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.db import now
from lms.demo.seed import person
from lms.demo.warm_up import SLUG
from lms.installation import Installation
from lms.leaderboards.core.challenge_file import Column, load_challenge
from lms.leaderboards.models import Challenge, EntryKind
from lms.leaderboards.queries.boards import board_at
from lms.leaderboards.queries.entries import number_of_entries
from lms.leaderboards.queries.standings import Standings, standings
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.data import SAMPLE
from lms.leaderboards.services.entering import check_file, hand_in
from lms.leaderboards.services.teams import join

READY = {EntryKind.NOTEBOOK: ".ipynb", EntryKind.MODEL: ".safetensors"}
"""What lies among a challenge's files and can be sent as it is."""
TEAMS = {"student@duri.example": "하늘 팀", "second@duri.example": "바다 팀"}


def challenges_of(session: Session) -> list[Challenge]:
    """Return the challenges whose data are there, but for the round that has a story of its own."""
    known = select(Challenge).where(Challenge.slug != SLUG).order_by(Challenge.id)
    return [one for one in session.scalars(known) if one.files]


def take_part(installation: Installation) -> list[str]:
    """Let the students join and send what they have not sent yet; return the challenges."""
    with installation.sessions.begin() as session:
        found = challenges_of(session)
        for challenge in found:
            for (email, name), (filename, content) in zip(
                TEAMS.items(), _files(challenge, installation), strict=False
            ):
                _send(session, installation, challenge, (email, name), (filename, content))
        return [challenge.slug for challenge in found]


def _send(
    session: Session,
    installation: Installation,
    challenge: Challenge,
    who: tuple[str, str],
    file: tuple[str, bytes],
) -> None:
    (email, name), (filename, content) = who, file
    user, moment = person(session, email), now()
    accept_rules(session, user, challenge, challenge.rules_version, at=moment)
    team = join(session, user, challenge, name, at=moment)
    if number_of_entries(session, team):
        return  # an earlier start came so far
    kind = check_file(challenge, content, installation.blobs)
    blob = installation.blobs.put(content)
    hand_in(
        session, user, challenge, kind, blob,
        filename=filename, size_bytes=len(content), received_at=moment,
    )  # fmt: skip


def _files(challenge: Challenge, installation: Installation) -> Iterator[tuple[str, bytes]]:
    """Yield what the students send: what can be sent as it is; or the middle of the known, and the sample."""
    known = {
        name: installation.blobs.get(str(file["sha256"]))
        for name, file in challenge.files.items()
        if name.endswith((".csv", *READY.values()))
    }
    if challenge.kind in READY:
        ends = READY[challenge.kind]
        yield from ((name, content) for name, content in known.items() if name.endswith(ends))
        return
    yield "middle.csv", _middle(challenge, known)
    yield SAMPLE, known[SAMPLE]


def _middle(challenge: Challenge, known: Mapping[str, bytes]) -> bytes:
    """Return predictions that always say the median, or the most frequent class, of the training data."""
    form = load_challenge(challenge.settings).form
    rows = list(csv.reader(io.StringIO(known[SAMPLE].decode(), newline="")))
    values = {column.name: _usual(column, known) for column in form.columns}
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([form.id, *values])
    writer.writerows([row[0], *values.values()] for row in rows[1:])
    return written.getvalue().encode()


def _usual(column: Column, known: Mapping[str, bytes]) -> str:
    seen: list[str] = []
    for name, content in known.items():
        if name != SAMPLE and name.endswith(".csv"):
            rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
            seen += [row[column.name] for row in rows if row.get(column.name)]
    if column.kind == "label" or not seen:
        return Counter(seen).most_common(1)[0][0] if seen else "0"
    return f"{statistics.median(float(value) for value in seen):.3f}"


def scored(session: Session, slug: str) -> str | None:
    """Return the board of a challenge in one line, once both students stand on it; notebooks take a while."""
    table = _table(session, slug)
    challenge = table.board.challenge
    if challenge is not None and challenge.kind is EntryKind.PREDICTIONS and table.ranked < len(TEAMS):
        return None
    return _line(table)


def board_line(session: Session, slug: str) -> str:
    """Return the board of a challenge in one line, whoever stands on it."""
    return _line(_table(session, slug))


def _table(session: Session, slug: str) -> Standings:
    return standings(session, board_at(session, slug), None, now())


def _line(table: Standings) -> str:
    return " · ".join(f"{row.rank or '–'} {row.name or row.title.get('en')}" for row in table.rows)
