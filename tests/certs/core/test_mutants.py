"""Certificates spoilt at random: whatever differs from every good file in canonical form is refused."""

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lms.certs.core.baking import bake_png, bake_svg
from lms.certs.core.carriers import open_carrier
from lms.certs.core.evidence import Bundle, write_bundle
from lms.certs.core.many import verify_many
from lms.certs.core.strict_json import canonical, read_object
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import Case
from tests.certs.core.test_baking import SVG, png
from tests.certs.core.test_pdf import pdf

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
            except (IndexError, ValueError):
                continue  # nothing of that kind, or not enough of it, is left to spoil
    return document


def in_zip(case: Case, plain: bytes) -> Verdict:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("credential.json", plain)
    [outcome] = verify_many([("all.zip", packed.getvalue())], case.verify)
    return outcome.verdict


def bundle_of(case: Case, plain: bytes) -> bytes:
    return write_bundle(
        Bundle(made_at="2026-03-02T10:00:00Z", credential=plain, trust=b"{}", resources=case.resources)
    )


CARRY: dict[str, Callable[[bytes], bytes]] = {
    "json": lambda plain: plain,
    "png": lambda plain: bake_png(png(), plain),
    "svg": lambda plain: bake_svg(SVG, plain),
    "pdf": lambda plain: pdf(("credential.json", plain)),
}
ANSWER: dict[str, Callable[[Case, bytes], Verdict]] = {
    **{kind: lambda case, plain, carry=carry: case.verify(carry(plain)) for kind, carry in CARRY.items()},
    "zip": in_zip,
    "bundle": lambda case, plain: case.verify(bundle_of(case, plain), resources={}),
}


def check_mutants(case: Case, others: list[Any], count: int, seed: int, kind: str = "json") -> None:
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
        verdict = ANSWER[kind](case, content)
        assert verdict.status in SPOILT, (seed, checked, kind, content)
        assert verdict.findings


@pytest.fixture
def cases(case: Case, whole: Case) -> list[tuple[Case, list[Any]]]:
    """Every good file, each with the other ones."""
    return [(case, [whole.credential]), (whole, [case.credential])]


def test_some_hundred_mutants_of_each_good_file_are_refused(cases: list[tuple[Case, list[Any]]]) -> None:
    for one, others in cases:
        assert one.verify().status is Status.VALID
        check_mutants(one, others, 250, seed=4)


@pytest.mark.parametrize("kind", ANSWER)
def test_mutants_are_refused_in_whatever_carries_them(cases: list[tuple[Case, list[Any]]], kind: str) -> None:
    one, others = cases[1]
    assert ANSWER[kind](one, json.dumps(one.credential).encode()).status is Status.VALID
    check_mutants(one, others, 20, seed=5, kind=kind)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("kind", ANSWER)
@pytest.mark.parametrize("which", [0, 1])
def test_ten_thousand_mutants_of_each_good_file_are_refused(
    cases: list[tuple[Case, list[Any]]], which: int, kind: str
) -> None:
    one, others = cases[which]
    check_mutants(one, others, 10_000, random.SystemRandom().randrange(2**32), kind)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "bundle"])
def test_ten_thousand_damaged_files_never_say_anything_else(whole: Case, kind: str) -> None:
    plain = json.dumps(whole.credential, ensure_ascii=False).encode()
    good = bundle_of(whole, plain) if kind == "bundle" else CARRY[kind](plain)
    chance = random.Random(7)
    for _ in range(10_000):
        spoilt = bytearray(good)
        for _ in range(chance.choice([1, 1, 2, 5])):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        if whole.verify(bytes(spoilt)).status not in SPOILT:
            found = open_carrier(bytes(spoilt)).credential
            assert canonical(read_object(found)) == canonical(whole.credential)
