"""Waking and spreading workers on several machines: Celery, on Redis or RabbitMQ.

A message says that there is work for one kind of machine, and nothing else: which work, in which order and
whether it is done stand in the database. So a message that is lost, late or delivered twice costs a moment
at most, and never a submission or a second grade.
"""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from celery import Celery, signals
from celery.worker import state
from kombu.exceptions import KombuError

from lms.grading.models import Resource

log = structlog.get_logger()

TASK = "duri.work"
MESSAGE_SECONDS = 3600  # after it a message is dropped: the sweep says again what waits
VISIBILITY_SECONDS = 3600  # after it a message whose worker died is given to another; longer than any run
CONNECT_SECONDS = 2
MOST_WAITING = 1000


def make_celery(url: str) -> Celery:
    """Return the application that speaks with the broker at `url`."""
    app = Celery("duri", broker=url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_connect_timeout": CONNECT_SECONDS,
        },
        task_default_queue=queue_name(Resource.CPU.value),
    )
    return app


def queue_name(resource: str) -> str:
    """Return the queue of work for one kind of machine."""
    return f"duri-{resource}"


class CeleryWaker:
    """Sends messages to the workers of one kind of machine, wherever they are, from a thread of its own.

    Nobody who hands something in waits for the broker; while it is away messages are dropped, and what
    waits is said again by the chores.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._news = threading.Event()
        self._sender_of = 0  # the process whose thread it is: a thread does not go over into a fork

    def wake(self, resource: str) -> None:
        """Have a message sent."""
        self._waiting.append(resource)
        self._news.set()
        if self._sender_of != os.getpid():
            self._sender_of = os.getpid()
            threading.Thread(target=self._send_all, daemon=True, name="waker").start()

    def _send_all(self) -> None:
        app = make_celery(self._url)
        while self._news.wait():
            self._news.clear()
            while self._waiting:
                resource = self._waiting.popleft()
                try:
                    app.send_task(TASK, queue=queue_name(resource), expires=MESSAGE_SECONDS, retry=False)
                except (KombuError, OSError) as problem:
                    self._waiting.clear()
                    log.warning("queue.not_woken", resource=resource, problem=str(problem))


def serve(
    url: str, resources: Sequence[Resource], work_off: Callable[[], None], ready: Callable[[], None]
) -> Callable[[], None]:
    """Return what makes this process a worker of Celery that works off the database at every message.

    Args:
        work_off: works until nothing waits.
        ready: called once Celery has taken its signals, to take them back.
    """
    app = make_celery(url)
    app.task(name=TASK, bind=False)(work_off)

    def run() -> None:
        worker = app.Worker(
            hostname=f"duri-{os.getpid()}@{socket.gethostname()}",
            pool="solo",
            queues=[queue_name(resource.value) for resource in resources],
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel="WARNING",
        )
        signals.worker_ready.connect(lambda **_: ready(), weak=False)
        worker.start()

    return run


def end() -> None:
    """Have this process's Celery end as soon as its task has."""
    state.should_stop = os.EX_OK
