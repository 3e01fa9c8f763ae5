"""Rows 18-27 and 41-44: what stands in the file that is handed in, and what it writes, decides nothing."""

import ast
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import lms
from lms.grading.core.contracts import CheckStatus
from lms.grading.core.notices import is_fatal
from lms.grading.core.structure import check_structure
from tests.redteam.arena import Arena
from tests.redteam.arena import told as shown
from tests.redteam.lab import FULL, SOLUTIONS, TESTS, find, marks_of

jail = pytest.mark.jail
Cells = list[dict[str, Any]]


@jail
@pytest.mark.parametrize("tag", ["skip-execution", "raises-exception", "remove-cell", "parameters", "skip"])
def test_tags_change_nothing(arena: Arena, tag: str) -> None:
    """Row 18."""

    def tagged(cells: Cells) -> None:
        for one in cells:
            one["metadata"] |= {"tags": [tag], "jupyter": {"source_hidden": True}, "deletable": True}

    graded = arena.gains_nothing(arena.release.submission(edit=tagged))
    assert tag not in graded.executed
    assert "tags-dropped" in graded.codes


@jail
def test_a_test_that_was_deleted_is_put_back_and_graded(arena: Arena) -> None:
    """Row 19."""

    def without(cells: Cells) -> Cells:
        return [one for one in cells if marks_of(one).get("grade_id") not in TESTS]

    graded = arena.attack(arena.release.submission(SOLUTIONS, edit=without))
    assert graded.scores == FULL
    assert "test-restored" in graded.codes
    arena.gains_nothing(arena.release.submission(edit=without))


@jail
def test_of_a_doubled_cell_the_last_counts(arena: Arena) -> None:
    """Row 20."""

    def doubled(cells: Cells) -> None:
        find(cells, "squares-answer")["source"] = "def squares(n): return []"
        again = json.loads(json.dumps(find(cells, "squares-answer")))
        again["source"] = SOLUTIONS["squares-answer"]
        cells.insert(cells.index(find(cells, "squares")), again)
        cells.insert(4, json.loads(json.dumps(find(cells, "rate"))))

    graded = arena.attack(arena.release.submission(SOLUTIONS, edit=doubled))
    assert graded.scores == FULL, graded.scores
    assert "cell-duplicated" in graded.codes
    arena.gains_nothing(
        arena.release.submission(edit=doubled),
        without=arena.release.submission({"squares-answer": SOLUTIONS["squares-answer"]}),
    )


FLAGS = [
    {"grade": False},
    {"solution": True},
    {"task": True},
    {"locked": False, "grade": False, "solution": True},
    {"points": 1000},
    {"points": -5},
    {"points": "NaN"},
    {"points": None},
    {"schema_version": 2},
    {"checksum": "0" * 32, "extra": [1]},
]


@jail
@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_flags_and_points_come_from_the_release(arena: Arena, flags: dict[str, Any]) -> None:
    """Rows 21 and 22."""

    def changed(cells: Cells) -> None:
        for one in cells:
            if marks_of(one).get("grade_id") in TESTS:
                marks_of(one).update(flags)

    graded = arena.attack(arena.release.submission(SOLUTIONS, edit=changed))
    assert graded.scores == FULL
    assert {one.grade_id: one.maximum for one in graded.report.checks} == FULL
    arena.gains_nothing(arena.release.submission(edit=changed))


@pytest.mark.parametrize("points", ["NaN", "1e400", "-Infinity"])
def test_points_that_are_no_number_are_refused_or_forgotten(points: str) -> None:
    """Row 22, as text of the file: never a maximum."""
    from tests.grading.core.making import LAB, submission  # noqa: PLC0415

    content = submission().replace(b'"points": 2', f'"points": {points}'.encode())
    assert f'"points": {points}'.encode() in content
    found = check_structure(content, LAB)
    fatal = [one.code for one in found if is_fatal(one)]
    assert fatal == (["not-a-number"] if points != "1e400" else [])
    assert LAB.maximum == 10


@jail
@pytest.mark.parametrize(
    "how", ["names swapped", "tests first", "backwards", "tests as text", "answers as text"]
)
def test_the_order_of_the_release_holds(arena: Arena, how: str) -> None:
    """Row 23."""

    def moved(cells: Cells) -> Cells:
        tests = [one for one in cells if marks_of(one).get("grade_id") in TESTS]
        if how == "names swapped":
            one, other = find(cells, "squares"), find(cells, "rate")
            marks_of(one)["grade_id"], marks_of(other)["grade_id"] = "rate", "squares"
        if how in {"tests as text", "answers as text"}:
            for one in cells:
                if (marks_of(one).get("grade_id") in TESTS) == (how == "tests as text"):
                    one["cell_type"] = "markdown"
        if how == "tests first":
            return tests + [one for one in cells if one not in tests]
        return cells[::-1] if how == "backwards" else cells

    if how != "answers as text":
        graded = arena.attack(arena.release.submission(SOLUTIONS, edit=moved))
        assert graded.scores == FULL, graded.scores
    arena.gains_nothing(arena.release.submission(edit=moved))


@jail
@pytest.mark.parametrize(
    "kernel", ["evil", "bash", "../../etc/passwd", "python3; id", "{connection_file}", ""]
)
def test_the_kernel_of_the_release_is_used(arena: Arena, kernel: str) -> None:
    """Row 24."""
    graded = arena.attack(arena.release.submission(SOLUTIONS, kernel=kernel))
    assert graded.scores == FULL
    assert json.loads(graded.report.executed)["metadata"]["kernelspec"]["name"] == "python3"


RATES = {
    "nan": "float('nan')",
    "infinity": "float('inf')",
    "below": "-1",
    "nothing": "None",
    "true": "True",
    "text": "'5'",
    "just above": "2.0000001",
    "far above": "10 ** 400",
    "complex": "2j",
    "a picture": "__import__('IPython').display.Image(data=b'\\x89PNG', format='png')",
    "a list": "[2]",
    "an array": "np.array(2)",
    "an object": "type('Two', (), {'__repr__': lambda self: '2'})()",
    "a subclass": "type('Two', (int,), {'__repr__': lambda self: '2'})(9)",
    "text that ends": "'2\\x00'",
}


@jail
@pytest.mark.parametrize("rate", RATES)
def test_a_claimed_partial_credit_is_a_number_within_its_bounds_or_nothing(arena: Arena, rate: str) -> None:
    """Row 25."""
    answers = {**SOLUTIONS, "rate-answer": f"def rate():\n    return {RATES[rate]}"}
    graded = arena.attack(arena.release.submission(answers))
    assert graded.scores == {**FULL, "rate": 0}, shown(graded)
    assert graded.check("rate").status is not CheckStatus.PASSED
    if graded.check("rate").notice is not None:
        assert graded.code("rate") in {"partial-not-a-number", "partial-out-of-range"}
    arena.assert_next_is_graded_fully()


@jail
def test_outputs_that_stand_in_the_file_are_forgotten(arena: Arena) -> None:
    """Row 26."""
    fake = [
        {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": 1},
        {"output_type": "stream", "name": "stdout", "text": "fake-output-of-the-file"},
    ]

    def faked(cells: Cells) -> None:
        for one in cells:
            if one["cell_type"] == "code":
                one["outputs"], one["execution_count"] = fake, 1

    graded = arena.gains_nothing(arena.release.submission(edit=faked))
    assert "fake-output-of-the-file" not in graded.executed
    assert b"fake-output-of-the-file" not in arena.view(graded).feedback


@jail
def test_words_on_standard_error_are_no_failure(arena: Arena) -> None:
    """Row 27."""
    loud = (
        "import warnings, sys, logging\n"
        "def squares(n):\n    warnings.warn('careful'); print('to stderr', file=sys.stderr)\n"
        "    logging.error('logged')\n    if n < 1: raise ValueError\n"
        "    return [k ** 2 for k in range(1, n + 1)]"
    )
    graded = arena.attack(arena.release.submission({**SOLUTIONS, "squares-answer": loud}))
    assert graded.scores == FULL, shown(graded)


# Row 41 stands in tests/test_bad_input.py; here, that none of it crashes the runner itself.

BOMBS = {
    "depth": b'{"cells": ' + b"[" * 100_000,
    "cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": ['
    + b",".join([b'{"cell_type": "code", "source": "", "metadata": {}}'] * 20_000)
    + b"]}",
    "doubled keys": b'{"nbformat": 4, "cells": [], "cells": []}',
    "no UTF-8": b'{"cells": "\xff\xfe"}',
    "NaN": b'{"nbformat": NaN}',
    "null": b"null",
    "nothing": b"",
    "a list": b"[]",
    "wide text": '{"cells": []}'.encode("utf-16"),
}


@jail
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_a_notebook_is_a_verdict_not_a_crash(arena: Arena, bomb: str) -> None:
    graded = arena.attack(BOMBS[bomb])
    assert graded.total == 0
    assert [is_fatal(one) for one in graded.report.notices] == [True]
    arena.assert_next_is_graded_fully()


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, bytes(1 << 16))
    return out.getvalue()


def _tar(kind: bytes, name: str, target: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)
    return out.getvalue()


ARCHIVES = {
    "a way up": _zip("../../lab.ipynb"),
    "an absolute way": _zip("/etc/passwd"),
    "ten thousand members": _zip(*map(str, range(10_000))),
    "names that differ in case": _zip("a.ipynb", "A.ipynb"),
    "a symbolic link": _tar(tarfile.SYMTYPE, "lab.ipynb", "/etc/passwd"),
    "a hard link": _tar(tarfile.LNKTYPE, "lab.ipynb", "/etc/passwd"),
    "a device": _tar(tarfile.CHRTYPE, "lab.ipynb", ""),
}


@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_is_refused_with_its_reason_and_never_opened(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 42: nothing that a student hands in is ever unpacked."""
    from tests.grading.core.making import LAB  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    notices = check_structure(ARCHIVES[archive], LAB)
    assert [is_fatal(one) for one in notices] == [True]
    assert notices[0].code in {"not-utf8", "null-bytes", "not-notebook"}
    assert list(tmp_path.iterdir()) == []


NEVER = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "joblib", "shelve", "jsonpickle"}
CALLS = {"load", "loads", "Unpickler", "read_pickle"}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Attribute) and node.attr in {"read_pickle", "allow_pickle"}:
            names.add("pickle")
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            names |= (
                set() if isinstance(node.value, ast.Constant) and node.value.value is False else {"pickle"}
            )
    return names


def test_nothing_of_ours_knows_how_to_unpickle() -> None:
    """Row 43, statically: no module of the product imports a format that runs code when read."""
    sources = sorted(Path(lms.__file__).parent.rglob("*.py"))
    assert len(sources) > 100
    assert {str(path): _imports(path) & NEVER for path in sources if _imports(path) & NEVER} == {}


REDUCE = """
import os, pickle, pathlib
class Bomb:
    def __reduce__(self): return (os.system, ('touch /tmp/exploded; echo bomb-went-off >&2',))
    def __reduce_ex__(self, version): return self.__reduce__()
    def __getstate__(self): os.system('touch /tmp/getstate'); return {}
    def __deepcopy__(self, memo): os.system('touch /tmp/deepcopy'); return self
    def __copy__(self): return self.__deepcopy__(None)
"""


@jail
def test_an_object_that_explodes_when_it_is_copied_does_not(arena: Arena) -> None:
    """Row 43, at work: in results, arguments, namespaces and files of the submission."""
    names = ("squares", "shout", "scale", "top", "double", "rate")
    answers = {
        f"{name}-answer": f"def {name}(*args): return [Bomb(), pickle.dumps(Bomb())]" for name in names
    }
    tell = "print('exploded' if os.path.exists('/tmp/exploded') else 'whole')"
    arena.gains_nothing(arena.release.submission(answers, first=[REDUCE], last=[tell]))


OWN_RESULTS = """
import json, os, glob
good = {'checks': [{'grade_id': name, 'score': 99, 'maximum': 99, 'status': 'passed'} for name in %r]}
places = ['/lab', '/tmp', '/run/desk', '/dev/shm', '/run', '/', '/opt/duri', *glob.glob('/run/*'),
    *glob.glob('/proc/self/cwd')]
for place in places:
    for name in ('result.json', 'results.json', 'report.json', 'predictions.json', 'grades.json',
        'results.pkl', 'out'):
        try:
            with open(os.path.join(place, name), 'w') as file: json.dump(good, file)
        except OSError: pass
        try: os.symlink('/etc/passwd', os.path.join(place, 'link-' + name))
        except OSError: pass
for number in range(3, 256):
    try: os.write(number, json.dumps(good).encode() + b'\\n')
    except OSError: pass
"""


@jail
def test_a_result_that_a_student_writes_is_nobodys(arena: Arena) -> None:
    """Row 44: also on every descriptor that the kernel has open."""
    arena.gains_nothing(arena.release.submission(first=[OWN_RESULTS % (list(TESTS),)]))
    arena.gains_nothing(arena.release.submission(last=[OWN_RESULTS % (list(TESTS),)]))
