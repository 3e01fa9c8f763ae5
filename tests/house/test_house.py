import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "lms").rglob("*.py"))
ROOMS_WITH_DOCSTRINGS = ("services", "queries", "policy", "core")
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LONGEST_VIEW = 25


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def test_no_file_is_longer_than_a_room() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_page() -> None:
    long = {
        f"{relative(path)}:{node.name}": length
        for path in SOURCES
        for node in functions(path)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_a_view_only_reads_input_calls_one_verb_and_answers() -> None:
    long = {}
    for path in SOURCES:
        if "views" not in path.parts and path.stem != "views":
            continue
        for node in functions(path):
            body = (node.end_lineno or 0) - node.body[0].lineno + 1
            if body > LONGEST_VIEW:
                long[f"{relative(path)}:{node.name}"] = body
    assert long == {}


def test_a_package_file_holds_a_docstring_only() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1, relative(path)
            assert isinstance(body[0], ast.Expr), relative(path)


def test_no_module_has_a_name_that_says_nothing() -> None:
    forbidden = {"utils", "helpers", "common", "base", "misc", "manager", "handler"}
    assert [relative(path) for path in SOURCES if path.stem in forbidden] == []


def test_templates_lie_under_the_name_of_their_domain() -> None:
    strays = [
        relative(path)
        for folder in (ROOT / "lms").glob("*/templates")
        for path in folder.iterdir()
        if path.name != folder.parent.name
    ]
    assert strays == []


def test_public_functions_of_the_inner_rooms_say_what_they_do() -> None:
    silent = [
        f"{relative(path)}:{node.name}"
        for path in SOURCES
        if set(path.with_suffix("").parts) & set(ROOMS_WITH_DOCSTRINGS)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_verifier_loads_neither_web_nor_database() -> None:
    program = "import sys, lms.certs.verifier, lms.certs.core.verify; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"flask", "sqlalchemy", "werkzeug", "lms.db", "lms.errors"} & set(loaded)
    assert {name for name in loaded if name.startswith("lms.")} <= {
        name for name in loaded if name.startswith("lms.certs")
    }


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_a_hash_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    names = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert names
    assert all(line.endswith("\\") for line in names)
    assert "://" not in text


def test_the_base_install_is_the_verifier_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0] for requirement in project["dependencies"]}
    assert names == {"base58", "cryptography", "pypdf", "pyld", "rfc8785"}
