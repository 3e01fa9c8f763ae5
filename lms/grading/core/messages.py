"""What a student is told about a failed check.

The text of an exception is the student's program's own: after a hidden test has called it, it may carry
what the test handed over. So from such a run only sentences are shown that the author wrote, word for
word, into the test.
"""

import ast
import re

LIMIT = 2_000
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return text without terminal colours, control and direction marks, and not too long."""
    cleaned = CONTROLS.sub("", ESCAPES.sub("", text)).strip()
    return cleaned if len(cleaned) <= LIMIT else cleaned[: LIMIT - 1] + "…"


def visible_message(error: tuple[str, str] | None) -> str:
    """Return the message of a run that no hidden test was part of: the assertion's, or type and text."""
    if error is None:
        return ""
    name, text = error
    if name == "AssertionError" and text:
        return plain(text)
    return plain(f"{name}: {text}" if text else name)


def hidden_message(error: tuple[str, str] | None, full_source: str) -> str:
    """Return the message of a run with hidden tests, if the author wrote it so; else nothing."""
    if error is None or error[0] != "AssertionError":
        return ""
    return plain(error[1]) if error[1] in author_sentences(full_source) else ""


def author_sentences(source: str) -> frozenset[str]:
    """Return the fixed texts of a test's assertions and of the exceptions that it raises itself."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()  # magics and the like; then nothing is shown
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found |= _texts([node.msg])
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found |= _texts(list(node.exc.args))
    return frozenset(found)


def _texts(nodes: list[ast.expr | None] | list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
