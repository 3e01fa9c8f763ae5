import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from lms.cli import main
from lms.demo import play
from lms.demo.seed import settings_for
from lms.demo.story import Step, Story, StoryStopped, answered
from lms.installation import Installation
from lms.supervisor import Supervisor
from tests.postgres import not_run

PROGRAMS = Path(sys.executable).parent
STEPS = [
    "published",
    "submitted",
    "graded",
    "ranked",
    "certificate issued",
    "verified",
    "forged copy refused",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict[str, object]]]]:
    """What `lms demo --json --keep` says and leaves."""
    if shutil.which("bwrap") is None:
        not_run("bubblewrap is not installed")
    folder = tmp_path_factory.mktemp("demo") / "kept"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DURI_")}
    done = subprocess.run(
        [str(PROGRAMS / "lms"), "demo", "--json", "--keep", str(folder)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return folder, json.loads(done.stdout)


def verified(*arguments: str) -> int:
    return subprocess.run(
        [str(PROGRAMS / "lms-verify"), *arguments], capture_output=True, check=False
    ).returncode


def resources(folder: Path) -> Iterator[str]:
    for address, name in json.loads((folder / "resources.json").read_text()).items():
        yield from ("--resource", f"{address}={folder / name}")


@pytest.mark.jail
@pytest.mark.timeout(900)
def test_the_demonstration_really_goes_through_every_step(
    kept: tuple[Path, dict[str, list[dict[str, object]]]],
) -> None:
    steps = kept[1]["steps"]
    assert list(dict.fromkeys(step["step"] for step in steps)) == STEPS
    assert all(step["ok"] for step in steps)
    graded = [step for step in steps if step["step"] == "graded"]
    assert [step["points"] for step in graded[:4]] == [step["maximum"] for step in graded[:4]]


@pytest.mark.jail
@pytest.mark.timeout(900)
def test_what_the_demonstration_leaves_can_be_verified_elsewhere(
    kept: tuple[Path, dict[str, list[dict[str, object]]]],
) -> None:
    folder = kept[0]
    wanted = {"submitted.ipynb", "graded.ipynb", "credential.json", "certificate.pdf", "trust.json"}
    assert {path.name for path in folder.iterdir()} >= wanted | {"resources.json"}
    trust = ["--trust", str(folder / "trust.json")]
    for name in ("credential.json", "certificate.pdf"):
        assert verified(str(folder / name), *trust, *resources(folder)) == 0
        assert verified(str(folder / name), *trust) == 3
    forged = folder / "forged.json"
    forged.write_text((folder / "credential.json").read_text().replace("김하늘", "이바다"))
    assert verified(str(forged), *trust, *resources(folder)) == 1
    assert verified(str(folder / "submitted.ipynb"), *trust) == 2


@pytest.mark.parametrize(
    "steps", [[], [Step("published", ok=True, text=""), Step("graded", ok=False, text="0 / 3 points")]]
)
def test_a_step_that_did_not_happen_fails_the_demonstration(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "play", lambda _: iter(steps))
    assert CliRunner().invoke(main, ["demo"]).exit_code == 1


@pytest.mark.parametrize("stops", [True, False])
def test_a_story_that_stopped_is_played_again_at_the_next_start(
    stops: bool,  # noqa: FBT001 - a case of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(_story: Story, *, whole: bool) -> Iterator[Step]:
        yield Step("published", ok=whole, text="")
        if stops:
            raise StoryStopped("waited for the labs")

    monkeypatch.setattr(Story, "play", told)
    settings = settings_for(tmp_path, 8000)
    play._play_once(Installation(settings), Supervisor([]), tmp_path / "story-played")
    assert (tmp_path / "story-played").exists() is not stops


def test_answers_go_into_their_cells_and_nowhere_else() -> None:
    def notebook(source: str) -> bytes:
        cell = {"metadata": {"nbgrader": {"grade_id": "a", "solution": True}}, "source": [source]}
        free = {"metadata": {}, "source": ["free"]}
        return json.dumps({"cells": [cell, free]}).encode()

    model = notebook("### BEGIN SOLUTION\nx = 1\n### END SOLUTION")
    assert json.loads(answered(notebook("# YOUR CODE"), model, {}))["cells"][0]["source"] == "x = 1"
    other = json.loads(answered(notebook("# YOUR CODE"), model, {"a": "x = 2"}))["cells"]
    assert [cell["source"] for cell in other] == ["x = 2", ["free"]]
