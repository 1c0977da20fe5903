"""What functions of every target are made of: loops that end, ways out of a function, traps for some arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from generators.choices import ChoiceSource
from generators.config import DEFAULT
from generators.module.function import Function
from generators.module.loops import ROUNDS
from generators.module.shell import Shell
from generators.program import endings, use_values
from oracles.engine import Engine
from wasm.case import Case
from wasm.embedding import Invocation, Outcome, Returned, Trapped, Value
from wasm.fragment import code, template
from wasm.valtypes import EXTERNREF, F64, FUNCREF, I32, I64, ValType

PAIR: tuple[ValType, ...] = (I32, F64)
PUSH_PAIR = code("i32.const 77  f64.const 1.5")
ARGUMENTS = [i * 0x9E3779B1 & 0xFFFFFFFF for i in range(16)]
"""All bits differ, and they are folded three times: one multiplication does not bring each bit to every place."""
ADD = template("local.get $sum  i32.const $by  i32.add  local.set $sum")


def opened(params: tuple[ValType, ...], results: tuple[ValType, ...], *seed: int) -> Function:
    shell = Shell.open(ChoiceSource.replay(b""), DEFAULT)
    return Function.of(shell, shell.builder.func(params, results, export="f"), ChoiceSource.seeded("function", *seed))


def run(engine: Engine, fn: Function, *arguments: int) -> list[Outcome]:
    """The outcome of ``f`` in a fresh instance for each argument, or of its only call if there are none."""
    _, content, _ = fn.shell.finish()
    calls = [Invocation("f", (Value("i32", one),)) for one in arguments] or [Invocation("f")]
    return [engine.run(Case(content, (call,))).outcomes[0] for call in calls]


def names(fn: Function) -> list[str]:
    return [op.name for op, _ in fn.f.body]


def test_a_repeated_loop_runs_as_often_as_its_counter_says(interpreter: Engine) -> None:
    for rounds in (1, 2, 7):
        fn = opened((), (I32,))
        count, total = fn.local(I32), fn.local(I32)
        fn += ROUNDS(count=count, rounds=rounds)
        with fn.repeat(count):
            fn += ADD(sum=total, by=10)
        fn.get(total)
        [outcome] = run(interpreter, fn)
        assert isinstance(outcome, Returned)
        assert outcome.values == (Value("i32", 10 * rounds),)


def test_get_and_set_are_opposites() -> None:
    fn = opened((), ())
    first = fn.local(I32, 3)
    fn.get(first, first + 1, first + 2)
    fn.set(first + 2, first + 1, first)
    assert [imm for _, imm in fn.f.body] == [first, first + 1, first + 2, first + 2, first + 1, first]


def test_every_way_out_of_a_function_carries_its_results(interpreter: Engine) -> None:
    """Five ways; the rarest has a share of an eighth, so that 60 functions miss it with 3e-4."""
    ways: Counter[tuple[str, ...]] = Counter()
    for seed in range(60):
        fn = opened((), PAIR, seed)
        with endings.leaving(fn, fn.source):
            fn += PUSH_PAIR
        ways[tuple(name for name in names(fn) if not name.endswith(".const"))] += 1
        [outcome] = run(interpreter, fn)
        assert isinstance(outcome, Returned)
        assert outcome.values == (Value("i32", 77), Value("f64", 0x3FF8000000000000))
    assert set(ways) == {(), ("return",), ("br",), ("block", "end"), ("block", "br_table", "end")}


def trapping(seed: int, division: str, call: Callable[[Function], None] | None = None) -> Function:
    """A function of an i32 that ends in a trap for some values of it."""
    fn = opened((I32,), (I64,), seed)
    fn.seed(seed)
    for _ in range(3):
        fn.fold_params()
    endings.trap(fn, fn.source, division, None if call is None else lambda: call(fn))
    fn.get(fn.acc)
    return fn


@pytest.mark.parametrize("division", ["i64.rem_s", "i64.div_u"])
def test_a_trap_is_for_some_arguments(division: str, interpreter: Engine) -> None:
    """One bit of the hash decides: of 16 arguments that all trap or none has a probability of 2**-15."""
    causes: Counter[str] = Counter()
    for seed in range(24):
        fn = trapping(seed, division)
        assert "traps" in fn.shell.labels
        causes += Counter(name for name in names(fn) if name in ("unreachable", division, "i64.load"))
        outcomes = run(interpreter, fn, *ARGUMENTS)
        kinds = {type(outcome) for outcome in outcomes}
        assert kinds == {Returned, Trapped}, seed
    assert set(causes) == {"unreachable", division, "i64.load"}


def test_a_call_that_traps_takes_the_place_of_the_other_ways(interpreter: Engine) -> None:
    """It is drawn all the same, so that choices after it stay what they were."""

    def unreachable(fn: Function) -> None:
        fn += code("nop  unreachable")

    for seed in range(6):
        plain, called = trapping(seed, "i64.rem_s"), trapping(seed, "i64.rem_s", unreachable)
        assert plain.source.bits(32) == called.source.bits(32)
        assert "nop" in names(called)
        assert {type(outcome) for outcome in run(interpreter, called, *ARGUMENTS)} == {Returned, Trapped}


def test_what_a_skipped_branch_sets_is_forgotten() -> None:
    fn = opened((I32,), ())
    with fn.scope():
        fn.sources[I32].append(5)
        fn.sources[FUNCREF] = [6]
    assert fn.sources == {I32: [0]}


@pytest.mark.parametrize("mode", ["fold", "store", "keep", "drop"])
def test_uses_say_where_the_last_result_goes(mode: str) -> None:
    """The last instruction that was written; without results, the one that comes next."""
    fn = opened((), (), 3)
    fn += PUSH_PAIR
    assert use_values.use(fn, fn.source, mode, PAIR) == fn.here - 1
    between: list[int] = []
    assert use_values.use(fn, fn.source, mode, (), lambda: between.append(fn.here)) == fn.here
    assert between == [fn.here]


def test_host_tokens_end_up_in_the_sink() -> None:
    fn = opened((EXTERNREF,), ())
    fn.take_params()
    assert fn.shell.sunk == 1
    assert names(fn)[-1] == "table.set"
