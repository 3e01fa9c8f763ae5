"""What `lms boards` says of a server's answers: words in both languages, and rows as lines of a terminal."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lms.leaderboards.core.digits import in_digits
from lms.leaderboards.core.tables import printable

MOST_BESIDE = 10  # metrics beside the score: no challenge has more
MOST_DECIMALS = 10  # nor has a board
WORDS = {
    "received": (
        "Received at {at}, entry {id}, {bytes} bytes, SHA-256 {sha256}. It is being scored.",
        "{at}에 접수했어요. 제출 {id}, {bytes}바이트, SHA-256 {sha256}. 지금 채점하고 있어요.",
    ),
    "left": (
        "{left} of {limit} entries are left today.",
        "오늘 {limit}번 가운데 {left}번 남았어요.",
    ),
    "scored": ("Entry {id} is scored: {score}.", "제출 {id}을(를) 채점했어요. 점수는 {score}이에요."),
    "not-told": (
        "Entry {id} is scored. What it got is not told yet.",
        "제출 {id}을(를) 채점했어요. 점수는 아직 알려 드리지 않아요.",
    ),
    "not-scored": ("Entry {id} has no score. {why}", "제출 {id}에는 점수가 없어요. {why}"),
    "log": (
        "Run on the files that everyone has, with at most {seconds} seconds: {detail}",
        "모두가 가진 파일로 길어야 {seconds}초 동안 한 실행: {detail}",
    ),
    "cell": ("Cell {number}:", "{number}번 셀:"),
    "cell-cut": ("Cell {number}, cut:", "{number}번 셀(일부만):"),
    "no-such-entry": (
        "What answers at {server} does not tell what became of the entry: it is too old. Look at its page.",
        "{server} 서버가 너무 오래돼서 제출이 어떻게 됐는지 알려 주지 않아요. 페이지에서 확인하세요.",
    ),
    "cannot-tell": (
        "The server at {server} has trouble, and cannot tell now what became of the entry.",
        "{server} 서버에 문제가 있어서 제출이 어떻게 됐는지 지금은 알 수 없어요.",
    ),
    "kept": (
        "It was received as entry {id}; do not send it again. Look at the page of your entries.",
        "제출 {id}(으)로 접수됐으니 다시 보내지 마세요. 내 제출 페이지에서 확인하세요.",
    ),
    "no-token": (
        "There is no token. Make one on the page of your entries and put it into DURI_TOKEN.",
        "토큰이 없어요. 내 제출 페이지에서 토큰을 만들어 DURI_TOKEN에 넣으세요.",
    ),
    "bad-server": (
        "{server} is no address of a server. Give one such as https://duri.example.",
        "{server}은(는) 서버 주소가 아니에요. https://duri.example 같은 주소를 넣으세요.",
    ),
    "in-the-open": (
        "Warning: {server} is not https, so others on the network can read your token.",
        "주의: {server}이(가) https가 아니어서 같은 네트워크의 다른 사람이 토큰을 읽을 수 있어요.",
    ),
    "unreachable": (
        "The server at {server} cannot be reached ({why}). Check the address, or try again in a minute.",
        "{server} 서버에 닿을 수 없어요({why}). 주소를 확인하거나 1분 뒤에 다시 시도하세요.",
    ),
    "slow": (
        "The server at {server} did not answer in time. Look at your entries before you send the file again.",
        "{server} 서버가 제때 답하지 않았어요. 파일을 다시 보내기 전에 내 제출을 확인하세요.",
    ),
    "elsewhere": (
        "The server sends this on to {where}. Give that address with --server.",
        "서버가 {where}(으)로 가라고 해요. --server에 그 주소를 넣으세요.",
    ),
    "not-ours": (
        "What answers at {server} is not Duri, or too old (status {number}). Check the address.",
        "{server}에서 답하는 것이 두리가 아니거나 너무 오래됐어요(상태 {number}). 주소를 확인하세요.",
    ),
    "unknown-token": (
        "The server does not know you. Make a token on the page of your entries and put it into DURI_TOKEN.",
        "서버가 누구인지 알지 못해요. 내 제출 페이지에서 토큰을 만들어 DURI_TOKEN에 넣으세요.",
    ),
    "refused": ("The server refused this.", "서버가 거절했어요."),
    "not-there": (
        "There is no challenge {slug} for you, or you are in no team. Check its name, and join it first.",
        "챌린지 {slug}이(가) 없거나 아직 팀에 들어가지 않았어요. 이름을 확인하고 먼저 참가하세요.",
    ),
    "conflict": ("This is not possible now.", "지금은 할 수 없어요."),
    "too-large": (
        "The file is too large, so it was not taken. Nothing was counted.",
        "파일이 너무 커서 받지 않았어요. 횟수는 줄지 않았어요.",
    ),
    "faults": (
        "The file has faults, so it was not taken. Nothing was counted.",
        "파일에 잘못된 곳이 있어 받지 않았어요. 횟수는 줄지 않았어요.",
    ),
    "line": ("line {line}: {detail}", "{line}행: {detail}"),
    "more": ("… and {more} more.", "… 그 밖에 {more}개가 더 있어요."),
    "too-soon": ("It is too soon for this.", "아직 보낼 수 없어요."),
    "next": ("Next possible: {at}.", "다음에 가능한 때: {at}."),
    "trouble": (
        "The server has trouble (status {number}). Look at your entries, then try again in a minute.",
        "서버에 문제가 있어요(상태 {number}). 내 제출을 확인하고 1분 뒤에 다시 시도하세요.",
    ),
    "public": ("Public scores", "공개 점수"),
    "frozen": ("Public scores, frozen", "공개 점수(동결)"),
    "private": ("Final scores", "최종 점수"),
    "teams": ("{share}; {ranked} teams", "{share}, {ranked}팀"),
    "baseline": ("{name} (baseline)", "{name}(기준선)"),
    "you": ("You: place {rank} of {ranked}.", "나: {ranked}팀 중 {rank}위."),
    "nobody": ("Nobody is on the board yet.", "아직 리더보드에 아무도 없어요."),
    "people": ("{found} people, page {page} of {pages}", "{found}명, {pages}쪽 중 {page}쪽"),
    "no-people": ("Nobody shows points that fit.", "맞는 사람 가운데 포인트를 공개한 사람이 없어요."),
    "medals": ("{gold} gold, {silver} silver, {bronze} bronze", "금 {gold}, 은 {silver}, 동 {bronze}"),
}


def entry_lines(entry: Mapping[str, Any], language: str) -> list[str]:
    """Return what became of an entry as lines, with the log of a failed notebook."""
    number, score = flat(entry.get("id")), entry.get("score")
    if entry.get("state") == "scored":
        code = "scored" if score is not None else "not-told"
        return [word(code, language).format(id=number, score=flat(score))]
    why = flat(entry.get("failure") or entry.get("disqualified"))
    lines, log = [word("not-scored", language).format(id=number, why=why)], entry.get("log")
    if not isinstance(log, dict):
        return lines
    seconds, detail = flat(log.get("seconds")), flat(log.get("detail"))
    if log.get("outcome") == "not_made":
        return [*lines, "", detail]
    lines += ["", word("log", language).format(seconds=seconds, detail=detail)]
    cells = log.get("cells")
    for cell in cells if isinstance(cells, list) else ():
        lines += _cell_lines(cell, language) if isinstance(cell, dict) else []
    return lines


def _cell_lines(cell: Mapping[str, Any], language: str) -> list[str]:
    """Return what a cell said, each line moved in, so that none passes for one of ours."""
    said = [str(cell[name]) for name in ("text", "traceback") if cell.get(name)]
    heading = word("cell-cut" if cell.get("cut") else "cell", language).format(
        number=flat(cell.get("number"))
    )
    return ["", heading, *(f"    {flat(line)}" for part in said for line in part.expandtabs(8).split("\n"))]


def board_lines(told: Mapping[str, Any], language: str) -> list[str]:
    """Return a board as lines; names stand last, for nobody knows how wide they are."""
    rows = _rows(told)
    if not rows:
        return [word("nobody", language)]
    share, ranked = str(told.get("share")), flat(told.get("ranked"))
    beside, decimals = _beside(told), told.get("decimals")
    lines = [
        word("teams", language).format(share=word(share, language) if share in WORDS else "", ranked=ranked),
        *([f"{'':>6} {flat(told.get('metric')):>14}{_cells(beside, beside)}"] if beside else []),
        *(_row(row, beside, decimals, language) for row in rows),
    ]
    mine = told.get("mine")
    if isinstance(mine, dict) and mine.get("rank") is not None:
        lines.append(word("you", language).format(rank=flat(mine["rank"]), ranked=ranked))
    return lines


def _beside(told: Mapping[str, Any]) -> list[str]:
    """Return the names of the metrics that stand beside the score, as the server calls them."""
    named = told.get("also")
    return [str(each) for each in named[:MOST_BESIDE]] if isinstance(named, list) else []


def _score(value: object, decimals: object) -> str:
    """Return a score in the digits of its board; what is no such thing, as it came."""
    if not isinstance(value, float) or not math.isfinite(value):
        return "-" if value is None else flat(value)
    if not isinstance(decimals, int) or not 0 <= decimals <= MOST_DECIMALS:  # it came from elsewhere
        return flat(value)
    return in_digits(value, decimals)


def _cells(beside: list[str], cells: list[str]) -> str:
    return "".join(f"  {cell:>{max(8, len(flat(name)))}}" for name, cell in zip(beside, cells, strict=True))


def people_lines(told: Mapping[str, Any], language: str) -> list[str]:
    """Return people as lines; names stand last."""
    rows = _rows(told)
    if not rows:
        return [word("no-people", language)]
    numbers = {name: flat(told.get(name)) for name in ("found", "page", "pages")}
    return [word("people", language).format(**numbers), *(_person(row, language) for row in rows)]


def _rows(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = told.get("rows")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _person(row: Mapping[str, Any], language: str) -> str:
    won, points = row.get("medals"), row.get("points")
    counts = won if isinstance(won, dict) else {}
    medals = word("medals", language).format(
        **{name: flat(counts.get(name, 0)) for name in ("gold", "silver", "bronze")}
    )
    shown = f"{points:,.0f}" if isinstance(points, int | float) else "-"
    return f"{flat(row.get('rank')):>6} {shown:>9}  {medals}  {flat(row.get('name'))}"


def _row(row: Mapping[str, Any], beside: list[str], decimals: object, language: str) -> str:
    name = row.get("team")
    if isinstance(name, dict):  # of a baseline, by language
        name = name.get(language) or next(iter(name.values()), "")
    shown = flat(name)
    if row.get("baseline"):
        shown = word("baseline", language).format(name=shown)
    interval = row.get("rank_interval")
    if isinstance(interval, list) and len(interval) == 2 and interval[0] != interval[1]:  # noqa: PLR2004 - from, to
        shown += f" ({flat(interval[0])}-{flat(interval[1])})"
    rank = "-" if row.get("rank") is None else flat(row["rank"])
    metrics = row.get("metrics")
    others = [metrics.get(each) if isinstance(metrics, dict) else None for each in beside]
    cells = _cells(beside, [_score(each, decimals) for each in others])
    return f"{rank:>6} {_score(row.get('score'), decimals):>14}{cells}  {shown}"


def moment(text: object) -> str:
    """Return a time that a server said, on the reader's clock; as it came if it is none."""
    try:
        return local(datetime.fromisoformat(str(text)))
    except (ValueError, OverflowError):  # no time, or one that this clock does not reach
        return flat(text)


def local(at: datetime) -> str:
    """Return a time on the reader's clock, with its zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def flat(value: object) -> str:
    """Return something that a server said, so that it cannot steer the terminal."""
    return printable("" if value is None else str(value))


def word(code: str, language: str) -> str:
    """Return a sentence in the reader's language, its gaps still open."""
    english, korean = WORDS[code]
    return korean if language == "ko" else english
