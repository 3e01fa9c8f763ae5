"""What is doubtful about a lab's tests, told to its author from the syntax alone.

None of it keeps a lab from being published: each is a habit that makes points unfair, easy to fake, or
impossible to explain. Every finding is a notice with the test's `grade_id` and a `line` in its cell.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from lms.grading.core.contracts import CellKind, Manifest, ManifestCell, Notice
from lms.grading.core.imports import without_shell

BEGIN, END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
MAGIC = re.compile(r"^[ \t]*[%!]|\bget_ipython\s*\(", re.MULTILINE)
# What a test may ask for and still judge by itself: it gets data and compares them.
DATA = frozenset({
    "call", "getattr:predict", "getattr:predict_proba", "getattr:decision_function", "getattr:transform",
    "getattr:fit", "getattr:fit_transform", "getattr:forward", "getattr:eval", "getattr:__name__",
    "mutates", "result:number",
})  # fmt: skip
# Where something is looked up, handed over or taken one by one: not what an object says of itself.
LOOKED_UP = ("name:", "setname:", "delname:", "library:", "lent:", "estimator", "mutates", "iter", "next")
SCORES = frozenset({"score", "evaluate", "best_score_", "oob_score_", "accuracy", "loss_"})
COMPARING = frozenset({
    "allclose", "isclose", "array_equal", "assert_allclose", "assert_array_equal", "assert_almost_equal",
    "assert_equal", "equals", "assert_frame_equal", "assert_series_equal", "assertEqual", "approx",
})  # fmt: skip
MAKING = frozenset(
    {"array", "asarray", "Series", "DataFrame", "Index", "tensor", "set", "frozenset", "Fraction"}
)
GENERATORS = frozenset({"default_rng", "RandomState", "Random", "SeedSequence", "Generator"})
SEEDING = frozenset({"seed", "manual_seed"})
CLOCKS = frozenset({"time", "perf_counter", "monotonic", "process_time", "now", "timeit"})


@dataclass(frozen=True)
class _Test:
    """One test cell with its tree."""

    cell: ManifestCell
    tree: ast.Module
    judges: frozenset[str]  # functions of locked cells that raise

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def hidden_lines(self) -> frozenset[int]:
        found, inside = set(), False
        for number, line in enumerate(self.cell.full_source.split("\n"), 1):
            inside = (inside or BEGIN in line) and END not in line
            if inside:
                found.add(number)
        return frozenset(found)

    def notice(self, code: str, line: int, **params: str | float) -> Notice:
        return Notice(code, {"grade_id": self.cell.grade_id, "line": line, **params}, for_staff=True)


def lint(manifest: Manifest) -> tuple[Notice, ...]:
    """Return everything doubtful about the tests of a built lab, in the order of its cells."""
    twice = [name for name, count in Counter(cell.grade_id for cell in manifest.cells).items() if count > 1]
    found = [Notice("lint-id-twice", {"grade_id": name, "line": 1}, for_staff=True) for name in twice]
    if manifest.language.lower() != "python":
        return tuple(found)
    judges = frozenset(name for cell in manifest.cells for name in _judges(cell))
    for cell in manifest.cells:
        if cell.kind is CellKind.TEST and cell.cell_type == "code":
            found += _lint_cell(cell, judges)
    return tuple(found)


def _lint_cell(cell: ManifestCell, judges: frozenset[str]) -> Iterator[Notice]:
    magic = MAGIC.search(cell.full_source)
    if magic:
        line = cell.full_source.count("\n", 0, magic.start()) + 1
        yield Notice("lint-needs-kernel", {"grade_id": cell.grade_id, "line": line}, for_staff=True)
    tree = _parsed(cell.full_source)
    if tree is not None:
        test = _Test(cell, tree, judges)
        for rule in RULES:
            yield from rule(test)


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(without_shell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _judges(cell: ManifestCell) -> Iterator[str]:
    tree = _parsed(cell.full_source) if cell.kind in {CellKind.TEST, CellKind.READ_ONLY} else None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and any(_is_verdict(one) for one in ast.walk(node)):
            yield node.name


def _is_verdict(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert | ast.Raise):
        return True
    name = _called(node)
    return name.startswith("assert") or name in {"raises", "fail"}


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return _last_name(node.func)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _claims(test: _Test) -> Iterator[Notice]:
    """Values that the student's own object gives about itself."""
    asked = [one for one in test.cell.asks if one not in DATA and not one.startswith(LOOKED_UP)]
    attributes = [node for node in test.nodes if isinstance(node, ast.Attribute)]
    if not test.cell.asks:
        claimed = [node for node in attributes if node.attr in SCORES and _is_foreign(node, test)]
        asked = sorted({f"getattr:{node.attr}" for node in claimed})
    if not asked:
        return
    names = {one.removeprefix("getattr:") for one in asked}
    line = min((node.lineno for node in attributes if node.attr in names), default=1)
    yield test.notice("lint-claims", line, asks=", ".join(sorted(names)))


def _is_foreign(node: ast.Attribute, test: _Test) -> bool:
    """Say whether an attribute is one of a name that the test does not make itself."""
    if not isinstance(node.value, ast.Name):
        return False
    own = {one.id for one in test.nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for one in test.nodes
        if isinstance(one, ast.Import | ast.ImportFrom)
        for alias in one.names
    }
    return node.value.id not in own | imported


def _no_verdict(test: _Test) -> Iterator[Notice]:
    last = test.tree.body[-1] if test.tree.body else None
    gives_points = isinstance(last, ast.Expr) and _called(last.value) not in {"print", "display"}
    if not gives_points and not any(_is_verdict(node) or _called(node) in test.judges for node in test.nodes):
        yield test.notice("lint-no-verdict", 1)


def _memorable(test: _Test) -> Iterator[Notice]:
    """Say whether everything that the test wants stands in front of the student's eyes."""
    if test.cell.hidden or test.cell.points <= 0:
        return
    verdicts = [node for node in test.nodes if _is_verdict(node)]
    if not verdicts or not all(isinstance(node, ast.Assert | ast.Call) for node in verdicts):
        return
    literals = {
        target.id
        for node in test.nodes
        if isinstance(node, ast.Assign) and _is_literal(node.value, frozenset())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    wanted = [node.test if isinstance(node, ast.Assert) else node for node in verdicts]
    if all(_wants_literal(one, frozenset(literals)) for one in wanted):
        yield test.notice("lint-memorable", min(_line(node) for node in verdicts))


def _wants_literal(node: ast.AST, literals: frozenset[str]) -> bool:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        return any(_is_literal(side, literals) for side in (node.left, node.comparators[0]))
    if isinstance(node, ast.Call) and _called(node) in COMPARING:
        return any(_is_literal(side, literals) for side in node.args)
    return isinstance(node, ast.BoolOp) and all(_wants_literal(one, literals) for one in node.values)


def _is_literal(node: ast.AST, literals: frozenset[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in literals
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, bool) and node.value is not None
    if isinstance(node, ast.UnaryOp):
        return _is_literal(node.operand, literals)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(_is_literal(one, literals) for one in node.elts)
    if isinstance(node, ast.Dict):
        return all(_is_literal(one, literals) for one in node.values)
    return _called(node) in MAKING and isinstance(node, ast.Call) and all(
        _is_literal(one, literals) for one in node.args
    )  # fmt: skip


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 1))


def _unseeded(test: _Test) -> Iterator[Notice]:
    if any(_called(node) in SEEDING for node in test.nodes):
        return
    for node in test.nodes:
        if isinstance(node, ast.Call) and _draws(node):
            yield test.notice("lint-unseeded", node.lineno)
            return


def _draws(node: ast.Call) -> bool:
    """Say whether a call makes or uses a generator of chance that nobody has seeded."""
    if _called(node) in GENERATORS:
        return not node.args and not node.keywords
    if not isinstance(node.func, ast.Attribute):
        return False
    return _last_name(node.func.value) == "random" and node.func.attr not in GENERATORS | SEEDING


def _leaking(test: _Test) -> Iterator[Notice]:
    for node in test.nodes:
        if isinstance(node, ast.Assert) and node.lineno in test.hidden_lines and _is_made(node.msg):
            yield test.notice("lint-leaking-message", node.lineno)


def _is_made(message: ast.expr | None) -> bool:
    return message is not None and not isinstance(message, ast.Constant)


def _swallowing(test: _Test) -> Iterator[Notice]:
    for node in test.nodes:
        if not isinstance(node, ast.ExceptHandler):
            continue
        everything = node.type is None or _last_name(node.type) in {"Exception", "BaseException"}
        silent = all(isinstance(one, ast.Pass | ast.Continue) for one in node.body)
        if everything and (node.type is None or silent):
            yield test.notice("lint-bare-except", node.lineno)


def _timed(test: _Test) -> Iterator[Notice]:
    timed = _timed_names(test)
    for node in test.nodes:
        if isinstance(node, ast.Assert) and _is_timed(node.test, timed):
            yield test.notice("lint-clock", node.lineno)
            return


def _timed_names(test: _Test) -> frozenset[str]:
    """Return the names whose values come from a clock, by way of other names too."""
    assigned = [
        (target.id, node.value)
        for node in test.nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    found: frozenset[str] = frozenset()
    while True:
        more = frozenset(name for name, value in assigned if _is_timed(value, found))
        if more <= found:
            return found
        found |= more


def _is_timed(tree: ast.AST, names: frozenset[str]) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id in names) or _called(node) in CLOCKS
        for node in ast.walk(tree)
    )


def _worthless(test: _Test) -> Iterator[Notice]:
    if test.cell.points <= 0:
        yield test.notice("lint-no-points", 1)


RULES: tuple[Callable[[_Test], Iterator[Notice]], ...] = (
    _claims,
    _no_verdict,
    _memorable,
    _unseeded,
    _leaking,
    _swallowing,
    _timed,
    _worthless,
)
