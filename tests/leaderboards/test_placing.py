"""For whom a challenge is, and with which lab it stands: what challenge.yml says of it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import Role, User
from lms.errors import Conflict, Invalid, NotAllowed
from lms.leaderboards.models import Challenge, Visibility
from lms.leaderboards.queries.boards import challenges_of_lab, enrolment_in
from lms.leaderboards.services.challenges import publish_challenge
from lms.leaderboards.services.declaring import declare_rule
from tests.factories.grades import BY_RANK, Class, make_class
from tests.factories.grading import make_staff, make_user
from tests.factories.leaderboards import NOW

COURSE_ONLY = {"visibility": "course"}


@pytest.fixture
def group(session: Session) -> Class:
    """A course with a lab, and a challenge that stands alone."""
    made = make_class(session)
    made.contest.challenge.lab = None
    session.flush()
    return made


def lab_of(group: Class, slug: str = "parcels") -> str:
    return f"{group.course.slug}/{slug}"


def publish(group: Class, actor: User | None = None, **changes: Any) -> Challenge:
    return publish_challenge(group.session, actor, group.contest.document | changes, at=NOW)


def test_a_challenge_is_for_everyone_until_its_file_says_otherwise(group: Class) -> None:
    assert publish(group).visibility is Visibility.EVERYONE
    assert publish(group, visibility="signed-in").visibility is Visibility.SIGNED_IN
    assert publish(group).visibility is Visibility.SIGNED_IN  # newer texts change nothing about it
    made = publish(group, visibility="course", lab=lab_of(group))
    assert (made.visibility, made.lab and made.lab.course_id) == (Visibility.COURSE, group.course.id)
    made = publish(group)
    assert (made.visibility, made.lab is None) == (Visibility.COURSE, False)
    assert publish(group, visibility="everyone").lab is not None


def test_a_challenge_of_a_course_is_for_those_who_take_or_teach_it(
    group: Class, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    made = publish(group, visibility="course", lab=lab_of(group))
    address = f"/challenges/{made.slug}"
    stranger = make_user(group.session)
    group.session.commit()
    assert client.get(address).status_code == 404
    for user, status in ((group.absent, 200), (group.instructor, 200), (stranger, 404)):
        sign_in(user)
        assert client.get(address).status_code == status
        enrolment = enrolment_in(group.session, group.board, user)
        assert made.lab is not None
        shown = challenges_of_lab(group.session, made.lab, user, enrolment)
        assert shown == ([made] if status == 200 else [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lab": "nowhere/parcels"}, "lab"),
        (COURSE_ONLY, "lab"),
        ({"visibility": "nobody"}, "visibility"),
        ({"lab": "only-a-lab"}, "lab"),
    ],
)
def test_a_place_that_is_not_there_is_refused(group: Class, changes: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        publish(group, **changes)
    assert refused.value.field == field


def test_only_who_teaches_a_course_adds_a_challenge_to_its_labs(group: Class) -> None:
    """Its instructors will run the challenge, and the course will show it."""
    elsewhere = make_class(group.session)
    with pytest.raises(NotAllowed, match="instructors of the course"):
        publish(group, group.contest.organiser, lab=lab_of(elsewhere))
    own = make_staff(group.session, group.contest.sponsor, Role.INSTRUCTOR)  # of the course's company
    assert publish(group, own, lab=lab_of(group)).lab is not None


def test_a_board_that_gives_points_stays_with_its_lab(group: Class) -> None:
    other = make_class(group.session)
    publish(group, lab=lab_of(group))
    declare_rule(group.session, group.instructor, group.board, BY_RANK, objection_days=14, at=NOW)
    with pytest.raises(Conflict, match="gives points"):
        publish(group, lab=lab_of(other))
    assert publish(group, lab=lab_of(group)).lab is not None
