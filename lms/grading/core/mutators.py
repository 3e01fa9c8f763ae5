"""Small wrong changes to Python code, each as one edit of its text: nothing else of the cell moves.

Pure syntax: nobody can know in general which changes leave the meaning as it was (equivalent mutants).
Those that are equivalent by habit are left out: what only prints or draws, seeds, messages, annotations.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

ARITHMETIC: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.MatMult: ("@", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
COMPARISONS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
}
PAIRS = (
    ("min", "max"), ("argmin", "argmax"), ("idxmin", "idxmax"), ("minimum", "maximum"), ("any", "all"),
    ("floor", "ceil"), ("mean", "median"), ("std", "var"), ("zeros", "ones"), ("zeros_like", "ones_like"),
    ("head", "tail"), ("nsmallest", "nlargest"), ("cumsum", "cumprod"), ("ffill", "bfill"),
    ("startswith", "endswith"), ("lower", "upper"), ("hstack", "vstack"), ("isna", "notna"),
    ("union", "intersection"),
)  # fmt: skip
CALLS = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])} | {
    "sum": "mean",
    "sorted": "list",
    "abs": "float",
    "exp": "expm1",
    "log": "log1p",
    "shift": "diff",
}
WORDS = {
    "left": "right", "right": "left", "inner": "outer", "outer": "inner", "first": "last", "last": "first",
    "mean": "sum", "sum": "mean", "min": "max", "max": "min", "median": "mean", "ffill": "bfill",
    "bfill": "ffill", "all": "any", "any": "all",
}  # fmt: skip
AXES = {0: "1", 1: "0", -1: "0"}
SHOWING = frozenset({"print", "display", "plt", "ax", "axes", "fig", "sns", "warnings", "logging", "logger"})
CHANCE = frozenset({"seed", "default_rng", "manual_seed", "RandomState"})
BESIDE = frozenset({"random_state", "seed", "n_jobs", "verbose", "figsize", "dpi", "label", "color", "alpha"})
COMMUTATIVE = frozenset({
    "maximum", "minimum", "add", "multiply", "max", "min", "gcd", "lcm", "hypot", "allclose", "isclose",
    "array_equal", "logical_and", "logical_or", "isinstance", "zip",
})  # fmt: skip
COMMENT = re.compile(rb"#[^\n]*")


@dataclass(frozen=True, order=True)
class Edit:
    """One change: bytes `start` to `end` of the cell in UTF-8 become `text`."""

    start: int
    end: int
    text: str
    kind: str


@dataclass(frozen=True)
class Place:
    """A piece of the tree with what must be known about where it stands."""

    node: ast.AST
    keyword: str = ""  # name of the keyword argument whose value it is
    bound: frozenset[str] = frozenset()  # names that have a value before it


class Text:
    """A cell's source, addressed by the positions of its tree (lines from 1, columns in bytes)."""

    def __init__(self, source: str) -> None:
        self.content = source.encode()
        self.starts = [0, *(found.end() for found in re.finditer(rb"\n", self.content))]

    def begin(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node begins."""
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node ends."""
        return self.starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """Return a node as it is written."""
        return self.content[self.begin(node) : self.end(node)].decode()

    def whole(self, node: ast.expr | ast.stmt, text: str, kind: str) -> Edit:
        """Put `text` in the place of a node."""
        return Edit(self.begin(node), self.end(node), text, kind)

    def between(self, start: int, end: int, pattern: str, text: str, kind: str) -> Iterator[Edit]:
        """Replace the one operator that stands between two operands."""
        masked = COMMENT.sub(lambda found: b" " * len(found[0]), self.content[start:end])
        found = re.search(pattern.encode(), masked)
        if found:
            yield Edit(start + found.start(), start + found.end(), text, kind)

    def applied(self, edit: Edit) -> str:
        """Return the whole source with one edit."""
        return (self.content[: edit.start] + edit.text.encode() + self.content[edit.end :]).decode()

    def line(self, offset: int) -> int:
        """Return the line, from 1, of a place."""
        return self.content.count(b"\n", 0, offset) + 1


def edits(source: str, tree: ast.Module) -> Iterator[Edit]:
    """Yield every edit that any operator makes."""
    text = Text(source)
    for place in _places(Place(tree)):
        for mutator in MUTATORS:
            yield from mutator(place, text)


def _places(place: Place) -> Iterator[Place]:
    """Walk the tree; what only shows, seeds, names types or explains is left out."""
    node = place.node
    if _is_beside(node):
        return
    yield place
    bound = set(place.bound)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        bound = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
    for child in _children(node):
        keyword = (node.arg or "") if isinstance(node, ast.keyword) else ""
        yield from _places(Place(child, keyword, frozenset(bound)))
        if isinstance(child, ast.stmt):
            bound |= {
                name.id
                for name in ast.walk(child)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }


def _is_beside(node: ast.AST) -> bool:
    if isinstance(
        node, ast.JoinedStr | ast.Raise
    ):  # before Python 3.12 parts of f-strings have no true place
        return True
    if isinstance(node, ast.keyword):
        return node.arg in BESIDE
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if not isinstance(node, ast.Call):
        return False
    return _root(node.func) in SHOWING or _called(node) in CHANCE


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _children(node: ast.AST) -> Iterator[ast.AST]:
    left_out = {"annotation", "returns", "decorator_list", "type_comment"}
    left_out |= {"msg"} if isinstance(node, ast.Assert) else set()
    for name, value in ast.iter_fields(node):
        if name in left_out:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _arithmetic(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.BinOp) and not (_is_text(node.left) or _is_text(node.right)):
        symbol, other = ARITHMETIC[type(node.op)]
        start, end = text.end(node.left), text.begin(node.right)
        yield from text.between(start, end, re.escape(symbol), other, "arithmetic")
    elif isinstance(node, ast.AugAssign) and not _is_text(node.value):
        symbol, other = ARITHMETIC[type(node.op)]
        start, end = text.end(node.target), text.begin(node.value)
        yield from text.between(start, end, re.escape(f"{symbol}="), f"{other}=", "arithmetic")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _comparison(place: Place, text: Text) -> Iterator[Edit]:
    if isinstance(place.node, ast.Compare):
        operands = [place.node.left, *place.node.comparators]
        for operator, (left, right) in zip(place.node.ops, pairwise(operands), strict=True):
            pattern, other = COMPARISONS[type(operator)]
            yield from text.between(text.end(left), text.begin(right), pattern, other, "comparison")


def _boolean(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.BoolOp):
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            yield from text.between(text.end(left), text.begin(right), rf"\b{word}\b", other, "boolean")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield text.whole(node, f"({text.of(node.operand)})", "boolean")


def _sign(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if place.keyword not in {"axis", "dim"} and isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.USub):
            yield Edit(text.begin(node), text.begin(node.operand), "", "sign")
        elif isinstance(node.op, ast.Invert):
            yield text.whole(node, f"({text.of(node.operand)})", "sign")


def _constant(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if not isinstance(node, ast.Constant) or place.keyword in {"axis", "dim"}:
        return
    value = node.value
    if isinstance(value, bool):
        yield text.whole(node, str(not value), "constant")
    elif isinstance(value, int):
        yield text.whole(node, str(value + 1), "constant")
        if value > 0:
            yield text.whole(node, str(value - 1), "constant")
    elif isinstance(value, float):
        yield text.whole(node, repr(value * 2) if value else "1.0", "constant")
    elif isinstance(value, str) and value in WORDS:
        yield text.whole(node, repr(WORDS[value]), "constant")


def _axis(place: Place, text: Text) -> Iterator[Edit]:
    if place.keyword in {"axis", "dim"} and isinstance(place.node, ast.Constant | ast.UnaryOp):
        try:
            value = ast.literal_eval(place.node)
        except (ValueError, TypeError):
            return
        if isinstance(value, int) and value in AXES:
            yield text.whole(place.node, AXES[value], "axis")


def _bound(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    upper: ast.expr | None = None
    if isinstance(node, ast.Call) and _called(node) in {"range", "arange"} and 0 < len(node.args) < 4:  # noqa: PLR2004  # start, stop, step
        upper = node.args[min(len(node.args) - 1, 1)]
    elif isinstance(node, ast.Slice):
        upper = node.upper
    if upper is not None and not isinstance(upper, ast.Constant | ast.Starred):
        yield text.whole(upper, f"({text.of(upper)}) - 1", "bound")


def _condition(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        tests = [node.test]
    else:
        tests = node.ifs if isinstance(node, ast.comprehension) else []
    for test in tests:
        if not isinstance(test, ast.Constant | ast.NamedExpr):
            yield text.whole(test, f"not ({text.of(test)})", "condition")


def _dropped(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.Break):
        yield text.whole(node, "continue", "dropped")
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        if _root(node.value.func) not in SHOWING and _called(node.value) not in CHANCE:
            yield text.whole(node, "pass", "dropped")
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete) and _may_go(node, place.bound):
        yield text.whole(node, "pass", "dropped")


def _may_go(node: ast.stmt, bound: frozenset[str]) -> bool:
    """Say whether a statement could be left out unnoticed: what it assigns had a value before."""
    if not isinstance(node, ast.Assign):
        return True
    read = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
    return all(
        isinstance(target, ast.Subscript | ast.Attribute)
        or (isinstance(target, ast.Name) and target.id in bound | read)
        for target in node.targets
    )


def _returned(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield text.whole(node, "return None", "return")


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _call(place: Place, text: Text) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield Edit(text.end(node.value), text.end(node), "", "call")
    if not isinstance(node, ast.Call):
        return
    name = _called(node)
    if name in CALLS:
        end = text.end(node.func)
        yield Edit(end - len(name.encode()), end, CALLS[name], "call")
    first = [argument for argument in node.args[:2] if not isinstance(argument, ast.Starred)]
    if len(first) > 1 and name not in COMMUTATIVE and text.of(first[0]) != text.of(first[1]):
        middle = text.content[text.end(first[0]) : text.begin(first[1])].decode()
        swapped = f"{text.of(first[1])}{middle}{text.of(first[0])}"
        yield Edit(text.begin(first[0]), text.end(first[1]), swapped, "arguments")


MUTATORS: tuple[Callable[[Place, Text], Iterator[Edit]], ...] = (
    _arithmetic,
    _comparison,
    _boolean,
    _sign,
    _constant,
    _axis,
    _bound,
    _condition,
    _dropped,
    _returned,
    _call,
)
