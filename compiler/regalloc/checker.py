"""The symbolic checker: proves that an allocation keeps the data flow of the function it was made for.

It reads the ORIGINAL function and the answer (``Allocations``), and shares no code with any allocator.

Lattice. A state maps each allocation (a register, or a spill slot's first word) to the set of VRegs whose value it
holds for certain. Top is "every VReg, everywhere" (a block not reached yet); lower is fewer. Meet is intersection, per
allocation.

Why that is enough. A run of the allocated function follows some path of the original one, and at each point of that
path every VReg has one value: the one of its last definition there. A state is right for a point if, on every path to
it, each allocation really holds the present value of every VReg in its set. The entry's state is empty, so it is
right; each transfer below keeps right states right, because it adds a VReg to a set only where its present value was
just written or copied, and takes it out of every set where its value is no longer the present one; and a meet keeps of
several paths what is right on all of them. So the fixed point is right, and where each use's allocation has its VReg in
the set, the allocated code reads what the original reads, by induction along any path.

Sets, not single VRegs, because behind an edge an argument lives on beside the parameter that it became, in one
register: single VRegs would reject right answers. More than sets of VRegs is not needed: what a place holds does not
depend on how it came there, so reloads, swaps and parallel moves need no rules of their own. The lattice is finite and
each visit of a block only lowers its entry, so the iteration ends. It starts from top at loop heads, as it must:
starting from "nothing" would reject what only a loop's own back edge confirms.

Transfer, in program order:
- An edit ``target <- source`` at type T: state[target] := those of state[source] that are not wider than T. Writing
  two words (v128) also ends what the second word held, and any v128 that began one word below ends when its second
  word is written.
- An instruction: (1) each early use's allocation must hold its VReg; (2) early definitions are written: a definition
  of v ends v everywhere else, then state[alloc] := {v}; (3) each late use must hold its VReg; (4) clobbers end what
  their registers hold; (5) late definitions are written.
- Definitions of a terminator are written on edge 0 only; on every other edge their allocations end.
- An edge with arguments renames in parallel: an allocation that held argument a_i now also holds parameter p_i; the
  parameters' former values end everywhere (a loop's last iteration). What no path from there uses is forgotten
  (``checker_liveness``).

Besides: every operand has an allocation that meets its constraint and that the environment allows; definitions of one
instruction do not share a place, nor an early definition with a use, nor a late use with a late definition or a
clobber; no edit stands behind a terminator, moves from memory to memory, crosses register classes, or writes a register
that is neither allocatable nor scratch nor asked for by an operand; a spill slot lies in the frame. Proved: uses see
the values that the original function says. Not proved: that emission encodes what was allocated, and anything about
instructions' own effects.

The idea is regalloc2's ``checker.rs`` (and Watt and others'); edge definitions and words of slots are this project's.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from typing import Final, NamedTuple, TypeAlias

from compiler.dominators import reverse_postorder
from compiler.machine import (
    Allocation,
    Allocations,
    ConstraintKind,
    Edge,
    MachineEnv,
    MachineFunc,
    MachineInst,
    Move,
    Operand,
    OperandKind,
    OperandPos,
    PReg,
    SpillSlot,
    VReg,
)
from compiler.machine_text import allocation_text, inst_text
from compiler.regalloc.checker_liveness import needs_of
from compiler.regalloc.checker_reason import CheckError, CheckFailed, Problem, Reason
from compiler.regalloc.checker_state import NOTHING, WIDE, State
from compiler.regalloc.checker_trace import Lost, Trace

_EASY: Final = (ConstraintKind.ANY, ConstraintKind.REG)


def check(func: MachineFunc, env: MachineEnv, answer: Allocations) -> list[CheckError]:
    """All errors of an answer, in program order; empty if the allocation is right. ``func`` must be valid."""
    return _Checker(func, env, answer).run()


def assert_allocated(func: MachineFunc, env: MachineEnv, answer: Allocations, by: str) -> None:
    """Raises ``CheckFailed`` if the answer, which is this allocator's, is wrong."""
    errors = check(func, env, answer)
    if errors:
        raise CheckFailed("\n".join((f"{func.name}:", blamed(errors, by), *map(str, errors[:50]))))


_Edits: TypeAlias = dict[tuple[int, int], list[Move]]


def blamed(errors: list[CheckError], by: str) -> str:
    """Who made the first error and what it is, in a line: an allocator, or what orders moves for all of them."""
    reason = errors[0].reason
    return f"{'moves' if reason and reason.problem is Problem.TOGETHER else by}: {reason}"


class _Step(NamedTuple):
    """An instruction as the transfer function sees it: operands' numbers with their VRegs and allocations."""

    early_uses: list[tuple[int, VReg, Allocation]]
    early_defs: list[tuple[VReg, Allocation]]
    late_uses: list[tuple[int, VReg, Allocation]]
    late_defs: list[tuple[VReg, Allocation]]


def _step(inst: MachineInst, allocs: tuple[Allocation, ...]) -> _Step:
    step = _Step([], [], [], [])
    early_uses, early_defs, late_uses, late_defs = step
    for k, ((vreg, _, kind, pos), place) in enumerate(zip(inst.operands, allocs, strict=True)):
        if kind is OperandKind.USE:
            (early_uses if pos is OperandPos.EARLY else late_uses).append((k, vreg, place))
        else:
            (early_defs if pos is OperandPos.EARLY else late_defs).append((vreg, place))
    return step


class _Checker:
    def __init__(self, func: MachineFunc, env: MachineEnv, answer: Allocations) -> None:
        self.func, self.env, self.answer = func, env, answer
        self.errors: list[CheckError] = []
        self.allowed = {cls: frozenset(regs) for cls, regs in env.regs.items()}
        self.movable: set[Allocation] = {*env.scratch.values(), *(preg for regs in env.regs.values() for preg in regs)}
        self.bits = [type_.bits for type_ in func.vregs]
        self.first: list[int] = []
        count = 0
        for block in func.blocks:
            self.first.append(count)
            count += len(block.insts)
        self.count = count
        self.moves: _Edits = {}
        self.steps: list[_Step] = []
        self.needs = needs_of(func)

    def run(self) -> list[CheckError]:
        if self._structure():
            self._solve()
        self.errors.sort(key=lambda error: error.inst)
        return self.errors

    def _fail(self, block: int, inst: int, message: str, problem: Problem, by: ConstraintKind | None = None) -> None:
        self.errors.append(CheckError(block, inst, message, Reason(problem, constraint=by)))

    # What needs no data flow: that the answer has the right shape and meets every constraint.

    def _structure(self) -> bool:
        if len(self.answer.operands) != self.count:
            message = f"{len(self.answer.operands)} allocated instructions for {self.count}"
            self._fail(0, 0, message, Problem.SHAPE)
            return False
        complete = True
        for index, block in enumerate(self.func.blocks):
            for position, inst in enumerate(block.insts):
                number = self.first[index] + position
                allocs = self.answer.operands[number]
                if len(allocs) != len(inst.operands):
                    message = f"{len(allocs)} allocations for {len(inst.operands)} operands"
                    self._fail(index, number, message, Problem.SHAPE)
                    complete = False
                    continue
                step = _step(inst, allocs)
                self.steps.append(step)
                self._constraints(index, number, inst, allocs)
                if step.early_defs or step.late_uses or len(step.late_defs) > 1:
                    self._conflicts(index, number, inst, allocs)
        self._edits()
        return complete

    def _edits(self) -> None:
        last = {self.first[i] + len(block.insts) - 1: i for i, block in enumerate(self.func.blocks)}
        block_of = {first: i for i, first in enumerate(self.first)}
        previous = (-1, 0)
        current = 0
        for edit in self.answer.edits:
            point, move = edit.point, edit.move
            if not 0 <= point.inst < self.count:
                self._fail(0, 0, f"an edit at instruction {point.inst}, which does not exist", Problem.NO_POINT)
                continue
            current = block_of.get(point.inst, current)
            if point < previous:
                self._fail(current, point.inst, "edits are not in order", Problem.ORDER)
            previous = point
            if point.after and point.inst in last:
                self._fail(current, point.inst, "an edit stands behind a terminator", Problem.BEHIND_TERMINATOR)
            if isinstance(move.source, SpillSlot) and isinstance(move.target, SpillSlot):
                message = f"a move from memory to memory: {_move_text(move)}"
                self._fail(current, point.inst, message, Problem.MEMORY_TO_MEMORY)
            if (
                isinstance(move.source, PReg)
                and isinstance(move.target, PReg)
                and move.source.cls is not move.target.cls
            ):
                message = f"a move between classes: {_move_text(move)}"
                self._fail(current, point.inst, message, Problem.ACROSS_CLASSES)
            if isinstance(move.target, PReg) and move.target not in self.movable:
                message = f"a move to a register that is not the allocator's: {_move_text(move)}"
                self._fail(current, point.inst, message, Problem.FOREIGN_REGISTER)
            for place in (move.source, move.target):
                self._frame(current, point.inst, place, move.type.bits)
            self.moves.setdefault((point.inst, point.after), []).append(move)

    def _frame(self, block: int, number: int, place: Allocation, bits: int) -> None:
        if not isinstance(place, SpillSlot):
            return
        words = 2 if bits == WIDE else 1
        if not 0 <= place.word <= self.answer.slots - words:
            message = f"{allocation_text(place)} lies outside the frame of {self.answer.slots} words"
            self._fail(block, number, message, Problem.OUTSIDE_FRAME)
        elif words == 2 and place.word % 2:
            self._fail(block, number, f"{allocation_text(place)} is no aligned place for a v128", Problem.MISALIGNED)

    def _constraints(self, block: int, number: int, inst: MachineInst, allocs: tuple[Allocation, ...]) -> None:
        for k, (operand, place) in enumerate(zip(inst.operands, allocs, strict=True)):
            if operand.constraint.kind in _EASY and place in self.allowed[self.func.class_of(operand.vreg)]:
                continue
            if operand.constraint.preg is not None:
                self.movable.add(operand.constraint.preg)
            problem = self._constraint(operand, place, allocs)
            if problem:
                message = f"operand {k}: {problem} (in {inst_text(inst, self.func, allocs)})"
                self._fail(block, number, message, Problem.UNMET, operand.constraint.kind)
            self._frame(block, number, place, self.bits[operand.vreg])

    def _constraint(self, operand: Operand, place: Allocation, allocs: tuple[Allocation, ...]) -> str:
        constraint = operand.constraint
        if constraint.kind is ConstraintKind.FIXED:
            return "" if place == constraint.preg else f"{allocation_text(place)} is not the fixed register"
        if isinstance(place, PReg):
            cls = self.func.class_of(operand.vreg)
            outside = place.cls is not cls or place not in self.allowed[cls]
            # A definition that reuses a fixed input sits in that input's register, which need not be allocatable.
            reused = constraint.kind is ConstraintKind.REUSE and place == allocs[constraint.number]
            if outside and not reused:
                return f"{allocation_text(place)} is no allocatable register of its class"
        match constraint.kind:
            case ConstraintKind.REG if not isinstance(place, PReg):
                return "not a register"
            case ConstraintKind.STACK if not isinstance(place, SpillSlot):
                return "not a stack slot"
            case ConstraintKind.REUSE if place != allocs[constraint.number] or not isinstance(place, PReg):
                return f"not the register of operand {constraint.number}"
            case ConstraintKind.LIMIT if not isinstance(place, PReg) or place.hw >= constraint.number:
                return f"not a register below {constraint.number}"
            case _:
                return ""

    def _places(self, operand: Operand, place: Allocation) -> tuple[Allocation, ...]:
        if isinstance(place, SpillSlot) and self.bits[operand.vreg] == WIDE:
            return (place, SpillSlot(place.word + 1))
        return (place,)

    def _conflicts(self, block: int, number: int, inst: MachineInst, allocs: tuple[Allocation, ...]) -> None:
        early_uses: set[Allocation] = set()
        late_uses: set[Allocation] = set()
        early_defs: set[Allocation] = set()
        late_defs: set[Allocation] = set()
        for operand, place in zip(inst.operands, allocs, strict=True):
            is_use, is_late = operand.kind is OperandKind.USE, operand.pos is OperandPos.LATE
            mine = (late_uses if is_late else early_uses) if is_use else (late_defs if is_late else early_defs)
            places = self._places(operand, place)
            if not is_use and not mine.isdisjoint(places):
                message = f"two definitions share {allocation_text(place)}"
                self._fail(block, number, message, Problem.TWO_DEFINITIONS)
            mine.update(places)
        for problem, first, second in (
            (Problem.EARLY_DEFINITION_AND_USE, early_defs, early_uses | late_uses),
            (Problem.EARLY_AND_LATE_DEFINITION, early_defs, late_defs),
            (Problem.LATE_USE_AND_DEFINITION, late_uses, late_defs),
            (Problem.LATE_USE_AND_CLOBBER, late_uses, set(inst.clobbers)),
        ):
            for place in sorted(first & second, key=allocation_text):
                self._fail(block, number, f"{problem.value}: {allocation_text(place)}", problem)

    # Data flow.

    def _solve(self) -> None:
        """Go to the greatest fixed point of the states at the blocks' starts; what is lost is what each block loses at
        its last visit."""
        order = reverse_postorder(self.func.successors())
        rank = {block: i for i, block in enumerate(order)}
        entries = {order[0]: State(self.bits)}
        waiting = [0]
        queued = {0}
        lost: dict[int, list[Lost]] = {}
        while waiting:
            position = heappop(waiting)
            queued.discard(position)
            block = order[position]
            lost[block] = []
            for edge, state in self._block(block, entries[block].copy(), lost[block]):
                known = entries.get(edge.block)
                if known is None:
                    entries[edge.block] = state
                elif not known.meet(state):
                    continue
                if rank[edge.block] not in queued:
                    queued.add(rank[edge.block])
                    heappush(waiting, rank[edge.block])
        self._lose([one for found in lost.values() for one in found], entries)

    def _lose(self, lost: list[Lost], entries: dict[int, State]) -> None:
        """Add what operands do not read to the errors; if the first of all is one of these, with its reason."""
        errors = [CheckError(one.block, one.inst, _missing(one)) for one in lost]
        if lost:
            first = min(range(len(lost)), key=lambda at: lost[at].inst)
            if all(error.inst > lost[first].inst for error in self.errors):
                trace = Trace(self.func, self.env, entries, self._block, self._points)
                errors[first] = replace(errors[first], reason=trace.reason(lost[first]))
        self.errors += errors

    def _points(self, block: int) -> list[tuple[int, int]]:
        """The points of a block's moves, in order."""
        numbers = range(self.first[block], self.first[block] + len(self.func.blocks[block].insts))
        points = ((number, after) for number in numbers for after in (0, 1))
        return [point for point in points for _ in self.moves.get(point, ())]

    def _block(self, index: int, state: State, lost: list[Lost]) -> list[tuple[Edge, State]]:
        """Run a block's transfer function, with what operands do not read; the state on each outgoing edge."""
        number = self.first[index]
        moves, holds = self.moves, state.holds
        for inst in self.func.blocks[index].insts:
            for move in moves.get((number, 0), ()):
                state.move(move)
            early_uses, early_defs, late_uses, late_defs = self.steps[number]
            for k, vreg, place in early_uses:
                if vreg not in holds.get(place, NOTHING):
                    lost.append(Lost(index, number, k, vreg, place, state.get(place), state.clock))
            for vreg, place in early_defs:
                state.define(place, vreg)
            for k, vreg, place in late_uses:
                if vreg not in holds.get(place, NOTHING):
                    lost.append(Lost(index, number, k, vreg, place, state.get(place), state.clock))
            for preg in inst.clobbers:
                if preg in holds:
                    state.write(preg, NOTHING, 64)
            if inst.edges is not None:
                return self._leave(inst.edges, late_defs, state)
            for vreg, place in late_defs:
                state.define(place, vreg)
            for move in moves.get((number, 1), ()):
                state.move(move)
            number += 1
        return []

    def _leave(
        self, edges: tuple[Edge, ...], definitions: list[tuple[VReg, Allocation]], state: State
    ) -> list[tuple[Edge, State]]:
        leaving = []
        for position, edge in enumerate(edges):
            mine = state.knowing(self.needs.before(edge))
            for vreg, place in definitions:
                if position == 0:
                    mine.define(place, vreg)
                else:
                    mine.write(place, NOTHING, self.bits[vreg])
            mine.rename(edge.args, self.func.blocks[edge.block].params)
            leaving.append((edge, mine))
        return leaving


def _missing(lost: Lost) -> str:
    held = ", ".join(f"v{v}" for v in sorted(lost.held)) or "nothing known"
    return f"operand {lost.operand}: {allocation_text(lost.place)} should hold v{lost.vreg}, holds {held}"


def _move_text(move: Move) -> str:
    return f"{allocation_text(move.target)} <- {allocation_text(move.source)} {move.type}"
