"""Expressions over the whole table: valid, free of traps and of looks at open NaNs, every pure instruction in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from generators.choices import ChoiceSource
from generators.config import DEFAULT, Config
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.arguments import draw_arguments
from generators.scalar.candidates import Nan, candidates
from generators.scalar.expressions import emit, emit_statement
from oracles.engine import Engine, open_engine
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Entry, Invocation, Returned
from wasm.features import Feature
from wasm.isa import OPS, ROWS, Imm, Op
from wasm.validate import validate
from wasm.valtypes import I64, NUM_TYPES, V128

FUNCTIONS = 25


def module_of(seed: int, config: Config = DEFAULT) -> tuple[Case, set[Op]]:
    """A module of functions that hash a dozen expressions of each type, and the instructions in it."""
    source = ChoiceSource.seeded("expressions", seed)
    shell = Shell.open(source.fork("shell"), config)
    shell.free_nans = bool(seed % 2)
    types = [type_ for type_ in NUM_TYPES if type_ is not V128 or config.allows(Feature.SIMD)]
    invocations = []
    for i in range(FUNCTIONS):
        choices = source.fork(i)
        f = shell.builder.func(types, (I64,), export=f"f{i}")
        fn = Function.of(shell, f, choices)
        for type_ in types:
            emit_statement(fn, choices, type_, 3)
            nan = emit(fn, choices, type_, 4)
            if nan in (Nan.F32X4, Nan.F64X2) or (nan is not Nan.NONE and not shell.free_nans):
                f.emit("drop")
            else:
                fn.take(type_)
        fn.close_vectors()
        f.body.append((OPS["local.get"], fn.acc))
        for _ in range(3):
            args = tuple(draw_arguments(choices, types, plain=False))
            invocations.append(Invocation(f"f{i}", args, Entry.WRAPPER))
    module, content, features = shell.finish()
    ops = {op for func in module.funcs for op, _ in func.body}
    return Case(content, (*invocations, *shell.invocations), features=features), ops


@pytest.fixture(scope="module")
def wasmtime() -> Iterator[Engine]:
    engine = open_engine("wasmtime:opt=none")
    yield engine
    engine.close()


@pytest.mark.parametrize("seed", range(6))
def test_expressions_are_valid_and_total(seed: int, interpreter: Engine, wasmtime: Engine) -> None:
    """Nothing traps for any arguments, no open NaN is looked at, and a real engine computes the same."""
    case, _ = module_of(seed)
    validate(decode(case.content), frozenset(map(Feature, case.features)))
    expected, found = interpreter.run(case), wasmtime.run(case)
    assert expected.notes is not None
    assert expected.notes.nan_observed_at is None
    assert all(isinstance(outcome, Returned) for outcome in expected.outcomes)
    assert found.outcomes == expected.outcomes
    assert found.globals == expected.globals


def test_every_pure_instruction_is_drawn() -> None:
    """About 68,000 operations are drawn, the rarest expected over 30 times: a miss has a probability below 1e-10."""
    seen: set[Op] = set()
    for seed in range(40):
        seen |= module_of(seed)[1]
    wanted = {candidate.op for type_ in NUM_TYPES for candidate in candidates(DEFAULT.features, type_)}
    missing = sorted(op.name for op in wanted - seen)
    assert not missing
    loads = {
        row for row in ROWS if row.access is not None and row.access.kind == "load" and row.params == ("addr",)
    } - {row for row in ROWS if row.feature is Feature.THREADS}
    assert not sorted(op.name for op in loads - seen)


def test_candidates_are_the_pure_rows() -> None:
    """All rows with numbers in and one number out, but for relaxed ones and those of features that are off."""
    listed = {candidate.op for type_ in NUM_TYPES for candidate in candidates(DEFAULT.features, type_)}
    expected = {
        row
        for row in ROWS
        if row.pure is not None
        and row.params
        and row.results is not None
        and len(row.results) == 1
        and all(type_ in NUM_TYPES for type_ in (*row.params, *row.results))
        and Imm.MEMARG not in row.imms
        and row.feature is not Feature.RELAXED_SIMD
    }
    assert listed == expected
    assert len(listed) > 300


def test_features_narrow_the_candidates() -> None:
    scalar = DEFAULT.without(Feature.SIMD, Feature.RELAXED_SIMD, Feature.REFERENCE_TYPES)
    case, ops = module_of(1, scalar)
    assert "simd" not in case.features
    assert all(op.feature is None for op in ops)
