from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.climb_chart import APART, BOTTOM, HEIGHT, TOP, Point, chart, spread
from lms.leaderboards.core.digits import in_digits, rounded

START = datetime(2026, 11, 1, tzinfo=UTC)
SCORES = st.floats(allow_nan=False, allow_infinity=False)


def test_without_a_step_there_is_no_chart() -> None:
    assert chart([], START, 4) is None


def test_a_step_goes_along_and_then_up() -> None:
    climb = [Point(START, 0.0), Point(START + timedelta(days=1), 1.0)]
    drawn = chart([climb], START + timedelta(days=2), 4)
    assert drawn is not None
    assert drawn.lines[0].path == "M64.0 266.0H277.0V14.0H490.0"
    assert [tick.value for tick in drawn.scores] == [0, 0.25, 0.5, 0.75, 1]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 1000), SCORES), min_size=1, max_size=4), min_size=1, max_size=10
    )
)
def test_every_line_stays_on_the_paper(climbs: list[list[tuple[int, float]]]) -> None:
    drawn = chart(
        [[Point(START + timedelta(hours=hour), score) for hour, score in sorted(climb)] for climb in climbs],
        START,
        10,
    )
    assert drawn is not None
    for line in drawn.lines:
        assert TOP - 1 <= line.y <= HEIGHT - BOTTOM + 1
        assert TOP - 1 <= line.label_y <= HEIGHT - BOTTOM + 1
        assert "nan" not in line.path
        assert "inf" not in line.path


@given(st.lists(SCORES, min_size=1, max_size=6), st.integers(0, 10))
def test_a_figure_beside_the_axis_stands_where_it_says_and_once(scores: list[float], decimals: int) -> None:
    climb = [Point(START + timedelta(hours=hour), score) for hour, score in enumerate(scores)]
    drawn = chart([climb], START, decimals)
    assert drawn is not None
    told = [in_digits(tick.value, decimals) for tick in drawn.scores]
    assert len(told) == len(set(told)) <= 5
    for tick in drawn.scores:
        assert tick.value == float(rounded(tick.value, decimals))
    least, most = (in_digits(end, decimals) for end in (min(scores), max(scores)))
    assert (told[0], told[-1]) == (least, most)


def test_scores_that_differ_in_the_last_decimal_alone_have_two_figures() -> None:
    climb = [Point(START, 0.851), Point(START + timedelta(days=1), 0.8649)]
    drawn = chart([climb], START + timedelta(days=2), 2)
    assert drawn is not None
    assert [(tick.at, tick.value) for tick in drawn.scores] == [(266.0, 0.85), (14.0, 0.86)]


@given(st.lists(st.floats(0, 100), max_size=10))
def test_names_stand_apart_and_in_order(wanted: list[float]) -> None:
    placed = spread(wanted, 10, 0, 100)
    for near, far in pairwise(sorted(placed)):
        assert far - near >= 10 - 1e-6
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    assert [placed[number] for number in order] == sorted(placed)
    assert APART * 10 < HEIGHT
