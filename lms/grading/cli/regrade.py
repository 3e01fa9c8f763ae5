"""`lms regrade`: grade again, from files alone, the tests that students see whole."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from lms.commands import LANGUAGE
from lms.grading.cli.grade import (
    JSON,
    NOT_GRADED,
    RECORD,
    REFUSED,
    Tools,
    compared_lines,
    printable,
)
from lms.grading.core.contracts import RunnerUnavailable
from lms.grading.core.reading import LIMIT_BYTES
from lms.grading.core.record import MAX_BYTES, GradeRecord
from lms.grading.core.record_reading import RecordProblem, explained, read_record
from lms.grading.services.regrading import Regrade, grade_files, job_of_files, lay_out, names_of, number_seen
from lms.runtime.environments import EnvironmentBroken, prepare

WORDS = {
    "same": (
        "Same points: {compared} of {all} outcomes were compared, and came out as recorded.",
        "같은 점수: 결과 {all}개 가운데 {compared}개를 비교했고 모두 기록과 같습니다.",
    ),
    "left_out": (
        "Not compared: hidden tests and answers that people mark.",
        "비공개 테스트와 사람이 채점하는 답은 비교하지 않았습니다.",
    ),
}
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command("regrade")
@RECORD
@click.option("--notebook", type=FILE, required=True, help="What was handed in.")
@click.option("--lab", type=FILE, required=True, help="The lab as students get it.")
@click.option("--data", type=FOLDER, help="The lab's data files; by default those of this course here.")
@JSON
@LANGUAGE
@click.pass_obj
def regrade(
    tools: Tools, record: Path, *, notebook: Path, lab: Path, data: Path | None, as_json: bool, language: str
) -> None:
    """Grade again what RECORD tells of, from files alone, and compare the tests that students see whole.

    Needs no database and changes nothing. Who signed the record is not asked: a certificate's bundle binds
    it. Exits 0 for the same points, 1 for others, 3 if nothing was graded or compared.
    """
    try:
        found = read_record(_content(record, MAX_BYTES))
        files = _content(notebook, LIMIT_BYTES), _content(lab, LIMIT_BYTES)
        answer = _graded(tools, found, files, data)
        reasons = explained(answer.inputs, language)
    except RecordProblem as problem:
        answer, reasons = Regrade(ran=False, inputs=(), result=()), [problem.sentence(language)]
    if as_json:
        told = {"same": answer.same, **asdict(answer), "explained": reasons}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for line in _lines(answer, reasons, language) if answer.ran else reasons:
            click.echo(printable(line))
    raise SystemExit(0 if answer.same else REFUSED if answer.ran else NOT_GRADED)


def _lines(answer: Regrade, reasons: Iterable[str], language: str) -> Iterator[str]:
    """Say what came of it, and of how much of the record that is true."""
    if answer.same:
        everything = answer.compared + answer.left_out
        yield _word("same", language).format(compared=answer.compared, all=everything)
    else:
        yield from compared_lines(answer, reasons, language)
    if answer.left_out:
        yield _word("left_out", language)


def _word(code: str, language: str) -> str:
    english, korean = WORDS[code]
    return korean if language == "ko" else english


def _graded(tools: Tools, record: GradeRecord, files: tuple[bytes, bytes], data: Path | None) -> Regrade:
    course, lab, environment = names_of(record)
    number_seen(record)  # before an environment is asked for, which would be no help
    here = data or tools.settings.course_content / course / "labs" / lab / "data"
    lock = record.environment.lock_sha256
    with tempfile.TemporaryDirectory(prefix="duri-data-") as folder:
        laid = lay_out(record, here, Path(folder))
        try:
            prepared = prepare(tools.settings.environments_root, environment, lock)
            job = job_of_files(record, *files, environment=prepared.path, data=laid)
            witness = tools.notary.witness(environment, lock)
            with closing(tools.runner()) as runner:
                return grade_files(record, job, witness, runner)
        except EnvironmentBroken as problem:
            reason = str(problem)[-200:]
            raise RecordProblem(
                "again.environment", name=environment, sha256=lock[:12], reason=reason
            ) from None
        except RunnerUnavailable as problem:
            raise RecordProblem("again.sandbox", reason=str(problem)[:200]) from None


def _content(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most + 1)


commands = (regrade,)
