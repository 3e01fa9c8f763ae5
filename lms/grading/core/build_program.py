"""Make the student version of a lab: run inside a jailed job, as `python -m lms.grading.core.build_program`.

nbgrader's own preprocessors do the work, in the order of its `generate_assignment`; the one that needs
its database is replaced by our manifest. AUTOTEST cells run the author's code in a kernel of the lab's
environment, which is why this never happens in the server itself.

Standard input: `{"notebook": base64, "name": text, "python": path of the environment's interpreter}`.
Standard output: a `BuildReport` as JSON, without the proofs by solution and template.
"""

import base64
import copy
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lms.grading.core.contracts import BuildReport, CellKind, Manifest, ManifestCell, Notice
from lms.grading.core.names import student_names
from lms.grading.core.wire import to_json

REASON_CHARACTERS = 1_500
TITLE = re.compile(r"\s*(?:#|<!--)\s*title:\s*(.+?)\s*(?:-->\s*)?$")
BEFORE = ("IncludeHeaderFooter", "InstantiateTests", "LockCells")
HIDING_SOLUTIONS = ("ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums")
HIDING_TESTS = ("ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums", "CheckCellMetadata")


class BuildRefused(Exception):
    """The lab cannot be built; `notice` says why."""

    def __init__(self, code: str, **params: str | float) -> None:
        super().__init__(code)
        self.notice = Notice(code, params, for_staff=True)


def build(content: bytes, name: str, python: str) -> BuildReport:
    """Make the student version and the manifest of a source notebook."""
    try:
        notebook = _read(content)
        resources = {"metadata": {"path": str(Path.cwd()), "name": name}}
        _use_kernel(python)
        source = _apply(BEFORE, notebook, resources)
        full = _apply(HIDING_SOLUTIONS, copy.deepcopy(source), resources)
        released = _apply(HIDING_TESTS, copy.deepcopy(full), resources)
        manifest = _manifest(source, full, released)
    except BuildRefused as refused:
        return BuildReport(errors=(refused.notice,), warnings=())
    nothing = () if manifest.maximum > 0 else (Notice("nothing-graded", for_staff=True),)
    return BuildReport(
        errors=nothing,
        warnings=(),
        manifest=manifest,
        student_notebook=_dump(released),
        source_notebook=_dump(_apply(("ClearOutput",), source, resources)),
        maximum=manifest.maximum,
    )


def _read(content: bytes) -> Any:
    from nbgrader import nbgraderformat  # noqa: PLC0415  # only in the job: slow, and not for the web

    try:
        return nbgraderformat.reads(content.decode(), as_version=4)
    except nbgraderformat.ValidationError as error:
        raise BuildRefused("metadata-invalid", reason=_short(error)) from error
    except Exception as error:  # a reader of foreign files may raise anything
        raise BuildRefused("source-unreadable", reason=_short(error)) from error


def _apply(names: tuple[str, ...], notebook: Any, resources: dict[str, Any]) -> Any:
    from nbgrader import preprocessors  # noqa: PLC0415  # only in the job
    from nbgrader.nbgraderformat import ValidationError  # noqa: PLC0415

    for name in names:
        try:
            notebook, resources = getattr(preprocessors, name)().preprocess(notebook, resources)
        except ValidationError as error:
            raise BuildRefused("metadata-invalid", reason=_why_invalid(notebook, error)) from error
        except Exception as error:  # preprocessors run author code and raise anything
            raise BuildRefused("build-failed", step=name, reason=_short(error)) from error
    return notebook


def _why_invalid(notebook: Any, error: Exception) -> str:
    # The preprocessor logs the reason and raises without it.
    from nbgrader.nbgraderformat import MetadataValidator, ValidationError  # noqa: PLC0415

    try:
        MetadataValidator().validate_nb(notebook)
    except ValidationError as reason:
        return _short(reason)
    return _short(error)


def _use_kernel(python: str) -> None:
    """Let AUTOTEST use the lab's interpreter, over files instead of ports."""
    from jupyter_client.manager import KernelManager  # noqa: PLC0415
    from nbgrader.preprocessors import instantiatetests  # noqa: PLC0415

    folder = Path(os.environ["JUPYTER_PATH"]) / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--IPKernelApp.log_level=50"]
    described = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(described))

    def start(kernel_name: str, cwd: str | None) -> Any:
        manager = KernelManager(kernel_name=kernel_name, transport="ipc")
        manager.start_kernel(cwd=cwd)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        return manager, client

    instantiatetests.start_new_kernel = start


def _manifest(source: Any, full: Any, released: Any) -> Manifest:
    cells = tuple(_cells(zip(source.cells, full.cells, released.cells, strict=True)))
    spec = released.metadata.get("kernelspec", {})
    language = spec.get("language") or released.metadata.get("language_info", {}).get("name") or "python"
    return Manifest(
        cells=cells,
        kernel=str(spec.get("name") or "python3"),
        language=str(language),
        student_names=_student_names(cells, source),
    )


def released_manifest(notebook: bytes) -> Manifest:
    """Return what the version that students get says of its cells: all tests that they see whole among them.

    Source: the release alone; what only the author's version knows is not in it.
    """
    released = _read(notebook)
    return _manifest(released, released, released)


def _student_names(cells: tuple[ManifestCell, ...], source: Any) -> tuple[str, ...]:
    """Return the names of locked cells that the author's own answers change."""
    code = {cell.grade_id: cell.kind for cell in cells if cell.cell_type == "code"}
    solved = {
        one.metadata["nbgrader"]["grade_id"]: one.source for one in source.cells if "nbgrader" in one.metadata
    }
    locked = [solved[grade_id] for grade_id, kind in code.items() if kind is CellKind.READ_ONLY]
    answers = (CellKind.ANSWER, CellKind.MANUAL_ANSWER)
    return student_names(locked, [solved[grade_id] for grade_id, kind in code.items() if kind in answers])


def _cells(stages: Any) -> Iterator[ManifestCell]:
    for source, full, released in stages:
        marks = released.metadata.get("nbgrader")
        kind = _kind(marks or {})
        if kind is CellKind.FREE:
            continue
        graded = bool(marks.get("grade") or marks.get("task"))
        yield ManifestCell(
            grade_id=marks["grade_id"],
            kind=kind,
            cell_type=released.cell_type,
            points=float(marks.get("points", 0)) if graded else 0,
            source=released.source,
            full_source=full.source,
            checksum=marks.get("checksum", ""),
            title=_title(source.source),
        )


def _kind(marks: dict[str, Any]) -> CellKind:
    if marks.get("task"):
        return CellKind.MANUAL_TASK
    if marks.get("solution"):
        return CellKind.MANUAL_ANSWER if marks.get("grade") else CellKind.ANSWER
    if marks.get("grade"):
        return CellKind.TEST
    return CellKind.READ_ONLY if marks.get("locked") else CellKind.FREE


def _title(source: str) -> dict[str, str]:
    """Read `# title: 한국어 | English`, in text a comment `<!-- title: … -->`, from the first line."""
    found = TITLE.match(source.split("\n", 1)[0])
    if found is None:
        return {}
    korean, _, english = found.group(1).partition("|")
    return {"ko": korean.strip(), "en": english.strip() or korean.strip()}


def _dump(notebook: Any) -> bytes:
    # The library only sorts keys and splits lines, and is not typed.
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True).encode()


def _short(error: Exception) -> str:
    from lms.grading.core.messages import plain  # noqa: PLC0415

    text = plain(f"{error}") or type(error).__name__
    return text[-REASON_CHARACTERS:]


def main() -> None:
    """Build what stands on standard input; whatever else is printed goes to standard error."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")  # of libraries, about notebooks of older formats
    request = json.load(sys.stdin)
    report = build(base64.b64decode(request["notebook"]), request["name"], request["python"])
    answer.write(to_json(report))
    answer.close()


if __name__ == "__main__":
    main()
