"""Labs as they lie in a folder, without a database: of a course, or a plain nbgrader notebook."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lms.courses.core.outline import LabFile, LabSettings
from lms.courses.core.shape import fit
from lms.courses.core.yaml_file import read_yaml
from lms.errors import N_, Invalid, NotFound, TooLarge
from lms.grading.core.contracts import LabSource
from lms.grading.queries.labs import source_of

LAB_FILE = "lab.yml"
AUTOTESTS = "autotests.yml"
MOST_FILES = 2_000
MOST_BYTES = 100_000_000
ABOVE = 2  # folders in which nbgrader's default autotests.yml may stand: source/<assignment>/ -> course
ANNOUNCED = re.compile(rb"NBGRADER_(?:EXECUTION|VALIDATING)")


@contextmanager
def opened_lab(path: Path, *, name: str, environment: Callable[[str], Path]) -> Iterator[LabSource]:
    """Give the lab at `path`: a folder with a lab.yml, or a source notebook with its files beside it.

    Args:
        path: the folder or the notebook.
        name: of the environment, for a notebook without a lab.yml.
        environment: finds the virtual environment of that name.

    Raises:
        NotFound: there is neither.
        Invalid: the lab.yml is wrong.
        TooLarge: too much lies beside the notebook.
    """
    notebook = _notebook(path)
    home = notebook.parent
    if (home / LAB_FILE).is_file() and notebook.stem == home.resolve().name:
        rules = _rules(home / LAB_FILE)
        yield source_of(rules, notebook.stem, folder=home, environment=environment(rules.environment))
        return
    with tempfile.TemporaryDirectory(prefix="duri-lab-") as folder:
        copied = _plain(notebook, Path(folder))
        announces = bool(ANNOUNCED.search(copied.read_bytes()))
        plain = LabSettings(environment=name, data="beside", announce_grading=announces)
        yield source_of(plain, notebook.stem, folder=Path(folder), environment=environment(name))


def _notebook(path: Path) -> Path:
    if path.is_file() and path.suffix == ".ipynb":
        return path
    if not path.is_dir():
        raise NotFound(
            N_("There is no lab at %(path)s. Name a lab's folder or a source notebook."), path=str(path)
        )
    if (path / LAB_FILE).is_file():
        return path / f"{path.resolve().name}.ipynb"
    found = sorted(path.glob("*.ipynb"))
    if len(found) != 1:
        raise NotFound(
            N_("%(path)s holds no lab.yml and %(count)d notebooks. Name the notebook that is meant."),
            path=str(path),
            count=len(found),
        )
    return found[0]


def _rules(path: Path) -> LabFile:
    parsed = read_yaml(path.name, path.read_text(encoding="utf-8-sig"))
    rules, problems = fit(parsed, LabFile) if parsed.value is not None else (None, [])
    wrong = [*parsed.problems, *problems]
    if rules is None or wrong:
        said = "; ".join(problem.render() for problem in wrong)
        raise Invalid(N_("The lab's settings cannot be read: %(problems)s"), problems=said)
    return rules


def _plain(notebook: Path, folder: Path) -> Path:
    """Copy a notebook and what nbgrader would put beside it; other notebooks stay behind."""
    copied = Path(shutil.copyfile(notebook, folder / notebook.name))
    above = [notebook.resolve().parents[number] for number in range(ABOVE + 1)]
    tests = next((one / AUTOTESTS for one in above if (one / AUTOTESTS).is_file()), None)
    if tests is not None:
        shutil.copyfile(tests, folder / AUTOTESTS)
    count = size = 0
    for path in _files(notebook.parent):
        count, size = count + 1, size + path.stat().st_size
        if count > MOST_FILES or size > MOST_BYTES:
            raise TooLarge(
                N_("Too much lies beside the notebook. Move it and the files it needs to their own folder.")
            )
        target = folder / "data" / path.relative_to(notebook.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return copied


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, in order; no link is followed."""
    for home, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(home, name)
            left_out = name.startswith(".") or name in {AUTOTESTS, LAB_FILE} or path.suffix == ".ipynb"
            if not left_out and path.is_file() and not path.is_symlink():
                yield path
