"""Check one lab: its lab.yml, its notebook, and what its board needs."""

import ast
from collections.abc import Collection
from typing import Any, TypeGuard

from lms.courses.core.check_notebook import check_notebook
from lms.courses.core.folder import Folder
from lms.courses.core.notebooks import read_notebook
from lms.courses.core.outline import Lab, LabFile
from lms.courses.core.problems import Problem
from lms.courses.core.shape import fit, guess
from lms.courses.core.texts import check_texts
from lms.courses.core.yaml_file import YamlFile, read_yaml


def check_lab(
    folder: Folder, slug: str, languages: Collection[str], environments: Collection[str]
) -> tuple[Lab | None, float, list[Problem]]:
    """Return the lab if it is sound, its points as far as they can be counted, and what is wrong."""
    home = f"labs/{slug}"
    problems: list[Problem] = []
    maximum = 0.0
    notebook = folder.files.get(f"{home}/{slug}.ipynb")
    if notebook is None:
        problems.append(Problem(home, 0, 0, "file_missing", {"path": f"{slug}.ipynb"}))
    else:
        maximum, problems = check_notebook(f"{home}/{slug}.ipynb", notebook)
    text = folder.text(f"{home}/lab.yml")
    if text is None:
        if f"{home}/lab.yml" not in folder.files:
            problems.append(Problem(home, 0, 0, "file_missing", {"path": "lab.yml"}))
        return None, maximum, problems
    parsed = read_yaml(f"{home}/lab.yml", text)
    problems += parsed.problems
    if parsed.value is None:
        return None, maximum, problems
    settings, found = fit(parsed, LabFile)
    problems += found + check_texts(parsed, list(languages))
    if isinstance(parsed.value, dict):
        problems += _check_meaning(folder, home, parsed, environments)
        problems += _check_assurance(parsed, notebook)
    if settings is None:
        return None, maximum, problems
    lab = Lab(
        slug=slug,
        title=settings.title,
        summary=settings.summary,
        maximum=maximum,
        settings=settings.settings(),
    )
    return lab, maximum, problems


def _check_meaning(
    folder: Folder, home: str, parsed: YamlFile, environments: Collection[str]
) -> list[Problem]:
    value = parsed.value
    problems = []
    name = value.get("environment")
    if isinstance(name, str) and name not in environments:
        problems.append(
            parsed.problem(
                ("environment",),
                "environment_unknown",
                name=name,
                known=", ".join(sorted(environments)) or "–",
                **guess(name, environments),
            )
        )
    cell, total = value.get("cell_seconds", 30), value.get("total_seconds", 120)
    if _is_number(cell) and _is_number(total) and cell > total:
        problems.append(parsed.problem(("cell_seconds",), "cell_longer_than_total", cell=cell, total=total))
    if value.get("hidden_results") == "after_due" and value.get("due") is None:
        problems.append(parsed.problem(("hidden_results",), "hidden_results_need_due"))
    if isinstance(value.get("board"), dict):
        problems += _check_board(folder, home, parsed, value["board"])
    return problems


def _check_assurance(parsed: YamlFile, content: bytes | None) -> list[Problem]:
    if parsed.value.get("assurance") != "isolated" or content is None:
        return []
    try:
        language = read_notebook(content).language
    except ValueError:  # said by the check of the notebook
        return []
    if language == "python":
        return []
    return [parsed.problem(("assurance",), "isolated_needs_python", language=language)]


def _check_board(folder: Folder, home: str, parsed: YamlFile, board: dict[str, Any]) -> list[Problem]:
    problems = []
    if (board.get("predict") is None) == (board.get("output") is None):
        problems.append(parsed.problem(("board",), "board_predict_or_output", on_key=True))
    baselines = board.get("baselines")
    keys = (
        [one.get("key") for one in baselines if isinstance(one, dict)] if isinstance(baselines, list) else []
    )
    for index, key in enumerate(keys):
        if key in keys[:index]:
            problems.append(parsed.problem(("board", "baselines", index, "key"), "baseline_twice", key=key))
    problems += _check_ends(parsed, board)
    path = f"{home}/hidden/board.py"
    if path not in folder.files:
        problems.append(parsed.problem(("board",), "board_file_missing", on_key=True, path="hidden/board.py"))
        return problems
    wanted = ["make_hidden"]
    wanted += ["baselines"] if keys else []
    wanted += ["score"] if board.get("metric") == "own" else []
    return problems + _check_functions(folder, path, wanted)


def _check_ends(parsed: YamlFile, board: dict[str, Any]) -> list[Problem]:
    due, ends = parsed.value.get("due"), board.get("ends")
    if not isinstance(due, dict) or not isinstance(ends, dict):
        return []
    due_days, board_days = due.get("after_days"), ends.get("after_days")
    if _is_number(due_days) and _is_number(board_days) and board_days < due_days:
        path = ("board", "ends")
        return [parsed.problem(path, "board_ends_before_due", board=board_days, due=due_days)]
    return []


def _check_functions(folder: Folder, path: str, wanted: list[str]) -> list[Problem]:
    text = folder.text(path)
    if text is None:
        return []
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [Problem(path, error.lineno or 1, error.offset or 1, "python_syntax", {"detail": error.msg})]
    except (ValueError, RecursionError, MemoryError):
        return [Problem(path, 1, 1, "python_syntax", {"detail": "unreadable"})]
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return [
        Problem(path, 1, 1, "board_function_missing", {"function": name})
        for name in wanted
        if name not in defined
    ]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
