from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts import queries
from lms.accounts.cli import accounts
from lms.accounts.core.secrets import is_password
from lms.accounts.models import Role
from lms.accounts.policy import has_role


@dataclass(frozen=True)
class Tools:
    sessions: sessionmaker[Session]


def run(sessions: sessionmaker[Session], *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(accounts, list(arguments), obj=Tools(sessions), input=typed)


FOUND = (
    "create-organisation",
    "nuri-ai",
    "--kind",
    "company",
    "--name-ko",
    "누리에이아이",
    "--name-en",
    "Nuri AI",
)


def test_an_operator_founds_makes_and_grants(sessions: sessionmaker[Session]) -> None:
    assert run(sessions, *FOUND).exit_code == 0
    typed = "a sentence to remember\na sentence to remember\n"
    made = run(sessions, "create-user", "Sky@example.org", "--name", "김하늘", typed=typed)
    assert made.exit_code == 0
    assert "a sentence" not in made.output
    assert run(sessions, "grant", "sky@example.org", "nuri-ai", "instructor").exit_code == 0
    with sessions() as session:
        user = queries.user_by_email(session, "sky@example.org")
        assert user is not None
        assert user.confirmed_at is not None
        assert is_password("a sentence to remember", user.password_hash)
        company = queries.organisation_by_slug(session, "nuri-ai")
        assert has_role(user, company.id, Role.INSTRUCTOR)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (FOUND, "This short name is taken"),
        (("grant", "nobody@example.org", "nuri-ai", "instructor"), "has no account"),
        (("grant", "nobody@example.org", "nuri-ai", "king"), "Invalid value"),
        (("create-user", "sky@example.org", "--name", "A", "--password", "x"), "at least 10 characters"),
        (("create-user", "no address", "--name", "A", "--password", "a long sentence"), "no mail address"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    sessions: sessionmaker[Session], arguments: tuple[str, ...], message: str
) -> None:
    run(sessions, *FOUND)
    result = run(sessions, *arguments)
    assert result.exit_code in {1, 2}
    assert message in result.output
    assert "Traceback" not in result.output
