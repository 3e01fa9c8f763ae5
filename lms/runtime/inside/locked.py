"""Locked cells statement by statement: which the checker runs itself, and which names stay the student's."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

SHELL = "get_ipython"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass
class Statement:
    """What one statement of a locked cell does with names."""

    node: ast.stmt
    binds: set[str] = field(default_factory=set)  # or changes: x = 1, x[0] = 1, x.a = 1
    needs: set[str] = field(default_factory=set)  # to run
    mentions: set[str] = field(default_factory=set)  # also later, when what it defines is called

    @property
    def defines(self) -> bool:
        """Say whether it only defines: function, class, import, also guarded ones."""
        return _only_defines(self.node)


def _only_defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return all(map(_only_defines, (*node.body, *node.orelse)))
    if isinstance(node, ast.Try):
        handled = [one for handler in node.handlers for one in handler.body]
        inner = (*node.body, *handled, *node.orelse, *node.finalbody)
        return any(isinstance(one, DEFINITIONS) for one in inner) and all(
            _only_defines(one) or isinstance(one, (ast.Pass, ast.Assign)) for one in inner
        )
    return isinstance(node, DEFINITIONS)


def read(node: ast.stmt) -> Statement:
    """Return what a statement does with names."""
    found = Statement(node)
    for part, late in _parts(node, late=False):
        if isinstance(part, ast.Name):
            _note_name(found, part, late=late)
        elif late:
            continue
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.binds.add(part.name)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            found.binds |= {(one.asname or one.name).partition(".")[0] for one in part.names}
        elif isinstance(part, (ast.Subscript, ast.Attribute)) and not isinstance(part.ctx, ast.Load):
            found.binds |= _root(part)
    return found


def _note_name(found: Statement, part: ast.Name, *, late: bool) -> None:
    if isinstance(part.ctx, ast.Load):
        found.mentions.add(part.id)
        if not late:
            found.needs.add(part.id)
    elif not late:
        found.binds.add(part.id)


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _parts(node: ast.AST, *, late: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every part, and whether it only runs when something is called."""
    yield node, late
    body = node.body if isinstance(node, INNER) else []
    inner = set(map(id, body if isinstance(body, list) else [body]))
    for child in ast.iter_child_nodes(node):
        yield from _parts(child, late=late or id(child) in inner)


def order(
    tree: ast.Module, student: Collection[str], needed: Collection[str] | None
) -> list[tuple[Statement, bool | None]]:
    """Return each statement and whether the checker runs it; None: nobody needs it.

    Args:
        tree: the cell.
        student: names that resolve in the student's kernel; statements that need them do too.
        needed: names that tests use; None: all.
    """
    statements = [read(node) for node in tree.body]
    wanted = None if needed is None else _wanted(statements, needed)
    theirs = set(student) | {SHELL}
    decided: list[tuple[Statement, bool | None]] = []
    for one in statements:
        bound = one.binds - {SHELL}
        if one.needs & theirs or (bound and not one.defines and bound <= theirs):
            theirs |= bound
            decided.append((one, False))
        elif wanted is None or one.defines or _star(one.node) or bound & wanted:
            decided.append((one, True))
        else:
            decided.append((one, _touches(one, wanted)))
    return decided


def _wanted(statements: list[Statement], needed: Collection[str]) -> set[str]:
    wanted = set(needed)
    for one in statements:
        if one.defines:
            wanted |= one.mentions
    plain = {name for one in statements if not one.defines for name in one.binds}
    for one in reversed(statements):
        if not one.defines and (one.binds & wanted or one.mentions & wanted & plain):
            wanted |= one.mentions
    return wanted


def _touches(one: Statement, wanted: set[str]) -> bool | None:
    """Say whether a statement without a name of its own may change something wanted: data.append(1)."""
    called = [part.func for part in ast.walk(one.node) if isinstance(part, ast.Call)]
    roots = {name for part in called if isinstance(part, ast.Attribute) for name in _root(part)}
    given = {
        part.id for call in ast.walk(one.node) if isinstance(call, ast.Call) for part in call.args
        if isinstance(part, ast.Name)
    }  # fmt: skip
    return True if (roots | given) & wanted else None


def _star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names)
