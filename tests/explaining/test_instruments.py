"""Function and operation, on an engine with known mistakes; and what is said where probes hide one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from wasmtime import wat2wasm

from fuzz.explain.asking import Asker, Subject, subject_of
from fuzz.explain.explaining import Wish, explain
from fuzz.explain.followed import Followed, Hidden
from fuzz.explain.operation import find_operation
from fuzz.explain.splitting import turning
from fuzz.explain.words import lines
from fuzz.records.explanation import Explanation
from fuzz.trial.bench import Bench, OpenEngine
from fuzz.trial.ddmin import fewest
from tests.explaining.engine import ID, Shy, opener
from tests.triage.mistaken import Mistake, Mistaken
from wasm.case import Case
from wasm.embedding import Invocation, Value
from wasm.isa import OPS, Instr

ADD: Mistake = (("i32.add",), "i32.sub")
TWO = """(module
  (func $inner (param i32) (result i32) local.get 0 i32.const 3 i32.add)
  (func (export "f") (param i32) (result i32)
    local.get 0 i32.const 5 i32.mul call $inner i32.const 7 i32.xor))"""
ONE = """(module
  (func (export "f") (param i32) (result i32)
    local.get 0 i32.const 5 i32.mul local.get 0 i32.shl local.get 0 i32.mul i32.const 1 i32.xor))"""


def case_of(wat: str, *calls: Invocation) -> Case:
    return Case(bytes(wat2wasm(wat)), calls or (Invocation("f", (Value("i32", 9),)),))


def finding(wat: str, opened: OpenEngine, *calls: Invocation) -> Subject:
    bench = Bench([ID], None, True, opened)
    subject = subject_of(bench.run(case_of(wat, *calls)), ID)
    assert subject is not None
    return subject


def explained(wat: str, opened: OpenEngine, *only: str) -> Explanation:
    return explain(finding(wat, opened), Wish(frozenset(only or ("split", "operation"))), None, True, opened)


@pytest.mark.parametrize("multi_memory", [True, False])
def test_function_and_operation(multi_memory: bool) -> None:
    made = explained(TWO, opener(ADD, multi_memory=multi_memory))
    assert made.function is not None
    assert made.function.index == 0
    assert "right when its values alone are replaced" in made.function.how
    one = made.operation
    assert one is not None
    assert (one.function, one.position, one.text) == (0, 2, "i32.add")
    assert (one.operands, one.expected, one.actual) == (("i32:0x2d", "i32:0x3"), ("i32:0x30",), ("i32:0x2a",))
    assert one.how == "every value kept in globals; again with its operands and result kept in globals alone"
    assert made.silent == ()


def test_the_first_of_several_executions() -> None:
    """A loop in which only the third conjunction differs from a disjunction."""
    wat = """(module (func (export "f") (param i32) (result i32) (local i32)
      loop  local.get 0 local.get 0 local.get 0 i32.const 7 i32.eq i32.add i32.and local.set 1
            local.get 0 i32.const 1 i32.sub local.tee 0
            i32.const 7 i32.ge_u br_if 0 end  local.get 1))"""
    made = explained(wat, opener((("i32.and",), "i32.or")), "operation")
    assert made.operation is not None
    assert made.operation.execution == 3
    assert made.operation.operands == ("i32:0x7", "i32:0x8")
    assert (made.operation.expected, made.operation.actual) == (("i32:0x0",), ("i32:0xf",))


def test_what_probes_hide_is_found_without_them_or_not_at_all() -> None:
    """A mistake of two rows that follow each other: a probe of the first one's result hides it."""
    mistake: Mistake = (("i32.shl", "local.get", "i32.mul"), "i32.sub")
    opened = opener(mistake)
    asker = Asker(finding(ONE, opened), None, True, opened)
    operation = find_operation(asker)
    assert (operation.text, operation.position) == ("i32.mul", 6)
    assert "places probed" in operation.how
    assert "could not be seen" in operation.how  # i32.shl cannot be probed, and may be what is wrong


def test_what_all_probes_hide_is_said() -> None:
    """Nothing is asserted of a module that is right as soon as anything is written down."""
    opened = opener((("i32.shl",), "i32.rotr"), kind=Shy)
    asker = Asker(finding(ONE, opened), None, True, opened)
    with pytest.raises(Hidden, match="probes hide it: "):
        find_operation(asker)
    made = explained(ONE, opened)
    assert made.operation is None
    assert made.function is not None
    assert made.function.how == "the module's only function"
    assert any("probes hide it" in line for line in made.silent)


class Forgetful(Mistaken):
    """Carries out none of the instructions that its mistakes name: their operands are dropped, nothing is written."""

    def _body(self, body: list[Instr]) -> list[Instr]:
        drops = {"array.fill": 4, "struct.set": 2, "memory.fill": 3, "table.set": 2}
        names = {row for rows, _ in self.mistakes for row in rows}
        kept = ([(op, imm)] if op.name not in names else [(OPS["drop"], None)] * drops[op.name] for op, imm in body)
        return [one for some in kept for one in some]


@pytest.mark.parametrize(
    ("writer", "reader", "wat"),
    [
        ("array.fill", "array.get_u", """(module (type $a (array (mut i16)))
          (func (export "f") (param i32) (result i32) (local $x (ref null $a))
            (local.set $x (array.new $a (i32.const 1) (i32.const 5)))
            (array.fill $a (local.get $x) (i32.const 0) (local.get 0) (i32.const 5))
            (array.get_u $a (local.get $x) (i32.const 2))))"""),
        ("struct.set", "struct.get", """(module (type $s (struct (field (mut i32))))
          (func (export "f") (param i32) (result i32) (local $x (ref null $s))
            (local.set $x (struct.new $s (i32.const 1)))
            (struct.set $s 0 (local.get $x) (local.get 0))
            (struct.get $s 0 (local.get $x))))"""),
        ("memory.fill", "i32.load8_u", """(module (memory 1)
          (func (export "f") (param i32) (result i32)
            (memory.fill (i32.const 8) (local.get 0) (i32.const 5))
            (i32.load8_u (i32.const 10))))"""),
    ],
)  # fmt: skip
def test_what_was_written_wrongly_is_not_put_on_who_reads_it(writer: str, reader: str, wat: str) -> None:
    """The log sees the value that comes out, and not what went in: both are named, and neither is said to be wrong."""
    opened = opener(((writer,), ""), kind=Forgetful)
    made = explained(wat, opened)
    assert made.operation is None
    said = next(line for line in made.silent if line.startswith("operation"))
    assert reader in said
    assert f"{writer}" in said
    assert "or what it reads was written wrongly by one of" in said


def test_a_wrong_load_is_named_where_all_that_wrote_is_in_the_log() -> None:
    wat = """(module (memory 1) (func (export "f") (param i32) (result i32)
      (i32.store (i32.const 8) (i32.mul (local.get 0) (i32.const 500)))
      (i32.load8_s (i32.const 8))))"""
    made = explained(wat, opener((("i32.load8_s",), "i32.load8_u")), "operation")
    assert made.operation is not None
    assert made.operation.text == "i32.load8_s"


def test_a_trap_that_should_not_be() -> None:
    """A load of fewer bytes at the memory's end: the engine traps, and its log ends there."""
    wat = """(module (memory 1) (func (export "f") (param i32) (result i32)
      local.get 0 i32.const 65525 i32.add i32.load16_u i32.const 1 i32.or))"""
    made = explained(wat, opener((("i32.load16_u",), "i32.load")), "operation")
    assert made.operation is not None
    assert made.operation.text == "i32.load16_u"
    assert made.operation.actual == ("trapped: out of bounds memory access",)


def test_where_it_turns_right() -> None:
    opened = opener(ADD)
    subject = finding(TWO, opened)
    assert turning(Asker(subject, None, True, opened), Followed(subject)) == (0, 2)


def test_what_makes_up_for_another_function_is_not_named() -> None:
    """``mix`` is called before and behind ``bad``: its values replaced, the result is right whatever ``bad`` does."""
    wat = """(module
      (func $mix (param i32) (result i32) local.get 0 i32.const 3 i32.mul)
      (func $bad (param i32) (result i32) local.get 0 i32.const 7 i32.add)
      (func (export "f") (param i32) (result i32)
        local.get 0 call $mix drop local.get 0 call $bad call $mix))"""
    made = explained(wat, opener(ADD), "split")
    assert made.function is None
    assert made.silent[0].endswith("which is executed again behind other functions and may make up for them")
    made = explained(wat, opener(ADD))
    assert made.function is not None
    assert made.function.index == 1


def test_a_contradiction_is_said() -> None:
    made = Explanation(
        ID, silent=("contradiction: the split names function 1, the first wrong operation is in function 0",)
    )
    assert lines(made) == ["contradicts the split names function 1, the first wrong operation is in function 0"]


def test_fewest() -> None:
    asked: list[Sequence[int]] = []

    def shows(left: Sequence[int]) -> bool:
        asked.append(left)
        return {3, 11} <= set(left)

    assert fewest(range(16), shows) == [3, 11]
    assert all(left for left in asked)


def test_an_agreeing_engine_has_no_finding() -> None:
    case = Case(bytes(wat2wasm(ONE)), (Invocation("f", (Value("i32", 9),)),))
    bench = Bench([ID], None, True, opener())
    trial = bench.run(case)
    assert subject_of(trial, ID) is None
    assert subject_of(replace(trial, case=case), "v8") is None
