"""Which names of a lab's locked cells belong to the student, and which ones its tests need.

Read off the source alone. What is not seen here (a name changed through an alias, say) shows at
publication: the reference solution then fails its own test.
"""

import ast
from collections.abc import Iterable, Iterator

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
NAMING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Calls that change nothing, though their value is thrown away.
LOOKING = frozenset({
    "boxplot", "copy", "corr", "describe", "display", "head", "help", "hist", "info", "isinstance", "items",
    "keys", "len", "max", "mean", "memory_usage", "min", "nunique", "plot", "print", "repr", "sample", "show",
    "sorted", "sum", "tail", "type", "value_counts", "values",
})  # fmt: skip
# Calls that change their object, though their value is used.
CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "fill", "insert", "pop", "popitem",
    "popleft", "remove", "reverse", "setdefault", "sort", "update",
})  # fmt: skip

# Calls that change their object at most, never their arguments.
SPARING = CHANGING | {"eval", "fit", "fit_transform", "partial_fit", "seed", "step", "train", "zero_grad"}


def student_names(locked: Iterable[str], solutions: Iterable[str]) -> tuple[str, ...]:
    """Return the variables of locked cells that the solution's cells rebind or visibly change.

    Definitions (def, class, import) of locked cells are never among them.
    """
    variables: set[str] = set()
    defined: set[str] = set()
    for source in locked:
        for statement in _statements(source):
            found = set(_bound(statement))
            (defined if isinstance(statement, DEFINITIONS) else variables).update(found)
    changed = {name for source in solutions for name in _changed(source)}
    return tuple(sorted((variables - defined) & changed))


def needed_names(tests: Iterable[str], locked: Iterable[str]) -> frozenset[str] | None:
    """Return the names that tests mention, and those that their definitions in locked cells mention in turn.

    None: a test cannot be read, so everything may be needed.
    """
    needed: set[str] = set()
    for source in tests:
        tree = _parse(source)
        if tree is None:
            return None
        needed |= _mentioned(tree)
    statements = [(set(_bound(one)), _mentioned(one)) for source in locked for one in _statements(source)]
    grown = True
    while grown:
        before = len(needed)
        for bound, mentioned in statements:
            if bound & needed:
                needed |= mentioned
        grown = len(needed) > before
    return frozenset(needed)


def _parse(source: str) -> ast.Module | None:
    for text in (source, _without_magics(source)):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _without_magics(source: str) -> str:
    lines = source.split("\n")
    return "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)


def _statements(source: str) -> list[ast.stmt]:
    tree = _parse(source)
    return tree.body if tree is not None else []


def _mentioned(tree: ast.AST) -> set[str]:
    """Return all names in it, and texts that could be names, as in `"x" in globals()`."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return found | {text for text in texts if isinstance(text, str) and text.isidentifier()}


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over a node without the insides of functions and classes."""
    yield node
    if isinstance(node, SCOPES):
        return
    for child in ast.iter_child_nodes(node):
        yield from _within(child)


def _bound(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a statement binds or deletes in its own scope."""
    inside = list(_within(statement))
    passing = {id(name) for node in inside if isinstance(node, COMPREHENSIONS) for name in _passing(node)}
    for node in inside:
        if id(node) in passing:
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.asname or one.name.split(".")[0] for one in node.names)
        elif isinstance(node, NAMING) and node.name:
            yield node.name


def _passing(
    comprehension: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
) -> Iterator[ast.AST]:
    """Yield what a comprehension binds for itself alone."""
    for part in comprehension.generators:
        yield from ast.walk(part.target)


def _changed(source: str) -> Iterator[str]:
    """Yield the module's names that a cell rebinds or changes, from within its functions too."""
    tree = _parse(source)
    if tree is not None:
        yield from _changed_in(tree, frozenset(), module=True)


def _changed_in(scope: ast.AST, own: frozenset[str], *, module: bool) -> Iterator[str]:
    inside = [one for child in ast.iter_child_nodes(scope) for one in _within(child)]
    shared = {name for one in inside if isinstance(one, ast.Global) for name in one.names}
    bound = {name for child in ast.iter_child_nodes(scope) for name in _bound(child)}
    if module:
        yield from bound
    else:
        yield from bound & shared
        own = (own | bound | _parameters(scope)) - shared
    for node in inside:
        yield from (name for name in _touched(node) if name not in own)
        if isinstance(node, SCOPES):
            yield from _changed_in(node, own, module=False)


def _parameters(scope: ast.AST) -> set[str]:
    arguments = getattr(scope, "args", None)
    return (
        {one.arg for one in ast.walk(arguments) if isinstance(one, ast.arg)}
        if isinstance(arguments, ast.arguments)
        else set()
    )


def _touched(node: ast.AST) -> Iterator[str]:
    """Yield the roots of what one node changes in place."""
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield from _root(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _thrown_away(node.value)
    elif isinstance(node, ast.Call):
        yield from _in_place(node)


def _thrown_away(call: ast.Call) -> Iterator[str]:
    """Yield what a call changes whose value nobody uses: its object, and its arguments."""
    name = _name_of(call)
    if name in LOOKING:
        return
    if isinstance(call.func, ast.Attribute):
        yield from _root(call.func)
    if name in SPARING:
        return
    for argument in [*call.args, *(one.value for one in call.keywords)]:
        yield from _root(argument)


def _in_place(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "out":
            yield from _root(keyword.value)
        asked = keyword.arg == "inplace" and isinstance(keyword.value, ast.Constant) and keyword.value.value
        if asked and isinstance(call.func, ast.Attribute):
            yield from _root(call.func)
    if isinstance(call.func, ast.Attribute) and call.func.attr in CHANGING:
        yield from _root(call.func)


def _name_of(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _root(node: ast.AST) -> Iterator[str]:
    """Yield the name at the bottom of `name.attribute[item].method()`, if there is one."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
