"""Generated cases do something: they run past their wide calls, end, and show any change of any result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from generators.choices import ChoiceSource
from generators.config import DEFAULT
from generators.draw.values import sequence_bits
from generators.module.function import Function
from generators.module.shell import Shell
from generators.registry import make_case
from oracles.engine import Engine, open_engine
from wasm.case import CallSite, Case
from wasm.decode import decode
from wasm.embedding import Invocation, Observation, Returned, Value
from wasm.encode import encode
from wasm.isa import OPS, Instr
from wasm.module import Func, Module
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, NumType, ValType

TARGETS = ("returns", "params", "calls")
COUNT = 60


@pytest.fixture(scope="module")
def wasmtime() -> Iterator[Engine]:
    engine = open_engine("wasmtime:opt=none")
    yield engine
    engine.close()


def on_purpose(case: Case) -> bool:
    return bool(case.labels & {"overflows", "traps"})


@pytest.mark.parametrize("target", TARGETS)
def test_cases_run_to_their_end(target: str, interpreter: Engine) -> None:
    """Every invocation returns, every wide site is passed, no free NaN is looked at; but for labelled minorities."""
    wide = passed = 0
    for index in range(COUNT):
        case = make_case(target, 77, index)
        observation = interpreter.run(case)
        notes = observation.notes
        assert notes is not None
        assert observation.instantiated
        assert notes.nan_observed_at is None, index
        sites = {i for i, site in enumerate(case.sites) if site.wide}
        wide += bool(sites)
        passed += bool(sites) and sites <= notes.executed_sites
        if not on_purpose(case):
            assert len(observation.outcomes) == len(case.invocations)
            assert all(isinstance(outcome, Returned) for outcome in observation.outcomes), index
            assert notes.steps < 500_000
            assert notes.depth < 300
    assert wide > COUNT // 4
    assert passed >= 0.95 * wide


@pytest.mark.parametrize("target", TARGETS)
def test_a_real_engine_ends_too(target: str, wasmtime: Engine) -> None:
    for index in range(COUNT // 2):
        case = make_case(target, 78, index)
        observation = wasmtime.run(case)
        assert observation.instantiated
        if not on_purpose(case):
            assert all(isinstance(outcome, Returned) for outcome in observation.outcomes), index


FLIPS: dict[ValType, tuple[Instr, ...]] = {
    I32: ((OPS["i32.const"], 1), OPS["i32.xor"].bare),
    I64: ((OPS["i64.const"], 1 << 63), OPS["i64.xor"].bare),
    F32: (OPS["f32.neg"].bare,),
    F64: (OPS["f64.neg"].bare,),
    V128: ((OPS["v128.const"], 1 << 77), OPS["v128.xor"].bare),
}


def call_of(module: Module, func: Func, site: CallSite) -> tuple[int, FuncType] | None:
    """Where a site's call stands in its function: the last one before the use with that many results."""
    types, functions = module.flat_types(), module.func_types()
    for at in range(site.use_at - 1, -1, -1):
        op, imm = func.body[at]
        if op.name == "call":
            called: object = functions[imm]
        elif op.name in ("call_indirect", "call_ref"):
            called = types[imm[0] if op.name == "call_indirect" else imm].composite
        else:
            continue
        if isinstance(called, FuncType) and (len(called.params), len(called.results)) == (site.params, site.results):
            return at, called
    return None


def corrupted(case: Case, site: CallSite, how: str) -> Case | None:
    """The case with the last result of a site's call changed in one bit, or swapped with the one before it."""
    module = decode(case.content)
    func = module.funcs[site.func - (len(module.func_types()) - len(module.funcs))]
    call = call_of(module, func, site)
    if call is None or len(call[1].results) < 2:
        return None
    at, type_ = call
    last, before = type_.results[-1], type_.results[-2]
    if how == "flip":
        if last not in FLIPS:
            return None
        patch = FLIPS[last]
    else:
        if last is not before or last not in FLIPS:
            return None
        first = len(module.flat_types()[func.type_index].composite.params)  # type: ignore[union-attr]
        local = first + sum(count for count, _ in func.locals)
        func.locals.append((2, last))
        patch = tuple((OPS[f"local.{word}"], local + i) for word, i in (("set", 0), ("set", 1), ("get", 0), ("get", 1)))
    func.body[at + 1 : at + 1] = patch
    return case.with_content(encode(module))


def seen(observation: Observation) -> object:
    return (
        observation.outcomes, observation.globals, observation.memories, observation.tables, observation.host_calls,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["flip", "swap"])
def test_a_wrong_result_shows(how: str, interpreter: Engine) -> None:
    """One bit of one result, or the order of two, at a site in cases that drop nothing: 95% are seen.

    What may be missed: two results that are equal, or a NaN's sign that was made canonical.
    """
    tried = missed = 0
    for target in TARGETS:
        for index in range(90):
            case = make_case(target, 79, index)
            sites = [site for site in case.sites if site.func >= 0 and site.results > 1]
            if not sites or "drop" in case.labels or "keep" in case.labels or on_purpose(case):
                continue
            wrong = corrupted(case, sites[0], how)
            if wrong is not None:
                tried += 1
                missed += seen(interpreter.run(wrong)) == seen(interpreter.run(case))
    assert tried >= 40
    assert missed <= 0.05 * tried


@pytest.mark.parametrize("style", [0, 1, 2])
@pytest.mark.parametrize("type_", [I32, I64, F32, F64, V128])
def test_the_hash_tells_distances(style: int, type_: NumType, interpreter: Engine) -> None:
    """Two values swapped at any distance that a wrapped index may have, or one bit changed, give another hash."""
    count = 300
    shell = Shell.open(ChoiceSource.replay(b""), DEFAULT)
    f = shell.builder.func((type_,) * count, (I64,), export="f")
    fn = Function.of(shell, f, ChoiceSource.seeded("hash", style))
    fn.style = style
    for i in range(count):
        f.body.append((OPS["local.get"], i))
        fn.take(type_)
    fn.close_vectors()
    f.body.append((OPS["local.get"], fn.acc))
    _, content, _ = shell.finish()
    values = [Value(type_.name, sequence_bits(type_, 77, i)) for i in range(count)]
    lists = [values]
    for distance in (1, 2, 8, 16, 32, 63, 64, 65, 128, 255, 256):
        swapped = list(values)
        swapped[7], swapped[7 + distance] = swapped[7 + distance], swapped[7]
        if swapped != values:
            lists.append(swapped)
    for i, bit in ((0, 0), (17, type_.bits - 1), (299, type_.bits - 1), (299, 3)):
        lists.append([*values[:i], Value(type_.name, values[i].bits ^ 1 << bit), *values[i + 1 :]])
    calls = tuple(Invocation("f", tuple(one)) for one in lists)
    outcomes = interpreter.run(Case(content, calls)).outcomes
    hashes = {outcome.slots for outcome in outcomes if isinstance(outcome, Returned)}
    assert len(hashes) == len(lists) >= 12
