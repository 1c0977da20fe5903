"""Machine functions reduced to what a predicate wants, through valid functions only."""

from __future__ import annotations

import pytest

from compiler.machine import ConstraintKind
from compiler.machine_text import parse_case, print_env, print_machine
from compiler.machine_verify import verify
from fuzz.reduce.machine import SMALLEST, reduce_machine
from fuzz.reduce.machine_edits import without
from fuzz.reduce.reducer import reduce_case
from generators.registry import make_case
from wasm.case import Case, CaseKind


def text_of(index: int) -> str:
    return make_case("regalloc", 4, index).content.decode()


def test_an_instruction_with_clobbers_is_what_is_left() -> None:
    def interesting(text: str) -> bool:
        func, _ = parse_case(text)
        assert verify(func) == []
        return any(inst.clobbers for block in func.blocks for inst in block.insts)

    found = next(text for text in map(text_of, range(40)) if interesting(text))
    func, env = parse_case(reduce_machine(found, interesting))
    assert sum(len(block.insts) for block in func.blocks) <= 2
    assert [len(inst.clobbers) for block in func.blocks for inst in block.insts if inst.clobbers] == [1]
    assert sum(map(len, env.regs.values())) == 2


def test_a_loop_carried_value_keeps_its_loop() -> None:
    """A use of a parameter of a block that two edges lead to: nothing of the loop can go."""

    def interesting(text: str) -> bool:
        func, _ = parse_case(text)
        heads = [edge.block for block in func.blocks for edge in block.edges]
        return any(
            operand.vreg in block.params and heads.count(index) > 1 and operand.constraint.kind is ConstraintKind.REG
            for index, block in enumerate(func.blocks)
            for inst in block.insts
            for operand in inst.operands
        )

    found = next(text for text in map(text_of, range(300)) if interesting(text))
    reduced = reduce_machine(found, interesting)
    func, _ = parse_case(reduced)
    assert verify(func) == []
    assert len(func.blocks) <= 5
    assert len(reduced) < 250 < len(found)


def test_what_loses_its_definition_goes_too() -> None:
    func, env = parse_case(
        "registers int:0 float:0\nscratch int:31 float:31\nfunction f\nblock 0\n  a v0:i32>reg v1:i32>reg\n"
        "  b v1<reg v0<reg v2:i32>reuse(1)\n  jmp => 1(v0 v2)\nblock 1 (v3:i32 v4:i32)\n  ret v4<reg v3<reg => .\n"
    )
    assert print_machine(without(func, vregs={0})) == (
        "function f\nblock 0\n  a v1:i32>reg\n  b v1<reg v2:i32>reg\n  jmp => 1(v2)\n"
        "block 1 (v4:i32)\n  ret v4<reg => .\n"
    )
    assert parse_case(print_env(env) + print_machine(func))[1] == env


def test_a_case_goes_through_the_reducer() -> None:
    case = Case(text_of(3).encode(), kind=CaseKind.MACHINE)

    def interesting(asked: Case) -> bool:
        return b"fixed" in asked.content

    found = reduce_case(case, interesting)
    assert found.finished
    assert found.case.content.count(b"fixed") == 1
    assert len(found.case.content) < len(SMALLEST) + 40


@pytest.mark.parametrize("index", range(3))
def test_the_smallest_function_is_the_end(index: int) -> None:
    assert len(reduce_machine(text_of(index), lambda _: True)) <= len(SMALLEST)
