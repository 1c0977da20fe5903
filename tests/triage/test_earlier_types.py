"""What shows only where modules that ran before it in the same process have left their types there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wasmtime import wat2wasm

from fuzz.campaign.steering import lesson_of
from fuzz.records.finding import Signature
from fuzz.triage.causes import Answer, Sighting, Suspect, Unknown, classify, name_of, says_little, united
from fuzz.triage.essentials import Essentials, left_by
from fuzz.triage.kin import akin, same_cause
from tests.triage.mistaken import BUCKET
from tests.triage.test_causes import cause_about
from tests.triage.test_places import full_of
from wasm.case import Case

LEFT = Essentials(left=True)
PANIC = Signature("mistaken", "instantiate", "crash", "element type mismatch", "vm/instance/allocator.rs")


def module(text: str) -> Case:
    return Case(bytes(wat2wasm(f"(module {text})")))


@pytest.mark.parametrize(
    ("before", "types_alone"),
    [
        ([], False),
        (["(type (func)) (type (func (param v128)))"], True),
        (["(rec (type (struct)) (type (array i8)))", "(type (func))"], True),
        (["(type (func)) (func)"], False),
        (["(type (func))", "(memory 1)"], False),
        (['(type (func)) (import "a" "b" (func))'], False),
        (["(global i32 (i32.const 0))"], False),
    ],
)
def test_what_the_modules_before_have(before: list[str], types_alone: bool) -> None:
    assert left_by([module(text) for text in before]) is types_alone


def test_a_module_before_that_is_none_leaves_no_types() -> None:
    assert not left_by([Case(b"no module")])


def test_whatever_it_is_seen_by_is_one_cause() -> None:
    """A confused type is met by anything, at instantiation or later, as a panic, a wrong value, a failed cast."""
    assert Essentials.of_words(LEFT.words()) == LEFT
    assert name_of(BUCKET, LEFT) == "mistaken: wrong value, types of earlier modules"
    one = cause_about(LEFT)
    other = replace(cause_about(LEFT, 2), kind="crash", phase="instantiate", faces=(PANIC.key,), shown_by=("another",))
    assert same_cause(one, other)
    assert same_cause(one, other, telling=True)
    plain = cause_about(Essentials(frozenset({"array.new"})), 3)
    assert not same_cause(one, plain)
    assert not akin(one, plain)
    assert united(one, other)["faces"] == (BUCKET.key, PANIC.key)
    assert not says_little(one), "it asks what nothing else answers"
    assert lesson_of(one, 10) is None, "nothing of a case can be avoided for it"


def asked(right_afresh: bool, examples: int = 0, text: str = "(func)") -> Answer:
    suspect = Suspect(module(text), PANIC, (("mistaken", "1"),), examples={1: examples}, full=full_of(examples),
                      afresh=lambda _: right_afresh)  # fmt: skip
    return classify(suspect, [cause_about(LEFT)], lambda _: True)


def test_a_suspect_is_asked_for_in_a_fresh_process() -> None:
    assert isinstance(asked(False), Unknown), "it needs nothing from before"
    assert isinstance(asked(True), Sighting)
    seen = [asked(True, 3, f"(func (drop (i32.const {number})))") for number in range(60)]
    assert 40 <= sum(isinstance(one, Sighting) for one in seen) < 60, "some are minimized all the same"
