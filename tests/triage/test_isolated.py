"""An instruction by itself: one that is wrong alone is all that a finding is about, whatever made its operands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.triage.causes import Sighting, Suspect, classify
from fuzz.triage.equivalent import SELECTS, Equivalents
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.isolated import Alone, alone
from fuzz.triage.kin import akin, same_cause
from oracles.interpreter import run_case
from tests.triage.mistaken import BUCKET, Mistake, Mistaken
from tests.triage.test_causes import case_of, cause_about
from wasm.case import Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS
from wasm.module import Data, SegmentMode
from wasm.valtypes import V128, Limits, MemType

DIVIDE: Mistake = (("f32.div",), "f32.mul")
MULTIPLY_ADD: Mistake = (("i32.mul", "i32.add"), "i32.sub")
ADD_OF_CONSTANT: Mistake = (("i32.const", "i32.add"), "i32.sub")
XOR_OF_CONSTANT: Mistake = (("i64.const", "i64.xor"), "i64.or")
LANE: Mistake = (("i8x16.extract_lane_s",), "i8x16.extract_lane_u")


@pytest.mark.parametrize(
    ("text", "mistake", "name", "how"),
    [
        ("f32.const 0  f32.const 0  f32.div  i32.reinterpret_f32", DIVIDE, "f32.div", Alone.ALWAYS),
        ("f32.const 0  f32.const 0  f32.div  i32.reinterpret_f32", DIVIDE, "i32.reinterpret_f32", Alone.NO),
        ("i32.const 1  local.get 0  local.get 0  i32.mul  i32.add", MULTIPLY_ADD, "i32.add", Alone.NO),
        ("local.get 0  i32.const 128  i32.add", ADD_OF_CONSTANT, "i32.add", Alone.WITH_CONSTANT),
        ("local.get 0  i8x16.splat  i8x16.extract_lane_s 3", LANE, "i8x16.extract_lane_s", Alone.ALWAYS),
        ("i32.const 8  i32.load8_s", (("i32.load8_s",), "i32.load8_u"), "i32.load8_s", Alone.NO),  # it has a memory
    ],
)
def test_an_instruction_alone(text: str, mistake: Mistake, name: str, how: Alone) -> None:
    case = case_of(text, -3) if "load" not in text else _with_memory(text)
    assert Mistaken((mistake,)).wrong(case)
    assert alone(case, name, Mistaken((mistake,)).wrong) is how


def _with_memory(text: str) -> Case:
    case = case_of("local.get 0", 1)
    module = decode(case.content)
    module.memories.append(MemType(Limits(1)))
    module.datas.append(Data(b"\x80" * 32, SegmentMode.ACTIVE, 0, ((OPS["i32.const"], 0),)))
    module.funcs[0].body = [*code(text), OPS["end"].bare]
    return replace(case, content=encode(module))


def test_the_operands_are_those_that_the_reference_saw() -> None:
    """Place by place in the order of execution, each once, with each immediate."""
    asked: list[Case] = []
    case = case_of("local.get 0  i8x16.splat  i8x16.extract_lane_s 3  local.get 0  i8x16.splat  i8x16.extract_lane_s 5"
                   "  i32.add", 200, 200, 7)  # fmt: skip
    assert alone(case, "i8x16.extract_lane_s", lambda one: bool(asked.append(one))) is Alone.NO
    always, constant = asked
    assert [str(call) for call in always.invocations] == [
        "f0(v128:0xc8c8c8c8c8c8c8c8c8c8c8c8c8c8c8c8)", "f0(v128:0x7070707070707070707070707070707)",
        "f1(v128:0xc8c8c8c8c8c8c8c8c8c8c8c8c8c8c8c8)", "f1(v128:0x7070707070707070707070707070707)",
    ]  # fmt: skip
    assert [str(call) for call in constant.invocations] == ["f0()", "f1()", "f2()", "f3()"]
    for one in asked:
        assert not any(hasattr(outcome, "message") for outcome in run_case(one).outcomes)


def test_essentials_are_one_row_where_that_is_wrong_alone() -> None:
    """Folding a constant into the comparison hides it: neutralized, the division that makes a NaN seems needed."""
    equal: Mistake = (("f32.div", "f32.eq"), "f32.ne")  # what a compiler does with a product that it can see
    plain: Mistake = (("local.get", "f32.eq"), "f32.ne")
    mistaken = Mistaken((equal, plain))
    case = case_of("f32.const 1  f32.const 0  f32.const 0  f32.div  f32.eq", 1)
    without = essentials(case, mistaken.wrong)
    assert without.specific == {"f32.div", "f32.eq"}
    about = essentials(case, mistaken.wrong, wrong=mistaken.wrong)
    assert about == Essentials(frozenset({"f32.eq"}), incidental=frozenset({"f32.div"}), alone=True)
    assert Essentials.of_words(about.words()) == about
    assert about.words() == ("f32.eq", "!alone", "~f32.div")


def test_a_constant_is_part_of_what_it_is_about() -> None:
    case = case_of("local.get 0  i32.const 128  i32.add  i32.clz", 5)
    mistaken = Mistaken((ADD_OF_CONSTANT,))
    about = essentials(case, mistaken.wrong, wrong=mistaken.wrong)
    assert about.words() == ("i32.add", "a constant operand", "~i32.clz")
    assert Essentials.of_words(about.words()) == about
    assert cause_about(about).name == "mistaken: wrong value, i32.add with a constant"


def about(row: str, *, constant: bool = False) -> Essentials:
    return Essentials(frozenset({row}), alone=True, constant=constant)


@pytest.mark.parametrize(
    ("one", "other", "same", "kin"),
    [
        (about("i32.add"), about("i32.add"), True, True),
        (about("i32.add", constant=True), about("i32.add", constant=True), True, True),
        (about("i32.add"), about("i32.add", constant=True), False, False),  # that one would be wrong with any operand
        (about("i32.add", constant=True), about("i64.le_u", constant=True), False, True),
        (about("i32.add"), about("i64.le_u"), False, False),
        (about("i32.add", constant=True), about("i32.mul", constant=True), False, False),
        (about("i32.rotl", constant=True), about("i64.rotl", constant=True), False, True),
    ],
)
def test_what_needs_a_constant_is_another_cause(one: Essentials, other: Essentials, same: bool, kin: bool) -> None:
    first, second = cause_about(one), cause_about(other, 2)
    assert same_cause(first, second) is same_cause(second, first) is same
    assert akin(first, second) is akin(second, first) is kin


def test_one_that_is_wrong_alone_is_one_cause_wherever_its_value_is_looked_at() -> None:
    value, memory = cause_about(about("f32.copysign")), cause_about(about("f64.copysign"), 2)
    assert akin(value, replace(memory, kind="state", faces=("mistaken-state",)))
    one = replace(value, essentials=("f32.copysign",))
    assert not akin(one, replace(memory, kind="state", essentials=("f32.neg",)))
    assert akin(one, replace(memory, kind="state", essentials=("f64.copysign",)))
    pattern = replace(value, essentials=("f32.add", "f32.copysign"))
    assert not akin(pattern, replace(pattern, id=2, kind="state", faces=("mistaken-state",)))
    assert not akin(value, replace(memory, kind="crash", faces=("mistaken-crash",)))


def through(*fixed: str, specific: str = "") -> Essentials:
    return Essentials(frozenset({specific} - {""}), frozenset(fixed))


@pytest.mark.parametrize(
    ("one", "other", "kin"),
    [
        (through("global.get", "call_indirect"), through("global.get", "call_indirect", specific="f32.neg"), True),
        (through("global.get", "call", specific="i64.add"), through("global.get", "call", specific="f32.neg"), True),
        (through("global.get", "call"), through("global.get", "call_indirect"), False),
        (through("global.get"), through("global.get", specific="i64.add"), False),  # nothing comes between
        (through("call", specific="i64.add"), through("call", specific="f32.neg"), False),
    ],
)
def test_what_carries_on_a_global_is_not_what_it_is_about(one: Essentials, other: Essentials, kin: bool) -> None:
    first, second = cause_about(one), cause_about(other, 2)
    assert akin(first, second) is akin(second, first) is kin


@pytest.mark.parametrize(("kind", "kin"), [("trap", True), ("value", False)])
def test_a_wrong_trap_of_whatever_looks_up_an_entry_is_one(kind: str, kin: bool) -> None:
    one = replace(cause_about(through("call_indirect")), kind=kind)
    other = replace(cause_about(through("call_ref", "table.get"), 2), kind=kind)
    assert akin(one, other) is akin(other, one) is kin


def chooses_wrongly(case: Case) -> bool:
    """An engine whose ``select`` of a vector takes the other one."""
    module = decode(case.content)
    graphs = Equivalents(module)
    for number, func in enumerate(module.funcs):
        wrong = {
            at
            for at, one in enumerate(func.body)
            if one[0] in SELECTS and graphs.function(number, at, one).type.results == (V128,)
        }  # type: ignore[index]
        func.body = [one for at, instr in enumerate(func.body)
                     for one in ((OPS["i32.eqz"].bare, instr) if at in wrong else (instr,))]  # fmt: skip
    mine, right = run_case(replace(case, content=encode(module), sites=())), run_case(case)
    return mine.outcomes != right.outcomes


@pytest.mark.parametrize("choice", ["select", "select_t (result v128)"])
@pytest.mark.parametrize(
    "use", ["f32x4.extract_lane 1  i32.reinterpret_f32", "i32x4.extract_lane 1  i32.const 1  i32.sub"]
)
def test_a_selection_that_is_wrong_is_all_there_is_to_it(choice: str, use: str) -> None:
    """However it is written, and whatever looks at what was chosen."""
    text = f"i32.const 0  i32x4.splat  i32.const 1  i32x4.splat  local.get 0  {choice}  {use}"
    case = replace(case_of(text, 1), features=frozenset({"simd"}))
    assert chooses_wrongly(case)
    assert alone(case, "select", chooses_wrongly) is Alone.ALWAYS
    about = essentials(case, chooses_wrongly, wrong=chooses_wrongly)
    assert (about.specific, about.alone) == ({"select"}, True)
    again = case_of("i32.const 0  i32x4.splat  local.get 0  i32x4.splat  local.get 0  select  v128.any_true", 0, 1)
    again = replace(again, features=case.features)
    found = classify(Suspect(again, BUCKET, (("mistaken", "1"),)), [cause_about(about)], chooses_wrongly)
    assert isinstance(found, Sighting)
    numbers = case_of("i32.const 1  i32.const 2  local.get 0  select", 0)
    assert not chooses_wrongly(numbers)
    assert alone(numbers, "select", chooses_wrongly) is Alone.NO


def test_a_selection_of_references_does_not_stand_alone() -> None:
    case = case_of("ref.null func  ref.null func  local.get 0  select_t (result funcref)  ref.is_null", 1)
    assert alone(case, "select", lambda _: True) is Alone.NO
