"""Calls and branches in whose place others are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.explain.asking import Asker, Subject, subject_of
from fuzz.explain.equivalent import Needed, equivalents
from fuzz.explain.explaining import Wish, explain
from fuzz.explain.followed import Followed, Hidden
from fuzz.trial.bench import Bench
from tests.engines.conftest import open_or_skip
from tests.explaining.engine import opener
from tests.explaining.test_instruments import case_of, finding
from tests.triage.mistaken import Mistaken
from wasm.embedding import Invocation
from wasm.isa import OPS
from wasm.module import Module

FOUND = Path(__file__).parents[2] / "docs" / "found"
CAUGHT = """(module
  (type $t (func)) (tag $e) (table funcref (elem $pass $throw))
  (func $pass) (func $throw throw $e)
  (func (export "f") (param i32) (result i32)
    i32.const 0 call_indirect (type $t)
    block $caught
      try_table (catch_all $caught)
        local.get 0 i32.const 8 i32.gt_u call_indirect (type $t)
      end
      i32.const 2 return
    end
    i32.const 1))"""
"""``f`` gives 1 for what is above 8: the second call throws."""
EVERY = """(module (table funcref (elem $g)) (type $t (func (param i32) (result i32)))
  (func $g (type $t) local.get 0 if (result i32) i32.const 3 else i32.const 4 end)
  (func $tail (type $t) local.get 0 i32.const 0 return_call_indirect (type $t))
  (func $plain (type $t) local.get 0 return_call $tail)
  (func (export "f") (param i32) (result i32) (local i32)
    block local.get 0 br_if 0 unreachable end
    block block block local.get 0 br_table 0 1 2 end unreachable end unreachable end
    loop
      local.get 1 i32.eqz if else local.get 0 drop end
      local.get 1 i32.const 1 i32.add local.tee 1 i32.const 3 i32.lt_u br_if 0
    end
    i32.const 0 if unreachable end
    local.get 0 call $plain local.get 1 i32.add))"""


class Deaf(Mistaken):
    """Exceptions out of ``call_indirect`` are not caught: a function that has one has no handlers."""

    def compiled(self, module: Module) -> Module:
        for func in module.funcs:
            if any(op.name == "call_indirect" for op, _ in func.body):
                func.body = [(op, (imm[0], ())) if op is OPS["try_table"] else (op, imm) for op, imm in func.body]
        return module


def caught() -> Subject:
    return finding(CAUGHT, opener(kind=Deaf))


def test_an_exception_that_is_not_caught() -> None:
    """Two indirect calls: the one that throws need not be the one that is named, and here both have to go."""
    opened = opener(kind=Deaf)
    subject = caught()
    asker = Asker(subject, None, True, opened)
    followed = Followed(subject)
    found = equivalents(followed)
    calls = [place for place in found if followed.op(place).name == "call_indirect"]
    assert [found[place].words for place in calls] == ["call 0", "call 1"]
    with pytest.raises(Hidden, match="no single one makes it right"):
        Needed(asker, followed).one_of(calls, "asked")


def test_the_only_indirect_call_is_named() -> None:
    opened = opener(kind=Deaf)
    subject = finding(CAUGHT.replace("i32.const 0 call_indirect (type $t)", "", 1), opened)
    made = explain(subject, Wish(frozenset({"split", "operation"})), None, True, opened)
    assert made.operation is not None
    assert made.operation.text == "call_indirect (type $t)"
    assert made.operation.how == "probes leave open where it is; right with call 1 in its place"
    assert made.operation.expected == ("returned (i32:0x1)",)
    assert made.operation.actual[0].startswith("threw ")
    assert made.function is not None
    assert made.function.index == 2


def test_everything_that_can_be_replaced_does_the_same() -> None:
    """The module in which all is replaced, as a whole and one by one: the reference gives what it gave."""
    opened = opener((("i32.lt_u",), "i32.le_u"))
    subject = finding(EVERY, opened)
    followed = Followed(subject)
    needed = Needed(Asker(subject, None, True, opened), followed)
    names = [followed.op(place).name for place in needed.edits]
    assert sorted(names) == ["br_if", "br_table", "if", "if", "return_call", "return_call_indirect"]
    for chosen in (list(needed.edits), *([place] for place in needed.edits)):
        case = needed.replaced(chosen)
        again = Followed(replace(subject, case=case))
        assert again.run.observation.outcomes == followed.run.observation.outcomes
    last = needed.replaced(list(needed.edits))
    left = {op.name for func in Followed(replace(subject, case=last)).module.funcs for op, _ in func.body}
    assert not left & {"br_table", "return_call", "return_call_indirect", "call_indirect"}


def test_a_tail_call_leaves_its_handlers() -> None:
    """In the place of one with handlers around it is a tail call: they would catch what a plain call throws."""
    wat = """(module (type $t (func)) (tag $e) (table funcref (elem $throw))
      (func $throw throw $e)
      (func $tail block try_table (catch_all 0) i32.const 0 return_call_indirect (type $t) end end)
      (func (export "f") (param i32) (result i32)
        block try_table (catch_all 0) call $tail end local.get 0 return end
        local.get 0 i32.const 1 i32.add))"""
    opened = opener((("i32.add",), "i32.sub"))
    subject = finding(wat, opened)
    followed = Followed(subject)
    needed = Needed(Asker(subject, None, True, opened), followed)
    assert [edit.words for edit in needed.edits.values()] == ["return_call 0"]
    again = Followed(replace(subject, case=needed.replaced(list(needed.edits))))
    assert again.run.observation.outcomes == followed.run.observation.outcomes


def test_javascriptcore_loses_an_exception() -> None:
    """docs/found/jsc.md: out of call_indirect, in the interpreter of bun 1.2.21."""
    id = "jsc@1.2.21:ipint"
    open_or_skip(id).close()
    text = (FOUND / "jsc-ipint-catch.wat").read_text()
    bench = Bench([id], None, True)
    subject = subject_of(bench.run(case_of(text, Invocation("a"))), id)
    bench.close()
    assert subject is not None
    made = explain(subject, Wish(frozenset({"operation"})), None, True)
    assert made.operation is not None
    assert made.operation.text.startswith("call_indirect")
