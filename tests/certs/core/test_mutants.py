"""Certificates spoilt at random: whatever differs from every good file in canonical form is refused."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lms.certs.core.baking import bake_png, bake_svg, read_png, read_svg
from lms.certs.core.strict_json import canonical, read_object
from lms.certs.core.verify import Status
from tests.certs.conftest import Case
from tests.certs.core.test_baking import SVG, png

Parent = dict[str, Any] | list[Any]
Place = tuple[Parent, Any]
SPOILT = {Status.REFUSED, Status.UNREADABLE}
STRANGE: list[Any] = [None, True, False, 0, -1, 1.5, "", "x", [], {}, [None], {"id": "did:web:evil.example"}]
STRANGE_KEYS = [
    "@id",
    "@graph",
    "@context",
    "honours",
    "type",
    "proof",
    "id",
    "https://duri.example/ns#extra",
]
LETTERS = 'xA0é가\u1100\u1161.#/:-\n"\\\u200b '


def places(value: Any) -> Iterator[Place]:
    """Yield every place in a document, as the thing that holds it and its key there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield value, key
        yield from places(item)


def put_strange(chance: random.Random, found: list[Place]) -> None:
    parent, key = chance.choice(found)
    parent[key] = copy.deepcopy(chance.choice(STRANGE))


def respell(chance: random.Random, found: list[Place]) -> None:
    parent, key = chance.choice([(parent, key) for parent, key in found if isinstance(parent[key], str)])
    text = parent[key]
    at = chance.randrange(len(text) + 1)
    cut = at + chance.randrange(2)
    parent[key] = text[:at] + chance.choice(["", *LETTERS]) + text[cut:]


def swap(chance: random.Random, found: list[Place]) -> None:
    (first, key), (second, other) = chance.sample(found, 2)
    first[key], second[other] = copy.deepcopy(second[other]), copy.deepcopy(first[key])


def leave_out(chance: random.Random, found: list[Place]) -> None:
    parent, key = chance.choice(found)
    del parent[key]


def rename(chance: random.Random, found: list[Place]) -> None:
    parent, key = chance.choice([(parent, key) for parent, key in found if isinstance(parent, dict)])
    parent[chance.choice([*STRANGE_KEYS, f"{key}x", key[:-1], key.upper()])] = parent.pop(key)


def add(chance: random.Random, found: list[Place]) -> None:
    parent, key = chance.choice(found)
    value = copy.deepcopy(chance.choice([parent[key], *STRANGE]))
    if isinstance(parent, dict):
        parent[chance.choice(STRANGE_KEYS)] = value
    else:
        parent.insert(chance.randrange(len(parent) + 1), value)


def shuffle(chance: random.Random, found: list[Place]) -> None:
    listed = [parent[key] for parent, key in found if isinstance(parent[key], list) and len(parent[key]) > 1]
    chance.shuffle(chance.choice(listed))


SPOIL: list[Callable[[random.Random, list[Place]], None]] = [
    put_strange, respell, respell, swap, leave_out, rename, add, shuffle,
]  # fmt: skip


def mutant(chance: random.Random, good: Any) -> Any:
    """Spoil a copy once or a few times; about every tenth gets a part of another good file."""
    document = copy.deepcopy(good)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        found = list(places(document))
        if found:
            try:
                chance.choice(SPOIL)(chance, found)
            except IndexError:
                continue  # nothing of that kind is left to spoil
    return document


def check_mutants(case: Case, others: list[Any], count: int, seed: int) -> None:
    chance = random.Random(seed)
    good = {canonical(one) for one in (case.credential, *others)}
    checked = 0
    while checked < count:
        document = mutant(chance, case.credential)
        if chance.random() < 0.1:
            key = chance.choice([key for key in case.credential if key in document])
            document[key] = copy.deepcopy(chance.choice(others).get(key))
        if canonical(document) in good:
            continue
        checked += 1
        content = json.dumps(document, ensure_ascii=chance.random() < 0.5).encode()
        verdict = case.verify(content)
        assert verdict.status in SPOILT, (seed, checked, content)
        assert verdict.findings


@pytest.fixture
def cases(case: Case, whole: Case) -> list[tuple[Case, list[Any]]]:
    """Every good file, each with the other ones."""
    return [(case, [whole.credential]), (whole, [case.credential])]


def test_some_hundred_mutants_of_each_good_file_are_refused(cases: list[tuple[Case, list[Any]]]) -> None:
    for one, others in cases:
        assert one.verify().status is Status.VALID
        check_mutants(one, others, 250, seed=4)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("which", [0, 1])
def test_ten_thousand_mutants_of_each_good_file_are_refused(
    cases: list[tuple[Case, list[Any]]], which: int
) -> None:
    one, others = cases[which]
    check_mutants(one, others, 10_000, seed=random.SystemRandom().randrange(2**32))


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_ten_thousand_damaged_pictures_never_say_anything_else(whole: Case, kind: str) -> None:
    plain = json.dumps(whole.credential, ensure_ascii=False).encode()
    good = bake_png(png(), plain) if kind == "png" else bake_svg(SVG, plain)
    read = read_png if kind == "png" else read_svg
    chance = random.Random(7)
    for _ in range(10_000):
        spoilt = bytearray(good)
        for _ in range(chance.choice([1, 1, 2, 5])):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        if whole.verify(bytes(spoilt)).status not in SPOILT:
            assert canonical(read_object(read(bytes(spoilt)).credential)) == canonical(whole.credential)
