"""The rules by which operands are exchanged and instructions written by others, on operands that are special."""

from __future__ import annotations

import random

import pytest

from oracles.interpreter import run_case
from oracles.judge.equality import first_difference
from tests.language.semantics_operands import floats, integers
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Invocation, Returned, Trapped, Value
from wasm.encode import encode
from wasm.isa import ADDR, OPS, Imm, MemArg, Op
from wasm.module import Module
from wasm.neutral.func_code import FuncCode
from wasm.neutral.mutators.commuted import exchangeable
from wasm.neutral.mutators.equivalents import instead, rules
from wasm.rewrite.lift import ModuleGraphs
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

OPERANDS = {I32: integers(32), I64: integers(64), F32: floats(32), F64: floats(64)}
TUPLES = 60
OFFSET = 6
BYTES = bytes(random.Random(1).randrange(256) for _ in range(64))


def operands(types: tuple[NumType, ...], seed: str) -> list[tuple[int, ...]]:
    """Tuples of special values; of vectors, lanes of them."""
    drawn = random.Random(seed)

    def value(type_: NumType) -> int:
        if type_ != V128:
            return drawn.choice(OPERANDS[type_])
        lane = drawn.choice((I32, I64, F32, F64))
        return sum(drawn.choice(OPERANDS[lane]) << shift for shift in range(0, 128, lane.bits))

    return [tuple(map(value, types)) for _ in range(TUPLES)]


def function_of(op: Op) -> tuple[Module, tuple[NumType, ...]]:
    """A module whose function ``f`` executes the row on its parameters, near the beginning of a small memory."""
    builder = ModuleBuilder()
    builder.memory(1, 1, export="m")
    builder.data(BYTES, 0)
    params = tuple(I32 if type_ == ADDR else type_ for type_ in op.params or ())
    fn = builder.func(params, op.results or (), export="f")
    for number in range(len(params)):
        fn.emit("local.get", number)
    fn.emit(op.name, MemArg(0, OFFSET) if Imm.MEMARG in op.imms else None)
    return builder.finish(), params  # type: ignore[return-value]


def answers(module: Module, op: Op, params: tuple[NumType, ...]) -> object:
    """What ``f`` does with each tuple, and what the memory holds then."""
    tuples = operands(params, op.name)
    if Imm.MEMARG in op.imms:
        near = (0, 1, 7, 40, 65536 - OFFSET - 8, 65536 - OFFSET - 4, 65536 - OFFSET - 1, 65536, (1 << 32) - 1)
        tuples = [(near[number % len(near)], *rest) for number, (_, *rest) in enumerate(tuples)]
    calls = tuple(
        Invocation("f", tuple(Value(type_.name, bits) for type_, bits in zip(params, values, strict=True)))
        for values in tuples
    )
    return run_case(Case(encode(module), calls))


@pytest.mark.parametrize("name", sorted(rules()))
def test_a_rule_gives_the_same(name: str) -> None:
    op = OPS[name]
    module, params = function_of(op)
    expected = answers(module, op, params)
    code = FuncCode(module, 0, ModuleGraphs(module).graph(0))
    made = instead(code, len(params))
    assert made is not None
    code.replace(len(params), len(params) + 1, made)
    assert code.write()
    seen = answers(decode(encode(module)), op, params)
    assert len(expected.outcomes) == TUPLES  # type: ignore[attr-defined]
    for want, got in zip(expected.outcomes, seen.outcomes, strict=True):  # type: ignore[attr-defined]
        if isinstance(want, Returned):
            assert isinstance(got, Returned)
            assert first_difference(want, got) is None
        else:
            assert isinstance(want, Trapped)
            assert want == got
    assert seen.memories == expected.memories  # type: ignore[attr-defined]


def test_what_is_exchanged_gives_the_same() -> None:
    """For every row that has a mirror image, by its own semantics; NaNs aside, whose bits are free then."""
    assert len(exchangeable()) > 100
    for op, other in exchangeable().items():
        assert op.pure is not None
        assert other.pure is not None
        params: tuple[NumType, ...] = op.params  # type: ignore[assignment]
        for a, b in operands(params, op.name):
            one, two = op.pure(a, b), other.pure(b, a)
            assert one == two or op.nan, (op.name, a, b)


def test_what_minds_is_not_exchanged() -> None:
    for name in ("i32.sub", "i32.shl", "f64.div", "i64.rem_u", "f32.copysign", "i8x16.swizzle", "f32x4.pmin"):
        assert OPS[name] not in exchangeable(), name
