import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import (
    SENTENCES,
    Placed,
    RankedBoard,
    RuleProblem,
    awards,
    shown,
    written_out,
)
from lms.leaderboards.core.rank import Direction

ORDER: dict[str, Any] = {
    "kind": "order",
    "maximum": 100,
    "bands": [{"top": "10%", "points": 100}, {"top": "30%", "points": 90.5}, {"top": 6, "points": 80}],
    "otherwise": 70,
}
THRESHOLD: dict[str, Any] = {
    "kind": "threshold",
    "maximum": 20,
    "steps": [
        {"baseline": "majority", "points": 12},
        {"baseline": "majority", "margin": 0.2, "points": 16},
        {"score": 0.9, "points": 20},
    ],
    "otherwise": 5,
}
BLENDED: dict[str, Any] = {
    "kind": "blended",
    "maximum": 10,
    "parts": [
        {"weight": 2, "rule": {**ORDER, "kind": "tie_group"}},
        {"weight": 1, "rule": THRESHOLD},
    ],
}


def board(
    *scores: float,
    groups: list[int] | None = None,
    direction: Direction = "max",
    decimals: int = 4,
    **baselines: float,
) -> RankedBoard:
    """Return a board of scores in their order, and one team without any."""
    teams = [
        Placed(f"t{number}", number, score, groups[number - 1] if groups else number)
        for number, score in enumerate(scores, start=1)
    ]
    return RankedBoard([*teams, Placed("none", None, None, None)], baselines, direction, decimals)


def points(rule: object, on: RankedBoard) -> list[float]:
    return [float(award.points) for award in awards(read_rule(rule), on)]


def whys(rule: object, on: RankedBoard, language: str) -> list[list[str]]:
    return [[why.text(language) for why in award.why] for award in awards(read_rule(rule), on)]


def faults(rule: object) -> list[str]:
    with pytest.raises(RuleProblem) as refused:
        read_rule(rule)
    assert all(refused.value.sentences("ko"))
    return [f"{one.params['where']}: {one.code.removeprefix('bad.')}" for one in refused.value.problems]


def test_points_by_order_are_of_the_first_band_that_a_rank_is_in() -> None:
    ten = board(*[1 - number / 100 for number in range(10)])
    assert points(ORDER, ten) == [100, 90.5, 90.5, 80, 80, 80, 70, 70, 70, 70, 0]


def test_shares_are_rounded_up_so_that_a_small_class_has_a_first_band() -> None:
    assert points(ORDER, board(0.9, 0.8))[:2] == [100, 80]


def test_every_team_of_a_tie_group_gets_what_its_first_one_gets() -> None:
    ten = board(*[1 - number / 100 for number in range(10)], groups=[1, 1, 1, 2, 2, 2, 2, 2, 3, 3])
    assert points({**ORDER, "kind": "tie_group"}, ten) == [100] * 3 + [80] * 5 + [70] * 2 + [0]


def test_a_threshold_is_reached_by_equalling_the_baseline() -> None:
    assert points(THRESHOLD, board(0.95, 0.9, 0.8, 0.6, 0.59, majority=0.6)) == [20, 20, 16, 12, 5, 0]


def test_to_reach_a_step_never_costs_points() -> None:
    rule = {**THRESHOLD, "steps": [{"score": 0.5, "points": 4}]}
    assert points(rule, board(0.6, 0.4)) == [5, 5, 0]


def test_a_margin_is_added_as_people_add() -> None:
    """In floating point 0.1 + 0.2 is more than 0.3."""
    rule = {**THRESHOLD, "steps": [{"baseline": "base", "margin": 0.2, "points": 10}]}
    assert points(rule, board(0.3, base=0.1)) == [10, 0]


def test_where_less_is_better_a_margin_is_taken_off() -> None:
    rule = {
        **THRESHOLD,
        "steps": [{"baseline": "base", "margin": "0.1", "points": 10}, {"score": 0.2, "points": 15}],
    }
    assert points(rule, board(0.2, 0.4, 0.5, base=0.5, direction="min")) == [15, 10, 5, 0]


def test_a_blend_is_the_weighted_sum_of_shares() -> None:
    (first, second, none) = awards(read_rule(BLENDED), board(0.95, 0.5, groups=[1, 1], majority=0.6))
    assert (first.points, second.points, none.points) == (Decimal("10.00"), Decimal("7.50"), Decimal("0.00"))


def test_points_are_rounded_half_up_once_at_the_end() -> None:
    rule = {
        **ORDER,
        "maximum": 1,
        "bands": [{"top": 1, "points": "0.125"}, {"top": 2, "points": "0.124999"}],
        "otherwise": 0,
    }
    assert [award.points for award in awards(read_rule(rule), board(2, 1))][:2] == [
        Decimal("0.13"),
        Decimal("0.12"),
    ]


def test_a_baseline_that_the_board_has_not_is_named() -> None:
    for found in (board(0.5, other=0.1), board(other=0.1), board(0.5, majority=math.nan, other=0.1)):
        with pytest.raises(RuleProblem, match=r'no baseline "majority"\. It has: .*other'):
            awards(read_rule(BLENDED), found)


rules = st.sampled_from([ORDER, {**ORDER, "kind": "tie_group"}, THRESHOLD, BLENDED])


@given(
    rules,
    st.lists(st.floats(0, 1, width=16), min_size=1, max_size=15),
    st.sampled_from(["max", "min"]),
    st.data(),
)
def test_a_better_place_never_gets_fewer_points(
    rule: dict[str, Any], scores: list[float], direction: Direction, data: st.DataObject
) -> None:
    ordered = sorted(scores, reverse=direction == "max")
    starts = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    groups = [sum(starts[: number + 1]) for number in range(len(scores))]
    on = board(*ordered, groups=groups, direction=direction, majority=0.5)
    got = awards(read_rule(rule), on)
    assert all(earlier.exact >= later.exact for earlier, later in pairwise(got))
    assert all(0 <= award.exact <= award.maximum for award in got)
    turned = RankedBoard(on.teams[::-1], on.baselines, direction, on.decimals)
    assert awards(read_rule(rule), turned) == got[::-1]


@pytest.mark.parametrize("rule", [ORDER, THRESHOLD, BLENDED])
def test_a_stored_rule_is_read_again_as_the_same(rule: dict[str, Any]) -> None:
    read = read_rule(rule)
    assert read_rule(json.loads(json.dumps(read.to_dict()))) == read


def test_a_rule_is_written_out_in_plain_english() -> None:
    assert written_out(read_rule(ORDER), "en") == [
        "Points follow the ranks of the final board.",
        "The first 10 % of ranked teams, rounded up, get 100 of 100 points.",
        "The first 30 % of ranked teams, rounded up, get 90.5 of 100 points.",
        "Ranks up to 6 get 80 of 100 points.",
        "All other ranked teams get 70 of 100 points.",
        "A team without a rank on the final board gets 0 of 100 points.",
        "Points are rounded to two decimals, halves up.",
        "A person confirms the points before they count. Every student may ask for the reason and object.",
    ]


def test_a_rule_is_written_out_in_plain_korean() -> None:
    assert written_out(read_rule(BLENDED), "ko") == [
        "점수는 2개 부분의 가중 합계입니다.",
        "1부분은 66.6667%를 차지합니다.",
        SENTENCES["rule.tie_group"]["ko"],
        "순위가 있는 팀 중 상위 10%(올림)는 100점 만점에 100점을 받습니다.",
        "순위가 있는 팀 중 상위 30%(올림)는 100점 만점에 90.5점을 받습니다.",
        "6위까지는 100점 만점에 80점을 받습니다.",
        "순위가 있는 그 밖의 모든 팀은 100점 만점에 70점을 받습니다.",
        "최종 순위표에 순위가 없는 팀은 100점 만점에 0점을 받습니다.",
        "2부분은 33.3333%를 차지합니다.",
        "점수는 다른 팀과 관계없이 최종 순위표의 점수에 따라 줍니다.",
        '기준선 "majority"과(와) 같거나 더 나은 점수는 20점 만점에 12점을 받습니다.',
        '기준선 "majority"보다 0.2 이상 나은 점수는 20점 만점에 16점을 받습니다.',
        "0.9 또는 더 나은 점수는 20점 만점에 20점을 받습니다.",
        "이 중 어느 기준에도 이르지 못한 점수는 20점 만점에 5점을 받습니다.",
        "최종 순위표에 순위가 없는 팀은 20점 만점에 0점을 받습니다.",
        "점수는 소수점 아래 둘째 자리로 반올림합니다.",
        "점수는 사람이 확인한 뒤에 반영됩니다. 학생은 누구나 이유를 묻고 이의를 제기할 수 있습니다.",
    ]


def test_every_award_says_why() -> None:
    on = board(0.95, 0.65, 0.1, groups=[1, 1, 2], majority=0.6)
    blended = whys(BLENDED, on, "en")
    assert blended[1] == [
        "Rank 2 of 3 is in a tie group that begins at rank 1, within the first 1: 100 of 100 points.",
        'The score 0.65 reaches what the baseline "majority" asks for, 0.6: 12 of 20 points.',
        "Together, by weight: 8.67 of 10 points.",
    ]
    assert blended[2][1] == "The score 0.1 reaches none of the steps: 5 of 20 points."
    assert blended[3][0] == "The team has no rank on the final board: 0 of 100 points."
    assert whys(THRESHOLD, on, "en")[0] == ["The score 0.95 reaches 0.9: 20 of 20 points."]
    nine = board(*[1 - number / 100 for number in range(9)])
    assert whys(ORDER, nine, "ko")[1] == ["9팀 중 2위는 상위 3팀 안에 듭니다. 100점 만점에 90.5점입니다."]
    assert whys(ORDER, nine, "ko")[8] == [
        "9팀 중 9위는 어느 구간에도 들지 않습니다. 100점 만점에 70점입니다."
    ]


def test_a_score_is_written_with_the_digits_of_the_board_and_compared_with_all() -> None:
    rule = {**THRESHOLD, "steps": [{"baseline": "base", "points": 12}, {"score": 0.8, "points": 20}]}
    on = board(0.80004, 0.79996, 0.70001, 0.7, 0.6, base=0.70001)
    assert points(rule, on) == [20, 12, 12, 5, 5, 0]
    rounded = "Scores are rounded here to 4 decimals, as on the board. The unrounded ones decide; this close "
    rounded += "to a limit they can say otherwise."
    reaches = 'reaches what the baseline "base" asks for, 0.7: 12 of 20 points.'
    assert whys(rule, on, "en")[:5] == [
        ["The score 0.8 reaches 0.8: 20 of 20 points."],
        [f"The score 0.8 {reaches}", rounded],
        [f"The score 0.7 {reaches}"],
        ["The score 0.7 reaches none of the steps: 5 of 20 points.", rounded],
        ["The score 0.6 reaches none of the steps: 5 of 20 points."],
    ]
    assert "소수점 아래 4자리" in whys(rule, on, "ko")[1][1]


@pytest.mark.parametrize(("direction", "near", "far"), [("max", 0.84, 0.87), ("min", 0.76, 0.73)])
def test_a_limit_that_the_rounded_score_seems_to_miss_is_said_to_be_reached_unrounded(
    direction: Direction, near: float, far: float
) -> None:
    limit = "0.83" if direction == "max" else "0.77"
    rule = {**THRESHOLD, "steps": [{"score": limit, "points": 20}]}
    (close, clear) = (
        whys(rule, board(score, direction=direction, decimals=1), "en")[0] for score in (near, far)
    )
    assert close[0] == f"The score 0.8 reaches {limit}: 20 of 20 points."
    assert "The unrounded ones decide" in close[1]
    assert len(clear) == 1


@given(st.floats(0.6, 0.8), st.floats(0.6, 0.8), st.integers(0, 10), st.sampled_from(["max", "min"]))
def test_no_reason_has_more_digits_than_the_board(
    score: float, base: float, decimals: int, direction: Direction
) -> None:
    rule = {**THRESHOLD, "steps": [{"baseline": "base", "points": 20}]}
    first, _ = whys(rule, board(score, direction=direction, decimals=decimals, base=base), "en")
    written = re.findall(r"\d+\.(\d+)", " ".join(first))
    assert all(len(digits) <= decimals for digits in written)


BAND = {"top": 1, "points": 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (None, ["rule: no_mapping"]),
        (["order"], ["rule: no_mapping"]),
        ({}, ["rule: kind"]),
        ({"kind": "luck"}, ["rule: kind"]),
        ({"kind": ["order"]}, ["rule: kind"]),
        ({"kind": "order"}, ["rule: missing", "rule: missing"]),
        ({**ORDER, "extra": 1}, ["rule: unknown"]),
        ({"kind": "blended", "maximum": 1, "parts": [{"weight": 1, "rule": ORDER}], 5: 1}, ["rule: unknown"]),
        ({**ORDER, "maximum": 0}, ["rule.maximum: zero"]),
        ({**ORDER, "maximum": "100.125"}, ["rule.maximum: cents"]),
        ({**ORDER, "maximum": "nan"}, ["rule.maximum: number"]),
        ({**ORDER, "maximum": True}, ["rule.maximum: number"]),
        ({**ORDER, "maximum": 10**5000}, ["rule.maximum: number"]),
        ({**ORDER, "maximum": "1e999999"}, ["rule.maximum: number"]),
        ({**ORDER, "otherwise": -1}, ["rule.otherwise: negative"]),
        ({**ORDER, "unranked": 101}, ["rule.unranked: over"]),
        ({**ORDER, "otherwise": 85}, ["rule.otherwise: rising"]),
        ({**ORDER, "bands": []}, ["rule.bands: list"]),
        ({**ORDER, "bands": "10%"}, ["rule.bands: list"]),
        ({**ORDER, "bands": [BAND] * 101}, ["rule.bands: list"]),
        ({**ORDER, "bands": [5], "otherwise": 0}, ["rule.bands[0]: no_mapping"]),
        (
            {**ORDER, "otherwise": 0, "bands": [BAND, {"top": 2, "points": 2}]},
            ["rule.bands[1].points: rising"],
        ),
        ({**ORDER, "otherwise": 0, "bands": [BAND, BAND]}, ["rule.bands[1].top: order"]),
        ({**THRESHOLD, "steps": [{"points": 1}]}, ["rule.steps[0]: step"]),
        ({**THRESHOLD, "steps": [{"points": 1, "baseline": "a", "score": 1}]}, ["rule.steps[0]: step"]),
        ({**THRESHOLD, "steps": [{"points": 1, "score": 1, "margin": 1}]}, ["rule.steps[0]: step"]),
        ({**THRESHOLD, "steps": [{"points": 1, "baseline": " "}]}, ["rule.steps[0].baseline: text"]),
        (
            {**THRESHOLD, "steps": [{"points": 1, "baseline": "a", "margin": -1}]},
            ["rule.steps[0].margin: negative"],
        ),
        (
            {**THRESHOLD, "steps": [{"points": 30, "score": "x"}]},
            ["rule.steps[0].points: over", "rule.steps[0].score: number"],
        ),
        ({**BLENDED, "parts": [{"weight": 0, "rule": ORDER}]}, ["rule.parts[0].weight: zero"]),
        ({**BLENDED, "parts": [{"weight": 1, "rule": BLENDED}]}, ["rule.parts[0].rule: nested"]),
        ({**BLENDED, "parts": [{"weight": 1}]}, ["rule.parts[0]: missing"]),
    ],
)
def test_every_fault_of_a_rule_has_its_place(rule: object, expected: list[str]) -> None:
    assert faults(rule) == expected


@pytest.mark.parametrize("top", [0, -1, True, 1.5, "0%", "101%", "10", "ten%", None, "1e1%", "１０%"])
def test_a_band_ends_at_a_rank_or_a_share(top: object) -> None:
    rule = {**ORDER, "otherwise": 0, "bands": [{"top": top, "points": 1}]}
    assert faults(rule) == ["rule.bands[0].top: top"]


def test_what_a_fault_repeats_is_short_and_steers_no_terminal() -> None:
    with pytest.raises(RuleProblem) as refused:
        read_rule({"kind": "\x1b[2J" + "x" * 5000})
    (said,) = refused.value.sentences("en")
    assert said.isprintable()
    assert len(said) < 250


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.sampled_from(["order", "10%", "a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["kind", "maximum", "bands", "top", "points", "parts", "rule"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(plain, st.sampled_from(["order", "threshold", "blended"]))
def test_anything_else_is_refused_with_a_sentence(value: object, kind: str) -> None:
    rule = {"kind": kind, "maximum": value, "bands": value, "steps": value, "parts": value}
    assert faults(rule)


def test_numbers_are_shown_as_people_write_them() -> None:
    written = [shown(Fraction(number)) for number in ("100", "0.5", "0", "12.50", "1e-7", "-3")]
    assert written == ["100", "0.5", "0", "12.5", "0.0000001", "-3"]
    assert shown(Fraction(1, 3)) == "0.3333"


def test_every_sentence_is_there_in_both_languages_with_the_same_values() -> None:
    for both in SENTENCES.values():
        assert both.keys() == {"en", "ko"}
        values = [
            sorted(part.split(")")[0] for part in text.replace("%%", "").split("%(")[1:])
            for text in both.values()
        ]
        assert values[0] == values[1]
