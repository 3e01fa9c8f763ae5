"""The estimate of a wait: the play equals the queue, and the first word holds under a rush."""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.grading.core.waiting import (
    USUAL_SECONDS,
    WINDOW_SECONDS,
    Arrival,
    Arrivals,
    Job,
    Pace,
    Scene,
    Slot,
    Wait,
    expected_arrivals,
    look_again_seconds,
    pace_of,
    told,
    waits,
)

EXAM, DUE_SOON, PRACTICE, VIEW = 10, 20, 30, 50
CPU = frozenset({"cpu"})
DEADLINE = 660.0


def job(number: int, **changes: object) -> Job:
    made = Job(
        number,
        PRACTICE,
        f"person {number}",
        "course",
        queued_at=number,
        order=(0, number),
        pace=Pace((2.0,) * 5),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


# the play against the queue itself


def claim_order(queue: list[Job], slots: tuple[Slot, ...], gap: float) -> dict[object, float]:
    """Return when each run starts, by asking the whole queue anew at every claim."""
    free = [(slot.left_seconds, number) for number, slot in enumerate(slots)]
    at_work = {number: (slot.person, slot.course) for number, slot in enumerate(slots) if slot.left_seconds}
    heapq.heapify(free)
    waiting, starts = list(queue), {}
    while waiting and free:
        at, number = heapq.heappop(free)
        at_work.pop(number, None)
        people, courses = Counter(p for p, _ in at_work.values()), Counter(c for _, c in at_work.values())
        mine = [each for each in waiting if each.resource in slots[number].resources]
        if not mine:
            continue
        turn = min(
            mine,
            key=lambda each: (
                each.priority,
                people[each.person],
                courses[each.course],
                each.queued_at,
                each.order,
            ),
        )
        waiting.remove(turn)
        starts[turn.key] = at
        at_work[number] = (turn.person, turn.course)
        heapq.heappush(free, (at + turn.pace.mean + gap, number))
    return starts


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    lengths = st.sampled_from([0.25, 0.5, 1.0, 4.0, 32.0])
    people, courses = st.sampled_from("abcd"), st.sampled_from("xyz")
    kinds = st.sampled_from(["cpu", "gpu"])
    slots = draw(
        st.lists(
            st.builds(
                Slot,
                resources=st.frozensets(kinds, min_size=1),
                left_seconds=st.sampled_from([0.0, 0.3, 1.7, 9.1]),
                person=people,
                course=courses,
            ),
            min_size=0,
            max_size=4,
        )
    )
    count = draw(st.integers(0, 25))
    queue = [
        Job(
            key=number,
            priority=draw(st.sampled_from([EXAM, DUE_SOON, PRACTICE])),
            person=draw(people),
            course=draw(courses),
            queued_at=draw(st.sampled_from([0.0, 1.0, 2.0, 3.0])),
            order=(0, number),
            pace=Pace((draw(lengths),) * 5),
            resource=draw(kinds),
        )
        for number in range(count)
    ]
    return Scene(tuple(slots), tuple(queue), gap_seconds=draw(st.sampled_from([0.0, 0.125])))


@given(scenes())
def test_the_play_starts_every_run_when_the_queue_would(scene: Scene) -> None:
    expected = claim_order(list(scene.queue), scene.slots, scene.gap_seconds)
    found = waits(scene)
    for each in scene.queue:
        seconds = found[each.key].seconds
        if each.key in expected:
            assert seconds == pytest.approx(expected[each.key] + each.pace.median)
        else:
            assert seconds is None


@given(scenes())
def test_the_expected_wait_lies_in_its_range(scene: Scene) -> None:
    for wait in waits(scene).values():
        if wait.seconds is not None:
            assert wait.low is not None
            assert wait.high is not None
            assert 0 < wait.low <= wait.seconds <= wait.high
        assert wait.place >= 1


@given(scenes(), st.floats(0.05, 20))
def test_expected_newcomers_never_make_a_wait_shorter_or_a_place_worse(scene: Scene, rate: float) -> None:
    fifo = replace(
        scene,
        slots=tuple(Slot(frozenset({"cpu", "gpu"}), each.left_seconds) for each in scene.slots[:1]),
        queue=tuple(replace(each, course="x", pace=Pace((1.0,) * 5)) for each in scene.queue),
    )
    calm = waits(fifo)
    busy = waits(replace(fifo, arrivals=(Arrivals(EXAM, "x", "cpu", rate, Pace((1.0,) * 5)),)))
    for key, wait in calm.items():
        assert busy[key].place == wait.place
        if wait.seconds is not None:
            assert (busy[key].seconds or 0) >= wait.seconds - 1e-9


# what it says in plain cases


def test_two_workers_halve_the_wait() -> None:
    queue = tuple(job(number) for number in range(10))
    alone, together = waits(Scene((Slot(CPU),), queue)), waits(Scene((Slot(CPU), Slot(CPU)), queue))
    assert alone[9].seconds == pytest.approx(20)
    assert together[9].seconds == pytest.approx(10)
    assert (together[9].place, together[9].workers) == (10, 2)


def test_what_runs_already_is_waited_for() -> None:
    busy = Slot(CPU, left_seconds=7.5, person="other")
    assert waits(Scene((busy,), (job(1),)))[1].seconds == pytest.approx(9.5)


def test_without_a_live_worker_of_its_kind_there_is_a_place_and_no_promise() -> None:
    found = waits(Scene((Slot(CPU),), (job(1, resource="gpu"), job(2, resource="gpu"))))
    assert found[2] == Wait(place=2, seconds=None)


def test_a_person_with_a_run_going_on_comes_after_those_without() -> None:
    queue = (job(1, person="a"), job(2, person="b"))
    found = waits(Scene((Slot(CPU, 30.0, person="a"), Slot(CPU)), queue))
    assert (found[1].place, found[2].place) == (2, 1)


def test_a_later_exam_overtakes_practice_and_the_estimate_knows() -> None:
    queue = tuple(job(number) for number in range(5))
    exam = Arrivals(EXAM, "other", "cpu", per_second=0.25, pace=Pace((2.0,) * 5))
    calm, rush = waits(Scene((Slot(CPU),), queue)), waits(Scene((Slot(CPU),), queue, (exam,)))
    assert calm[4].seconds == pytest.approx(10)
    assert 14 < (rush[4].seconds or 0) < 26
    assert (rush[4].low or 0) <= 10


def test_newcomers_of_a_later_turn_change_nothing() -> None:
    queue = tuple(job(number, priority=EXAM) for number in range(5))
    more = Arrivals(PRACTICE, "course", "cpu", per_second=10)
    assert waits(Scene((Slot(CPU),), queue, (more,))) == waits(Scene((Slot(CPU),), queue))


def test_a_long_run_that_outlasts_all_known_ones_is_not_promised_to_end_now() -> None:
    pace = Pace((1.0, 1.0, 2.0, 8.0))
    assert pace.left(0) == pytest.approx(3)
    assert pace.left(4) == pytest.approx(4)
    assert pace.left(60) == pytest.approx(30)


def test_a_new_lab_is_judged_by_its_course_and_then_by_all() -> None:
    few, course, everything = [9.0], [1.0] * 6, [5.0] * 50
    assert pace_of(few, course, everything).mean == 1
    assert pace_of(few, [1.0], everything).mean == 5
    assert pace_of(few, [9.0, 3.0], [9.0, 3.0]).mean == 6
    assert pace_of([], [], []).mean == USUAL_SECONDS


def test_runs_that_differ_give_a_wider_range() -> None:
    def reach(*seconds: float) -> float:
        queue = tuple(job(number, pace=Pace(seconds)) for number in range(20))
        wait = waits(Scene((Slot(CPU),), queue))[19]
        return (wait.high or 0) - (wait.low or 0)

    assert reach(0.1, 0.1, 0.1, 0.1, 9.6) > 2 * reach(2.0, 2.0, 2.0, 2.0, 2.0)


def test_a_long_queue_is_played_through_in_good_time() -> None:
    """A count of steps, not of seconds: every claim looks at one run for each course and priority."""
    queue = tuple(job(number, course=number % 5) for number in range(2000))
    found = waits(Scene((Slot(CPU), Slot(CPU)), queue))
    assert found[1999].seconds == pytest.approx(2000)


# a rush, second by second


@dataclass
class Rush:
    """A queue with workers and students who come at random; every first estimate is kept."""

    seed: int
    lengths: dict[str, tuple[float, float]]  # course -> (median seconds, spread)
    workers: int = 2
    done: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=60))
    came: list[tuple[float, int, str]] = field(default_factory=list)
    queue: list[Job] = field(default_factory=list)
    running: dict[int, tuple[Job, float]] = field(default_factory=dict)  # slot -> run, since
    first: dict[object, float] = field(default_factory=dict)
    actual: dict[object, float] = field(default_factory=dict)

    def play(self, arrivals: Iterator[tuple[float, int, str]]) -> list[tuple[float, float]]:
        """Return (estimate, truth) of every run that waited."""
        luck = random.Random(self.seed)
        events = [(at, 0, number, priority, course) for number, (at, priority, course) in enumerate(arrivals)]
        heapq.heapify(events)
        while events:
            at, ends, number, priority, course = heapq.heappop(events)
            if ends:
                self._end(number, at)
            else:
                self._come(number, at, priority, course)
            for slot in range(self.workers):
                if slot not in self.running and self.queue:
                    started = self._claim(slot, at)
                    typical, spread = self.lengths[str(started.course)]
                    heapq.heappush(events, (at + typical * luck.lognormvariate(0, spread), 1, slot, 0, ""))
            if (
                not ends
                and number not in self.actual
                and number not in {each.key for each, _ in self.running.values()}
            ):
                self.first[number] = self._estimate(number, at)
        return [(told, self.actual[key]) for key, told in self.first.items()]

    def _come(self, number: int, at: float, priority: int, course: str) -> None:
        self.came.append((at, priority, course))
        self.queue.append(Job(number, priority, number, course, at, (0, number)))

    def _end(self, slot: int, at: float) -> None:
        ended, since = self.running.pop(slot)
        self.done.append((str(ended.course), at - since))
        self.actual[ended.key] = at - ended.queued_at

    def _claim(self, slot: int, at: float) -> Job:
        courses = Counter(each.course for each, _ in self.running.values())
        turn = min(self.queue, key=lambda each: (each.priority, courses[each.course], each.queued_at))
        self.queue.remove(turn)
        self.running[slot] = (turn, at)
        return turn

    def _estimate(self, number: int, at: float) -> float:
        everything = [seconds for _, seconds in self.done]
        paces = {
            course: pace_of([s for name, s in self.done if name == course], everything)
            for course in self.lengths
        }
        slots = [Slot(CPU)] * self.workers
        for slot, (each, since) in self.running.items():
            pace = paces[str(each.course)]
            slots[slot] = Slot(CPU, pace.left(at - since), each.person, each.course, pace.variance)
        recent = [
            Arrival(p, c, "cpu", at - when, DEADLINE - at if p != PRACTICE else math.inf)
            for when, p, c in self.came
            if at - when < WINDOW_SECONDS
        ]
        scene = Scene(
            tuple(slots),
            tuple(replace(each, pace=paces[str(each.course)]) for each in self.queue),
            expected_arrivals(recent, paces),
        )
        return waits(scene)[number].seconds or 0


def errors(pairs: list[tuple[float, float]]) -> tuple[float, float, int]:
    """Return median and ninth decile of the error of waits over 5 s, as a share, and their count."""
    off = sorted(abs(told - true) / true for told, true in pairs if true > 5)
    return median(off), off[int(0.9 * len(off))], len(off)


def deadline(
    luck: random.Random, before: int, last: int, mix: dict[tuple[int, str], float]
) -> Iterator[tuple[float, int, str]]:
    """Yield who comes: `before` over ten minutes, `last` in the minute that follows."""
    moments = sorted(
        [luck.uniform(0, 600) for _ in range(before)] + [luck.uniform(600, DEADLINE) for _ in range(last)]
    )
    kinds, weights = list(mix), list(mix.values())
    for at in moments:
        priority, course = luck.choices(kinds, weights)[0]
        yield at, priority, course


RUSHES = {
    "one lab, all due": ({"ml": (0.55, 0.25)}, {(DUE_SOON, "ml"): 1.0}),
    "slow graders": ({"ml": (1.2, 0.25)}, {(DUE_SOON, "ml"): 1.0}),
    "runs that differ a lot": ({"ml": (0.6, 0.8)}, {(DUE_SOON, "ml"): 1.0}),
    "two courses": ({"ml": (0.6, 0.3), "dl": (1.0, 0.4)}, {(DUE_SOON, "ml"): 0.7, (DUE_SOON, "dl"): 0.3}),
    "practice is overtaken": (
        {"ml": (0.6, 0.3), "dl": (0.6, 0.3)},
        {(DUE_SOON, "ml"): 0.85, (PRACTICE, "dl"): 0.15},
    ),
    "an exam in the middle": (
        {"ml": (0.6, 0.3), "exam": (0.8, 0.3)},
        {(DUE_SOON, "ml"): 0.75, (EXAM, "exam"): 0.25},
    ),
}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 5))])
@pytest.mark.parametrize("name", RUSHES)
def test_the_first_estimate_holds_in_a_deadline_rush(name: str, seed: int) -> None:
    lengths, mix = RUSHES[name]
    arrivals = deadline(random.Random(seed), 200, 300, mix)
    middle, ninth, count = errors(Rush(seed, lengths).play(arrivals))
    assert count > 100
    assert middle <= 0.25
    assert ninth <= 0.5


# what people are told


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, 1), (3.4, 3), (9.6, 10), (23, 25), (59, 60), (74, 70), (140, 150), (700, 720), (5000, 4800)],
)
def test_a_wait_is_told_no_finer_than_it_is_known(seconds: float, said: float) -> None:
    assert told(Wait(3, seconds, seconds * 0.9, seconds * 1.1, 2)) == Wait(3, said, None, None, 2)


def test_a_wide_range_is_told_and_a_narrow_one_is_not() -> None:
    assert told(Wait(3, 40, 20, 200)) == Wait(3, 40, 20, 210)
    assert told(Wait(3, 2, 1, 6)).low is None  # nobody minds four seconds
    assert told(Wait(3, 40, 30, 50)).low is None


def test_no_promise_stays_none() -> None:
    assert told(Wait(7, None)) == Wait(7, None)


@given(st.floats(0, 1e6), st.floats(0, 1), st.floats(1, 10))
def test_what_is_told_is_in_order(seconds: float, less: float, more: float) -> None:
    wait = told(Wait(1, seconds, seconds * less, seconds * more, 1))
    if wait.low is not None:
        assert wait.high is not None
        assert 0 < wait.low <= (wait.seconds or 0) < wait.high


def test_a_page_looks_more_often_near_the_end_and_never_without_pause() -> None:
    looks = [look_again_seconds(Wait(1, seconds)) for seconds in (600, 60, 20, 5, 1, 0)]
    assert looks == [16, 8, 2, 0.5, 0.25, 0.25]
    assert look_again_seconds(Wait(1, None)) == 8
    assert [look_again_seconds(None, going_on) for going_on in (0, 4, 11, 500)] == [0.25, 0.25, 1, 2]
