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

from collections import deque
from collections.abc import Set
from dataclasses import dataclass
from typing import Final, TypeAlias

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
        self.needs = needs_of(func)

    def run(self) -> list[CheckError]:
        if self._structure():
            order = reverse_postorder(self.func.successors())
            entries = self._solve(order)
            for block in order:
                self._block(block, entries[block].copy(), report=True)
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
                else:
                    self._constraints(index, number, inst, found)
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

    def _solve(self, order: list[int]) -> dict[int, _State]:
        """The greatest fixed point: the state at each block's start."""
        entries = {order[0]: _State(self.bits)}
        queue = deque(order[:1])
        queued = {order[0]}
        while queue:
            block = queue.popleft()
            queued.discard(block)
            for edge, state in self._block(block, entries[block].copy(), report=False):
                known = entries.get(edge.block)
                if known is None:
                    entries[edge.block] = state
                elif not known.meet(state):
                    continue
                if edge.block not in queued:
                    queued.add(edge.block)
                    queue.append(edge.block)
        return entries

    def _block(self, index: int, state: _State, report: bool) -> list[tuple[Edge, _State]]:
        """Run a block's transfer function; the state on each outgoing edge."""
        block = self.func.blocks[index]
        number = self.first[index]
        for inst in block.insts:
            for move in self.moves.get((number, 0), ()):
                state.move(move)
            found = self.answer.operands[number]
            self._uses(index, number, inst, found, state, OperandPos.EARLY, report)
            for operand, place in zip(inst.operands, found, strict=True):
                if operand.kind is OperandKind.DEF and operand.pos is OperandPos.EARLY:
                    state.define(place, operand.vreg)
            self._uses(index, number, inst, found, state, OperandPos.LATE, report)
            for preg in inst.clobbers:
                state.write(preg, _NOTHING, 64)
            if inst.is_terminator:
                return self._leave(inst, found, state)
            for operand, place in zip(inst.operands, found, strict=True):
                if operand.kind is OperandKind.DEF and operand.pos is OperandPos.LATE:
                    state.define(place, operand.vreg)
            for move in self.moves.get((number, 1), ()):
                state.move(move)
            number += 1
        return []

    def _uses(
        self,
        block: int,
        number: int,
        inst: MachineInst,
        found: tuple[Allocation, ...],
        state: _State,
        pos: OperandPos,
        report: bool,
    ) -> None:
        if not report:
            return
        for k, (operand, place) in enumerate(zip(inst.operands, found, strict=True)):
            if operand.kind is OperandKind.USE and operand.pos is pos and operand.vreg not in state.get(place):
                held = ", ".join(f"v{v}" for v in sorted(state.get(place))) or "nothing known"
                self._fail(
                    block, number, f"operand {k}: {allocation_text(place)} should hold v{operand.vreg}, holds {held}"
                )

    def _leave(self, inst: MachineInst, found: tuple[Allocation, ...], state: _State) -> list[tuple[Edge, _State]]:
        leaving = []
        definitions = [
            (operand.vreg, place)
            for operand, place in zip(inst.operands, found, strict=True)
            if operand.kind is OperandKind.DEF and operand.pos is OperandPos.LATE
        ]
        edges = inst.edges or ()
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


def _move_text(move: Move) -> str:
    return f"{allocation_text(move.target)} <- {allocation_text(move.source)} {move.type}"
