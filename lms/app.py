"""The web application: the only list of blueprints, places and panels."""

from importlib import resources

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.middleware.proxy_fix import ProxyFix

import lms.accounts.panels
import lms.accounts.policy
import lms.accounts.views.organisations
import lms.accounts.views.profile
import lms.accounts.views.sign_in
import lms.accounts.views.site
import lms.certs.adapters.badge
import lms.certs.adapters.pdf
import lms.certs.api
import lms.certs.panels
import lms.certs.views.badges
import lms.certs.views.bulk
import lms.certs.views.connecting
import lms.certs.views.log
import lms.certs.views.oauth
import lms.certs.views.open_badges
import lms.certs.views.pages
import lms.certs.views.sharing
import lms.certs.views.transcript
import lms.certs.views.wallet
import lms.courses.panels
import lms.courses.views.routes
import lms.grading.adapters.record_key
import lms.grading.api
import lms.grading.panels
import lms.grading.views.fleet
import lms.grading.views.gradebook
import lms.grading.views.labs
import lms.grading.views.marking
import lms.grading.views.metrics
import lms.grading.views.records
import lms.grading.views.steering
import lms.grading.views.submissions
import lms.leaderboards.api
import lms.leaderboards.panels
import lms.leaderboards.views.boards
import lms.leaderboards.views.challenges
import lms.leaderboards.views.dates
import lms.leaderboards.views.discussion
import lms.leaderboards.views.entering
import lms.leaderboards.views.flags
import lms.leaderboards.views.grades
import lms.leaderboards.views.honours
import lms.leaderboards.views.organising
import lms.leaderboards.views.run_logs
import lms.leaderboards.views.teams
import lms.leaderboards.views.winners
import lms.leaderboards.views.writeups
import lms.web.views
from lms.blobs import BlobStore, FolderBlobs
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.errors import N_
from lms.grading.adapters.wakers import make_waker
from lms.grading.queries.gradebook import COLUMNS
from lms.grading.services.waking import wake_after_commit
from lms.leaderboards.queries.kept import KeptPages
from lms.web import assets, errors, formats, guard, headers, language, navigation, session, shapes, slots
from lms.web.navigation import Place
from lms.web.warm import compile_ahead

# One line for each blueprint, in the order of the storeys.
BLUEPRINTS = (
    lms.web.views.blueprint,
    lms.web.views.bootstrap,
    lms.web.views.htmx,
    lms.accounts.views.sign_in.blueprint,
    lms.accounts.views.profile.blueprint,
    lms.accounts.views.organisations.blueprint,
    lms.accounts.views.site.blueprint,
    lms.grading.views.labs.blueprint,
    lms.grading.api.blueprint,
    lms.courses.views.routes.blueprint,
    lms.leaderboards.views.boards.blueprint,
    lms.leaderboards.views.flags.blueprint,
    lms.leaderboards.views.grades.blueprint,
    lms.leaderboards.views.honours.blueprint,
    lms.leaderboards.api.blueprint,
    lms.certs.views.pages.blueprint,
    lms.certs.views.badges.blueprint,
    lms.certs.views.bulk.blueprint,
    lms.certs.views.connecting.blueprint,
    lms.certs.views.log.blueprint,
    lms.certs.views.oauth.blueprint,
    lms.certs.views.open_badges.blueprint,
    lms.certs.views.sharing.blueprint,
    lms.certs.views.transcript.blueprint,
    lms.certs.views.wallet.blueprint,
    lms.certs.api.blueprint,
)

# One line for each entry of the navigation; an entry appears once its endpoint is there.
PLACES = (
    Place(label=N_("Courses"), endpoint="courses.catalogue", within="courses."),
    Place(label=N_("Labs"), endpoint="grading.labs", within="grading.", signed_in=True),
    Place(label=N_("Challenges"), endpoint="leaderboards.challenges", within="leaderboards.challenge"),
    Place(label=N_("Leaderboards"), endpoint="leaderboards.boards", within="leaderboards", signed_in=True),
    Place(label=N_("Certificates"), endpoint="certs.wallet", within="certs.", signed_in=True),
    Place(label=N_("Verify"), endpoint="certs.verify", within="certs.verify"),
    Place(
        label=N_("Operation"),
        endpoint="grading.fleet",
        within="grading.fleet",
        seen_by=lms.accounts.policy.is_site_admin,
    ),
)

# One line for each (slot, panel): what an upper domain shows on a lower domain's page.
PANELS: tuple[tuple[str, slots.Panel], ...] = (
    ("page.account", lms.accounts.panels.account_menu),
    ("welcome.actions", lms.accounts.panels.welcome_actions),
    ("course.lab", lms.grading.panels.course_lab),
    ("course.facts", lms.grading.panels.course_staff),
    ("home.panels", lms.courses.panels.my_courses),
    ("home.panels", lms.grading.panels.home),
    ("welcome.panels", lms.courses.panels.first_courses),
    ("lab.board", lms.leaderboards.panels.lab_board),
    ("gradebook.panels", lms.leaderboards.panels.confirmed_points),
    ("home.panels", lms.certs.panels.my_certificates),
    ("course.panels", lms.certs.panels.course_certificate),
)


def create_app(
    settings: Settings,
    *,
    sessions: sessionmaker[Session] | None = None,
    blobs: BlobStore | None = None,
    warm: bool = False,
) -> Flask:
    """Build the web application of one installation.

    Args:
        settings: of the installation.
        sessions: where its data are; those of `settings` if not given.
        blobs: where its files are; likewise.
        warm: compile now what the first visitors would wait for: for servers.
    """
    app = Flask("lms", root_path=str(resources.files("lms")), static_folder=None, static_url_path="")
    app.config.update(_config(settings))
    app.extensions["settings"] = settings
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, settings.trusted_proxies, settings.trusted_proxies)  # type: ignore[method-assign]
    headers.attach(app)
    sessions = sessions or make_sessions(make_engine(settings.database))
    wake_after_commit(sessions, make_waker(settings.instance, settings.queue_url))
    session.attach(app, sessions, blobs or FolderBlobs(settings.instance / "blobs"))
    CSRFProtect(app)
    lms.accounts.views.sign_in.attach(app)
    language.attach(app)
    shapes.attach(app)
    guard.attach(app)
    errors.attach(app)
    formats.attach(app)
    navigation.attach(app, PLACES)
    assets.attach(app)
    app.jinja_env.globals["fill"] = slots.fill
    app.extensions["grade_keys"] = lms.grading.adapters.record_key.FolderKeys(settings.instance / "keys")
    app.extensions["board_pages"] = KeptPages()
    app.extensions["board_pages"].watch(sessions)
    app.extensions["certificate_badge"] = lms.certs.adapters.badge.draw_badge
    app.extensions["certificate_paper"] = lms.certs.adapters.pdf.render_certificate
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for slot, panel in PANELS:
        slots.register(app, slot, panel)
    slots.offer(app, COLUMNS, lms.leaderboards.panels.board_columns)
    if warm:
        compile_ahead(app)
    return app


def _config(settings: Settings) -> dict[str, object]:
    secure = settings.public_url.startswith("https://")
    return {
        "SECRET_KEY": settings.session_key(),
        "MAX_CONTENT_LENGTH": settings.upload_limit_bytes,
        "SESSION_COOKIE_NAME": "__Host-session" if secure else "session",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": 14 * 24 * 3600,
        "WTF_CSRF_TIME_LIMIT": None,
        "SEND_FILE_MAX_AGE_DEFAULT": 3600,
    }
