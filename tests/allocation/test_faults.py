"""Faults put into the allocators from outside, while the checker reads the original function: each is caught.

The faults mirror what shipped in real allocators: an operand's index in 8 bits, in the record of a use and in that of a
fix-up (regalloc2 up to 0.12.1), a reused operand's index in 5 bits, edge moves before a branch's own definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from compiler.machine import (
    ConstraintKind,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    Operand,
    OperandKind,
    OperandPos,
    reuse,
)
from compiler.regalloc import backtracking, single_pass, single_pass_inst
from compiler.regalloc.backtracking.ranges import REUSED, Ranges
from compiler.regalloc.checker import check
from compiler.regalloc.flow import Flow, analyse
from compiler.regalloc.places import IN_EDGE, OUT_EDGE, MoveGroups, Slots
from compiler.regalloc.run import ALLOCATORS
from generators.choices import ChoiceSource
from generators.machine.funcs import make_function

CASES = 200
BOTH = sorted(ALLOCATORS)
Patch = pytest.MonkeyPatch


@lru_cache(maxsize=CASES)
def case(index: int) -> tuple[MachineFunc, MachineEnv]:
    return make_function(ChoiceSource.seeded("faults", index))


def caught(name: str) -> int:
    """The number of the first case whose wrong allocation the checker reports, ``CASES`` if it reports none.

    An allocator that trips over its own fault has not made an answer, and does not count.
    """
    for index in range(CASES):
        func, env = case(index)
        try:
            answer = ALLOCATORS[name](func, env)
        except (ValueError, KeyError, IndexError):
            continue
        if check(func, env, answer):
            return index
    return CASES


@pytest.mark.parametrize("name", BOTH)
def test_without_a_fault_there_is_nothing_to_catch(name: str) -> None:
    for index in range(0, CASES, 4):
        func, env = case(index)
        assert check(func, env, ALLOCATORS[name](func, env)) == []


@pytest.mark.parametrize("name", BOTH)
def test_swapped_edge_moves(name: str, monkeypatch: Patch) -> None:
    right = MoveGroups.sequential

    def swapped(self: MoveGroups, *rest: Any) -> Any:
        for key, moves in self.groups.items():
            if key & 7 in (IN_EDGE, OUT_EDGE):
                for i in range(len(moves) - 1):
                    (a, x, t), (b, y, u) = moves[i : i + 2]
                    if t is u and a != b:
                        moves[i : i + 2] = [(b, x, t), (a, y, u)]
                        break
        return right(self, *rest)

    monkeypatch.setattr(MoveGroups, "sequential", swapped)
    assert caught(name) < CASES


def with_ranges(monkeypatch: Patch, change: Callable[[Ranges], None]) -> None:
    """The backtracking allocator with its stored ranges and uses changed before it works on them."""
    right = backtracking.build_ranges

    def wrong(flow: Flow, env: MachineEnv) -> Ranges:
        found = right(flow, env)
        change(found)
        return found

    monkeypatch.setattr(backtracking, "build_ranges", wrong)


@pytest.mark.parametrize("missing", ["all", "one"])
@pytest.mark.parametrize("name", BOTH)
def test_ignored_clobbers(name: str, missing: str, monkeypatch: Patch) -> None:
    """Of all clobbers, and of the register with encoding 0 only."""

    def forget(found: Ranges) -> None:
        for place in found.clobbers:
            if missing == "all" or place == 0:
                found.clobbers[place] = []
        for positions in found.all_clobbered:
            positions.clear()

    with_ranges(monkeypatch, forget)
    right = single_pass_inst.clobbered_places
    monkeypatch.setattr(
        single_pass_inst, "clobbered_places", lambda inst: set() if missing == "all" else right(inst) - {0}
    )
    assert caught(name) < CASES


@pytest.mark.parametrize("form", ["use", "fix-up"])
def test_operand_index_in_8_bits(form: str, monkeypatch: Patch) -> None:
    def masked(found: Ranges) -> None:
        for uses in found.uses:
            for i, (position, index, need, *rest) in enumerate(uses):
                if need != REUSED and (need >= 0) is (form == "use"):
                    uses[i] = (position, index & 0xFF, need, *rest)  # type: ignore[assignment]

    with_ranges(monkeypatch, masked)
    assert caught("backtracking") < CASES


def test_operand_index_in_8_bits_in_a_demand(monkeypatch: Patch) -> None:
    right = single_pass_inst.InstScan._want
    monkeypatch.setattr(
        single_pass_inst.InstScan, "_want", lambda self, vreg, need, span, k: right(self, vreg, need, span, k & 0xFF)
    )
    assert caught("single_pass") < CASES


@pytest.mark.parametrize("name", BOTH)
def test_reuse_index_in_5_bits(name: str, monkeypatch: Patch) -> None:
    def masked(func: MachineFunc, inst: MachineInst) -> MachineInst:
        operands = list(inst.operands)
        for k, operand in enumerate(operands):
            number = operand.constraint.number
            if operand.constraint.kind is ConstraintKind.REUSE and number > 31:
                other = operands[number & 31]
                if could_be_reused(other) and func.class_of(other.vreg) is func.class_of(operand.vreg):
                    operands[k] = operand._replace(constraint=reuse(number & 31))
        return replace(inst, operands=tuple(operands))

    def could_be_reused(operand: Operand) -> bool:
        early_use = operand.kind is OperandKind.USE and operand.pos is OperandPos.EARLY
        return early_use and operand.constraint.kind is not ConstraintKind.STACK

    def packed(func: MachineFunc) -> Flow:
        blocks = [MachineBlock(block.params, [masked(func, inst) for inst in block.insts]) for block in func.blocks]
        return analyse(MachineFunc(func.name, func.vregs, blocks))

    monkeypatch.setattr(backtracking, "analyse", packed)
    monkeypatch.setattr(single_pass, "analyse", packed)
    assert caught(name) < CASES


@pytest.mark.parametrize("name", BOTH)
def test_edge_moves_before_the_terminator_that_defines(name: str, monkeypatch: Patch) -> None:
    right = Flow.moves_at_start

    def wrong(self: Flow, target: int) -> bool:
        if not right(self, target):
            return False
        terminator = self.func.blocks[self.predecessors[target][0]].terminator
        defines = any(operand.kind is OperandKind.DEF for operand in terminator.operands)
        return not (defines and terminator.edges and terminator.edges[0].block == target)

    monkeypatch.setattr(Flow, "moves_at_start", wrong)
    assert caught(name) < CASES


@pytest.mark.parametrize("name", BOTH)
def test_one_slot_for_values_alive_together(name: str, monkeypatch: Patch) -> None:
    right = Slots.new
    known: dict[tuple[int, bool], int] = {}

    def shared(self: Slots, wide: bool) -> int:
        key = (id(self), wide)
        if key not in known:
            known[key] = right(self, wide)
        return known[key]

    monkeypatch.setattr(Slots, "new", shared)
    assert caught(name) < CASES
