"""What another allocator is asked about our functions, in which words, and how its answer is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.machine import ConstraintKind, MachineBlock, MachineEnv, MachineFunc, PReg, RegClass, SpillSlot, use
from compiler.machine_text import parse_case, parse_machine, print_machine
from compiler.machine_verify import verify
from compiler.regalloc.run import ALLOCATORS
from generators.choices import ChoiceSource
from generators.hypothesis import sources
from generators.machine.funcs import make_function
from oracles.machine import flat
from oracles.machine.dialect import REUSABLE, Dialect, adapted, certainly_enough, is_forward
from oracles.machine.judging import judged
from wasm.embedding import Crashed, Returned, Unsupported

SLOW = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
ALL = frozenset(ConstraintKind)
OLD = ALL - {ConstraintKind.STACK, ConstraintKind.LIMIT}
DIALECTS = [Dialect(some, fast, known) for some in (ALL, OLD) for fast in (False, True) for known in (False, True)]
SCRATCH = "scratch int:31 float:31\nfunction f\nblock 0\n"


def nameless(func: MachineFunc) -> MachineFunc:
    """What an allocator has to know of a function."""
    blocks = [
        MachineBlock(b.params, [replace(i, name="", imm=None, is_move=False) for i in b.insts]) for b in func.blocks
    ]
    return replace(func, name="", blocks=blocks)


# --- the flat form --------------------------------------------------------------------------------------------------


@settings(SLOW, max_examples=80)
@given(sources())
def test_a_function_comes_back_out_of_its_words(source: ChoiceSource) -> None:
    func, env = make_function(source)
    assert flat.read(flat.written(func, env)) == (nameless(func), env)


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def test_an_answer_out_of_its_words() -> None:
    func = parse_machine("function f\nblock 0\n  a v0:i32>any v1:f64>any\n  ret v0<any => .")
    reg, slot = 1 << 29, 2 << 29
    content = words(3, 1, 1 << 1, reg | 64, slot | 0, reg | 5, slot | 2, reg | 64)
    read = flat.answer(content, func)
    assert read.slots == 3
    assert print_machine(func, read).splitlines()[2:] == [
        "  a v0:i32>any=int:5 v1:f64>any=[2]",
        "    ; [0] <- float:0 v128",
        "  ret v0<any=float:0 => .",
    ]
    assert read.operands[0] == (PReg(RegClass.INT, 5), SpillSlot(2))
    with pytest.raises(flat.NoAnswer, match="7 words for 3 operands"):
        flat.answer(content[:-4], func)
    with pytest.raises(flat.NoPlace, match="operand 1 of inst 0 has no place"):
        flat.answer(words(3, 0, reg, 0, reg), func)


# --- what an allocator can be asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: f"{len(d.constraints)}{d.fast}{d.known}")
@settings(SLOW, max_examples=40)
@given(sources())
def test_an_adapted_function_is_valid_and_in_the_dialect(dialect: Dialect, source: ChoiceSource) -> None:
    func, env = make_function(source)
    asked = adapted(func, env, dialect)
    assert verify(asked) == []
    assert adapted(asked, env, dialect) == asked
    assert dialect.known or is_forward(asked)
    assert certainly_enough(asked, env)
    for block in asked.blocks:
        for inst in block.insts:
            kinds = [operand.constraint.kind for operand in inst.operands]
            assert set(kinds) <= dialect.constraints
            assert dialect.known or kinds.count(ConstraintKind.REUSE) <= 1
            reuses = [o.constraint.number for o in inst.operands if o.constraint.kind is ConstraintKind.REUSE]
            assert max(reuses, default=0) < REUSABLE


def test_what_is_in_the_dialect_stays_as_it_is() -> None:
    text = """registers int:0 int:1 float:0
scratch int:31 float:31
function f
block 0
  args v0:i64>fixed(int:0) v1:f64>any
  op v0<reg v1<limit(8) v2:i64>reuse(0) !int:1
  call v2<fixed(int:1) v3:i64>any v4:i64>stack => 1(v2) 2()
block 1 (v5:i64)
  ret v5<any v3<any v4<reg => .
block 2
  ret v1<late:any => .
"""
    func, env = parse_case(text.replace("late:", ""))
    assert adapted(func, env, Dialect(ALL)) == func
    for dialect in DIALECTS:
        assert [len(block.insts) for block in adapted(func, env, dialect).blocks] == [3, 1, 1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("op v0<reg v1<any v2:i64>reuse(1)", "op v0<reg v1<reg v2:i64>reuse(1)"),
        ("op v0<fixed(int:1) v2:i64>reuse(0)", "op v0<fixed(int:1) v2:i64>fixed(int:1)"),
        ("op v0<reg v1<reg v2:i64>reuse(0) v3:i64>reuse(1)", "op v0<reg v1<reg v2:i64>reuse(0) v3:i64>any"),
        ("op v0<limit(5) v1<limit(64)", "op v0<limit(8) v1<reg"),
        ("op v0<stack v0<any v1<stack", "op v0<any v0<any v1<stack"),
        ("op v0<fixed(int:31) v1<fixed(int:9)", "op v0<any v1<any"),
        ("op v0<reg v2:i64>fixed(int:0) !int:0 !int:1", "op v0<reg v2:i64>fixed(int:0) !int:1"),
        ("op v2:i64>reg v3:i64>reg !int:0 !int:1", "op v2:i64>reg v3:i64>reg"),
        ("op v0<late:fixed(int:0) v0<late:fixed(int:1)", "op v0<late:fixed(int:0) v0<late:any"),
        ("op v0<limit(1) v0<fixed(int:1) v0<fixed(int:2)", "op v0<limit(1) v0<fixed(int:1) v0<any"),
        (
            "op v0<fixed(int:1) v0<fixed(int:2) v1<reg v2:i64>reuse(2)",
            "op v0<any v0<any v1<reg v2:i64>reuse(2)",
        ),
    ],
)
def test_how_a_function_is_adapted(before: str, after: str) -> None:
    registers = "int:0 int:1" if "v3:i64>reg" in before else "int:0 int:1 int:2"
    head = f"registers {registers} float:0\n{SCRATCH}  args v0:i64>any v1:i64>any\n"
    func, env = parse_case(f"{head}  {before}\n  ret => .\n")
    assert verify(func) == []
    assert print_machine(adapted(func, env, Dialect(ALL))).splitlines()[3].strip() == after


def test_a_reuse_far_behind_comes_to_the_front() -> None:
    uses = " ".join(["v0<any"] * 40)
    func, env = parse_case(
        f"registers int:0 int:1 float:0\n{SCRATCH}  args v0:i64>any v1:i64>any\n"
        f"  op {uses} v1<reg v2:i64>reuse(40)\n  ret => .\n"
    )
    inst = adapted(func, env, Dialect(ALL)).blocks[0].insts[1]
    assert inst.operands[0] == use(1)
    assert inst.operands[-1].constraint.number == 0


# --- judging --------------------------------------------------------------------------------------------------------


def encoded(func: MachineFunc, env: MachineEnv) -> bytes:
    """A right answer of one of our allocators, as a worker would give it."""

    def place(allocation: object) -> int:
        if isinstance(allocation, PReg):
            return 1 << 29 | (allocation.cls is RegClass.FLOAT) << 6 | allocation.hw
        assert isinstance(allocation, SpillSlot)
        return 2 << 29 | allocation.word

    right = ALLOCATORS["single_pass"](func, env)
    edits = [
        word
        for e in right.edits
        for word in (e.point.inst << 1 | e.point.after, place(e.move.source), place(e.move.target))
    ]
    return words(right.slots, len(right.edits), *edits, *(place(a) for row in right.operands for a in row))


TEXT = """registers int:0 int:1 float:0
scratch int:31 float:31
function f
block 0
  args v0:i64>any v1:i64>any
  op v0<reg v1<reg v2:i64>reuse(0)
  ret v2<any v1<any => .
"""


def test_a_planted_wrong_allocation_is_caught() -> None:
    func, env = parse_case(TEXT)
    right = encoded(func, env)
    dialect = Dialect(ALL)
    assert judged(func, env, {"own": ""}, right, "x/y", dialect) == Returned()
    caught = 0
    for at in range(8, len(right), 4):  # the two numbers in front are no places
        for wrong in (0, 1 << 29, 1 << 29 | 1, 2 << 29):
            planted = right[:at] + words(wrong) + right[at + 4 :]
            got = judged(func, env, {"own": ""}, planted, "x/y", dialect)
            if planted != right and isinstance(got, Crashed):
                assert got.location == "x/y:wrong"
                caught += 1
    assert caught >= 12


def test_both_checkers_are_heard_and_refusals_need_a_reason() -> None:
    func, env = parse_case(TEXT)
    right, dialect = encoded(func, env), Dialect(ALL)
    doubt = judged(func, env, {"own": "CheckerErrors"}, right, "x/y", dialect)
    assert isinstance(doubt, Crashed)
    assert doubt.location == "x/y:own-checker"
    assert doubt.text.splitlines()[1:4] == ["its own checker: CheckerErrors", "asked:", "function f"]
    wrong = judged(func, env, {"own": None}, right[:8] + words(0) + right[12:], "x/y", dialect)
    assert isinstance(wrong, Crashed)
    assert "its own checker was not asked" in wrong.text
    refused = judged(func, env, {"refused": "TooManyLiveRegs"}, b"", "x/y", dialect)
    assert isinstance(refused, Crashed)
    assert refused.location == "x/y:refused"
    assert isinstance(judged(func, env, {"refused": "CritEdge(0, 1)"}, b"", "x/y", dialect), Crashed)
    full, env = parse_case(TEXT.replace("v0<reg v1<reg", "v0<late:reg v1<late:reg").replace("reuse(0)", "reg"))
    assert isinstance(judged(full, env, {"refused": "TooManyLiveRegs"}, b"", "x/y", dialect), Unsupported)
