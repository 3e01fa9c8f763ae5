import contextlib
import io
import re
import tomllib
from pathlib import Path

import click
import pytest

import lms.certs.signer.commands
from lms import reference
from lms.certs import verifier
from lms.cli import main
from lms.config import ROOT

CERTIFICATES = ROOT / "docs" / "reference" / "certificates.md"
OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*")


def help_of(program: object, *words: str) -> str:
    """What a program of argparse says about itself."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        program([*words, "--help"])  # type: ignore[operator]
    return said.getvalue()


@pytest.mark.parametrize("path", reference.pages(main, ROOT), ids=lambda path: path.name)
def test_a_generated_page_says_what_the_code_says(path: object) -> None:
    fresh = reference.pages(main, ROOT)
    assert path.read_text(encoding="utf-8") == fresh[path], "run `make docs` and commit the page"  # type: ignore[attr-defined, index]


TABLES = sorted((ROOT / "lms").glob("*/core/*sentences.toml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_sentence_that_a_program_says_is_on_the_page_of_codes(path: Path) -> None:
    page = reference.codes_page()
    sentences = tomllib.loads(path.read_text(encoding="utf-8"))
    assert sentences
    assert [code for code in sentences if f"| `{code}` |" not in page] == []
    assert "%%" not in page


def test_every_setting_says_what_it_means() -> None:
    rows = [
        line.split(" | ") for line in reference.settings_page().splitlines() if line.startswith("| `DURI_")
    ]
    assert rows
    assert [row[0] for row in rows if not row[3].strip(" |")] == []


def test_every_command_says_what_it_does() -> None:
    def silent(group: click.Group, above: str) -> list[str]:
        found = []
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                found += silent(command, f"{above} {name}")
            elif not command.help:
                found.append(f"{above} {name}")
        return found

    assert silent(main, "lms") == []


def test_every_page_of_the_server_says_what_it_does() -> None:
    rows = [line for line in reference.routes_page().splitlines() if line.startswith("| `/")]
    assert rows
    assert [row for row in rows if row.endswith("|  |")] == []


SIGNER_COMMANDS = [
    (), ("init",), ("run",), ("client",), ("approve",), ("rotate",), ("keys",), ("lift",), ("journal",),
    ("roster", "x", "add"), ("roster", "x", "import"), ("approver", "x", "add"),
]  # fmt: skip


@pytest.mark.parametrize("words", SIGNER_COMMANDS, ids=" ".join)
def test_every_option_of_the_signer_is_on_its_page(words: tuple[str, ...]) -> None:
    written = CERTIFICATES.read_text(encoding="utf-8")
    said = help_of(lms.certs.signer.commands.main, *words)
    assert [
        option for option in OPTION.findall(said) if f"`{option}" not in written and option != "--help"
    ] == []


def test_every_option_of_the_verifier_is_on_its_page() -> None:
    written = CERTIFICATES.read_text(encoding="utf-8")
    said = help_of(verifier.main)
    assert [
        option for option in OPTION.findall(said) if f"`{option}" not in written and option != "--help"
    ] == []
