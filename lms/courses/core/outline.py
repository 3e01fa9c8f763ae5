"""What a course is made of: the typed, frozen model of course.yml and its labs' lab.yml.

`CourseVersion.outline` holds `Outline.to_dict()`; `read_outline` brings it back.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Language = Literal["ko", "en"]
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
KEY = r"^[a-z0-9]+([_-][a-z0-9]+)*$"
IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"

Slug = Annotated[str, Field(pattern=SLUG, max_length=80)]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"\S")]
Prose = Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"\S")]
Text = Annotated[dict[Language, Line], Field(min_length=1)]
LongText = Annotated[dict[Language, Prose], Field(min_length=1)]
Library = Annotated[str, Field(pattern=MODULE, max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]


def in_language(text: Mapping[Any, str], language: str) -> str:
    """Return the text in `language`, or in the first language it has."""
    return text.get(language) or next(iter(text.values()), "")


class Part(BaseModel):
    """A piece of a course file: unknown keys refused, types taken literally, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Due(Part):
    """A due date: days after the cohort's start at a wall-clock time, or one absolute moment."""

    after_days: Annotated[int, Field(ge=0, le=3660)] | None = None
    at: Annotated[str, Field(pattern=CLOCK)] = "23:59"
    moment: Annotated[AwareDatetime, Field(strict=False)] | None = None
    """Absolute; aware."""


def _due_from_text(value: object) -> object:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("time_unreadable", "not a time") from None
        if moment.tzinfo is None:
            raise PydanticCustomError("time_naive", "no offset")
        return {"moment": value}
    if isinstance(value, dict) and "moment" not in value and "after_days" not in value:
        raise PydanticCustomError("due_without_days", "after_days is missing")
    return value


class Baseline(Part):
    """A reference row of a board."""

    key: Annotated[str, Field(pattern=KEY, max_length=80)]
    title: Text
    source: Line | None = None
    """A citation, for figures that come from a publication."""


class Board(Part):
    """A lab's leaderboard."""

    title: Text
    predict: Annotated[str, Field(pattern=IDENTIFIER)] | None = None
    output: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.csv$")] | None = None
    metric: Literal["accuracy", "f1_macro", "log_loss", "mae", "rmse", "r2", "own"]
    direction: Literal["max", "min"]
    decimals: Annotated[int, Field(ge=0, le=10)] = 4
    public_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    ends: Due | None = None
    baselines: tuple[Baseline, ...] = ()

    _ends = field_validator("ends", mode="before")(_due_from_text)


class LabSettings(Part):
    """What a lab allows itself and how it counts."""

    environment: Slug
    cell_seconds: Annotated[float, Field(gt=0, le=3600)] = 30
    total_seconds: Annotated[float, Field(gt=0, le=7200)] = 120
    memory_mib: Annotated[int, Field(ge=128, le=65_536)] = 2048
    processes: Annotated[int, Field(ge=8, le=4096)] = 64
    output_bytes: Annotated[int, Field(ge=1000, le=50_000_000)] = 1_000_000
    attempts: Annotated[int, Field(ge=1, le=1000)] = 10
    pause_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    """Least time between two attempts of one student."""
    counts: Literal["best", "last"] = "best"
    due: Due | None = None
    late: Literal["refuse", "accept"] = "accept"
    hidden_results: Literal["at_once", "after_due"] = "at_once"
    """When students see what came of each test that holds hidden parts; the total is always shown."""
    exam: bool = False
    """Graded before everything else."""
    data: Literal["folder", "beside"] = "folder"
    """Where the files of data/ stand for the notebook: in ./data, or beside it as nbgrader has them."""
    assurance: Literal["isolated", "shared-kernel"] = "isolated"
    """Where tests run: in a process that student code cannot reach, or in the student's kernel."""
    kernel: Literal["warm", "fresh"] = "warm"
    libraries: Annotated[tuple[Library, ...], Field(max_length=50)] | None = None
    """Imported once before kernels are forked; None: what the notebook imports."""
    announce_grading: bool = False
    """Set NBGRADER_EXECUTION, as nbgrader does."""
    resource: Literal["cpu", "big-memory", "gpu"] = "cpu"
    flaky_runs: Annotated[int, Field(ge=1, le=50)] = 5
    """How often publication grades the reference solution under load."""
    mutation_score: Share | None = None
    """Least share of wrong variants of the solution that the tests must notice; None: only reported."""
    board: Board | None = None

    _due = field_validator("due", mode="before")(_due_from_text)

    @property
    def memory_bytes(self) -> int:
        """Return the memory limit in bytes."""
        return self.memory_mib << 20


class LabFile(LabSettings):
    """A lab.yml as its author writes it."""

    title: Text
    summary: LongText

    def settings(self) -> LabSettings:
        """Return the settings alone."""
        return LabSettings.model_validate(
            {name: getattr(self, name) for name in LabSettings.model_fields}, strict=False
        )


class Lab(Part):
    """A lab of a course."""

    slug: Slug
    title: Text
    summary: LongText
    maximum: Annotated[float, Field(ge=0)]
    """Points of all graded cells of its source notebook."""
    settings: LabSettings


class Lesson(Part):
    """A page of a course, in one or more languages."""

    slug: Slug
    title: Text
    files: dict[Language, str]
    """Language -> path within the course folder."""
    minutes: Annotated[int, Field(ge=1, le=600)] | None = None
    objectives: dict[Language, tuple[str, ...]] = {}


class Item(Part):
    """One line of a module: a lesson or a lab."""

    lesson: Slug | None = None
    lab: Slug | None = None

    @property
    def kind(self) -> Literal["lesson", "lab"]:
        """Say which of the two it is."""
        return "lesson" if self.lesson else "lab"

    @property
    def slug(self) -> str:
        """Return the name of the lesson or lab."""
        return self.lesson or self.lab or ""


class Module(Part):
    """A named stretch of a course."""

    slug: Slug
    title: Text
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


class Organisations(Part):
    """The two that give the course."""

    university: Slug
    company: Slug


class Skill(Part):
    """What one can do afterwards."""

    name: Text
    url: Annotated[str, Field(pattern=r"^https?://\S+$", max_length=500)] | None = None


class CertificateRule(Part):
    """When the certificate is earned, and what it says."""

    title: Text
    criteria: LongText
    minimum_points: Annotated[float, Field(ge=0)]
    required_labs: tuple[Slug, ...] = ()
    required_share: Share = 0
    """Share in [0, 1] of its maximum that each required lab needs."""
    rank: bool = False
    """Whether the certificate states the holder's places on the leaderboards of its labs."""


class CourseFile(Part):
    """A course.yml as its author writes it."""

    title: Text
    summary: Text
    description: LongText
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    organisations: Organisations
    level: Literal["beginner", "intermediate", "advanced"]
    hours: Annotated[float, Field(gt=0, le=2000)]
    skills: tuple[Skill, ...] = ()
    modules: Annotated[tuple[Module, ...], Field(min_length=1)]
    certificate: CertificateRule


class Outline(CourseFile):
    """A whole course: course.yml with its lessons' titles and its labs' settings."""

    slug: Slug
    lessons: dict[str, Lesson]
    labs: dict[str, Lab]

    def to_dict(self) -> dict[str, Any]:
        """Return the outline as plain JSON values."""
        return self.model_dump(mode="json")

    @property
    def maximum(self) -> float:
        """Return the points of all labs together."""
        return sum(lab.maximum for lab in self.labs.values())

    @property
    def items(self) -> tuple[Item, ...]:
        """Return all lessons and labs in the order in which they are taken."""
        return tuple(item for module in self.modules for item in module.items)

    def module_of(self, item: Item) -> Module:
        """Return the module in which an item stands.

        Raises:
            KeyError: it is not an item of this course.
        """
        for module in self.modules:
            if item in module.items:
                return module
        raise KeyError(item.slug)

    def title_of(self, item: Item) -> dict[Language, str]:
        """Return the title of a lesson or lab by language."""
        return self.lessons[item.slug].title if item.kind == "lesson" else self.labs[item.slug].title

    def lab_slugs(self) -> Iterator[str]:
        """Yield the labs in the order in which they are taken."""
        return (item.slug for item in self.items if item.kind == "lab")

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read plain JSON values; see `read_outline`."""
        return cls.model_validate_json(json.dumps(document))


def read_outline(document: Mapping[str, Any]) -> Outline:
    """Bring back an outline from `Outline.to_dict()`.

    Raises:
        pydantic.ValidationError: the document is not an outline.
    """
    return Outline.parse(document)


def read_settings(document: Mapping[str, Any]) -> LabSettings:
    """Bring back a lab's settings from their plain JSON values.

    Raises:
        pydantic.ValidationError: the document holds something else.
    """
    return LabSettings.model_validate_json(json.dumps(document))
