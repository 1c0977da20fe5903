"""Free NaNs: what carries their open bits along, what observes them, and what settles them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oracles.interpreter import run_case
from wasm.builder import FuncBuilder, ModuleBuilder, const
from wasm.case import Case
from wasm.embedding import FreeNan, Invocation, Observation, Returned, Value
from wasm.encode import encode
from wasm.isa import MemArg
from wasm.valtypes import F32, F64, I32, I64, V128, ValType

pytestmark = pytest.mark.usefixtures("each_tier")
WORD = MemArg(0, 0)
CANONICAL64 = 0x7FF8 << 48
SIGNALLING64 = CANONICAL64 - 1

Body = Callable[[FuncBuilder], None]


def observe(body: Body, results: list[ValType], *args: str, params: tuple[ValType, ...] = ()) -> Observation:
    """Run an exported function once; the module has an exported memory, two exported globals and an import."""
    builder = ModuleBuilder()
    builder.import_func("env", "sink", [F64])
    builder.memory(1, 1, export="memory")
    builder.global_(F64, const("f64.const", 0), export="f64")
    builder.global_(V128, const("v128.const", 0), export="v128")
    func = builder.func(params, results, export="f")
    body(func)
    case = Case(encode(builder.finish()), (Invocation("f", tuple(map(Value.parse, args))),))
    return run_case(case)


def nan64(f: FuncBuilder) -> None:
    """A NaN that may be either canonical one."""
    f.emit("f64.const", 0)
    f.emit("f64.const", 0)
    f.emit("f64.div")


def nan32(f: FuncBuilder) -> None:
    f.emit("f32.const", 0)
    f.emit("f32.const", 0)
    f.emit("f32.div")


def nan_lanes(f: FuncBuilder) -> None:
    """An f64x2 with a free NaN in lane 0 and 1.0 in lane 1."""
    f.emit("v128.const", 0x3FF0 << 112)
    f.emit("v128.const", 0x3FF0 << 112)
    f.emit("f64x2.div")


def free(observation: Observation) -> tuple[FreeNan, ...]:
    (outcome,) = observation.outcomes
    assert isinstance(outcome, Returned), outcome
    return outcome.free_nans


def observed(observation: Observation) -> bool:
    assert observation.notes is not None
    return observation.notes.nan_observed_at == 0


def test_a_result_is_free() -> None:
    found = observe(nan64, [F64])
    assert free(found) == (FreeNan(0, 0, 64, True),)
    assert not observed(found)


def test_a_payload_that_is_not_canonical_opens_the_payload() -> None:
    def body(f: FuncBuilder) -> None:
        f.emit("local.get", 0)
        f.emit("f64.const", 0x3FF << 52)
        f.emit("f64.add")

    assert free(observe(body, [F64], f"f64:{CANONICAL64:#x}", params=(F64,))) == (FreeNan(0, 0, 64, True),)
    assert free(observe(body, [F64], f"f64:{CANONICAL64 + 5:#x}", params=(F64,))) == (FreeNan(0, 0, 64, False),)
    assert free(observe(body, [F64], f"f64:{SIGNALLING64:#x}", params=(F64,))) == (FreeNan(0, 0, 64, False),)


def test_a_nan_that_is_only_moved_is_not_free() -> None:
    found = observe(lambda f: f.emit("local.get", 0), [F64], f"f64:{SIGNALLING64:#x}", params=(F64,))
    assert free(found) == ()
    (outcome,) = found.outcomes
    assert isinstance(outcome, Returned)
    assert outcome.values[0].bits == SIGNALLING64


def _through_local(f: FuncBuilder) -> None:
    local = f.local(F64)
    nan64(f)
    f.emit("local.tee", local)
    f.emit("drop")
    f.emit("local.get", local)


def _through_global(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("global.set", 0)
    f.emit("global.get", 0)


def _through_memory(f: FuncBuilder) -> None:
    f.i32(24)
    nan64(f)
    f.emit("f64.store", WORD)
    f.i32(24)
    f.emit("f64.load", WORD)


def _through_a_copied_memory(f: FuncBuilder) -> None:
    _through_memory(f)
    f.emit("drop")
    f.i32(1001)
    f.i32(24)
    f.i32(8)
    f.emit("memory.copy", (0, 0))
    f.i32(1001)
    f.emit("f64.load", WORD)


def _through_arithmetic(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("f64.const", 0)
    f.emit("f64.min")
    f.emit("f64.neg")
    f.emit("f64.sqrt")


def _through_select(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("f64.const", 0)
    f.i32(1)
    f.emit("select")


def _through_a_vector(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("f64x2.splat")
    f.emit("f64x2.extract_lane", 1)


def _through_another_width(f: FuncBuilder) -> None:
    nan32(f)
    f.emit("f64.promote_f32")
    f.emit("f32.demote_f64")
    f.emit("f64.promote_f32")


MOVES = [
    _through_local, _through_global, _through_memory, _through_a_copied_memory, _through_arithmetic, _through_select,
    _through_a_vector, _through_another_width,
]  # fmt: skip


@pytest.mark.parametrize("body", MOVES)
def test_open_bits_are_carried(body: Body) -> None:
    found = observe(body, [F64])
    assert free(found) == (FreeNan(0, 0, 64, True),)
    assert not observed(found)


def _reinterpret(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("i64.reinterpret_f64")


def _integer_load(f: FuncBuilder) -> None:
    _through_memory(f)
    f.emit("drop")
    f.i32(31)
    f.emit("i64.load8_u", WORD)


def _copysign(f: FuncBuilder) -> None:
    f.emit("f64.const", 0x3FF << 52)
    nan64(f)
    f.emit("f64.copysign")
    f.emit("i64.trunc_sat_f64_s")


def _host(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("call", 0)
    f.i64(0)


def _integer_lane(f: FuncBuilder) -> None:
    nan_lanes(f)
    f.emit("i64x2.extract_lane", 0)


def _integer_lanes(f: FuncBuilder) -> None:
    nan_lanes(f)
    nan_lanes(f)
    f.emit("i32x4.add")
    f.emit("i64x2.extract_lane", 1)


def _sign_mask(f: FuncBuilder) -> None:
    nan_lanes(f)
    f.emit("i64x2.bitmask")
    f.emit("i64.extend_i32_u")


def _cut_lane(f: FuncBuilder) -> None:
    """Only the sign is kept: not a NaN any more, but its sign is open."""
    nan_lanes(f)
    f.emit("v128.const", 1 << 63)
    f.emit("v128.and")
    f.emit("v128.const", 0)
    f.emit("f64x2.add")
    f.emit("i64x2.extract_lane", 1)


OBSERVERS = [_reinterpret, _integer_load, _copysign, _host, _integer_lane, _integer_lanes, _sign_mask, _cut_lane]


@pytest.mark.parametrize("body", OBSERVERS)
def test_observers(body: Body) -> None:
    assert observed(observe(body, [I64]))


def _compare(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("f64.const", 0)
    f.emit("f64.lt")
    f.emit("i64.extend_i32_u")


def _saturate(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("i64.trunc_sat_f64_u")


def _other_lane(f: FuncBuilder) -> None:
    nan_lanes(f)
    f.emit("i64x2.extract_lane", 1)


def _other_bytes(f: FuncBuilder) -> None:
    _through_memory(f)
    f.emit("drop")
    f.i32(32)
    f.emit("i64.load", WORD)


def _overwritten(f: FuncBuilder) -> None:
    _through_memory(f)
    f.emit("drop")
    f.i32(16)
    f.i32(0)
    f.i32(64)
    f.emit("memory.fill", 0)
    f.i32(24)
    f.emit("i64.load", WORD)


def _canonicalised(f: FuncBuilder) -> None:
    """What generators do before bits are looked at: NaN lanes are replaced by a constant."""
    local = f.local(V128)
    nan_lanes(f)
    f.emit("local.tee", local)
    f.emit("v128.const", CANONICAL64 << 64 | CANONICAL64)
    f.emit("local.get", local)
    f.emit("local.get", local)
    f.emit("f64x2.eq")
    f.emit("v128.bitselect")
    f.emit("i64x2.extract_lane", 0)


def _sign_is_settled(f: FuncBuilder) -> None:
    nan64(f)
    f.emit("f64.abs")
    f.emit("i64.reinterpret_f64")


def _low_payload_of_a_canonical_nan(f: FuncBuilder) -> None:
    """Of a canonical NaN only the sign is open."""
    _through_memory(f)
    f.emit("drop")
    f.i32(24)
    f.emit("i64.load32_u", WORD)


HARMLESS = [
    _compare, _saturate, _other_lane, _other_bytes, _overwritten, _canonicalised, _sign_is_settled,
    _low_payload_of_a_canonical_nan,
]  # fmt: skip


@pytest.mark.parametrize("body", HARMLESS)
def test_no_observers(body: Body) -> None:
    assert not observed(observe(body, [I64]))


def test_a_copied_sign_settles_a_nan() -> None:
    def body(f: FuncBuilder) -> None:
        nan64(f)
        f.emit("f64.const", 1 << 63)
        f.emit("f64.copysign")

    found = observe(body, [F64])
    assert free(found) == ()
    assert isinstance(found.outcomes[0], Returned)
    assert found.outcomes[0].values[0].bits == CANONICAL64 | 1 << 63


def test_free_lanes() -> None:
    assert free(observe(nan_lanes, [V128])) == (FreeNan(0, 0, 64, True),)

    def body(f: FuncBuilder) -> None:
        f.emit("f32.const", 0)
        f.emit("f32x4.splat")
        f.emit("f32x4.sqrt")
        nan32(f)
        f.emit("f32x4.replace_lane", 2)

    assert free(observe(body, [V128])) == (FreeNan(0, 64, 32, True),)


def test_state_names_the_open_bits() -> None:
    def body(f: FuncBuilder) -> None:
        _through_memory(f)
        f.emit("global.set", 0)
        nan_lanes(f)
        f.emit("global.set", 1)
        f.i32(200)
        nan_lanes(f)
        f.emit("v128.store", WORD)

    found = observe(body, [])
    assert found.notes is not None
    assert found.notes.free_globals == (FreeNan(0, 0, 64, True), FreeNan(1, 0, 64, True))
    # Of a canonical NaN only the sign is open, which is in the last of the eight bytes.
    assert found.notes.tainted == ((0, 31, 32), (0, 207, 208))
    assert found.notes.nan_observed_at is None


def test_the_first_invocation_is_named() -> None:
    builder = ModuleBuilder()
    clean = builder.func([], [I32], export="clean")
    clean.i32(1)
    dirty = builder.func([], [I64], export="dirty")
    _reinterpret(dirty)
    calls = tuple(map(Invocation, ("clean", "dirty", "clean", "dirty")))
    found = run_case(Case(encode(builder.finish()), calls))
    assert found.notes is not None
    assert found.notes.nan_observed_at == 1


def test_a_start_function_counts_as_instantiation() -> None:
    builder = ModuleBuilder()
    start = builder.func()
    nan32(start)
    start.emit("i32.reinterpret_f32")
    start.emit("drop")
    module = builder.finish()
    module.start = start.index
    found = run_case(Case(encode(module)))
    assert found.notes is not None
    assert found.notes.nan_observed_at == -1


def test_f32_memory_keeps_a_free_nan() -> None:
    def body(f: FuncBuilder) -> None:
        f.i32(4)
        nan32(f)
        f.emit("f32.store", WORD)
        f.i32(4)
        f.emit("f32.load", WORD)

    assert free(observe(body, [F32])) == (FreeNan(0, 0, 32, True),)
