"""Cases of several modules, reduced as one: modules go, and what is left of each is small and linked."""

from __future__ import annotations

from dataclasses import replace

from fuzz.reduce import Budget, reduce_case
from oracles.interpreter import run_case
from tests.reducing.conftest import case_of
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Invocation, Returned, Trapped, Value
from wasm.feature_use import features_of_bytes

HOME = """(module (memory (export "m") 1 4) (memory (export "other") 1) (global (export "g") (mut i32) (i32.const 1))
  (func (export "grow") (param i32) (result i32) (memory.grow 0 (local.get 0)))
  (func (export "unused") (param i64) (result i64) (i64.add (local.get 0) (i64.const 5))))"""
MIDDLE = """(module (import "home" "m" (memory 1)) (import "home" "grow" (func $grow (param i32) (result i32)))
  (data (i32.const 100) "abcdef") (export "again" (memory 0))
  (func (export "both") (param i32 i32) (result i32) (drop (call $grow (local.get 0))) (i32.load8_u (local.get 1))))"""
ASIDE = """(module (import "home" "g" (global $g (mut i32))) (func $s (global.set $g (i32.const 7))) (start $s))"""
SUBJECT = """(module (import "middle" "both" (func $both (param i32 i32) (result i32)))
  (import "middle" "again" (memory 1)) (import "home" "g" (global $g (mut i32)))
  (func (export "f") (result i32) (i32.add (global.get $g) (i32.const 3)))
  (func (export "last") (param i32) (result i32)
    (drop (call $both (i32.const 2) (i32.const 4))) (i32.load8_u offset=196607 (local.get 0)))
  (func (export "past") (param i32) (result i32) (i32.load8_u offset=196608 (local.get 0))))"""


def whole() -> Case:
    texts = {"home": HOME, "middle": MIDDLE, "aside": ASIDE}
    before = tuple((name, case_of(text).content) for name, text in texts.items())
    calls = (Invocation("f"), Invocation("last", (Value("i32", 0),)), Invocation("past", (Value("i32", 0),)))
    case = replace(case_of(SUBJECT, *calls), before=before)
    return replace(case, features=frozenset().union(*map(features_of_bytes, case.contents)))


def grows_elsewhere(case: Case) -> bool:
    """A memory that another module grows is accessed here up to its new end, and not beyond."""
    own = {op.name for func in decode(case.content).funcs for op, _ in func.body}
    ends = run_case(case).outcomes
    read = any(isinstance(one, Returned) and one.types == ("i32",) for one in ends)
    return "memory.grow" not in own and "i32.load8_u" in own and read and isinstance(ends[-1], Trapped)


def test_what_is_not_needed_goes_with_its_module() -> None:
    case = whole()
    assert grows_elsewhere(case)
    work = reduce_case(case, lambda one: bool(run_case(one).outcomes) and grows_elsewhere(one))
    assert work.finished
    assert grows_elsewhere(work.case)
    assert "aside" not in dict(work.case.before)
    assert work.case.size < 120 < case.size
    assert work.trace[-1][1] < work.trace[0][1]


def test_one_module_is_left_where_it_shows_the_same() -> None:
    def traps_past_the_end(case: Case) -> bool:
        """What a memory that another function grew is read by, wherever that function stands."""
        names = {op.name for content in case.contents for func in decode(content).funcs for op, _ in func.body}
        return "memory.grow" in names and any(isinstance(one, Trapped) for one in run_case(case).outcomes)

    work = reduce_case(whole(), traps_past_the_end)
    assert not work.case.before
    assert work.case.size < 80


def test_a_module_that_writes_is_kept_and_made_small() -> None:
    def written(case: Case) -> bool:
        """A global of one module has what the start function of another put there."""
        ends = run_case(case).outcomes
        return any(isinstance(one, Returned) and one.slots[:1] == b"\x0a" for one in ends)

    work = reduce_case(whole(), written)
    assert written(work.case)
    names = dict(work.case.before)
    assert "middle" not in names
    assert work.case.size < 130


def test_the_budget_ends_it_with_what_there_is() -> None:
    case = whole()
    work = reduce_case(case, lambda one: bool(run_case(one).outcomes) and grows_elsewhere(one), budget=Budget(runs=12))
    assert not work.finished
    assert work.runs <= 14
    assert grows_elsewhere(work.case)
