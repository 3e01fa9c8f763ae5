"""How long a queued run still waits: the queue is played through ahead of its time.

The play knows what a claim looks at (priority, how many runs of the same person and of the same course go on,
then age), what recent runs took, how many workers live, and how much new work came lately, some of which will
overtake. All times are seconds from now, but for `Job.queued_at`, which only has to be comparable.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean, median

USUAL_SECONDS = 3.0  # what a small lab takes, until runs of this installation say better
FEWEST = 5  # as many runs must be known before a lab, or a course, speaks for itself
WINDOW_SECONDS = 60.0  # new work of that time says how much more will come, for as long again
MEMORY_SECONDS = 10.0  # and what came later says more: a rush is seen as it begins
MOST_ARRIVALS = 400
REACH = 1.28  # standard deviations to each side: eight of ten waits end inside
DRIFT = 0.08  # what the machine's own load may change meanwhile, as a share of the wait


@dataclass(frozen=True)
class Pace:
    """What recent runs of one kind took, from claim to kept result.

    Units: seconds.
    """

    seconds: tuple[float, ...] = ()

    @cached_property
    def mean(self) -> float:
        """Return what a run takes on average."""
        return fmean(self.seconds) if self.seconds else USUAL_SECONDS

    @cached_property
    def median(self) -> float:
        """Return what half of the runs stay below."""
        return median(self.seconds) if self.seconds else USUAL_SECONDS

    @cached_property
    def variance(self) -> float:
        """Return how far runs differ, squared; as much as their length while nothing is known."""
        if len(self.seconds) < 2:  # noqa: PLR2004 - one value has no spread
            return self.mean**2
        return fmean((each - self.mean) ** 2 for each in self.seconds)

    @property
    def doubt(self) -> float:
        """Return how far the average itself may be off, as a share of it."""
        return math.sqrt(self.variance / max(len(self.seconds), 1)) / self.mean if self.mean else 0.0

    def left(self, elapsed: float) -> float:
        """Return what a run that has gone on for `elapsed` still takes: those that took longer say."""
        longer = [each for each in self.seconds if each > elapsed]
        if longer:
            return fmean(longer) - elapsed
        return max(self.mean - elapsed, elapsed / 2)


def pace_of(*levels: Sequence[float]) -> Pace:
    """Return the pace of the first level (lab, course, all) that knows enough runs, else of the widest."""
    for known in levels:
        if len(known) >= FEWEST:
            return Pace(tuple(known))
    return Pace(tuple(next((known for known in reversed(levels) if known), ())))


@dataclass(frozen=True)
class Job:
    """One run that waits."""

    key: Hashable
    priority: int
    person: Hashable
    course: Hashable
    queued_at: float
    order: tuple[int, int]  # decides between runs of the same moment
    pace: Pace = Pace()
    resource: str = "cpu"


@dataclass(frozen=True)
class Slot:
    """One live worker, with the run that it is at."""

    resources: frozenset[str]
    left_seconds: float = 0.0
    person: Hashable = None
    course: Hashable = None
    variance: float = 0.0


@dataclass(frozen=True)
class Arrivals:
    """New work of one kind that is expected to go on coming."""

    priority: int
    course: Hashable
    resource: str
    per_second: float
    pace: Pace = Pace()
    until_seconds: float = WINDOW_SECONDS
    """When it ends: a rush before a deadline ends with it."""


@dataclass(frozen=True)
class Scene:
    """Everything that decides when a run's turn comes."""

    slots: tuple[Slot, ...]
    queue: tuple[Job, ...]
    arrivals: tuple[Arrivals, ...] = ()
    gap_seconds: float = 0.0  # between two runs of one worker


@dataclass(frozen=True)
class Wait:
    """Where a queued run stands.

    Units: seconds until its result; None while nobody is there to run it.
    """

    place: int  # 1 = next
    seconds: float | None
    low: float | None = None
    high: float | None = None
    workers: int = 0  # that are alive and take work of its kind


STEPS = ((10.0, 1.0), (60.0, 5.0), (120.0, 10.0), (600.0, 30.0), (3600.0, 60.0))
SURE = 1.5  # a range that reaches less far than that times what is expected is not worth telling


def told(wait: Wait) -> Wait:
    """Return a wait as people are told it: no finer than it is known, a range only where that matters."""
    if wait.seconds is None or wait.low is None or wait.high is None:
        return replace(wait, low=None, high=None)
    seconds, low, high = _round(wait.seconds), _round(wait.low), _round(wait.high)
    if high > SURE * seconds and high - seconds > STEPS[1][1]:
        return replace(wait, seconds=seconds, low=low, high=high)
    return replace(wait, seconds=seconds, low=None, high=None)


def _round(seconds: float) -> float:
    step = next((step for limit, step in STEPS if seconds < limit), 600.0)
    return max(round(seconds / step) * step, 1.0)


LOOKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def look_again_seconds(wait: Wait | None, going_on_seconds: float = 0.0) -> float:
    """Return when a page that shows a wait, or a run that goes on, should look again: sooner near the end.

    Few different lengths, so that a page is not drawn anew only to look at another moment.
    """
    if wait is None:
        wanted = min(going_on_seconds / 10, 2.0)
    else:
        wanted = 8.0 if wait.seconds is None else wait.seconds / 6
    return max((look for look in LOOKS if look <= wanted), default=LOOKS[0])


@dataclass(frozen=True)
class _Start:
    place: int
    at: float
    variance: float


def waits(scene: Scene) -> dict[Hashable, Wait]:
    """Return the wait of every queued run.

    Complexity: O(n log n) in the runs that wait and those expected, times the number of courses.
    """
    expected = _Play(scene, _overtaking(scene)).starts()
    calm = _Play(scene, ()).starts() if scene.arrivals else expected
    return {job.key: _wait(scene, job, expected.get(job.key), calm.get(job.key)) for job in scene.queue}


def _wait(scene: Scene, job: Job, expected: _Start | None, calm: _Start | None) -> Wait:
    workers = sum(job.resource in slot.resources for slot in scene.slots)
    if expected is None or calm is None:
        ahead = sum(_age(other) < _age(job) for other in scene.queue if other.resource == job.resource)
        return Wait(place=ahead + 1, seconds=None)
    doubt = math.hypot(job.pace.doubt, DRIFT)
    seconds = expected.at + job.pace.median
    late = REACH * math.sqrt(expected.variance + job.pace.variance + (doubt * seconds) ** 2)
    soon = REACH * math.sqrt(calm.variance + job.pace.variance + (doubt * calm.at) ** 2)
    shortest = min(job.pace.seconds, default=job.pace.median / 2)
    return Wait(
        place=calm.place,
        seconds=seconds,
        low=min(seconds, max(calm.at + job.pace.median - soon, shortest)),
        high=seconds + late,
        workers=workers,
    )


def _age(job: Job) -> tuple[int, float, tuple[int, int]]:
    return job.priority, job.queued_at, job.order


def _overtaking(scene: Scene) -> list[tuple[float, Job]]:
    """Return when which new work will come that goes before some run that waits already."""
    found: list[tuple[float, Job]] = []
    for kind in scene.arrivals:
        goes_first = any(
            kind.resource == job.resource
            and (
                kind.priority < job.priority or (kind.priority == job.priority and kind.course != job.course)
            )
            for job in scene.queue
        )
        if not goes_first or kind.per_second <= 0:
            continue
        lasts = max(min(kind.until_seconds, WINDOW_SECONDS), 0)
        count = min(int(kind.per_second * lasts), MOST_ARRIVALS)
        found += [_arrival(kind, number) for number in range(1, count + 1)]
    return sorted(found, key=lambda pair: pair[0])


def _arrival(kind: Arrivals, number: int) -> tuple[float, Job]:
    at, name = number / kind.per_second, ("expected", kind.priority, kind.course, kind.resource, number)
    return at, Job(name, kind.priority, name, kind.course, math.inf, (0, number), kind.pace, kind.resource)


_Turn = tuple[
    int, float, tuple[int, int], int, Job
]  # running of the person, age, order, when it was written down


@dataclass
class _Line:
    """The queue of one kind of machine: a heap for each priority and course."""

    heaps: dict[tuple[int, Hashable], list[_Turn]] = field(default_factory=dict)
    added: int = 0

    def add(self, job: Job, running: int) -> None:
        self.added += 1
        heap = self.heaps.setdefault((job.priority, job.course), [])
        heapq.heappush(heap, (running, job.queued_at, job.order, self.added, job))


class _Play:
    """One run of the queue ahead of its time."""

    def __init__(self, scene: Scene, coming: Iterable[tuple[float, Job]]) -> None:
        self.scene = scene
        self.coming = list(coming)[::-1]
        self.lines: defaultdict[str, _Line] = defaultdict(_Line)
        self.of_person: defaultdict[Hashable, list[Job]] = defaultdict(list)
        self.people: Counter[Hashable] = Counter(each.person for each in scene.slots if each.left_seconds)
        self.courses: Counter[Hashable] = Counter(each.course for each in scene.slots if each.left_seconds)
        self.started: dict[Hashable, _Start] = {}
        self.before: Counter[str] = Counter()
        self.variance: defaultdict[str, float] = defaultdict(float)
        self.wide = Counter(kind for slot in scene.slots for kind in slot.resources)
        self.real = {job.key for job in scene.queue}
        self.missing = sum(self.wide[job.resource] > 0 for job in scene.queue)
        for job in scene.queue:
            self._queue(job)
        for slot in scene.slots:
            for kind in slot.resources:
                self.variance[kind] += slot.variance

    def _queue(self, job: Job) -> None:
        self.lines[job.resource].add(job, self.people[job.person])
        self.of_person[job.person].append(job)

    def starts(self) -> dict[Hashable, _Start]:
        """Play until every run that waits now has begun, or nobody is left to begin one."""
        slots = self.scene.slots
        free = [(slot.left_seconds, number, slot.left_seconds > 0) for number, slot in enumerate(slots)]
        at_work = {number: (slot.person, slot.course) for number, slot in enumerate(slots)}
        heapq.heapify(free)
        while free and self.missing:
            at, number, busy = heapq.heappop(free)
            if busy:
                self._finish(*at_work[number])
            self._let_in(at)
            job = self._claim(slots[number].resources)
            if job is None:  # nothing that waits now is for this worker
                continue
            self._begin(job, at)
            at_work[number] = (job.person, job.course)
            heapq.heappush(free, (at + job.pace.mean + self.scene.gap_seconds, number, True))
        return self.started

    def _let_in(self, at: float) -> None:
        while self.coming and self.coming[-1][0] <= at:
            self._queue(self.coming.pop()[1])

    def _finish(self, person: Hashable, course: Hashable) -> None:
        self.people[person] -= 1
        self.courses[course] -= 1
        for job in self.of_person[person]:
            if job.key not in self.started:  # its turn comes sooner than it was written down for
                self.lines[job.resource].add(job, self.people[person])

    def _begin(self, job: Job, at: float) -> None:
        kind, width = job.resource, self.wide[job.resource]
        real = job.key in self.real
        self.started[job.key] = _Start(self.before[kind] + 1, at, self.variance[kind] / width**2)
        self.before[kind] += real
        self.missing -= real
        self.variance[kind] += job.pace.variance + (0 if real else job.pace.mean**2)
        self.people[job.person] += 1
        self.courses[job.course] += 1

    def _claim(self, resources: frozenset[str]) -> Job | None:
        heads = [
            ((priority, head[0], self.courses[course], head[1], head[2]), kind, (priority, course))
            for kind in resources
            if kind in self.lines
            for (priority, course), heap in self.lines[kind].heaps.items()
            if (head := self._head(heap)) is not None
        ]
        if not heads:
            return None
        _, kind, place = min(heads, key=lambda each: each[0])
        return heapq.heappop(self.lines[kind].heaps[place])[-1]

    def _head(self, heap: list[_Turn]) -> _Turn | None:
        """Return the run whose turn it is; first put right who began, or whose person got busier."""
        while heap:
            running, queued_at, order, added, job = heap[0]
            if job.key in self.started:
                heapq.heappop(heap)
            elif self.people[job.person] > running:
                heapq.heapreplace(heap, (self.people[job.person], queued_at, order, added, job))
            else:
                return heap[0]
        return None


@dataclass(frozen=True)
class Arrival:
    """One run that was queued a short while ago, whether it still waits or not."""

    priority: int
    course: Hashable
    resource: str
    age_seconds: float
    until_seconds: float = math.inf
    """When the deadline that it hurried for ends such work."""


def expected_arrivals(came: Iterable[Arrival], paces: Mapping[Hashable, Pace]) -> tuple[Arrivals, ...]:
    """Return what will go on coming, judged by what came in the last `WINDOW_SECONDS`.

    Args:
        paces: by course
    """
    kinds: defaultdict[tuple[int, Hashable, str], list[Arrival]] = defaultdict(list)
    for each in came:
        kinds[each.priority, each.course, each.resource].append(each)
    return tuple(
        Arrivals(
            *kind,
            per_second=_rate(each.age_seconds for each in found),
            pace=paces.get(kind[1], Pace()),
            until_seconds=max(each.until_seconds for each in found),
        )
        for kind, found in kinds.items()
    )


def _rate(ages: Iterable[float]) -> float:
    """Return arrivals per second, where the newest count most.

    Source: an exponential kernel over the window, scaled to one.
    """
    whole = MEMORY_SECONDS * (1 - math.exp(-WINDOW_SECONDS / MEMORY_SECONDS))
    return sum(math.exp(-age / MEMORY_SECONDS) for age in ages) / whole
