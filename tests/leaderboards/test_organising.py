"""What organisers do to a board: disqualify, restore, score anew; and what teams choose for the end."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import AuditEvent, Membership, OutgoingMail, Role
from lms.errors import Conflict, Invalid, NotAllowed
from lms.leaderboards.core.failures import SCORER_FAILED
from lms.leaderboards.core.losses import losses_of, pack
from lms.leaderboards.core.prints import Print
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, EntryState, PrivateScore, Rescore, Share, Team, Truth
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.queries.entries import entries_of, quota_of
from lms.leaderboards.services import judging, rescoring
from lms.leaderboards.services.challenges import publish_challenge, set_baselines
from lms.leaderboards.services.scoring import fail_entry, retry_entry, score_entry
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.tables.flags import EntryPrint
from tests.factories.grading import make_staff
from tests.factories.leaderboards import NOW, OPENS, Contest, make_contest


@pytest.fixture
def team(contest: Contest) -> Team:
    return contest.team()


def score_of(contest: Contest, team: Team, share: str = "public") -> float | None:
    standing = contest.standing(team, share)
    return None if standing is None else standing.score


def test_a_disqualified_entry_leaves_its_evidence_and_comes_back_as_if_nothing_had_been(
    contest: Contest, team: Team
) -> None:
    session = contest.session
    contest.enter(team, 0.5)
    copied = contest.enter(team, 0.9, 0.8)
    made = judging.disqualify_entry(session, contest.organiser, copied, "copied from 팀 3", at=NOW)
    assert (score_of(contest, team), score_of(contest, team, "private")) == (0.5, 0.5)
    assert (copied.public_score, copied.blob, made.reason) == (0.9, "b" * 64, "copied from 팀 3")
    (own, _) = entries_of(session, contest.board, team, NOW)
    assert (own.state, own.reason, own.counts) == (EntryState.DISQUALIFIED, "copied from 팀 3", False)
    with pytest.raises(Conflict):
        judging.disqualify_entry(session, contest.organiser, copied, "again", at=NOW)
    judging.lift(session, contest.organiser, made, "it was their own", at=NOW)
    assert (score_of(contest, team), score_of(contest, team, "private")) == (0.9, 0.8)
    with pytest.raises(Conflict):
        judging.lift(session, contest.organiser, made, "again", at=NOW)
    events = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert {"board.disqualify", "board.lift"} <= set(events)


def test_an_entry_that_is_disqualified_in_flight_is_scored_as_evidence_only(
    contest: Contest, team: Team
) -> None:
    entry = contest.take(team)
    made = judging.disqualify_entry(contest.session, None, entry, "copied", at=NOW)
    contest.score(entry, 0.9)
    assert (entry.state, entry.public_score, score_of(contest, team)) == (EntryState.DISQUALIFIED, 0.9, None)
    judging.lift(contest.session, None, made, "a mistake", at=NOW)
    assert (entry.state, score_of(contest, team)) == (EntryState.SCORED, 0.9)


def test_what_a_new_truth_loses_gives_its_slot_back(contest: Contest, team: Team) -> None:
    session = contest.session
    lost, kept = contest.enter(team, 0.5), contest.enter(team, 0.6)
    truth = rescoring.prepare_rescore(session, None, contest.board, "new rows", blob=None, at=NOW)
    rescoring.rescore_entry(session, truth, lost.id, None, "not_finite")
    rescoring.rescore_entry(session, truth, kept.id, Scores(0.7, 0.7))
    rescoring.publish_rescore(session, None, truth, at=NOW)
    quota = quota_of(session, contest.challenge, team, NOW)
    assert (quota.used, quota.failed, quota.taken) == (1, 0, 1)  # it did not fail by itself
    assert retry_entry(session, lost.id).state is EntryState.RECEIVED
    quota = quota_of(session, contest.challenge, team, NOW)
    assert (quota.used, quota.failed, quota.taken) == (2, 0, 2)


def test_only_what_has_failed_is_tried_again(contest: Contest, team: Team) -> None:
    entry = contest.take(team)
    with pytest.raises(Conflict):
        retry_entry(contest.session, entry.id)
    contest.score(entry, 0.5)
    with pytest.raises(Conflict):
        retry_entry(contest.session, entry.id)
    assert contest.standing(team) is not None


def test_the_organisers_are_told_once_a_day_that_their_scorer_fails(contest: Contest, team: Team) -> None:
    session = contest.session
    other = make_staff(session, contest.sponsor, Role.ADMIN)
    gone = make_staff(session, contest.sponsor, Role.ADMIN)
    gone.memberships[0].ended_at = NOW
    make_staff(session, contest.sponsor, Role.ASSISTANT)
    plays = contest.add(team)  # and was given a role since
    session.add(
        Membership(user_id=plays.id, organisation_id=contest.sponsor.id, role=Role.ADMIN, created_at=NOW)
    )
    fail_entry(session, contest.take(team).id, "broken")
    assert session.scalars(select(OutgoingMail)).all() == []
    for _ in range(2):
        fail_entry(session, contest.take(team).id, SCORER_FAILED)
    mails = session.scalars(select(OutgoingMail)).all()
    assert {mail.recipient for mail in mails} == {contest.organiser.email, other.email}
    assert len(mails) == 2
    assert all("나뉜 소포" in mail.subject and "나뉜 소포" in mail.body for mail in mails)


def test_a_disqualified_team_neither_ranks_nor_enters(contest: Contest, team: Team) -> None:
    session = contest.session
    contest.enter(team, 0.9)
    waiting = contest.take(team)
    made = judging.disqualify_team(session, contest.organiser, team, "two accounts", at=NOW)
    contest.score(waiting, 1.0)
    assert score_of(contest, team) is None
    with pytest.raises(NotAllowed):
        contest.take(team)
    judging.lift(session, contest.organiser, made, "a family", at=NOW)
    assert score_of(contest, team) == 1.0
    assert differences(session, contest.board) == []


def test_only_organisers_take_work_off_and_only_with_a_reason(contest: Contest, team: Team) -> None:
    entry = contest.enter(team, 0.5)
    with pytest.raises(NotAllowed):
        judging.disqualify_entry(contest.session, contest.leader(team), entry, "no", at=NOW)
    for reason in ("", "  ", "x" * 1001):
        with pytest.raises(Invalid):
            judging.disqualify_entry(contest.session, contest.organiser, entry, reason, at=NOW)


def test_a_new_truth_shows_its_difference_first_and_then_counts_at_once(contest: Contest) -> None:
    session, board = contest.session, contest.board
    first, second = contest.team("first"), contest.team("second")
    good, bad = contest.enter(first, 0.9, 0.8), contest.enter(second, 0.5, 0.5)
    set_baselines(session, contest.challenge, {"north": (0.4, 0.4)}, at=NOW)
    (baseline,) = session.scalars(select(Entry.id).where(Entry.baseline.is_not(None)))
    truth = rescoring.prepare_rescore(
        session, contest.organiser, board, "the scorer was wrong", blob="c" * 64, at=NOW
    )
    rescoring.rescore_entry(session, truth, good.id, Scores(0.3, 0.2))
    assert rescoring.not_rescored(session, truth) == [baseline, bad.id]
    with pytest.raises(Conflict, match="2 entries"):
        rescoring.publish_rescore(session, contest.organiser, truth, at=NOW)
    rescoring.rescore_entry(session, truth, bad.id, Scores(0.5, 0.5, also={"f1_macro": (0.25, 0.75)}))
    rescoring.rescore_entry(session, truth, baseline, Scores(0.45, 0.45))
    changes = rescoring.board_difference(session, contest.organiser, truth)
    public = [each for each in changes if each.share is Share.PUBLIC]
    assert [(each.name, each.rank_before, each.rank_after) for each in public] == [
        ("first", 1, 2),
        ("second", 2, 1),
    ]
    assert (public[0].score_before, public[0].score_after) == (0.9, 0.3)
    assert (score_of(contest, first), board.truth_version) == (0.9, 1)
    rescoring.publish_rescore(session, contest.organiser, truth, at=NOW)
    assert (score_of(contest, first), score_of(contest, second), board.truth_version) == (0.3, 0.5, 2)
    assert session.get_one(Entry, baseline).released_score == 0.45
    assert session.get_one(Entry, bad.id).metrics == {"f1_macro": 0.25}
    assert session.get_one(PrivateScore, bad.id).metrics == {"f1_macro": 0.75}
    old = session.scalars(select(Truth).where(Truth.version == 1)).one()
    assert session.get_one(Rescore, (old.id, good.id)).private_score == 0.8
    assert differences(session, board) == []
    with pytest.raises(Conflict):
        rescoring.publish_rescore(session, contest.organiser, truth, at=NOW)


def test_an_entry_that_the_new_scorer_cannot_score_leaves_the_board(contest: Contest, team: Team) -> None:
    session = contest.session
    entry = contest.enter(team, 0.9)
    truth = rescoring.prepare_rescore(session, None, contest.board, "new rows", blob=None, at=NOW)
    rescoring.rescore_entry(session, truth, entry.id, Scores(float("nan"), 0.5))
    rescoring.publish_rescore(session, None, truth, at=NOW)
    assert (entry.state, score_of(contest, team)) == (EntryState.FAILED, None)


def test_what_a_newer_truth_could_not_score_does_not_come_back_with_its_old_score(
    contest: Contest, team: Team
) -> None:
    session, organiser = contest.session, contest.organiser
    entry = contest.enter(team, 0.9, 0.8)
    made = judging.disqualify_entry(session, organiser, entry, "copied", at=NOW)
    truth = rescoring.prepare_rescore(session, None, contest.board, "new rows", blob=None, at=NOW)
    rescoring.rescore_entry(session, truth, entry.id, None, "broken")
    rescoring.publish_rescore(session, None, truth, at=NOW)
    session.expire_all()
    judging.lift(session, organiser, made, "it was their own", at=NOW)
    assert (entry.state, entry.failure) == (EntryState.FAILED, "broken")
    assert (score_of(contest, team), score_of(contest, team, "private")) == (None, None)
    assert session.get(PrivateScore, entry.id) is None
    assert team.taken == 0
    assert differences(session, contest.board) == []


def test_what_rows_were_wrong_by_follows_the_truth(contest: Contest, team: Team) -> None:
    """Shared mistakes are evidence, and by the old truth they are none."""
    session = contest.session
    entry = contest.take(team)
    old, new = (losses_of(values) for values in ([1.0, 0.0, 1.0], [0.0, 0.0, 1.0]))
    score_entry(session, entry.id, Scores(0.5, 0.5), at=NOW, compared_by=Print("d" * 64, old))
    truth = rescoring.prepare_rescore(session, None, contest.board, "mended", blob=None, at=NOW)
    rescoring.rescore_entry(session, truth, entry.id, Scores(0.6, 0.6), compared_by=Print("d" * 64, new))
    assert session.get_one(EntryPrint, entry.id).mistakes == pack(old)
    rescoring.publish_rescore(session, None, truth, at=NOW)
    session.expire_all()
    assert session.get_one(EntryPrint, entry.id).mistakes == pack(new)


def test_only_organisers_score_anew(contest: Contest, team: Team) -> None:
    with pytest.raises(NotAllowed):
        rescoring.prepare_rescore(
            contest.session, contest.leader(team), contest.board, "mine", blob=None, at=NOW
        )


def test_what_a_team_selects_counts_at_the_end_and_its_best_public_ones_without(session: Session) -> None:
    contest = make_contest(session, selections=2)
    team = contest.team()
    entries = [
        contest.enter(team, public, private) for public, private in ((0.9, 0.1), (0.8, 0.2), (0.1, 0.7))
    ]
    leader = contest.leader(team)
    assert score_of(contest, team, "private") == 0.2
    select_entries(session, leader, team, [entries[2].id], at=NOW)
    assert score_of(contest, team, "private") == 0.7
    select_entries(session, leader, team, [], at=NOW)
    assert score_of(contest, team, "private") == 0.2
    assert score_of(contest, team) == 0.9
    assert differences(session, contest.board) == []


def test_too_many_foreign_or_late_selections_are_refused_and_change_nothing(session: Session) -> None:
    contest = make_contest(session, selections=1)
    team, other = contest.team(), contest.team()
    own, second, foreign = contest.enter(team, 0.5), contest.enter(team, 0.6), contest.enter(other, 0.7)
    waiting = contest.take(team)
    leader = contest.leader(team)
    for wanted in ([own.id, second.id], [foreign.id], [waiting.id], [10**6]):
        with pytest.raises(Invalid):
            select_entries(session, leader, team, wanted, at=NOW)
    with pytest.raises(NotAllowed):
        select_entries(session, contest.leader(other), team, [own.id], at=NOW)
    with pytest.raises(Conflict):
        select_entries(session, leader, team, [own.id], at=contest.challenge.ends_at + timedelta(seconds=1))
    assert not session.scalars(select(Entry.id).where(Entry.selected)).all()


def test_what_entries_were_made_for_cannot_change_under_them(contest: Contest, team: Team) -> None:
    session, organiser = contest.session, contest.organiser
    contest.take(team)
    renamed = {"columns": [{"name": "town", "kind": "label"}]}
    for change in (
        {"metric": "f1_macro"},
        {"ladder": True},
        {"rules": {"en": "Other rules."}},
        {"form": renamed},
        {"public_share": 0.5},
    ):
        with pytest.raises(Conflict):
            publish_challenge(session, organiser, contest.document | change, opens_at=OPENS, at=NOW)
    longer = contest.document | {"dates": {"ends": {"after_days": 40}}}
    publish_challenge(session, organiser, longer, opens_at=OPENS, at=NOW)
    assert contest.board.ends_at == contest.challenge.ends_at
    assert contest.challenge.ends_at > OPENS + timedelta(days=40)


def test_what_the_data_were_made_for_cannot_change_under_them(contest: Contest) -> None:
    """The baselines keep their scores, and the truth its columns: nobody needs to have entered."""
    session, organiser, document = contest.session, contest.organiser, contest.document
    publish_challenge(session, organiser, document | {"metric": "f1_macro"}, opens_at=OPENS, at=NOW)
    assert contest.board.metric == "f1_macro"  # nothing is made yet
    session.add(
        Truth(board_id=contest.board.id, version=1, blob="a" * 64, reason="", made_at=NOW, published_at=NOW)
    )
    session.flush()
    renamed = {"columns": [{"name": "town", "kind": "label"}]}
    for change, named in (
        ({}, "metric"),
        ({"metric": "own", "direction": "min"}, "metric, direction"),
        ({"metric": "f1_macro", "form": renamed}, "form"),
        ({"metric": "f1_macro", "public_share": 0.5}, "public_share"),
    ):
        with pytest.raises(Conflict, match=f"change: {named}."):
            publish_challenge(session, organiser, document | change, opens_at=OPENS, at=NOW)
    publish_challenge(
        session, organiser, document | {"metric": "f1_macro", "decimals": 2}, opens_at=OPENS, at=NOW
    )
    assert contest.board.decimals == 2


def test_who_joined_under_an_alias_keeps_it(session: Session) -> None:
    contest = make_contest(session, anonymous=True)

    def publish(*, anonymous: bool) -> None:
        document = contest.document | {"anonymous": anonymous}
        publish_challenge(session, contest.organiser, document, opens_at=OPENS, at=NOW)

    publish(anonymous=False)  # nobody is there yet
    publish(anonymous=True)
    contest.team()
    with pytest.raises(Conflict, match="alias"):
        publish(anonymous=False)
    assert contest.board.anonymous


def test_a_document_that_is_no_challenge_says_where(contest: Contest) -> None:
    session, organiser = contest.session, contest.organiser
    for change, field in (
        ({"limits": {"per_day": 0}}, "limits.per_day"),
        ({"sponsor": "nobody"}, "sponsor"),
        ({"timezone": "Asia/Nowhere"}, "timezone"),
        ({"dates": {"freeze": {"after_days": 50}, "ends": {"after_days": 40}}}, "dates"),
    ):
        with pytest.raises(Invalid) as refused:
            publish_challenge(session, organiser, contest.document | change, opens_at=OPENS, at=NOW)
        assert refused.value.field == field
    with pytest.raises(NotAllowed):
        publish_challenge(session, contest.person(), contest.document, opens_at=OPENS, at=NOW)


def rows(*wrong: int) -> np.ndarray:
    losses = np.zeros(100)
    losses[list(wrong)] = 1
    return losses


def test_with_a_ladder_only_the_release_is_shown_and_ranked(session: Session) -> None:
    contest = make_contest(session, ladder=True)
    team, board = contest.team(), contest.board
    first, second, third = (contest.take(team) for _ in range(3))

    def score(entry: Entry, losses: np.ndarray) -> None:
        found = Scores(1 - float(losses.mean()), 0.5, also={"f1_macro": (0.5, 0.5)}, public_losses=losses)
        score_entry(session, entry.id, found, at=NOW)

    score(second, rows(*range(39)))
    assert second.released_score is None  # the first may still say something
    score(first, rows(*range(40)))
    assert (first.released_score, second.released_score) == (0.6, 0.6)  # one row better is noise
    score(third, rows(*range(20)))
    assert third.released_score == 0.8
    assert score_of(contest, team) == 0.8
    shown = entries_of(session, board, team, NOW)
    assert [each.score for each in shown] == [0.8, 0.6, 0.6]
    assert all(each.metrics == {} for each in shown)
    judging.disqualify_entry(session, None, third, "copied", at=NOW)
    assert score_of(contest, team) == 0.6
    assert differences(session, board) == []


def test_a_ladder_without_losses_is_a_fault_of_the_house(session: Session) -> None:
    contest = make_contest(session, ladder=True)
    with pytest.raises(ValueError, match="losses"):
        contest.score(contest.take(contest.team()), 0.5)
