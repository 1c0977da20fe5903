"""spill=all: the rewritten function is valid, both allocators place it, and nothing but instructions' own operands
is in a register."""

from __future__ import annotations

import pytest

from compiler.machine import ConstraintKind, MachineFunc, OperandKind
from compiler.machine_text import print_machine
from compiler.machine_verify import verify
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS, has_enough_registers
from compiler.spill_everywhere import MOVE, spill_everywhere
from generators.choices import ChoiceSource
from generators.machine.funcs import make_function

SEEDS = range(60)


def homes(func: MachineFunc) -> set[int]:
    """The VRegs that are somewhere else than in a slot at some operand."""
    return {
        operand.vreg
        for block in func.blocks
        for inst in block.insts
        for operand in inst.operands
        if operand.constraint.kind is not ConstraintKind.STACK
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_rewriting(seed: int) -> None:
    func, env = make_function(ChoiceSource.seeded("spill everywhere", seed))
    before = print_machine(func)
    made = spill_everywhere(func)
    assert print_machine(func) == before
    assert not verify(made)
    # A value of the original is only ever in its slot; what stands in a register is new, and read by one instruction.
    assert not {vreg for vreg in homes(made) if vreg < len(func.vregs)}
    for vreg in homes(made):
        uses = [
            inst.name
            for block in made.blocks
            for inst in block.insts
            for operand in inst.operands
            if operand.vreg == vreg and operand.kind is OperandKind.USE
        ]
        assert len(set(uses) - {MOVE}) <= 1
    if not has_enough_registers(made, env):
        return
    for allocate in ALLOCATORS.values():
        assert not check(made, env, allocate(made, env))
