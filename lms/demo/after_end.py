"""What people do once the warm-up round has ended: the results are counted, told, proved and shown.

Nothing is done twice, as in `warm_up`.
"""

import io
import zipfile
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.people import update_profile
from lms.db import now, reading
from lms.demo.seed import UNIVERSITY, person
from lms.demo.warm_up import ORGANISER, PROGRAM, RECIPES, WarmUp, recipe_of, solve, text, warm_up
from lms.leaderboards.models import Board, Entry, Share, Standing
from lms.leaderboards.queries.boards import board_of_challenge, team_of
from lms.leaderboards.queries.honours import honours_of, own_organisations
from lms.leaderboards.queries.winners import PlacedClaim, claims_of, round_of
from lms.leaderboards.queries.writeups import own_writeup
from lms.leaderboards.services.honouring import show_honours
from lms.leaderboards.services.upkeep import look_over
from lms.leaderboards.services.verifying import (
    Evidence,
    ask_winners,
    check_evidence,
    decide_claim,
    hand_in_evidence,
)
from lms.leaderboards.services.writing_up import publish_writeup
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim

WRITER = "student@duri.example"
TITLE = "같은 탱크의 두 시료는 정답이 같아요 · Two samples of a tank, one answer"
SHOWN = {
    "student@duri.example": None,
    "second@duri.example": None,
    "professor@hangang.example": UNIVERSITY,
    "assistant@hangang.example": UNIVERSITY,
}
"""Who shows their points and medals, and for whom they stand."""
COUNTRY = "KR"
WINNERS = 2
DAYS = 7
WRITTEN = (2026, 1, 1, 0, 0, 0)
"""The date of the files in the zip: the same files make the same zip."""


@dataclass
class AfterEnd:
    """Plays on in one installation after the end of the round."""

    played: WarmUp

    def play(self) -> bool:
        """Do all of it; say whether the first team's place is verified."""
        self.count()
        self.show()
        self.write_up()
        if not self.ask():
            return False
        self.prove()
        return self.accept()

    def count(self) -> None:
        """Count what the board gives, as the nightly look does."""
        with self._writing() as session:
            look_over(session, _board(session), now())

    def show(self) -> None:
        """Let people show what they won."""
        with self._writing() as session:
            for email, slug in SHOWN.items():
                user = person(session, email)
                kept = honours_of(session, user)
                if kept is None or not kept.shown:
                    _show(session, user, slug)

    def write_up(self) -> None:
        """Publish how one team did it."""
        words = text("writeup").format(**self.played.solved.errors)
        with self._writing() as session:
            user = person(session, WRITER)
            team = team_of(session, _board(session), user)
            if team is not None and own_writeup(session, team) is None:
                publish_writeup(session, user, team, TITLE, words, entry_id=None, at=now())

    def ask(self) -> bool:
        """Ask the first teams for what shows how they got their places; False: no team has one."""
        with self._writing() as session:
            board = _board(session)
            if round_of(session, board) is None:
                organiser, wanted = person(session, ORGANISER), text("wanted")
                ask_winners(session, organiser, board, winners=WINNERS, wanted=wanted, days=DAYS, at=now())
            return bool(_claims(session))

    def prove(self) -> None:
        """Let the first team hand in the program that made the file that decided its place."""
        with self._writing() as session:
            claim, entry = _first(session)
            recipe = recipe_of(entry)
            if claim.state is not ClaimState.ASKED or recipe not in RECIPES:
                return
            content = _zipped(recipe)
            check_evidence(content)
            file = Evidence(self.played.installation.blobs.put(content), f"{recipe}.zip", len(content))
            leader = session.get_one(User, claim.team.leader_id)
            told = text("statement").format(recipe=recipe)
            hand_in_evidence(session, leader, claim, told, file, at=now())

    def accept(self) -> bool:
        """Run what the first team has handed in, and accept it if it makes that file again."""
        with reading(self.played.installation.sessions) as session:
            claim, entry = _first(session)
        if claim.state is not ClaimState.HANDED_IN or not self._makes_again(claim, entry):
            return claim.state is ClaimState.ACCEPTED
        why = text("accepted").format(recipe=recipe_of(entry))
        with self._writing() as session:
            claim, _ = _first(session)
            decide_claim(session, person(session, ORGANISER), claim, ClaimState.ACCEPTED, why, at=now())
        return True

    def _makes_again(self, claim: WinnerClaim, entry: Entry) -> bool:
        """Say whether the program that `prove` handed in makes an entry's file to the last byte.

        Somebody may have handed in another one on the page since: that is not this house's, and is not run.
        """
        blobs, recipe = self.played.installation.blobs, recipe_of(entry)
        if recipe not in RECIPES or blobs.get(claim.blob or "") != _zipped(recipe):
            return False
        made = solve(self.played.given, [recipe]).files[f"{recipe}.csv"]
        return made == blobs.get(entry.blob or "")

    def _writing(self) -> AbstractContextManager[Session]:
        return self.played.installation.sessions.begin()


def _board(session: Session) -> Board:
    return board_of_challenge(session, warm_up(session))


def _show(session: Session, user: User, slug: str | None) -> None:
    """Let everybody see what a person won, and the country that they name."""
    if user.country is None:
        update_profile(
            session, user, name=user.name, language=user.language, timezone=user.timezone, country=COUNTRY
        )
    organisation = next((each.id for each in own_organisations(user) if each.slug == slug), None)
    show_honours(session, user, shown=True, organisation_id=organisation)


def _claims(session: Session) -> list[PlacedClaim]:
    asked = round_of(session, _board(session))
    return claims_of(session, asked) if asked is not None else []


def _first(session: Session) -> tuple[WinnerClaim, Entry]:
    """Return the claim of the best team that is asked, and the entry that decided its place."""
    claim = _claims(session)[0].claim
    decided = select(Standing.entry_id).where(
        Standing.team_id == claim.team_id, Standing.share == Share.PRIVATE
    )
    return claim, session.get_one(Entry, session.scalars(decided).one())


def _zipped(recipe: str) -> bytes:
    """Return the program with how to run it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo("README.md", WRITTEN), text("read_me").format(recipe=recipe))
        packed.writestr(zipfile.ZipInfo(PROGRAM.name, WRITTEN), PROGRAM.read_bytes())
    return content.getvalue()
