"""Atomic accesses are neutralized by a load and a store, and one mistake of a few of them is one cause."""

from __future__ import annotations

import pytest

from fuzz.triage.equivalent_atomic import is_atomic
from fuzz.triage.essentials import essentials
from fuzz.triage.kin import any_width
from fuzz.triage.neutral import neutralized
from fuzz.triage.neutral_code import Form
from oracles.interpreter import run_case
from tests.triage.mistaken import Mistaken
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Value
from wasm.encode import encode
from wasm.isa import OPS, MemArg
from wasm.validate import validate
from wasm.valtypes import I32, I64, NumType

THERE = {I32: 0x04030201, I64: 0x0807060504030201}
"""What is in memory at 0, so that a comparison finds it there, and nowhere else."""
WRITING = sorted(name for name, op in OPS.items() if is_atomic(op))


def case_of(name: str, addresses: tuple[int, ...]) -> Case:
    """The access at each address in turn, and what is in memory then."""
    op = OPS[name]
    assert op.access is not None
    assert op.params is not None
    builder = ModuleBuilder()
    builder.memory(1, export="m")
    builder.data(bytes(range(1, 33)), 0)
    results = [type_ for type_ in op.results or () if isinstance(type_, NumType)]
    func = builder.func([I32], results, export="f")
    func.emit("local.get", 0)
    operands = [type_ for type_ in op.params[1:] if isinstance(type_, NumType)]
    for type_, value in zip(operands, (THERE[operands[0]], 14), strict=False):
        func.emit(f"{type_}.const", value)
    func.emit(name, MemArg(op.access.bytes.bit_length() - 1, 0))
    calls = tuple(Invocation("f", (Value("i32", at),)) for at in addresses)
    return Case(encode(builder.finish()), calls, features=frozenset({"threads", "multi_value", "bulk_memory"}))


@pytest.mark.parametrize("name", WRITING)
def test_it_means_the_same(name: str) -> None:
    """Values, memory, and each trap with its reason: unaligned, out of bounds, both."""
    case = case_of(name, (0, 8, 16, 3, 65_536, 65_535))
    assert len(WRITING) == 56
    for form in Form:
        without = neutralized(case, (name,), form)
        assert without is not None
        validate(decode(without.content))
        want, got = run_case(case), run_case(without)
        assert (want.outcomes, want.memories) == (got.outcomes, got.memories)


def test_a_wrong_one_is_essential() -> None:
    wrong = Mistaken(((("i64.atomic.rmw16.add_u",), "i64.atomic.rmw16.sub_u"),)).wrong
    found = essentials(case_of("i64.atomic.rmw16.add_u", (0,)), wrong)
    assert found.specific == {"i64.atomic.rmw16.add_u"}


def test_all_widths_of_one_are_kin() -> None:
    assert {any_width(name) for name in WRITING if ".add" in name} == {"i.atomic.rmw.add"}
    assert {any_width(name) for name in WRITING if ".store" in name} == {"i.atomic.store"}
