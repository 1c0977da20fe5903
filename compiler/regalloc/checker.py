"""The symbolic checker: proves that an allocation keeps the data flow of the function it was made for.

It reads the ORIGINAL function and the answer (``Allocations``), and shares no code with any allocator.

Lattice. A state maps each allocation (a register, or a spill slot's first word) to the set of VRegs whose value it
holds for certain. Top is "every VReg, everywhere" (a block not reached yet); lower is fewer. Meet is intersection, per
allocation.

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
clobber; no edit stands behind a terminator, moves from memory to memory, or crosses register classes; a spill slot lies
in the frame. Proved: uses see the values that the original function says. Not proved: that emission encodes what was
allocated, and anything about instructions' own effects.

The idea is regalloc2's ``checker.rs`` (and Watt and others'); edge definitions and words of slots are this project's.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
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

_NOTHING: Final[frozenset[VReg]] = frozenset()
_WIDE: Final = 128
_EASY: Final = (ConstraintKind.ANY, ConstraintKind.REG)


@dataclass(frozen=True, slots=True)
class CheckError:
    """One thing that is wrong: the block, the instruction's number (through all blocks), and what, in a line."""

    block: int
    inst: int
    message: str

    def __str__(self) -> str:
        return f"block {self.block}, inst {self.inst}: {self.message}"


class CheckFailed(Exception):
    """An allocation is wrong: a bug of the allocator. The message lists the errors, a line each."""


def check(func: MachineFunc, env: MachineEnv, answer: Allocations) -> list[CheckError]:
    """All errors of an answer, in program order; empty if the allocation is right. ``func`` must be valid."""
    return _Checker(func, env, answer).run()


def assert_allocated(func: MachineFunc, env: MachineEnv, answer: Allocations) -> None:
    """Raises ``CheckFailed`` if the answer is wrong."""
    errors = check(func, env, answer)
    if errors:
        raise CheckFailed(f"{func.name}:\n" + "\n".join(map(str, errors[:50])))


class _State:
    """A lattice element with its reverse index (VReg to allocations), which makes "v ends everywhere" cheap."""

    __slots__ = ("holds", "types", "where")

    def __init__(self, types: list[int]) -> None:
        self.types = types  # bits of each VReg
        self.holds: dict[Allocation, frozenset[VReg]] = {}
        self.where: dict[VReg, set[Allocation]] = {}

    def copy(self) -> _State:
        other = _State(self.types)
        other.holds = dict(self.holds)
        other.where = {vreg: set(places) for vreg, places in self.where.items()}
        return other

    def knowing(self, vregs: Set[VReg]) -> _State:
        """A copy that has forgotten all other values."""
        other = _State(self.types)
        where, holds = other.where, other.holds
        for vreg in vregs & self.where.keys():
            where[vreg] = places = set(self.where[vreg])
            for place in places:
                if place not in holds:
                    held = self.holds[place]
                    holds[place] = held if held <= vregs else held & vregs
        return other

    def get(self, place: Allocation) -> frozenset[VReg]:
        return self.holds.get(place, _NOTHING)

    def _set(self, place: Allocation, vregs: frozenset[VReg]) -> None:
        for vreg in self.holds.get(place, _NOTHING):
            places = self.where[vreg]
            places.discard(place)
            if not places:
                del self.where[vreg]
        if vregs:
            self.holds[place] = vregs
            for vreg in vregs:
                self.where.setdefault(vreg, set()).add(place)
        else:
            self.holds.pop(place, None)

    def write(self, place: Allocation, vregs: frozenset[VReg], bits: int) -> None:
        """Store a value of ``bits`` known to be ``vregs``'."""
        if isinstance(place, SpillSlot):
            if bits == _WIDE:
                self._set(SpillSlot(place.word + 1), _NOTHING)
            below = SpillSlot(place.word - 1)
            held = self.holds.get(below)
            if held:
                self._set(below, frozenset(v for v in held if self.types[v] != _WIDE))
        self._set(place, vregs)

    def end(self, vreg: VReg) -> None:
        """The VReg's value so far is no longer its value."""
        for place in list(self.where.get(vreg, ())):
            self._set(place, self.holds[place] - {vreg})

    def define(self, place: Allocation, vreg: VReg) -> None:
        self.end(vreg)
        self.write(place, frozenset((vreg,)), self.types[vreg])

    def move(self, move: Move) -> None:
        bits = move.type.bits
        kept = frozenset(v for v in self.get(move.source) if self.types[v] <= bits)
        self.write(move.target, kept, bits)

    def rename(self, args: tuple[VReg, ...], params: tuple[VReg, ...]) -> None:
        """The parallel assignment of an edge."""
        gained = [(param, list(self.where.get(arg, ()))) for arg, param in zip(args, params, strict=True)]
        for param in params:
            self.end(param)
        for param, places in gained:
            for place in places:
                self._set(place, self.holds.get(place, _NOTHING) | {param})

    def meet(self, other: _State) -> bool:
        """Intersect with another state; whether this changed anything."""
        changed = False
        for place, vregs in list(self.holds.items()):
            common = vregs & other.get(place)
            if common != vregs:
                self._set(place, common)
                changed = True
        return changed


_Edits: TypeAlias = dict[tuple[int, int], list[Move]]


class _Step(NamedTuple):
    """An instruction as the transfer function sees it: operands' numbers with their VRegs and allocations."""

    early_uses: list[tuple[int, VReg, Allocation]]
    early_defs: list[tuple[VReg, Allocation]]
    late_uses: list[tuple[int, VReg, Allocation]]
    late_defs: list[tuple[VReg, Allocation]]


def _step(inst: MachineInst, found: tuple[Allocation, ...]) -> _Step:
    step = _Step([], [], [], [])
    early_uses, early_defs, late_uses, late_defs = step
    for k, ((vreg, _, kind, pos), place) in enumerate(zip(inst.operands, found, strict=True)):
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
            for errors in self._solve().values():
                self.errors += errors
        self.errors.sort(key=lambda error: error.inst)
        return self.errors

    def _fail(self, block: int, inst: int, message: str) -> None:
        self.errors.append(CheckError(block, inst, message))

    # What needs no data flow: that the answer has the right shape and meets every constraint.

    def _structure(self) -> bool:
        if len(self.answer.operands) != self.count:
            self._fail(0, 0, f"{len(self.answer.operands)} allocated instructions for {self.count}")
            return False
        complete = True
        for index, block in enumerate(self.func.blocks):
            for position, inst in enumerate(block.insts):
                number = self.first[index] + position
                found = self.answer.operands[number]
                if len(found) != len(inst.operands):
                    self._fail(index, number, f"{len(found)} allocations for {len(inst.operands)} operands")
                    complete = False
                    continue
                step = _step(inst, found)
                self.steps.append(step)
                self._constraints(index, number, inst, found)
                if step.early_defs or step.late_uses or len(step.late_defs) > 1:
                    self._conflicts(index, number, inst, found)
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
                self._fail(0, 0, f"an edit at instruction {point.inst}, which does not exist")
                continue
            current = block_of.get(point.inst, current)
            if point < previous:
                self._fail(current, point.inst, "edits are not in order")
            previous = point
            if point.after and point.inst in last:
                self._fail(current, point.inst, "an edit stands behind a terminator")
            if isinstance(move.source, SpillSlot) and isinstance(move.target, SpillSlot):
                self._fail(current, point.inst, f"a move from memory to memory: {_move_text(move)}")
            if (
                isinstance(move.source, PReg)
                and isinstance(move.target, PReg)
                and move.source.cls is not move.target.cls
            ):
                self._fail(current, point.inst, f"a move between classes: {_move_text(move)}")
            for place in (move.source, move.target):
                self._frame(current, point.inst, place, move.type.bits)
            self.moves.setdefault((point.inst, point.after), []).append(move)

    def _frame(self, block: int, number: int, place: Allocation, bits: int) -> None:
        if not isinstance(place, SpillSlot):
            return
        words = 2 if bits == _WIDE else 1
        if not 0 <= place.word <= self.answer.slots - words:
            self._fail(block, number, f"{allocation_text(place)} lies outside the frame of {self.answer.slots} words")
        elif words == 2 and place.word % 2:
            self._fail(block, number, f"{allocation_text(place)} is no aligned place for a v128")

    def _constraints(self, block: int, number: int, inst: MachineInst, found: tuple[Allocation, ...]) -> None:
        for k, (operand, place) in enumerate(zip(inst.operands, found, strict=True)):
            if operand.constraint.kind in _EASY and place in self.allowed[self.func.class_of(operand.vreg)]:
                continue
            problem = self._constraint(operand, place, found)
            if problem:
                self._fail(block, number, f"operand {k} of {inst_text(inst, self.func, found)}: {problem}")
            self._frame(block, number, place, self.bits[operand.vreg])

    def _constraint(self, operand: Operand, place: Allocation, found: tuple[Allocation, ...]) -> str:
        constraint = operand.constraint
        if constraint.kind is ConstraintKind.FIXED:
            return "" if place == constraint.preg else f"{allocation_text(place)} is not the fixed register"
        if isinstance(place, PReg):
            cls = self.func.class_of(operand.vreg)
            outside = place.cls is not cls or place not in self.allowed[cls]
            # A definition that reuses a fixed input sits in that input's register, which need not be allocatable.
            reused = constraint.kind is ConstraintKind.REUSE and place == found[constraint.number]
            if outside and not reused:
                return f"{allocation_text(place)} is no allocatable register of its class"
        match constraint.kind:
            case ConstraintKind.REG if not isinstance(place, PReg):
                return "not a register"
            case ConstraintKind.STACK if not isinstance(place, SpillSlot):
                return "not a stack slot"
            case ConstraintKind.REUSE if place != found[constraint.number] or not isinstance(place, PReg):
                return f"not the register of operand {constraint.number}"
            case ConstraintKind.LIMIT if not isinstance(place, PReg) or place.hw >= constraint.number:
                return f"not a register below {constraint.number}"
            case _:
                return ""

    def _places(self, operand: Operand, place: Allocation) -> tuple[Allocation, ...]:
        if isinstance(place, SpillSlot) and self.bits[operand.vreg] == _WIDE:
            return (place, SpillSlot(place.word + 1))
        return (place,)

    def _conflicts(self, block: int, number: int, inst: MachineInst, found: tuple[Allocation, ...]) -> None:
        early_uses: set[Allocation] = set()
        late_uses: set[Allocation] = set()
        early_defs: set[Allocation] = set()
        late_defs: set[Allocation] = set()
        for operand, place in zip(inst.operands, found, strict=True):
            is_use, is_late = operand.kind is OperandKind.USE, operand.pos is OperandPos.LATE
            mine = (late_uses if is_late else early_uses) if is_use else (late_defs if is_late else early_defs)
            places = self._places(operand, place)
            if not is_use and not mine.isdisjoint(places):
                self._fail(block, number, f"two definitions share {allocation_text(place)}")
            mine.update(places)
        for problem, first, second in (
            ("an early definition and a use share", early_defs, early_uses | late_uses),
            ("an early and a late definition share", early_defs, late_defs),
            ("a late use and a late definition share", late_uses, late_defs),
            ("a late use and a clobber share", late_uses, set(inst.clobbers)),
        ):
            for place in sorted(first & second, key=allocation_text):
                self._fail(block, number, f"{problem} {allocation_text(place)}")

    # Data flow.

    def _solve(self) -> dict[int, list[CheckError]]:
        """Go to the greatest fixed point of the states at the blocks' starts; each block's errors at its last visit."""
        order = reverse_postorder(self.func.successors())
        rank = {block: i for i, block in enumerate(order)}
        entries = {order[0]: _State(self.bits)}
        waiting = [0]
        queued = {0}
        errors: dict[int, list[CheckError]] = {}
        while waiting:
            position = heappop(waiting)
            queued.discard(position)
            block = order[position]
            errors[block] = []
            for edge, state in self._block(block, entries[block].copy(), errors[block]):
                known = entries.get(edge.block)
                if known is None:
                    entries[edge.block] = state
                elif not known.meet(state):
                    continue
                if rank[edge.block] not in queued:
                    queued.add(rank[edge.block])
                    heappush(waiting, rank[edge.block])
        return errors

    def _block(self, index: int, state: _State, errors: list[CheckError]) -> list[tuple[Edge, _State]]:
        """Run a block's transfer function; the state on each outgoing edge."""
        number = self.first[index]
        moves, holds = self.moves, state.holds
        for inst in self.func.blocks[index].insts:
            for move in moves.get((number, 0), ()):
                state.move(move)
            early_uses, early_defs, late_uses, late_defs = self.steps[number]
            errors += [
                _missing(index, number, use, state) for use in early_uses if use[1] not in holds.get(use[2], _NOTHING)
            ]
            for vreg, place in early_defs:
                state.define(place, vreg)
            errors += [
                _missing(index, number, use, state) for use in late_uses if use[1] not in holds.get(use[2], _NOTHING)
            ]
            for preg in inst.clobbers:
                if preg in holds:
                    state.write(preg, _NOTHING, 64)
            if inst.edges is not None:
                return self._leave(inst.edges, late_defs, state)
            for vreg, place in late_defs:
                state.define(place, vreg)
            for move in moves.get((number, 1), ()):
                state.move(move)
            number += 1
        return []

    def _leave(
        self, edges: tuple[Edge, ...], definitions: list[tuple[VReg, Allocation]], state: _State
    ) -> list[tuple[Edge, _State]]:
        leaving = []
        for position, edge in enumerate(edges):
            mine = state.knowing(self.needs.before(edge))
            for vreg, place in definitions:
                if position == 0:
                    mine.define(place, vreg)
                else:
                    mine.write(place, _NOTHING, self.bits[vreg])
            mine.rename(edge.args, self.func.blocks[edge.block].params)
            leaving.append((edge, mine))
        return leaving


def _missing(block: int, number: int, use: tuple[int, VReg, Allocation], state: _State) -> CheckError:
    k, vreg, place = use
    held = ", ".join(f"v{v}" for v in sorted(state.get(place))) or "nothing known"
    return CheckError(block, number, f"operand {k}: {allocation_text(place)} should hold v{vreg}, holds {held}")


def _move_text(move: Move) -> str:
    return f"{allocation_text(move.target)} <- {allocation_text(move.source)} {move.type}"
