"""The reducer as a whole: the same every time, every step interesting, stops and goes on, says what is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.reduce import (
    Budget,
    NoCommand,
    NotInteresting,
    TooEasy,
    Unreadable,
    UnreadableMachine,
    Unsteady,
    command_predicate,
    reduce_case,
)
from fuzz.reduce.bytes_search import sections
from fuzz.reduce.operation import Operation
from fuzz.reduce.schedule import find_integer
from fuzz.reduce.subject import Subject
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.features import ALL
from wasm.validate import validate

MIXED = """(module
  (memory 1 4) (global $g (mut i64) i64.const 12345) (table 4 funcref) (elem (i32.const 0) $leaf $pair)
  (type $t (func (param i32) (result i32)))
  (func $leaf (param i32) (result i32) local.get 0 i32.const 100 i32.add)
  (func $pair (param i32 i32) (result i32 i64)
    local.get 0 local.get 1 i32.mul call $leaf global.get $g i64.const 3 i64.xor)
  (func (export "main") (param i32) (result i32) (local i64 f64)
    (block (result i32)
      local.get 0 i32.const 7 call $pair local.set 1
      (if (result i32) (i32.const 1) (then i32.const 4) (else f64.const 2 local.tee 2 i32.trunc_f64_s))
      i32.add
      local.get 0 br_if 0
      i32.const 1 i32.rotl)
    local.get 0 i32.const 0 call_indirect (type $t) i32.add
    i32.const 8 local.get 1 i64.store offset=4)
  (func (export "other") (result f32) f32.const 1.5 f32.sqrt))"""


def keeps(*ops: str) -> Callable[[Case], bool]:
    def wanted(case: Case) -> bool:
        found = {op.name for func in decode(case.content).funcs for op, _ in func.body}
        return found.issuperset(ops)

    return wanted


def test_deterministic_and_the_same_with_more_jobs(kit: Any) -> None:
    first, second, parallel = (
        reduce_case(kit.case_of(MIXED), keeps("call", "i64.store"), jobs=jobs) for jobs in (1, 1, 3)
    )
    assert (first.case, first.runs, first.trace) == (second.case, second.runs, second.trace)
    assert parallel.case == first.case
    assert [size for _, size in parallel.trace] == [size for _, size in first.trace]


def test_every_step_goes_down_and_every_candidate_is_valid_and_of_the_inputs_features(kit: Any) -> None:
    case = kit.case_of(MIXED, Invocation("main", (Value("i32", 9),)))
    features, asked = required_features(decode(case.content)), []

    def wanted(candidate: Case) -> bool:
        module = decode(candidate.content)
        validate(module, features)
        asked.append(candidate)
        return keeps("i32.rotl")(candidate) and bool(candidate.invocations)

    made = reduce_case(case, wanted)
    sizes = [size for _, size in made.trace]
    assert sizes == sorted(sizes, reverse=True)
    assert len(asked) == made.runs
    assert len(set(asked[:-1])) == len(asked) - 1, "the same candidate was asked about twice"
    assert asked[-1] == made.case, "the result is asked about once more"
    assert made.case.invocations
    assert len(made.case.content) < 60


def test_a_stopped_reduction_goes_on_from_its_cache(kit: Any, tmp_path: Path) -> None:
    case, wanted = kit.case_of(MIXED), keeps("call_indirect", "f64.const")
    whole = reduce_case(case, wanted)
    stopped = reduce_case(case, wanted, cache=tmp_path, budget=Budget(runs=12))
    assert not stopped.finished
    with (tmp_path / "answers.jsonl").open("a") as log:
        log.write('{"key": "torn')
    resumed = reduce_case(case, wanted, cache=tmp_path)
    assert resumed.finished
    assert len(resumed.case.content) <= len(whole.case.content) + 3
    assert resumed.trace[0][1] == stopped.trace[-1][1], "it starts from the best of the stopped run"
    again = reduce_case(case, wanted, cache=tmp_path)
    assert again.case == resumed.case
    assert again.runs <= 1, "only the result is asked about once more"


def test_answers_of_another_predicate_are_not_believed(kit: Any, tmp_path: Path) -> None:
    case = kit.case_of(MIXED)
    reduce_case(case, keeps("i64.store"), cache=tmp_path, cache_key="store")
    made = reduce_case(case, keeps("f32.sqrt"), cache=tmp_path, cache_key="sqrt")
    assert keeps("f32.sqrt")(made.case)


def test_progress_is_told(kit: Any) -> None:
    told: list[tuple[int, int]] = []
    made = reduce_case(kit.case_of(MIXED), keeps("call"), on_progress=lambda runs, size: told.append((runs, size)))
    assert told[-1][1] == made.trace[-1][1]
    assert sum(stats.accepted for stats in made.passes.values()) == len(made.trace) - 1
    assert sum(stats.runs for stats in made.passes.values()) == made.runs - 3, "input, empty module, result: no pass's"


@pytest.mark.parametrize("runs", [0, 1, 2, 3])
def test_the_smallest_budgets(kit: Any, runs: int) -> None:
    made = reduce_case(kit.case_of(MIXED), keeps("call"), budget=Budget(runs=runs))
    assert not made.finished
    assert keeps("call")(made.case)


def test_a_budget_with_several_jobs(kit: Any) -> None:
    made = reduce_case(kit.case_of(MIXED), keeps("call"), budget=Budget(runs=9), jobs=4)
    assert not made.finished
    assert made.runs <= 10


def test_inputs_that_cannot_be_reduced(kit: Any) -> None:
    case = kit.case_of("(module (func nop))")
    with pytest.raises(NotInteresting, match="exit with 0"):
        reduce_case(case, lambda _: False)
    with pytest.raises(TooEasy, match="empty module"):
        reduce_case(case, lambda _: True)
    with pytest.raises(Unreadable, match="not a valid module"):
        reduce_case(Case(b"\0asm\1\0\0\0\1"), lambda _: True)
    with pytest.raises(UnreadableMachine, match="name the registers"):
        reduce_case(Case(b"function", kind=CaseKind.MACHINE), lambda _: True)


def test_a_predicate_that_changes_its_mind(kit: Any) -> None:
    answers = iter([True, False, True])
    with pytest.raises(Unsteady, match="does not answer the same"):
        reduce_case(kit.case_of("(module (func nop) (func nop))"), lambda _: next(answers, False))


def script(text: str) -> list[str]:
    return [sys.executable, "-c", f"import sys, time; data = open(sys.argv[1], 'rb').read(); {text}"]


def test_commands_as_predicates() -> None:
    case = Case(b"\0asm\1\0\0\0")
    assert command_predicate(script("sys.exit(len(data) != 8)"))(case)
    assert not command_predicate(script("sys.exit(3)"))(case)
    assert command_predicate([*script("sys.exit(sys.argv[2] != 'after')"), "{}", "after"])(case)
    start = time.monotonic()
    assert not command_predicate(script("time.sleep(60)"), timeout=0.3)(case)
    assert time.monotonic() - start < 20
    with pytest.raises(NoCommand, match="no program"):
        command_predicate("no-such-program-anywhere --flag")
    with pytest.raises(NoCommand, match="empty"):
        command_predicate("")


def test_raw_bytes(kit: Any) -> None:
    """A section goes with its header, and a cut inside one puts its size right; what is no module is cut as well."""
    content = kit.case_of(
        '(module (memory 1) (func (export "f")) (data (i32.const 0) "needle in a long haystack"))'
    ).content
    case = Case(content + b"\0\3\1xy", kind=CaseKind.BYTES, features=frozenset({"gc"}))

    def wanted(candidate: Case) -> bool:
        try:
            return any(b"needle" in data.init for data in decode(candidate.content).datas)
        except WasmError:
            return False

    made = reduce_case(case, wanted)
    assert made.finished
    assert wanted(made.case)
    assert [data.init for data in decode(made.case.content).datas] == [b"needle"]
    assert len(sections(made.case.content)) == 1
    assert not made.case.features  # what the smaller bytes need, so that an engine without the rest is asked again
    assert made.runs <= 500
    junk = reduce_case(Case(bytes(range(200)), kind=CaseKind.BYTES), lambda c: 77 in c.content and 99 in c.content)
    assert junk.case.content == b"Mc"


@given(st.integers(0, 5000))
def test_find_integer_is_exact_and_quick(target: int) -> None:
    asked = []

    def holds(n: int) -> bool:
        asked.append(n)
        return n <= target

    assert find_integer(holds) == target
    assert len(asked) <= 2 * target.bit_length() + 1


def test_an_empty_operation_changes_nothing(spec_suite: Any) -> None:
    """Lifting every body to its operand graph and writing it down again gives the same body."""
    for item in spec_suite.valid[::3]:
        module = decode(item.data)
        try:
            validate(module, ALL)
        except WasmError:
            continue
        operation = Operation(Subject(module))
        for number in range(len(module.funcs)):
            operation.surgery(number)
        made = operation.finish().module
        assert [func.body for func in made.funcs] == [func.body for func in module.funcs], item.where


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_set_of_deletions_leaves_a_valid_body(kit: Any, data: st.DataObject) -> None:
    """Whatever goes, constants, drops and narrower blocks make up for it."""
    module = kit.module_of(MIXED)
    operation = Operation(Subject(module), collapse=data.draw(st.booleans()), keep_traps=data.draw(st.booleans()))
    for number in range(len(module.funcs)):
        plan = operation.surgery(number)
        inner = [i for i, node in enumerate(plan.graph.nodes) if node.op.name not in ("end", "else")]
        for index in data.draw(st.sets(st.sampled_from(inner))):
            plan.delete(index)
    made = operation.finish().module
    validate(made, ALL)
    assert decode(encode(made)) == made
