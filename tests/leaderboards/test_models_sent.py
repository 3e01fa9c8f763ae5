"""Models on their way in: the page, the API and the command take the same files and refuse the same."""

import io
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.tokens import Purpose, make_token
from lms.db import now
from lms.errors import Conflict
from lms.leaderboards.cli.boards import boards
from lms.leaderboards.models import Entry, EntryKind
from lms.leaderboards.services.challenges import publish_challenge
from tests.factories.leaderboards import Contest, make_contest
from tests.factories.models import linear, safetensors

PICKLE = pickle.dumps({"weights": [0.5, 0.25]})
SAID = "This is a pickle, as torch.save, joblib and pickle write."
INSTEAD = "so it is never opened. Send the weights alone: safetensors, ONNX."
MODEL = {
    "max_bytes": 5000,
    "columns": ["weight", "<b>height"],
    "tensors": [{"name": "slope", "shape": [2, None]}],
}
GOOD = {
    "model.safetensors": safetensors({"slope": ([2, 1], [0.5, 1.0])}),
    "model.onnx": linear([1.0, 2.0], 0.5),
}
FORM = {"columns": [{"name": "place", "kind": "label", "labels": ["north", "south"]}]}


@pytest.fixture
def contest(session: Session) -> Contest:
    contest = make_contest(
        session, opens_at=now() - timedelta(days=3), per_day=2, kind="model", model=MODEL, form=FORM
    )
    session.commit()
    return contest


@pytest.fixture
def member(contest: Contest) -> User:
    leader = contest.leader(contest.team(at=now()))
    contest.session.commit()
    return leader


def entries(contest: Contest) -> list[tuple[EntryKind, str]]:
    contest.session.expire_all()
    return [
        (entry.kind, entry.filename) for entry in contest.session.scalars(select(Entry).order_by(Entry.id))
    ]


def token(app: Flask, user: User) -> str:
    return make_token(user, Purpose.BOARDS, app.extensions["settings"].session_key())


def test_the_page_takes_models_and_refuses_a_pickle(
    contest: Contest, member: User, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    sign_in(member)
    client.set_cookie("language", "en")
    address = f"/challenges/{contest.challenge.slug}/entries"
    for name in ("model.pt", "model.safetensors"):  # a name says nothing
        refused = client.post(address, data={"file": (io.BytesIO(PICKLE), name)})
        assert refused.status_code == 422
        assert SAID in refused.text
        assert INSTEAD in refused.text
    client.set_cookie("language", "ko")
    korean = client.post(address, data={"file": (io.BytesIO(PICKLE), "model.pt")}).text
    assert "피클(pickle)이에요" in korean
    assert entries(contest) == []
    for name, content in GOOD.items():
        assert client.post(address, data={"file": (io.BytesIO(content), name)}).status_code == 303
    assert entries(contest) == [(EntryKind.MODEL, name) for name in GOOD]
    assert "lms boards submit model.safetensors" in client.get(address).text


def test_the_api_takes_models_and_refuses_a_pickle(
    app: Flask, contest: Contest, member: User, client: FlaskClient
) -> None:
    address = f"/api/challenges/{contest.challenge.slug}/entries"
    headers = {"Authorization": f"Bearer {token(app, member)}", "Accept-Language": "en"}
    refused = client.post(address, data=PICKLE, headers=headers)
    assert refused.status_code == 422
    detail = refused.get_json()["detail"]
    assert detail.startswith(SAID)
    assert detail.endswith(INSTEAD)
    large = client.post(address, data=linear([1.0] * 2000, 0.5), headers=headers)
    assert (large.status_code, "5000 bytes" in large.get_json()["detail"]) == (413, True)
    assert client.post(address, data=b"id,place\na,north\n", headers=headers).status_code == 422
    assert entries(contest) == []
    for content in GOOD.values():
        taken = client.post(address, data=content, headers=headers)
        assert (taken.status_code, taken.get_json()["state"]) == (202, "received")
    assert [kind for kind, _ in entries(contest)] == [EntryKind.MODEL] * 2


def test_the_command_sends_models_and_tells_why_a_pickle_is_refused(
    app: Flask, contest: Contest, member: User, tmp_path: Path
) -> None:
    for name, content in {**GOOD, "model.pt": PICKLE}.items():
        (tmp_path / name).write_bytes(content)

    def submit(name: str, *more: str) -> tuple[int, str]:
        words = ["submit", str(tmp_path / name), "--challenge", contest.challenge.slug, *more]
        ran = CliRunner().invoke(
            boards,
            [*words, "--server", "http://localhost"],
            obj=httpx.WSGITransport(app=app),
            env={"DURI_TOKEN": token(app, member)},
        )
        return ran.exit_code, ran.output

    status, said = submit("model.pt")
    assert status == 5
    assert SAID in said
    assert INSTEAD in said
    assert "피클(pickle)" in submit("model.pt", "--language", "ko")[1]
    assert entries(contest) == []
    for name in GOOD:
        assert submit(name)[0] == 0
    assert entries(contest) == [(EntryKind.MODEL, name) for name in GOOD]


def test_the_challenge_says_what_a_model_is_given_and_must_answer(
    contest: Contest, client: FlaskClient
) -> None:
    page = client.get(f"/challenges/{contest.challenge.slug}", headers={"Accept-Language": "en"}).text
    for words in (
        "A trained model as safetensors, ONNX",
        "rows × 2",
        "predict(weights, inputs)",
        "The class with the largest number is the prediction.",
        "<code>weight</code>, <code>&lt;b&gt;height</code>",
        "<code>slope</code></td><td>(2, any)",
    ):
        assert words in page
    korean = client.get(f"/challenges/{contest.challenge.slug}", headers={"Accept-Language": "ko"}).text
    assert "학습된 모델이에요" in korean


def test_the_challenge_says_within_which_bounds_numbers_count(session: Session, client: FlaskClient) -> None:
    form = {"columns": [{"name": "<b>peak", "kind": "number", "min": -40, "max": 80.5}]}
    contest = make_contest(
        session, opens_at=now() - timedelta(days=3), kind="model", model=MODEL, form=form, metric="r2"
    )
    session.commit()
    address = f"/challenges/{contest.challenge.slug}"
    page = client.get(address, headers={"Accept-Language": "en"}).text
    assert "In &lt;b&gt;peak numbers count from -40 to 80.5;" in page
    korean = client.get(address, headers={"Accept-Language": "ko"}).text
    assert "-40부터 80.5까지의 수가 인정돼요" in korean


def test_classes_may_be_named_later_and_then_stay(session: Session) -> None:
    column: dict[str, object] = {"name": "place", "kind": "label"}
    contest = make_contest(session, opens_at=now() - timedelta(days=3), form={"columns": [column]})
    contest.take(contest.team(at=now()), at=now())

    def publish(**changes: object) -> None:
        form = {"columns": [column | changes]}
        publish_challenge(session, None, contest.document | {"form": form}, at=now())

    publish(labels=["1.0", "0.0"])
    for changes in ({"labels": ["1.0", "0.0", "2.0"]}, {}):
        with pytest.raises(Conflict, match="can no longer change: form"):
            publish(**changes)


def test_bounds_may_come_later_and_then_stay(session: Session) -> None:
    column: dict[str, object] = {"name": "peak", "kind": "number"}
    contest = make_contest(
        session,
        opens_at=now() - timedelta(days=3),
        kind="model",
        model=MODEL,
        form={"columns": [column]},
        metric="r2",
    )
    contest.take(contest.team(at=now()), kind=EntryKind.MODEL, at=now())

    def publish(**changes: object) -> None:
        form = {"columns": [column | changes]}
        publish_challenge(session, None, contest.document | {"form": form}, at=now())

    with pytest.raises(Conflict, match="can no longer change: form"):
        publish(kind="probability", min=0.0, max=1.0)
    publish(min=-40.0, max=80.0)
    for changes in ({"min": -40.0, "max": 90.0}, {}):
        with pytest.raises(Conflict, match="can no longer change: form"):
            publish(**changes)
