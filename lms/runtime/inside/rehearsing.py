"""What a kernel or a checker does while it waits for its run: once what every run does, with made-up values.

A forked process shares its memory with the warm environment until it writes to it, and copying the pages
takes a tenth of a run. Whoever waits has the time. Nothing of it stays: no name, no count, no history, and
the random state is set when the run begins.
"""

import contextlib
import io
import socket
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import Any

from lms.runtime.inside.alike import Apart
from lms.runtime.inside.running import transformed
from lms.runtime.inside.talk import ASK, OK, Talk

REST_SECONDS = 0.02  # a run that comes at once is not kept waiting
CELL = """
if False:
    def mean(values):
        '''Return the mean.'''
        return [sum(values) / len(values) for value in values if value is not None]
    assert mean([1, 2]) == [1.5, 1.5], f"{mean}"
pass
"""


def steps(shell: Any = None) -> Generator[None]:
    """Yield after each of some small pieces of work, so that it can be left off at any time.

    Args:
        shell: of a kernel; a checker has none.
    """
    for step in (_compile, _arrays, _tables, _cross, _models):
        _alone(step)
        yield
    for show in (_cell, _display) if shell is not None else ():
        _alone(lambda show=show: show(shell))  # type: ignore[misc]
        yield


def _alone(step: Callable[[], object]) -> None:
    quiet = io.StringIO()
    # What fails here fails in the cell that needs it too, and says so there.
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            step()


def _compile() -> None:
    exec(compile(transformed(CELL), "<rehearsal>", "exec"), {})  # noqa: S102  # our own constant


def _cell(shell: Any) -> None:
    """Run a cell that binds nothing, silently: it is not counted and not remembered."""
    last = shell.last_execution_succeeded, shell.last_execution_result
    shell.run_cell(CELL, store_history=False, silent=True)
    shell.last_execution_succeeded, shell.last_execution_result = last


def _display(shell: Any) -> None:
    for value in (1.5, [1, "a"], _numbers(), _table()):
        shell.display_formatter.format(value)
    shell.display_formatter.format(_table().groupby("c")["b"].mean())


def _numbers() -> Any:
    numpy = sys.modules["numpy"]
    return numpy.linspace(0, 1, 200).reshape(50, 4)


def _table() -> Any:
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    return pandas.DataFrame(
        {"a": numpy.arange(50), "b": numpy.where(numpy.arange(50) % 7, 0.5, numpy.nan), "c": ["x", "y"] * 25}
    )


def _arrays() -> None:
    numpy, numbers = sys.modules["numpy"], _numbers()
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    numpy.allclose(scaled.mean(axis=0), 0)
    numpy.testing.assert_allclose(scaled, scaled)
    numpy.unique(numpy.concatenate([scaled.ravel(), [0.0]])).argmax()
    str(scaled[numpy.arange(50) % 2 == 0].astype(int))


def _tables() -> None:
    pandas, table = sys.modules["pandas"], _table()
    whole = table.copy()
    whole["b"] = whole["b"].fillna(whole.groupby("c")["b"].transform("median"))
    summary = whole.groupby(["c", "a"])["b"].agg(["count", "mean", "max"]).reset_index()
    pandas.testing.assert_frame_equal(summary, summary.copy())
    str(whole[whole["b"] > 0].describe())
    whole.merge(summary, on=["c", "a"]).sort_values("a")["c"].value_counts()


def _cross() -> None:
    """Let values go to and fro between two ends of a line of our own."""
    with contextlib.ExitStack() as both:
        ours, theirs = (both.enter_context(end) for end in socket.socketpair())
        one, other = Talk(ours, 1, Apart()), Talk(theirs, -1, Apart())
        for value in ([1, 2.5, "a", {"b": (None, True)}], *_data()):
            one.post(ASK, 1, ["call", value])
            message = other.take()
            other.twins.look()
            other.post(OK, message.number, [message.values[1]])
            one.take()
            one.twins.prune()


def _data() -> Iterator[Any]:
    if "numpy" in sys.modules:
        yield _numbers()
    if "pandas" in sys.modules:
        yield from (_table(), _table()["c"])


def _models() -> None:
    """Fit what is imported to a few rows; all with a seed of their own."""
    numbers = _numbers()
    classes = sys.modules["numpy"].arange(50) % 2
    for module, name, settings in (
        ("sklearn.linear_model", "LogisticRegression", {"max_iter": 5}),
        ("sklearn.tree", "DecisionTreeClassifier", {"max_depth": 2, "random_state": 0}),
        (
            "sklearn.ensemble",
            "RandomForestClassifier",
            {"n_estimators": 2, "max_depth": 2, "random_state": 0},
        ),
    ):
        if module in sys.modules:
            model = getattr(sys.modules[module], name)(**settings).fit(numbers, classes)
            (model.predict(numbers) == classes).mean()
