"""`lms run` and `lms demo`: the demonstration that stays, and the one that is thrown away."""

import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from lms.certs.adapters.pdf import render_certificate
from lms.certs.models import Credential
from lms.certs.queries import credentials as queries
from lms.certs.queries import signed_papers
from lms.config import Settings
from lms.demo.processes import signers_of, web_of, worker_of
from lms.demo.seed import PASSWORD, PEOPLE, prepare, settings_for
from lms.demo.story import FIRST_COURSE, Step, Story, StoryStopped, keep_artefacts
from lms.installation import Installation
from lms.supervisor import Supervisor, answers

READY_SECONDS = 60
_PAPER_SECONDS = 60.0


def run(port: int) -> int:
    """Run everything until Ctrl-C; the first time the story is played, so that every page shows something."""
    started = time.monotonic()
    settings = settings_for(Settings.load().instance, port)
    if _taken(port):
        click.echo(f"Port {port} is taken. Choose another one: PORT=8001 make run", err=True)
        return 1
    played = settings.instance / "story-played"
    if not played.exists():
        click.echo("First start: making the environments, publishing the courses, playing the story once.")
    installation = Installation(settings)
    prepare(installation)
    supervisor = Supervisor([*signers_of(settings), worker_of(settings), web_of(settings, port)])
    supervisor.start()
    try:
        if not answers(f"{settings.public_url}/", seconds=READY_SECONDS):
            click.echo(
                f"The web server does not answer; see {settings.instance / 'logs' / 'web.log'}", err=True
            )
            return 1
        if not played.exists():
            _play_once(installation, supervisor, played)
        _welcome(settings, time.monotonic() - started)
        supervisor.watch()
    except KeyboardInterrupt:
        click.echo()
    finally:
        supervisor.end()
    return 0


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _play_once(installation: Installation, supervisor: Supervisor, played: Path) -> None:
    story = Story(installation, advance=lambda: _pass_time(supervisor))
    try:
        for step in story.play(whole=True):
            click.echo(f"  {step.line()}")
    except StoryStopped as reason:
        click.echo(f"  ✕ the story stopped: {reason}. The next start plays it again.", err=True)
    else:
        played.touch()


def _welcome(settings: Settings, seconds: float) -> None:
    click.echo(f"\nDuri runs at {settings.public_url}  (started in {seconds:.1f} s, Ctrl-C ends it)\n")
    click.echo(f"  Demonstration accounts, all with the password {PASSWORD}")
    for email, name, organisation, role in PEOPLE:
        where = f"{role.value} of {organisation}" if role else "student"
        click.echo(f"    {email:28} {name}  {where}")
    click.echo(
        f"\n  Mail goes to {settings.public_url}/outbox, logs to {settings.instance / 'logs'}", nl=True
    )
    sys.stdout.flush()


def play(keep: Path | None = None) -> Iterator[Step]:
    """Play the story in a throw-away installation with two real signers, and yield every step."""
    with tempfile.TemporaryDirectory(prefix="duri-demo-") as folder:
        settings = settings_for(Path(folder) / "instance", _free_ports())
        settings = replace(settings, course_content=_first_course(settings, Path(folder)))
        installation = Installation(settings)
        supervisor = Supervisor([])
        try:
            prepare(installation)
            supervisor.processes += [*signers_of(settings), worker_of(settings)]
            supervisor.start()
            story = Story(installation, advance=lambda: _pass_time(supervisor))
            yield from story.play(whole=False)
            if keep is not None:
                _keep(story, keep)
        except StoryStopped as reason:
            yield Step("stopped", ok=False, text=str(reason))
        finally:
            supervisor.end()
            installation.engine.dispose()


def _pass_time(supervisor: Supervisor) -> None:
    supervisor.tend()
    lost = supervisor.hopeless()
    if lost is not None:
        raise StoryStopped(f"{lost.name} does not start: {lost.last_words}")
    time.sleep(0.1)


def _free_ports() -> int:
    """Return a port P such that P + 101 and P + 102 are free for the signers."""
    for base in range(20_000, 30_000, 7):
        if not any(_taken(base + offset) for offset in (101, 102)):
            return base
    raise OSError("no free port between 20000 and 30000")


def _first_course(settings: Settings, folder: Path) -> Path:
    content = folder / "course_content"
    shutil.copytree(settings.course_content / FIRST_COURSE, content / FIRST_COURSE)
    return content


def _keep(story: Story, folder: Path) -> None:
    keep_artefacts(story, folder)
    with story.installation.sessions() as session:
        credential = story.credential(session)
    if credential is not None:
        (folder / "certificate.pdf").write_bytes(_paper(story, credential))


def _paper(story: Story, credential: Credential) -> bytes:
    """Return the paper that both have signed; if they have not within a while, the page as it is.

    Each look is a transaction of its own: the worker that makes the paper has to write meanwhile.
    """
    until = time.monotonic() + _PAPER_SECONDS
    while time.monotonic() < until:
        with story.installation.sessions() as session:
            kept = signed_papers.paper(session, credential.id, "ko")
        if kept is not None and kept.blob is not None:
            return story.installation.blobs.get(kept.blob)
        time.sleep(0.5)
    url = queries.verify_url(credential, story.installation.settings.public_url)
    return render_certificate(credential.document, language="ko", verify_url=url)
