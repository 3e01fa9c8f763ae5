"""What a demonstration consists of: settings, signers, organisations, people, open courses. Repeatable.

Both keys lie on this machine, so every certificate made here says *demo custody* in its signed text.
"""

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms import migrate
from lms.accounts.models import Organisation, OrganisationKind, Role, User
from lms.accounts.queries import user_by_email
from lms.accounts.services.organisations import create_organisation, grant_role
from lms.accounts.services.people import create_user
from lms.certs.core.keys import did_web
from lms.certs.core.mandate import Mandate
from lms.certs.core.trust import Role as Part
from lms.certs.core.trust import TrustedLog, write_trust
from lms.certs.signer.folder import create, furnish, trusted_party
from lms.certs.signer.tls import admit_client
from lms.config import Settings
from lms.courses.models import Cohort, Course, CourseVersion
from lms.courses.services.cohorts import CohortPlan, open_cohort
from lms.courses.services.publishing import approve, publish
from lms.db import now
from lms.errors import Conflict
from lms.installation import Installation
from lms.leaderboards.core.challenge_file import read_challenge
from lms.leaderboards.services.publishing import publish_folder
from lms.runtime.environments import prepare as prepare_environment

log = structlog.get_logger()

PASSWORD = "duri-demo-2026"  # noqa: S105 - printed on the screen; loopback only
UNIVERSITY, COMPANY, OPERATOR = "hangang-university", "nuri-ai", "duri"
ORGANISATIONS = {
    UNIVERSITY: (OrganisationKind.UNIVERSITY, {"ko": "한강대학교", "en": "Hangang University"}),
    COMPANY: (OrganisationKind.COMPANY, {"ko": "누리에이아이", "en": "Nuri AI"}),
    OPERATOR: (OrganisationKind.OPERATOR, {"ko": "두리", "en": "Duri"}),
}
PEOPLE: tuple[tuple[str, str, str, Role | None], ...] = (
    ("student@duri.example", "김하늘", "", None),
    ("second@duri.example", "이바다", "", None),
    ("professor@hangang.example", "박교수", UNIVERSITY, Role.INSTRUCTOR),
    ("assistant@hangang.example", "정조교", UNIVERSITY, Role.ASSISTANT),
    ("registrar@hangang.example", "한학적", UNIVERSITY, Role.SIGNATORY),
    ("office@hangang.example", "서행정", UNIVERSITY, Role.ADMIN),
    ("engineer@nuri.example", "최엔지", COMPANY, Role.INSTRUCTOR),
    ("signatory@nuri.example", "윤서명", COMPANY, Role.SIGNATORY),
    ("employer@nuri.example", "조채용", COMPANY, Role.EMPLOYER),
    ("admin@duri.example", "운영자", OPERATOR, Role.SITE_ADMIN),
)
LAST_COHORT_DAYS = 120
FIRST_UID = 61_100  # of the signers' OS users when started by root; unassigned on Debian


def settings_for(instance: Path, port: int) -> Settings:
    """Return the settings of the demonstration in a folder; what the environment says stays."""
    loaded = Settings.load()
    placed = replace(loaded, instance=instance)
    _move_signers(placed)
    ports, clients = _signer_ports(placed.demo_signers, port), instance / "clients"
    return replace(
        placed,
        public_url=os.environ.get("DURI_PUBLIC_URL", f"http://127.0.0.1:{port}"),
        demo=True,
        gate_seconds=int(os.environ.get("DURI_GATE_SECONDS", "0")),  # a first start should not take minutes
        isolation=os.environ.get("DURI_ISOLATION", "reduced"),  # a plain user has no cgroup of its own
        university_signer_url=f"https://localhost:{ports[Part.UNIVERSITY]}",
        university_signer_credentials=clients / "university",
        company_signer_url=f"https://localhost:{ports[Part.COMPANY]}",
        company_signer_credentials=clients / "company",
    )


def _move_signers(settings: Settings) -> None:
    """Take the signers of an earlier release, which lay within the installation, out of it."""
    before = settings.instance / "signers"
    if before.exists() and not settings.demo_signers.exists():
        before.rename(settings.demo_signers)


def _signer_ports(signers: Path, port: int) -> dict[Part, int]:
    known = {part: signers / part.value / "signer.json" for part in Part}
    return {
        part: json.loads(path.read_text())["port"] if path.exists() else port + 101 + order
        for order, (part, path) in enumerate(known.items())
    }


def prepare(installation: Installation) -> None:
    """Make everything that the demonstration needs and that is not there yet."""
    settings = installation.settings
    settings.make_instance()
    migrate.upgrade(settings.database)
    make_signers(settings)
    for lock in sorted(settings.environments.glob("*.txt")):
        prepare_environment(settings.environments_root, lock.stem)
    with installation.sessions.begin() as session:
        _make_people(session)
    for folder in sorted(
        path for path in settings.course_content.iterdir() if (path / "course.yml").exists()
    ):
        with installation.sessions.begin() as session:
            _open_course(session, installation, folder)
    for folder in sorted(settings.course_content.glob("*/challenge.yml")):
        _open_challenge(installation, folder.parent)


def make_signers(settings: Settings) -> None:
    """Make both signers, admit the platform to them and pin their keys, as far as that is not done."""
    folder = settings.demo_signers
    folder.mkdir(mode=0o700, exist_ok=True)
    ports = _signer_ports(folder, _port_of(settings))
    dids = {part: did_web("localhost", port) for part, port in ports.items()}
    names = {Part.UNIVERSITY: ORGANISATIONS[UNIVERSITY], Part.COMPANY: ORGANISATIONS[COMPANY]}
    for order, part in enumerate(Part):
        own = folder / part.value
        if not own.exists():
            mandate = Mandate(
                role=part,
                name=" · ".join(names[part][1].values()),
                university=dids[Part.UNIVERSITY],
                company=dids[Part.COMPANY],
                host="127.0.0.1",
                port=ports[part],
                demo_custody=True,
                open_roster=True,
                courses=(f"{settings.public_url}/courses/",),
                status_lists=(f"{settings.public_url}/status/",),
            )
            create(own, mandate, now())
        furnish(own, now())  # one of an earlier release lacks the keys and certificates of later ones
        (folder / f"{part.value}.token").unlink(missing_ok=True)
        client = settings.instance / "clients" / part.value
        if not client.exists():
            admit_client(own, "platform", client, now())
        if os.geteuid() == 0:
            _give(own, FIRST_UID + order)
    parties = [trusted_party(folder / part.value) for part in Part]
    key = Installation(settings).log_key
    log = TrustedLog(key.id, key.multibase, tuple(party.did for party in parties))
    settings.trust.write_bytes(write_trust(parties, [log]))


def _port_of(settings: Settings) -> int:
    return int(settings.university_signer_url.rsplit(":", 1)[1]) - 101


def _give(folder: Path, uid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)


def _make_people(session: Session) -> None:
    for slug, (kind, names) in ORGANISATIONS.items():
        if _organisation(session, slug) is None:
            create_organisation(session, None, slug=slug, kind=kind, name=dict(names))
    for email, name, slug, role in PEOPLE:
        if user_by_email(session, email) is not None:
            continue
        user = create_user(session, None, email=email, name=name, password=PASSWORD, confirmed_at=now())
        organisation = _organisation(session, slug)
        if organisation is not None and role is not None:
            grant_role(session, None, user=user, organisation=organisation, role=role)


def _organisation(session: Session, slug: str) -> Organisation | None:
    return session.scalar(select(Organisation).where(Organisation.slug == slug))


def _open_course(session: Session, installation: Installation, folder: Path) -> None:
    locks = [path.stem for path in installation.settings.environments.glob("*.txt")]
    version = publish(session, None, folder, installation.blobs, locks)
    for email in ("professor@hangang.example", "engineer@nuri.example"):
        _approve(session, person(session, email), version)
    _open_cohort(session, version.course)


def _open_challenge(installation: Installation, folder: Path) -> None:
    """Publish a challenge, with its data the first time."""
    locks = [path.stem for path in installation.settings.environments.glob("*.txt")]
    checked = read_challenge(folder, locks)
    try:
        publish_folder(installation.sessions, installation.blobs, installation.workshop, checked)
    except Conflict as reason:  # an earlier start has entries already: the challenge stays as it was
        log.info("demo.challenge_stays", challenge=folder.name, reason=str(reason))


def person(session: Session, email: str) -> User:
    """Return one of the people of the demonstration."""
    user = user_by_email(session, email)
    if user is None:
        raise LookupError(email)
    return user


def _approve(session: Session, actor: User, version: CourseVersion) -> None:
    if version.course.current_version_id != version.id:
        approve(session, actor, version)


def _open_cohort(session: Session, course: Course) -> None:
    moment = now()
    slug = f"{moment:%Y}-demo"
    if session.scalar(select(Cohort.id).where(Cohort.course_id == course.id, Cohort.slug == slug)):
        return
    plan = CohortPlan(
        slug=slug,
        title={"ko": f"{moment:%Y}년 시연 반", "en": f"{moment:%Y} demonstration cohort"},
        starts_at=moment - timedelta(days=1),
        ends_at=moment + timedelta(days=LAST_COHORT_DAYS),
    )
    open_cohort(session, None, course, plan)
