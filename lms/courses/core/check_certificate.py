"""Check that somebody can earn the certificate."""

from collections.abc import Iterator, Mapping
from typing import Any

from lms.courses.core.problems import Problem
from lms.courses.core.shape import guess
from lms.courses.core.yaml_file import YamlFile


def check_certificate(parsed: YamlFile, points: Mapping[str, float]) -> list[Problem]:
    """Return what makes the rule impossible; `points` is the maximum of each lab in the course."""
    rule = parsed.value.get("certificate")
    if not isinstance(rule, dict):
        return []
    problems = list(_required(parsed, rule, points))
    minimum = rule.get("minimum_points")
    maximum = sum(points.values())
    if isinstance(minimum, int | float) and not isinstance(minimum, bool) and minimum > maximum:
        path = ("certificate", "minimum_points")
        sentence = {"minimum": f"{minimum:g}", "maximum": f"{maximum:g}"}
        problems.append(Problem(parsed.file, *parsed.at(path), "certificate_impossible", sentence))
    return problems


def _required(parsed: YamlFile, rule: dict[str, Any], points: Mapping[str, float]) -> Iterator[Problem]:
    required = rule.get("required_labs")
    seen: set[str] = set()
    for index, slug in enumerate(required if isinstance(required, list) else []):
        path = ("certificate", "required_labs", index)
        if not isinstance(slug, str):
            continue
        if slug not in points:
            yield parsed.problem(path, "certificate_lab_unknown", slug=slug, **guess(slug, points))
        elif slug in seen:
            yield parsed.problem(path, "certificate_lab_twice", slug=slug)
        elif not points[slug]:
            yield parsed.problem(path, "certificate_lab_worthless", slug=slug)
        seen.add(slug)
