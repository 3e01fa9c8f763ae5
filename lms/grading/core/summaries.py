"""What `lms lab grade` and `lms lab check` say: plain values for JSON, and the same as lines of text."""

from collections.abc import Iterator, Mapping
from typing import Any

from lms.grading.core.contracts import (
    Assurance,
    BuildReport,
    CellKind,
    CheckResult,
    CheckStatus,
    GateReport,
    GradingReport,
    Manifest,
    ManifestCell,
    Notice,
)
from lms.grading.core.notices import is_fatal, sentence

UNREADABLE = "unreadable"
SECONDS_DIGITS = 3
MARKS = {"passed": "✓", "partial": "◐", "failed": "✗", "error": "!", "manual": "…"}
ISOLATED_ONLY = "solution-fails-isolated"


def graded(submission: str, report: GradingReport, language: str) -> dict[str, Any]:
    """Return one submission's result.

    `status`: graded; provisional while answers wait for a person; unreadable if there was nothing to grade.
    """
    fatal = next((notice for notice in report.notices if is_fatal(notice)), None)
    waiting = any(check.status is CheckStatus.MANUAL for check in report.checks)
    return {
        "submission": submission,
        "status": UNREADABLE if fatal else "provisional" if waiting else "graded",
        "score": round(sum(check.score or 0 for check in report.checks), 9),
        "maximum": round(sum(check.maximum for check in report.checks), 9),
        "assurance": report.assurance,
        "isolation": report.isolation,
        "wall_seconds": round(report.wall_seconds, SECONDS_DIGITS),
        "cpu_seconds": round(report.cpu_seconds, SECONDS_DIGITS),
        "checks": [_check(check, language) for check in report.checks],
    }


def _check(check: CheckResult, language: str) -> dict[str, Any]:
    return {
        "grade_id": check.grade_id,
        "score": check.score,
        "maximum": check.maximum,
        "status": str(check.status),
        "message": check.message or (sentence(check.notice, language) if check.notice else ""),
        "hidden": check.hidden,
    }


def missing(submission: str, manifest: Manifest, isolation: str, message: str) -> dict[str, Any]:
    """Return the result of a file that could not even be opened."""
    cells = [cell for cell in manifest.cells if cell.points or cell.kind is CellKind.TEST]
    checks = [
        {
            "grade_id": cell.grade_id,
            "score": 0,
            "maximum": cell.points,
            "status": str(CheckStatus.ERROR),
            "message": message,
            "hidden": cell.hidden,
        }
        for cell in cells
    ]
    return {
        "submission": submission,
        "status": UNREADABLE,
        "score": 0,
        "maximum": round(manifest.maximum, 9),
        "assurance": str(manifest.assurance),
        "isolation": isolation,
        "wall_seconds": 0,
        "cpu_seconds": 0,
        "checks": checks,
    }


def graded_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield one result as text: a line of its own, and one for each check that did not pass."""
    points = f"{result['score']:g} / {result['maximum']:g}"
    facts = f"{result['assurance']}, {result['isolation']}, {result['wall_seconds']:.2f} s"
    yield f"{result['submission']}: {points} ({result['status']}; {facts})"
    for check in result["checks"]:
        if check["status"] != CheckStatus.PASSED:
            score = "–" if check["score"] is None else f"{check['score']:g}"
            points = f"{check['grade_id']} {score} / {check['maximum']:g}"
            yield f"  {MARKS[check['status']]} {points}  {' '.join(check['message'].split())}".rstrip()


def examined(report: BuildReport, other: BuildReport | None, language: str) -> dict[str, Any]:
    """Return what the publication checks found.

    Args:
        report: of the lab as its author set it.
        other: for tests in the student's kernel, the report of the same lab with isolated tests.
        language: of the sentences.
    """
    manifest = report.manifest
    maximum = sum(cell.points for cell in manifest.cells if cell.kind is CellKind.TEST) if manifest else 0
    return {
        "ok": not report.errors,
        "assurance": str(manifest.assurance) if manifest else "",
        "isolation": report.isolation,
        "solution": {"score": report.solution_score, "maximum": maximum},
        "template": {"score": report.template_score, "maximum": maximum},
        "student_names": list(manifest.student_names) if manifest else [],
        "tests": _tests(manifest, report, other, language) if manifest else [],
        "errors": [_finding(notice, language) for notice in report.errors],
        "warnings": [_finding(notice, language) for notice in report.warnings],
        "mutation": _mutation(report.gate) if report.gate else None,
        "flakiness": _flakiness(report) if report.gate else None,
    }


def _tests(
    manifest: Manifest, report: BuildReport, other: BuildReport | None, language: str
) -> list[dict[str, Any]]:
    isolated = report if manifest.assurance is Assurance.ISOLATED else other
    asking = (
        {cell.grade_id: cell.asks for cell in isolated.manifest.cells}
        if isolated and isolated.manifest
        else {}
    )
    why = {
        str(notice.params["grade_id"]): sentence(notice, language)
        for notice in (isolated.errors if isolated else ())
        if notice.code == ISOLATED_ONLY
    }
    return [
        _test(cell, asking.get(cell.grade_id, ()), why.get(cell.grade_id, ""), known=isolated is not None)
        for cell in manifest.cells
        if cell.kind is CellKind.TEST
    ]


def _test(cell: ManifestCell, asks: tuple[str, ...], why: str, *, known: bool) -> dict[str, Any]:
    mode = Assurance.ISOLATED if known and not why else Assurance.SHARED_KERNEL
    return {
        "grade_id": cell.grade_id,
        "points": cell.points,
        "hidden": cell.hidden,
        "mode": str(mode),
        "why": why,
        "asks": list(asks),
    }


def _finding(notice: Notice, language: str) -> dict[str, Any]:
    return {
        "code": notice.code,
        "grade_id": notice.params.get("grade_id", ""),
        "line": notice.params.get("line"),
        "message": sentence(notice, language),
    }


def _mutation(found: GateReport) -> dict[str, Any]:
    survivors = [
        {
            "grade_id": one.grade_id,
            "line": one.line,
            "before": one.before,
            "after": one.after,
            "kind": one.kind,
        }
        for one in found.survivors
    ]
    return {
        "score": round(found.score, SECONDS_DIGITS),
        "killed": found.killed,
        "tried": found.tried,
        "possible": found.possible,
        "seconds": round(found.mutation_seconds, SECONDS_DIGITS),
        "survivors": survivors,
    }


def _flakiness(report: BuildReport) -> dict[str, Any]:
    found = report.gate or GateReport()
    flaky = [str(notice.params["grade_id"]) for notice in report.errors if notice.code == "flaky"]
    return {
        "runs": found.flaky_runs,
        "cells": flaky,
        "seconds": round(found.flaky_seconds, SECONDS_DIGITS),
    }


def examined_lines(found: Mapping[str, Any], language: str) -> Iterator[str]:
    """Yield the findings as text."""
    words = WORDS.get(language, WORDS["en"])
    for name in ("solution", "template"):
        yield f"{words[name]}: {found[name]['score']:g} / {found[name]['maximum']:g}"
    yield f"{words['assurance']}: {found['assurance']} ({found['isolation']})"
    for test in found["tests"]:
        asks = f" [{', '.join(test['asks'])}]" if test["asks"] else ""
        hidden = f", {words['hidden']}" if test["hidden"] else ""
        yield f"  {test['grade_id']} ({test['points']:g}{hidden}): {test['mode']}{asks}"
        if test["why"]:
            yield f"    {test['why']}"
    if found["student_names"]:
        yield f"{words['student_names']}: {', '.join(found['student_names'])}"
    yield from _gate_lines(found, words)
    for kind in ("warnings", "errors"):
        for one in found[kind]:
            yield f"{words[kind]}: {one['message']}"
    yield words["ok"] if found["ok"] else words["not_ok"]


def _gate_lines(found: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[str]:
    flakiness, mutation = found["flakiness"], found["mutation"]
    if flakiness and flakiness["runs"]:
        yield f"{words['flakiness']}: {flakiness['runs']} × ({flakiness['seconds']:.1f} s)"
    if mutation and mutation["tried"]:
        counts = f"{mutation['killed']} / {mutation['tried']} ({words['possible']} {mutation['possible']})"
        yield f"{words['mutation']}: {counts}, {mutation['seconds']:.1f} s"
        for one in mutation["survivors"]:
            yield f"  {one['grade_id']}:{one['line']}"
            yield from (f"  - {line}" for line in one["before"].split("\n"))
            yield from (f"  + {line}" for line in one["after"].split("\n"))


WORDS = {
    "en": {
        "solution": "Reference solution",
        "template": "Untouched template",
        "assurance": "Tests run",
        "hidden": "hidden tests",
        "student_names": "Instructor names that the solution changes, so tests see the student's",
        "flakiness": "Solution graded under load",
        "mutation": "Small errors noticed by the tests",
        "possible": "of",
        "warnings": "warning",
        "errors": "error",
        "ok": "Nothing stands in the way of publishing.",
        "not_ok": "The lab would be refused.",
    },
    "ko": {
        "solution": "모범 답안",
        "template": "손대지 않은 학생용 노트북",
        "assurance": "테스트 실행",
        "hidden": "숨은 테스트",
        "student_names": "답안이 바꾸어 테스트가 학생 것을 보는 이름",
        "flakiness": "부하를 주며 모범 답안 채점",
        "mutation": "테스트가 찾아낸 작은 오류",
        "possible": "전체",
        "warnings": "주의",
        "errors": "오류",
        "ok": "발행하는 데 문제가 없습니다.",
        "not_ok": "이대로는 발행이 거절됩니다.",
    },
}
