"""What a challenge is made of: the typed, frozen model of challenge.yml, checked like a course's files.

A challenge's folder holds `challenge.yml`, its description and rules by language (`description.md`,
`description.en.md`, `rules.md`, `rules.en.md`) and `hidden/challenge.py`, which makes its data from a seed.
"""

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lms.courses.core.folder import Folder, read_folder
from lms.courses.core.outline import Baseline, Due, Language, LongText, Part, Slug, Text
from lms.courses.core.problems import Problem, errors
from lms.courses.core.shape import fit, guess
from lms.courses.core.yaml_file import YamlFile, read_yaml
from lms.leaderboards.core.metrics import METRICS

CHALLENGE_FILE = "challenge.yml"
SCRIPT = "hidden/challenge.py"
MODEL_SCRIPT = "data/model.py"
"""The architecture that a challenge's safetensors files are the weights of; everyone gets it."""
FILE_BYTES = 20 << 20
"""The most that any challenge takes as one file: predictions, a notebook, a model, a winner's evidence."""
OWN = "own"
"""The metric of a challenge whose `hidden/challenge.py` has a `score` of its own."""

LOG_LOSS_DECIMALS = 4
"""The most that are shown of a log loss: more would tell the labels of more rows (arXiv 1707.01825)."""

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\S+$")]


class Column(Part):
    """One column of predictions that a file must have."""

    name: Name
    kind: Literal["label", "number", "probability"]
    labels: tuple[str, ...] = ()
    """The classes that there are; empty: any."""
    min: float | None = None
    max: float | None = None
    """Of numbers that models answer: what lies beyond counts as the bound. None: as far as numbers go."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the least and the largest number that counts, if the column has both."""
        return None if self.min is None or self.max is None else (self.min, self.max)


class Form(Part):
    """What a predictions file must hold."""

    id: Name = "id"
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=100)]

    def adds_to(self, before: "Form") -> bool:
        """Say whether this form is one before it, perhaps with classes or bounds where there were none."""
        if len(self.columns) != len(before.columns):
            return False
        added = {"labels": (), "min": None, "max": None}
        columns = [
            now.model_copy(update={name: none for name, none in added.items() if getattr(then, name) == none})
            for now, then in zip(self.columns, before.columns, strict=True)
        ]
        return self.model_copy(update={"columns": tuple(columns)}) == before


class Limits(Part):
    """How much a team may do; days are those of the challenge's zone."""

    per_day: Annotated[int, Field(ge=1, le=1000)] = 5
    total: Annotated[int, Field(ge=1, le=100_000)] = 500
    failures_per_day: Annotated[int, Field(ge=1, le=1000)] = 20
    """Files that could not be scored give their slot back, so often."""
    team_size: Annotated[int, Field(ge=1, le=50)] = 4
    selections: Annotated[int, Field(ge=1, le=20)] = 2
    """How many entries a team may choose for the end; of one that chose none its best public ones count."""


class Dates(Part):
    """When what ends; days after the opening, or moments."""

    entry_deadline: Due | None = None
    merge_deadline: Due | None = None
    freeze: Due | None = None
    """From then on the public board stands still."""
    ends: Due

    @field_validator("entry_deadline", "merge_deadline", "freeze", "ends", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"moment": value} if isinstance(value, str) else value


class Prize(Part):
    """What a place wins."""

    place: Annotated[int, Field(ge=1, le=1000)]
    title: Text


class Compute(Part):
    """What a notebook or a model may use when it is run on hidden data, and an author's program of memory.

    Units: seconds, MiB.
    """

    seconds: Annotated[float, Field(gt=0, le=7200)] = 300
    memory_mib: Annotated[int, Field(ge=128, le=65_536)] = 2048
    processes: Annotated[int, Field(ge=8, le=4096)] = 64


class TensorPart(Part):
    """One tensor of a challenge's own architecture."""

    name: Name
    shape: Annotated[tuple[Annotated[int, Field(ge=0)] | None, ...], Field(max_length=8)]
    """None: of any size."""


class ModelPart(Part):
    """What a model must be: how it is written, what it is given, what it answers.

    It is given one array of 32-bit numbers, rows × columns; it answers a number for each row and column of
    the form, or, where the form is one label, one for each label, of which the largest is meant.
    """

    formats: Annotated[tuple[Literal["safetensors", "onnx"], ...], Field(min_length=1, max_length=2)] = (
        "safetensors",
        "onnx",
    )
    max_bytes: Annotated[int, Field(ge=1, le=FILE_BYTES)] = 1 << 20
    file: Name = "test.csv"
    """What it reads: a sample that all have, and in its place the hidden rows that count."""
    columns: Annotated[tuple[Name, ...], Field(min_length=1, max_length=10_000)]
    output: Name = "output"
    """The output of an ONNX file that is read, where it has several."""
    tensors: Annotated[tuple[TensorPart, ...], Field(max_length=1000)] = ()
    """The weights that a safetensors file must hold, no others; none: any."""


MODEL_SECONDS = 30.0
"""What a model has unless `compute.seconds` says otherwise: they run one after the other."""


class ChallengeFile(Part):
    """A challenge.yml as its author writes it."""

    title: Text
    summary: LongText
    sponsor: Slug
    kind: Literal["predictions", "notebook", "model"]
    environment: Slug
    metric: str
    also: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    """Metrics that are shown beside the one that ranks."""
    direction: Literal["max", "min"] | None = None
    """Only for a scorer of one's own; a known metric has its direction."""
    decimals: Annotated[int, Field(ge=0, le=10)] = 4
    form: Form
    public_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    ladder: bool = False
    """Whether the public score is released only when it is better beyond chance."""
    anonymous: bool = False
    """Whether names are hidden until the end."""
    visibility: Literal["everyone", "signed-in", "course"] | None = None
    """Who sees it; None: whoever saw it before, at first everyone."""
    lab: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$", max_length=161)] | None = None
    """The lab that it belongs to, by the names of its course and its own; None: as before, at first none."""
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", max_length=60)] = "Asia/Seoul"
    dates: Dates
    limits: Limits = Limits()
    compute: Compute = Compute()
    model: ModelPart | None = None
    logs: bool = False
    """Whether a team may read what its failed notebook says on public files: hidden rows can get there."""
    rules_version: Annotated[str, Field(min_length=1, max_length=40, pattern=r"\S")]
    licence: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    """Of the data."""
    eligibility: LongText | None = None
    prizes: tuple[Prize, ...] = ()
    baselines: tuple[Baseline, ...] = ()

    @model_validator(mode="after")
    def _shorter_for_models(self) -> Self:
        """Give models less time than notebooks where nothing is said."""
        if self.kind != "model" or "seconds" in self.compute.model_fields_set:
            return self
        compute = self.compute.model_copy(update={"seconds": MODEL_SECONDS})
        return self.model_copy(update={"compute": compute})

    @property
    def better(self) -> Literal["max", "min"]:
        """Say which way the ranking metric is better."""
        return METRICS[self.metric].direction if self.metric != OWN else self.direction or "max"


class Challenge(ChallengeFile):
    """A whole challenge: challenge.yml with the texts beside it."""

    slug: Slug
    description: LongText
    rules: LongText

    def to_dict(self) -> dict[str, Any]:
        """Return the challenge as plain JSON values."""
        return self.model_dump(mode="json")


def load_challenge(document: Mapping[str, Any]) -> Challenge:
    """Bring back a challenge from `Challenge.to_dict()`.

    Raises:
        pydantic.ValidationError: the document is not a challenge.
    """
    return _load(json.dumps(document))


@functools.lru_cache(maxsize=256)
def _load(text: str) -> Challenge:
    """Each entry asks for it twice, and it never changes."""
    return Challenge.model_validate_json(text)


@dataclass
class CheckedChallenge:
    """A folder that was read and checked; `challenge` is there only if nothing stands in the way."""

    folder: Folder
    problems: list[Problem] = field(default_factory=list)
    challenge: Challenge | None = None


def read_challenge(path: Path, environments: Collection[str]) -> CheckedChallenge:
    """Read and check the challenge folder at `path`; `environments` are the names it may use."""
    folder = read_folder(path)
    checked = CheckedChallenge(folder, folder.problems)
    text = folder.text(CHALLENGE_FILE)
    if text is None:
        if CHALLENGE_FILE not in folder.files:
            checked.problems.append(_missing(CHALLENGE_FILE))
        return checked
    parsed = read_yaml(CHALLENGE_FILE, text)
    checked.problems += parsed.problems
    if parsed.value is None:
        return checked
    found, problems = fit(parsed, ChallengeFile)
    checked.problems += problems
    texts = {name: _texts(checked, name) for name in ("description", "rules")}
    if SCRIPT not in folder.files:
        checked.problems.append(_missing(SCRIPT))
    if found is not None:
        checked.problems += _check_meaning(parsed, found, environments)
        asks_weights = found.model is not None and "safetensors" in found.model.formats
        if asks_weights and MODEL_SCRIPT not in folder.files:
            checked.problems.append(_missing(MODEL_SCRIPT))
        if not errors(checked.problems):
            whole = {**found.model_dump(mode="json"), "slug": folder.name, **texts}
            checked.challenge = load_challenge(whole)
    return checked


def _check_meaning(
    parsed: YamlFile, found: ChallengeFile, environments: Collection[str]
) -> Iterator[Problem]:
    """Find what is well formed but cannot be."""
    name = found.environment
    if name not in environments:
        known = ", ".join(sorted(environments)) or "–"
        yield parsed.problem(
            ("environment",), "environment_unknown", name=name, known=known, **guess(name, environments)
        )
    if found.metric == OWN and found.direction is None:
        yield parsed.problem((), "missing_key", key="direction")
    if found.metric == OWN and found.ladder:
        yield parsed.problem(("ladder",), "ladder_needs_losses")
    if found.visibility == "course" and found.lab is None:
        yield parsed.problem((), "missing_key", key="lab")
    yield from _check_metrics(parsed, found)
    yield from _check_bounds(parsed, found)
    if found.kind == "model" and found.model is None:
        yield parsed.problem((), "missing_key", key="model")
    elif found.model is not None:
        yield from _check_model(parsed, found)


def _check_model(parsed: YamlFile, found: ChallengeFile) -> Iterator[Problem]:
    """Find predictions that no model's numbers can be made into."""
    if found.kind != "model":
        yield parsed.problem(("kind",), "want_one_of", key="kind", choices="'model'")
    columns = found.form.columns
    for at, column in enumerate(columns):
        place = ("form", "columns", at)
        if column.kind != "label":
            continue
        if len(columns) > 1:
            yield parsed.problem(
                (*place, "kind"), "want_one_of", key="kind", choices="'number', 'probability'"
            )
        elif not column.labels:
            yield parsed.problem(place, "missing_key", key="labels")


def _check_bounds(parsed: YamlFile, found: ChallengeFile) -> Iterator[Problem]:
    """Find numbers of models without bounds, as a score could carry hidden rows out, and bounds elsewhere."""
    for at, column in enumerate(found.form.columns):
        place = ("form", "columns", at)
        given = {"min": column.min, "max": column.max}
        if found.kind == "model" and column.kind == "number":
            for key in (key for key, value in given.items() if value is None):
                yield parsed.problem(place, "missing_key", key=key)
            if column.bounds is not None and not column.bounds[0] < column.bounds[1]:
                yield parsed.problem((*place, "min"), "min_not_below_max")
        elif given != {"min": None, "max": None}:
            yield parsed.problem(place, "bounds_without_models")


def _check_metrics(parsed: YamlFile, found: ChallengeFile) -> Iterator[Problem]:
    named: list[tuple[tuple[str | int, ...], str]] = [(("metric",), found.metric)]
    named += [(("also", at), name) for at, name in enumerate(found.also)]
    for path, name in named:
        if name not in METRICS and (name, path) != (OWN, ("metric",)):
            choices = ", ".join(f"'{each}'" for each in sorted(METRICS))
            yield parsed.problem(path, "want_one_of", key=str(path[0]), choices=choices)
        elif name in METRICS and METRICS[name].kind != found.form.columns[0].kind:
            kind = f"'{METRICS[name].kind}' ({name})"
            yield parsed.problem(("form", "columns", 0, "kind"), "want_one_of", key="kind", choices=kind)
    if "log_loss" in (found.metric, *found.also) and found.decimals > LOG_LOSS_DECIMALS:
        yield parsed.problem(("decimals",), "too_large", key="decimals", limit=LOG_LOSS_DECIMALS)


def _texts(checked: CheckedChallenge, name: str) -> dict[Language, str]:
    """Return the texts `name.md` (Korean) and `name.en.md`, of which one must be there."""
    texts: dict[Language, str] = {}
    for language, path in (("ko", f"{name}.md"), ("en", f"{name}.en.md")):
        text = checked.folder.text(path) if path in checked.folder.files else None
        if text is not None and text.strip():
            texts[language] = text  # type: ignore[index]  # the two languages
    if not texts:
        checked.problems.append(_missing(f"{name}.md"))
    return texts


def _missing(path: str) -> Problem:
    return Problem(path, 0, 0, "file_missing", {"path": path})
