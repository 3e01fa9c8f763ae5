"""Figures for a monitoring program, in Prometheus's text format, read from the database at that moment.

They are the same whichever web process answers. Requests are not counted here: each process would know its
own only. The web server in front, or gunicorn's statsd, counts them all: `docs/howto/operate-grading.md`.
"""

import hmac
from collections.abc import Iterator

from flask import Response, request
from flask_login import current_user
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from lms.accounts.policy import is_site_admin
from lms.db import now
from lms.errors import NotFound
from lms.grading.queries import fleet
from lms.grading.queries.stopped import failed
from lms.grading.views.labs import blueprint
from lms.web.guard import public
from lms.web.session import session, settings


@blueprint.get("/metrics")
@public
def metrics() -> Response:
    """Answer a monitoring program that knows the token, or the operator; others find no such page."""
    if not _may_read():
        raise NotFound
    registry = CollectorRegistry()
    registry.register(Figures())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_read() -> bool:
    wanted = settings().metrics_token
    if not wanted:
        return False
    given = request.headers.get("Authorization", "")
    same = hmac.compare_digest(given.encode("latin-1", "replace"), f"Bearer {wanted}".encode())
    return same or (current_user.is_authenticated and is_site_admin(current_user))


class Figures(Collector):
    """Everything that is told of grading."""

    def describe(self) -> list[Metric]:
        """Say nothing beforehand: every figure costs a look at the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure of this moment."""
        at = now()
        yield from _queue(fleet.backlogs(session(), at))
        yield from _workers(fleet.desks(session(), at))
        yield from _lately(fleet.periods(session(), at)[0])
        runs = CounterMetricFamily("duri_grading_runs", "Runs that ended.", labels=["state", "assurance"])
        for (state, assurance), count in sorted(fleet.totals(session()).items()):
            runs.add_metric([state, assurance], count)
        yield runs
        letters = failed(session()).found
        yield GaugeMetricFamily(
            "duri_grading_dead_letters", "Runs that failed for good, not replaced.", letters
        )


def _queue(backlogs: list[fleet.Backlog]) -> Iterator[Metric]:
    labels = ["state", "priority", "resource"]
    depth = GaugeMetricFamily("duri_grading_queue_runs", "Runs, views and builds by state.", labels=labels)
    oldest = GaugeMetricFamily("duri_grading_oldest_wait_seconds", "Longest wait so far.", labels=labels[1:])
    for each in backlogs:
        depth.add_metric(["waiting", each.name, each.resource.value], each.waiting)
        depth.add_metric(["working", each.name, each.resource.value], each.working)
        oldest.add_metric([each.name, each.resource.value], each.oldest_seconds or 0)
    return iter((depth, oldest))


def _workers(desks: list[fleet.Desk]) -> Iterator[Metric]:
    count = GaugeMetricFamily("duri_grading_workers", "Workers on the list.", labels=["state", "isolation"])
    memory = GaugeMetricFamily(
        "duri_grading_warm_bytes", "Memory of a warm environment.", labels=["worker", "environment"]
    )
    forks = GaugeMetricFamily(
        "duri_grading_warm_forks", "Kernels forked from a warm environment.", labels=["worker", "environment"]
    )
    counts: dict[tuple[str, str], int] = {("alive", "full"): 0}
    for desk in desks:
        key = ("alive" if desk.alive else "silent", desk.level or "unknown")
        counts[key] = counts.get(key, 0) + 1
        for warm in desk.warm if desk.alive else ():
            memory.add_metric([desk.name, warm.name], warm.memory_bytes)
            forks.add_metric([desk.name, warm.name], warm.forks)
    for key, number in sorted(counts.items()):
        count.add_metric(key, number)
    return iter((count, memory, forks))


def _lately(period: fleet.Period) -> Iterator[Metric]:
    found = {"wait": period.wait, "run": period.run, "estimate_error": period.error}
    names = {
        "wait": (
            "duri_grading_recent_wait_seconds",
            "Wait of the last 15 minutes, by share that stays below.",
        ),
        "run": (
            "duri_grading_recent_run_seconds",
            "Run time of the last 15 minutes, by share that stays below.",
        ),
        "estimate_error": (
            "duri_grading_recent_estimate_error_ratio",
            "Error of the first estimate of waits over 5 s, last 15 minutes, by share that stays below.",
        ),
    }
    for name, (title, text) in names.items():
        family = GaugeMetricFamily(title, text, labels=["share"])
        spread = found[name]
        if spread is not None:
            family.add_metric(["0.5"], spread.middle)
            family.add_metric(["0.9" if name == "estimate_error" else "0.95"], spread.far)
        yield family
