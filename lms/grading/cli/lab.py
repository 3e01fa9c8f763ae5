"""Commands for authors: check a lab, grade submissions of it, bring a course of nbgrader's in."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import click

from lms.commands import LANGUAGE
from lms.config import Settings
from lms.courses.core.check import check_folder
from lms.courses.core.problems import errors
from lms.grading.core import summaries
from lms.grading.core.contracts import (
    Assurance,
    BuildReport,
    GateSettings,
    GradingJob,
    LabSource,
    Progress,
    Runner,
    RunnerUnavailable,
)
from lms.grading.core.importing import Wishes, bring_over, slug_of
from lms.grading.core.notices import sentence
from lms.grading.core.reading import LIMIT_BYTES
from lms.grading.queries.folders import opened_lab
from lms.grading.queries.nbgrader_courses import nbgrader_course
from lms.grading.services.folders import write_folder
from lms.runtime.environments import EnvironmentBroken, prepare
from lms.runtime.probe import Isolation, IsolationLevel

DEFAULT_ENVIRONMENT = "ml-basics"
ENOUGH = {
    "full": {IsolationLevel.FULL},
    "reduced": {IsolationLevel.FULL, IsolationLevel.REDUCED},
}


class OpenRunner(Runner, Protocol):
    """A runner whose jail is proved; it keeps environments warm until it is closed."""

    @property
    def isolation(self) -> Isolation:
        """What the jail holds."""

    def close(self) -> None:
        """End what is warm."""


class Tools(Protocol):
    """What the command line gives its commands."""

    @property
    def settings(self) -> Settings:
        """The settings of this installation."""

    def open_runner(self) -> OpenRunner:
        """Prove the jail, and make a runner over it."""


@dataclass(frozen=True)
class Bench:
    """Where a command works: its runner, and where environments come from."""

    tools: Tools
    environment: str
    python: Path | None
    least: str

    def environment_path(self, name: str) -> Path:
        """Return the folder of the virtual environment of that name, built if need be."""
        if self.python is not None:
            return _environment_of(self.python)
        try:
            return prepare(self.tools.settings.environments_root, name).path
        except EnvironmentBroken as problem:
            raise click.ClickException(f"The environment {name} cannot be used: {problem}.") from None

    @contextmanager
    def runner(self) -> Iterator[OpenRunner]:
        """Give a runner; refuse if its jail isolates less than asked."""
        runner = self.tools.open_runner()
        try:
            if runner.isolation.level not in ENOUGH[self.least]:
                raise click.ClickException(
                    f"The sandbox of this machine is not good enough ({runner.isolation}; "
                    f"asked for: {self.least}). Install what is missing; --isolation reduced accepts "
                    "one without its second walls."
                )
            yield runner
        finally:
            runner.close()

    @contextmanager
    def lab(self, path: Path) -> Iterator[LabSource]:
        """Give the lab at `path`."""
        with opened_lab(path, name=self.environment, environment=self.environment_path) as lab:
            yield lab


def _environment_of(python: Path) -> Path:
    """Return the environment that an interpreter, or its environment's folder, names."""
    home = python if python.is_dir() else python.parent.parent
    if not (home / "bin" / "python").exists():
        raise click.ClickException(
            f"{python} is no environment. Name the folder of a virtual environment with ipykernel, "
            "or its bin/python."
        )
    return home.absolute()


def _with_bench(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where it works."""
    options = (
        click.option("--isolation", type=click.Choice(list(ENOUGH)), help="Least that is accepted."),
        click.option(
            "--environment",
            default=DEFAULT_ENVIRONMENT,
            show_default=True,
            help="For a plain notebook: name of a list in environments/.",
        ),
        click.option(
            "--python",
            type=click.Path(path_type=Path, exists=True),
            help="Virtual environment to run in instead, or its interpreter.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        LANGUAGE,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def lab() -> None:
    """Check labs, grade submissions of them, bring nbgrader's in."""


@lab.command(short_help="Report what publication would find.")
@click.argument("path", metavar="LAB", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Without repeated runs and small errors.")
@_with_bench
@click.pass_obj
def check(tools: Tools, /, path: Path, *, quick: bool, language: str, as_json: bool, **bench: Any) -> None:
    """Report what publication would find in LAB, a lab's folder or an nbgrader source notebook.

    Points of solution and template, where each test can run, doubtful habits in tests, repeated runs under
    load, and which small errors in the solution no test notices. Exits 1 if the lab would be refused.
    """
    with _bench(tools, **bench) as here, here.lab(path) as source, here.runner() as runner:
        click.echo(f"Building and trying {source.name} …", err=True)
        wanted = replace(source, gate=GateSettings(flaky_runs=0, mutants=0)) if quick else source
        report = runner.build(wanted)
        found = summaries.examined(report, _isolated(runner, wanted, report), language)
    if as_json:
        click.echo(json.dumps({"lab": source.name, **found}, ensure_ascii=False, indent=2))
    else:
        for line in summaries.examined_lines(found, language):
            click.echo(line)
    sys.exit(0 if found["ok"] else 1)


@contextmanager
def _bench(tools: Tools, *, environment: str, python: Path | None, isolation: str | None) -> Iterator[Bench]:
    try:
        yield Bench(tools, environment, python, isolation or tools.settings.isolation)
    except RunnerUnavailable as reason:
        raise click.ClickException(f"The sandbox cannot start: {reason}.") from None


def _isolated(runner: Runner, source: LabSource, report: BuildReport) -> BuildReport | None:
    """Try the tests of a lab isolated too, where its author has them in the student's kernel."""
    manifest = report.manifest
    if manifest is None or manifest.assurance is Assurance.ISOLATED or manifest.language.lower() != "python":
        return None
    return runner.build(replace(source, assurance=Assurance.ISOLATED, gate=None, board=None))


@lab.command(short_help="Grade submissions of a lab.")
@click.argument("path", metavar="LAB", type=click.Path(path_type=Path))
@click.argument(
    "submissions", metavar="SUBMISSION…", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--assurance", type=click.Choice([str(one) for one in Assurance]), help="Default: the lab's own."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Graded at once.")
@_with_bench
@click.pass_obj
def grade(
    tools: Tools,
    /,
    path: Path,
    submissions: tuple[Path, ...],
    *,
    assurance: str | None,
    jobs: int,
    language: str,
    as_json: bool,
    **bench: Any,
) -> None:
    """Grade every SUBMISSION of LAB, a lab's folder or an nbgrader source notebook with its files beside it.

    With --json one object a line. A file that cannot be read is graded 0, and the command exits 1 in the end.
    """
    with _bench(tools, **bench) as here, here.lab(path) as source, here.runner() as runner:
        click.echo(f"Building {source.name} …", err=True)
        job = _job(runner, _asked(source, assurance), language)
        desk = partial(_graded, runner, job, language=language)
        unread = 0
        with ThreadPoolExecutor(jobs) as threads:
            for number, result in enumerate(threads.map(desk, submissions), 1):
                _show(result, as_json=as_json)
                unread += result["status"] == summaries.UNREADABLE
                click.echo(f"{number}/{len(submissions)} {result['status']}", err=True)
    sys.exit(1 if unread else 0)


def _asked(source: LabSource, assurance: str | None) -> LabSource:
    """Return the lab without the gate; its board is made only where the notebook reads hidden rows."""
    board = source.board if source.board is not None and source.board.predict is None else None
    wanted = Assurance(assurance) if assurance else source.assurance
    return replace(source, gate=None, board=board, assurance=wanted)


def _job(runner: Runner, source: LabSource, language: str) -> GradingJob:
    """Build a lab; what speaks against publishing it is said, and does not keep it from grading."""
    report = runner.build(source)
    for notice in report.errors:
        click.echo(f"warning: {sentence(notice, language)}", err=True)
    if report.manifest is None or not report.student_notebook:
        raise click.ClickException("The lab cannot be built, so nothing was graded.")
    data = source.folder / "data"
    return GradingJob(
        submission=b"",
        manifest=report.manifest,
        student_notebook=report.student_notebook,
        environment=source.environment,
        limits=source.limits,
        data_folder=data if data.is_dir() else None,
        board=source.board,
        board_archive=report.board_archive,
        kernel=source.kernel,
    )


def _graded(runner: OpenRunner, job: GradingJob, path: Path, *, language: str) -> dict[str, Any]:
    try:
        content = _read(path)
    except (OSError, ValueError) as problem:
        said = f"{path} cannot be read: {problem}"
        return summaries.missing(str(path), job.manifest, str(runner.isolation), said)
    report = runner.grade(replace(job, submission=content), _pass_by)
    return summaries.graded(str(path), report, language)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError("it is not a file" if path.exists() else "there is no such file")
    with path.open("rb") as opened:
        return opened.read(LIMIT_BYTES + 1)


def _pass_by(step: Progress) -> None:
    """Let the steps of a run pass."""


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        for line in summaries.graded_lines(result):
            click.echo(line)


@lab.command("import-nbgrader", short_help="Make a course of ours out of one of nbgrader's.")
@click.argument("course", metavar="COURSE_DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--into", type=click.Path(path_type=Path), help="New folder; default: below course_content.")
@click.option(
    "--university", default="my-university", show_default=True, help="Short name of the university."
)
@click.option("--company", default="my-company", show_default=True, help="Short name of the company.")
@click.option("--environment", default=DEFAULT_ENVIRONMENT, show_default=True, help="Of all its labs.")
@LANGUAGE
@click.pass_obj
def import_nbgrader(
    tools: Tools,
    /,
    course: Path,
    into: Path | None,
    *,
    university: str,
    company: str,
    environment: str,
    language: str,
) -> None:
    """Make a course folder out of COURSE_DIR, a course of nbgrader's: labs, data, due dates, lessons.

    Nothing of it is executed; nbgrader_config.py is only read. Exits 1 if `lms course check` finds errors.
    """
    found = nbgrader_course(course)
    wishes = Wishes(found.name, language, university, company, environment)
    made = bring_over(found.assignments, found.config, wishes, found.autotests)
    if not made.labs and not made.lessons:
        raise click.ClickException(f"{course} holds no notebook that could be brought over.")
    target = into or tools.settings.course_content / slug_of(found.name, "course")
    write_folder(target, made.files)
    for remark in [*found.remarks, *made.remarks]:
        click.echo(f"- {sentence(remark, language)}")
    problems = check_folder(target, [lock.stem for lock in tools.settings.environments.glob("*.txt")])
    for problem in problems:
        click.echo(problem.render(language, prefix=f"{target}/"))
    click.echo(f"{target}: {len(made.labs)} labs, {len(made.lessons)} lessons, {made.points:g} points")
    sys.exit(1 if errors(problems) else 0)


commands = (lab,)
