"""`lms grade …`: prove a grade record, grade again what it tells of, change the key."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.commands import LANGUAGE
from lms.config import Settings
from lms.db import now
from lms.grading.core.contracts import Runner, RunnerUnavailable
from lms.grading.core.record import MAX_BYTES, GradeRecord, Notary, RecordKey
from lms.grading.core.record_reading import RecordProblem, check_about, explained, read_keys, verify
from lms.grading.services import rerunning
from lms.grading.services.rerunning import Rerun
from lms.runtime.environments import EnvironmentBroken, prepare

REFUSED, NOT_GRADED = 1, 3
HIDDEN = {"en": "hidden", "ko": "비공개"}
PROVES = {
    "en": "It proves that the installation with this key says so, about this file, these tests, packages and "
    "points, and that nothing in it was changed since. It does not prove who wrote the file.",
    "ko": "이 키를 가진 설치본이 이 파일, 테스트, 패키지, 점수를 그렇게 기록했고 "
    "그 뒤 아무것도 바뀌지 않았음을 증명합니다. 파일을 누가 썼는지는 증명하지 않습니다.",
}
LABELS = {
    "installation": "설치본",
    "key": "키",
    "lab": "실습",
    "file": "파일",
    "student (pseudonym)": "학생(가명)",
    "graded": "채점",
    "points": "점수",
    "assurance": "보증 수준",
    "isolation": "격리",
    "seed": "시드",
    "environment": "환경",
    "engine": "채점기",
}
WORDS = {
    "genuine": ("Genuine: signed by {}.", "진본: {}가 서명했습니다."),
    "refused": ("Refused: {}", "거부함: {}"),
    "own": ("a key of this installation", "이 설치본의 키"),
    "given": ("a key of the given list", "주어진 목록의 키"),
    "retired": (", retired at {}", ", {}에 폐기됨"),
    "same": ("Same result: every outcome came out as recorded.", "같은 결과: 모든 결과가 기록과 같습니다."),
    "other": ("Another result:", "다른 결과:"),
    "not_graded": (
        "Not graded again, because it would be no fair comparison; --anyway does it nevertheless.",
        "공정한 비교가 아니어서 다시 채점하지 않았습니다. 그래도 하려면 --anyway를 쓰세요.",
    ),
    "nothing": ("nothing", "없음"),
    "recorded": ("recorded", "기록"),
    "now": ("now", "지금"),
}


class Tools(Protocol):
    """What the command line gives its commands."""

    @property
    def settings(self) -> Settings:
        """Return the settings."""

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of sessions."""

    @property
    def blobs(self) -> BlobStore:
        """Return the store of files."""

    @property
    def record_keys(self) -> "Keys":
        """Return the keys of grade records."""

    @property
    def notary(self) -> Notary:
        """Return who signs records here."""

    def runner(self) -> "OwnRunner":
        """Make what runs notebooks."""


class OwnRunner(Runner, Protocol):
    """A runner whose processes end with it."""

    def close(self) -> None:
        """End them."""


class Keys(Protocol):
    """This installation's keys."""

    def published(self) -> tuple[RecordKey, ...]:
        """Return the public ones."""

    def rotate(self, *, at: datetime) -> RecordKey:
        """Make a new one."""


RECORD = click.argument("record", type=click.Path(path_type=Path, exists=True, dir_okay=False))
KEYS = click.option(
    "--keys",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Keys of another installation (its /.well-known/duri-grade-keys.json) instead of this one's.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON document.")


@click.group()
def grade() -> None:
    """Prove grade records, and grade again what they tell of."""


@grade.command("verify")
@RECORD
@KEYS
@click.option(
    "--notebook",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Check too that the record is about this file.",
)
@JSON
@LANGUAGE
@click.pass_obj
def verify_record(
    tools: Tools, record: Path, keys: Path | None, notebook: Path | None, *, as_json: bool, language: str
) -> None:
    """Check the signed grade record RECORD, offline and without a database.

    Exits 0 if it is genuine, 1 with the reason if it was forged, changed or cut off.
    """
    try:
        known = _known(tools, keys)
        found = verify(_bytes(record), known)
        if notebook is not None:
            check_about(found, notebook.read_bytes())
    except RecordProblem as problem:
        _refuse(problem, language, as_json=as_json)
    key = next(one for one in known if one.key == found.proof.key)
    if as_json:
        answer = {"genuine": True, "own": keys is None, "retired_at": key.retired_at}
        _say_json({**answer, "record": found.model_dump(mode="json")})
    else:
        signer = _word("own" if keys is None else "given", language)
        retired = _word("retired", language).format(key.retired_at) if key.retired_at else ""
        click.echo(_word("genuine", language).format(signer + retired))
        click.echo(PROVES[language])
        _say(_facts(found, language))


@grade.command("rerun")
@RECORD
@KEYS
@click.option("--anyway", is_flag=True, help="Grade even if the engine or the packages are not the same.")
@JSON
@LANGUAGE
@click.pass_obj
def rerun(
    tools: Tools, record: Path, keys: Path | None, *, anyway: bool, as_json: bool, language: str
) -> None:
    """Grade again what RECORD tells of, with the same seed and limits, and compare. Changes nothing.

    Exits 0 for the same result, 1 for another one or a record that is not genuine, 3 if nothing was graded.
    """
    try:
        found = verify(_bytes(record), _known(tools, keys))
    except RecordProblem as problem:
        _refuse(problem, language, as_json=as_json)
    answer = _graded_again(tools, found, anyway=anyway)
    if as_json:
        _say_json({"same": answer.same, **asdict(answer), "explained": explained(answer.inputs, language)})
    else:
        _say(compared_lines(answer, explained(answer.inputs, language), language))
    raise SystemExit(0 if answer.same else REFUSED if answer.ran else NOT_GRADED)


@grade.command("rotate-key")
@click.pass_obj
def rotate_key(tools: Tools) -> None:
    """Make a new key for grade records; the old ones stay published, for the records that they signed."""
    click.echo(tools.record_keys.rotate(at=now()).key)


def _known(tools: Tools, keys: Path | None) -> tuple[RecordKey, ...]:
    return tools.record_keys.published() if keys is None else read_keys(_bytes(keys))


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _refuse(problem: RecordProblem, language: str, *, as_json: bool) -> NoReturn:
    sentence = problem.sentence(language)
    if as_json:
        _say_json({"genuine": False, "code": problem.code, "reason": sentence})
    else:
        click.echo(_word("refused", language).format(printable(sentence)))
    raise SystemExit(REFUSED)


def _graded_again(tools: Tools, record: GradeRecord, *, anyway: bool) -> Rerun:
    with tools.sessions() as session, tempfile.TemporaryDirectory(prefix="duri-data-") as folder:
        notary = tools.notary
        run = rerunning.run_of_record(session, record, notary)
        release = run.submission.release
        try:
            environment = prepare(
                tools.settings.environments_root, release.environment_name, release.environment_sha256
            )
            job = rerunning.job_of_record(
                run, record, tools.blobs, environment=environment.path, folder=Path(folder) / "data"
            )
            with closing(tools.runner()) as runner:
                return rerunning.grade_again(
                    run, record, job, runner=runner, notary=notary, at=now(), anyway=anyway
                )
        except (EnvironmentBroken, RunnerUnavailable) as problem:
            click.echo(f"{type(problem).__name__}: {problem}", err=True)
            raise SystemExit(NOT_GRADED) from None


def _facts(record: GradeRecord, language: str) -> Iterator[str]:
    for label, value in _told(record).items():
        yield f"{LABELS[label] if language == 'ko' else label}: {value}"
    for one in record.outcomes:
        score = "–" if one.score is None else f"{one.score:g}"
        hidden = f" ({HIDDEN[language]})" if one.hidden else ""
        yield f"  {one.grade_id}{hidden}: {score} / {one.maximum:g}, {one.status}"


def _told(record: GradeRecord) -> dict[str, str]:
    work, release, engine = record.submission, record.release, record.engine
    return {
        "installation": record.installation,
        "key": record.proof.key,
        "lab": f"{release.course}/{release.lab} #{release.number}",
        "file": f"{work.sha256}, #{work.attempt}, {work.received_at}",
        "student (pseudonym)": work.student,
        "graded": f"{record.timings.finished_at}, #{record.run.ordinal} ({record.run.cause})",
        "assurance": record.assurance,
        "isolation": record.isolation,
        "seed": str(record.seed),
        "environment": f"{record.environment.name} {record.environment.lock_sha256}",
        "engine": f"{engine.version} {engine.sha256}",
        "points": f"{record.total.score:g} / {record.total.maximum:g}",
    }


def compared_lines(answer: Rerun, reasons: Iterable[str], language: str) -> Iterator[str]:
    """Say what came of grading again, and `reasons` why it came out otherwise or not at all."""
    yield _word("same" if answer.same else "other" if answer.ran else "not_graded", language)
    if not answer.same:
        yield from reasons
    for one in (*answer.result, *answer.inputs):
        recorded, found = (_value(value, language) for value in (one.recorded, one.now))
        yield f"{one.where}: {_word('recorded', language)} {recorded}, {_word('now', language)} {found}"


def _value(value: object, language: str) -> str:
    return _word("nothing", language) if value is None else json.dumps(value, ensure_ascii=False)


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(printable(line))


def _say_json(answer: dict[str, Any]) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def printable(text: str) -> str:
    """Keep a stranger's file from steering the terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _word(name: str, language: str) -> str:
    return WORDS[name][1 if language == "ko" else 0]


commands = (grade,)
