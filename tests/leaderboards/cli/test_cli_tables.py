import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lms.leaderboards.cli.boards import boards

HEAD = "team,score,received_at,private_score\n"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.csv"
    path.write_text(
        HEAD + "둘,0.9,2026-03-02 10:00:00,0.5\none,0.8,2026-03-02 09:00:00,0.7\nthree,0.7,2026-03-02,0.1\n",
        encoding="utf-8",
    )
    return path


def run(*words: str | Path, given: bytes | None = None) -> Result:
    return CliRunner().invoke(boards, [str(word) for word in words], input=given)


def test_the_json_answer_has_the_promised_shape(board: Path) -> None:
    ran = run("rank", board, "--direction", "max", "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == {
        "shake_up": pytest.approx(2 / 9),
        "rows": [
            {
                "team": team,
                "rank": rank,
                "tie_group": rank,
                "medal": medal,
                "public_rank": public,
                "private_rank": rank,
                "change": public - rank,
            }
            for team, rank, medal, public in [
                ("one", 1, "bronze", 2),
                ("둘", 2, None, 1),
                ("three", 3, None, 3),
            ]
        ],
    }


def test_the_printed_board_lines_up_in_either_language(board: Path) -> None:
    english = run("rank", board, "--direction", "max").stdout.splitlines()
    assert english[0].split() == [
        "rank",
        "team",
        "score",
        "tie",
        "group",
        "medal",
        "public",
        "rank",
        "change",
    ]
    assert [line.split()[:3] for line in english[1:3]] == [["1", "one", "0.7"], ["2", "둘", "0.5"]]
    assert english[-1] == "Shake-up: 0.2222"
    assert run("rank", board, "--direction", "max", "--language", "ko").stdout.startswith("순위  팀")


def test_with_losses_the_range_of_ranks_is_printed(board: Path, tmp_path: Path) -> None:
    losses = tmp_path / "losses.csv"
    losses.write_text("team,losses\n둘,0011\none,0001\nthree,1111\n", encoding="utf-8")
    ran = run("rank", board, "--direction", "max", "--losses", losses)
    assert "rank range" in ran.stdout
    assert "–" in ran.stdout.splitlines()[1]


def test_losses_of_many_items_stand_in_one_cell(board: Path, tmp_path: Path) -> None:
    losses, limit = tmp_path / "losses.csv", csv.field_size_limit()
    numbers = " ".join(["0.123456"] * 20_000)
    losses.write_text(f"team,losses\n둘,{numbers}\none,{numbers}\nthree,{numbers}\n", encoding="utf-8")
    ran = run("rank", board, "--direction", "max", "--losses", losses, "--json")
    assert [row["tie_group"] for row in json.loads(ran.stdout)["rows"]] == [1, 1, 1]
    assert csv.field_size_limit() == limit


def test_a_name_without_end_is_refused_with_its_own_sentence(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"{HEAD}{'x' * 200_000},1,2026-03-02,\n")
    ran = run("rank", path, "--direction", "max")
    assert (ran.exit_code, ran.stderr.startswith("line 2: The name of the team has more than")) == (2, True)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_bad_table_is_told_by_line_with_status_2(tmp_path: Path, language: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(HEAD + "a,x,2026-03-02,\n\nb,1,never,\n")
    ran = run("rank", path, "--direction", "max", "--language", language)
    told = ran.stderr.splitlines()
    assert (ran.exit_code, ran.stdout, len(told)) == (2, "", 2)
    assert [line.split(":")[0] for line in told] == (
        ["line 2", "line 4"] if language == "en" else ["2번째 줄", "4번째 줄"]
    )


def test_bad_losses_are_told_with_status_2(board: Path, tmp_path: Path) -> None:
    losses = tmp_path / "losses.csv"
    losses.write_text("team,losses\none,01\n")
    ran = run("rank", board, "--direction", "max", "--losses", losses)
    assert ran.exit_code == 2
    assert '"둘" are missing' in ran.stderr


@pytest.mark.parametrize("words", [["rank", "nowhere.csv", "--direction", "max"], ["rank", "."], ["rank"]])
def test_a_command_line_that_cannot_be_read_has_status_2(words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_a_direction_must_be_said(board: Path) -> None:
    assert run("rank", board).exit_code == 2


def test_names_made_to_break_a_terminal_break_none(tmp_path: Path) -> None:
    names = [
        "\x1b[31mred",
        "\u202egnp.exe",
        "=cmd|' /C calc'!A0",
        '"quoted"',
        "<script>",
        "a" * 300,
        "\U000e0001tag",
    ]
    path = tmp_path / "hostile.csv"
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    path.write_text(HEAD + "".join(f"{name},1,2026-03-02,\n" for name in quoted), encoding="utf-8")
    printed = run("rank", path, "--direction", "max").stdout
    as_json = run("rank", path, "--direction", "max", "--json").stdout
    assert printed.replace("\n", "").isprintable()
    assert as_json.replace("\n", "").isprintable()
    assert {row["team"] for row in json.loads(as_json)["rows"]} == set(names)


def test_the_ladder_answers_each_line() -> None:
    ran = run("ladder", given=b"0011\n0011\n1111\n0000")
    assert (ran.exit_code, ran.stdout) == (0, "0.5\n0.5\n0.5\n0.0\n")


def test_the_ladder_stops_at_a_line_that_is_no_submission() -> None:
    ran = run("ladder", given=b"0011\n001\n0000\n")
    assert (ran.exit_code, ran.stdout) == (2, "0.5\n")
    assert ran.stderr.startswith("line 2: There are 3 characters, but 4")
    assert run("ladder", "--language", "ko", given=b"01x\n").stderr.startswith("1번째 줄: 3번째 글자")


@pytest.mark.parametrize("given", [b"\xef\xbb\xbf0011\n0000\n", b"0011\n0000\n\n", b"0011\r\n0000\r\n\r\n"])
def test_the_ladder_passes_over_a_byte_order_mark_and_an_empty_line_at_the_end(given: bytes) -> None:
    ran = run("ladder", given=given)
    assert (ran.exit_code, ran.stdout) == (0, "0.5\n0.0\n")


@pytest.mark.parametrize("given", [b"0011\n\n0000\n", b"0011\n\n\n"])
def test_an_empty_line_between_submissions_is_none(given: bytes) -> None:
    ran = run("ladder", given=given)
    assert (ran.exit_code, ran.stdout) == (2, "0.5\n")
    assert ran.stderr.startswith("line 2: The line is empty")


def test_the_ladder_ends_quietly_where_nobody_reads_on() -> None:
    program = "from lms.leaderboards.cli.boards import boards; boards(['ladder'])"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as asked:
        assert asked.stdin
        assert asked.stdout
        assert asked.stderr
        asked.stdin.write(b"01\n")
        asked.stdin.flush()
        asked.stdout.readline()
        asked.stdout.close()
        asked.stdin.write(b"00\n" * 10)
        asked.stdin.close()
        assert asked.stderr.read() == b""


def test_without_submissions_the_ladder_says_nothing() -> None:
    assert run("ladder", given=b"").stdout == ""


def test_the_ladder_answers_before_the_next_submission_comes() -> None:
    """As an attacker or a training script uses it: ask, read the answer, ask again."""
    program = "from lms.leaderboards.cli.boards import boards; boards(['ladder'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as asked:
        assert asked.stdin
        assert asked.stdout
        for line, answer in ((b"0111\n", b"0.75\n"), (b"0000\n", b"0.0\n")):
            asked.stdin.write(line)
            asked.stdin.flush()
            assert asked.stdout.readline() == answer
