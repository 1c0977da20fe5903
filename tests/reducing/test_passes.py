"""What single passes do beyond the example that each has (test_examples.py), and what every pass owes."""

from __future__ import annotations

from typing import Any

import pytest

from fuzz.reduce import reduce_case
from fuzz.reduce.contract import Edit
from fuzz.reduce.schedule import all_passes
from fuzz.reduce.subject import Subject
from wasm.decode import decode
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.features import ALL
from wasm.rewrite.index_map import Dangling
from wasm.validate import validate

CALLED = '(module (func (export "f") (param i32 i64)) (func (export "g")))'


def test_members_of_recursion_groups_go(kit: Any) -> None:
    """Without the others of its group a type is another type, which may do as well."""
    before = """(module (rec (type (struct)) (type $b (array i8)) (type (sub (func (result (ref null $b))))))
       (func (export "a") (local (ref null $b))))"""
    made = kit.reduce_with(["unused"], before, lambda module: bool(module.exports))
    after = '(module (type $b (array i8)) (type $f (func)) (func (export "a") (type $f) (local (ref null $b))))'
    assert kit.text(made) == kit.text(kit.module_of(after))
    validate(made, ALL)


def test_shortened_exports_stay_distinct(kit: Any) -> None:
    before = '(module (func $f (export "first") (export "a") (export "second")) (func (export "third")))'
    made = kit.reduce_with(["short_names"], before, lambda m: len(m.exports) == 4)
    assert [item.name for item in made.exports] == ["b", "a", "c", "d"]


def test_calls_follow_a_narrowed_signature(kit: Any) -> None:
    """An argument leaves the case together with the parameter; a call goes with its export."""
    case = kit.case_of(CALLED, Invocation("g"), Invocation("f", (Value("i32", 7), Value("i64", 8))))
    made = reduce_case(
        case,
        lambda c: any(v.bits == 8 for call in c.invocations for v in call.args),
        passes=kit.passes_named("narrow_positions", "exports"),
    ).case
    assert made.invocations == (Invocation("f", (Value("i64", 8),)),)


def _samples(edits: list[Edit]) -> list[list[Edit]]:
    """All edits, the halves, and single ones here and there; of one group where there are groups."""
    edits = [edit for edit in edits if edit.group == edits[0].group]
    half = len(edits) // 2
    singles = [[edit] for edit in edits[:: max(1, len(edits) // 3)]]
    return [edits, edits[:half] or edits, edits[half:], *singles]


@pytest.mark.parametrize("spec", all_passes(), ids=lambda spec: spec.name)
def test_candidates_are_valid(spec: Any, spec_suite: Any) -> None:
    """On official modules nearly every candidate is valid by construction; a pass never fails, and changes no input."""
    made = invalid = 0
    for item in spec_suite.valid[::9]:
        try:
            module = decode(item.data)
            validate(module, ALL)
        except WasmError:
            continue
        subject = Subject(module)
        edits = spec.edits(subject)
        assert edits == spec.edits(subject), "a pass must list the same edits for the same subject"
        for chosen in _samples(edits) if edits else []:
            try:
                after = spec.apply(subject, chosen)
            except Dangling:
                continue
            if after is not None:
                made += 1
                try:
                    validate(after.module, ALL)
                except WasmError:
                    invalid += 1
        assert encode(module) == encode(decode(item.data)), "the pass changed its input"
    assert invalid <= made * 0.03, f"{invalid} of {made}"
