"""What became of a value that is not where an operand should read it: the way back to where it was lost.

From the operand backwards, along one path on which the place does not hold the value, to the write that took it away,
or to the value's definition if it never came. A move into the place is followed to where it reads: what a reload brings
was lost in the slot. States are those of the fixed point; a block's writes are recorded by running the checker's own
transfer function once more, so that there is one such function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from compiler.machine import (
    Allocation,
    ConstraintKind,
    Edge,
    MachineEnv,
    MachineFunc,
    Move,
    PReg,
    SpillSlot,
    VReg,
)
from compiler.regalloc.checker_reason import Kind, Problem, Reason, never
from compiler.regalloc.checker_state import NOTHING, WIDE, State


class Lost(NamedTuple):
    """An operand that does not read its value: ``held`` is what its place holds, ``clock`` how many of the block's
    writes were recorded by then."""

    block: int
    inst: int
    operand: int
    vreg: VReg
    place: Allocation
    held: frozenset[VReg]
    clock: int = 0


class Write(NamedTuple):
    """A write of ``place``, which ``held`` these before. A definition is of ``vreg``; a move, the ``move``-th of the
    block, reads ``source``, which held ``brought``."""

    place: Allocation
    held: frozenset[VReg]
    vreg: VReg | None = None
    move: int | None = None
    source: Allocation | None = None
    brought: frozenset[VReg] = NOTHING


class Recording(State):
    """A state that takes down what is written. ``left`` is what was held when an edge began to rename."""

    __slots__ = ("left", "log", "moves", "writing")

    def __init__(self, types: list[int]) -> None:
        super().__init__(types)
        self.log: list[Write] = []
        self.left: dict[Allocation, frozenset[VReg]] = {}
        self.moves = 0
        self.writing = Write(SpillSlot(0), NOTHING)

    @staticmethod
    def of(state: State) -> Recording:
        """A copy that has recorded nothing yet."""
        made = Recording(state.types)
        made.holds = dict(state.holds)
        made.where = {vreg: set(places) for vreg, places in state.where.items()}
        return made

    def fresh(self) -> Recording:
        made = Recording(self.types)
        made.log, made.moves = list(self.log), self.moves
        return made

    @property
    def clock(self) -> int:
        return len(self.log)

    def write(self, place: Allocation, vregs: frozenset[VReg], bits: int) -> None:
        self.log.append(self.writing._replace(place=place, held=self.get(place)))
        # A vector's other word, and a vector that begins one word below.
        if isinstance(place, SpillSlot):
            above, below = SpillSlot(place.word + 1), SpillSlot(place.word - 1)
            self._end(above, self.get(above) if bits == WIDE else NOTHING)
            self._end(below, frozenset(vreg for vreg in self.get(below) if self.types[vreg] == WIDE))
        super().write(place, vregs, bits)

    def _end(self, place: SpillSlot, held: frozenset[VReg]) -> None:
        if held:
            self.log.append(self.writing._replace(place=place, held=held, source=None))

    def define(self, place: Allocation, vreg: VReg) -> None:
        self.writing = Write(place, NOTHING, vreg)
        super().define(place, vreg)
        self.writing = self.writing._replace(vreg=None)

    def move(self, move: Move) -> None:
        held = self.get(move.source)
        self.writing = Write(move.target, NOTHING, None, self.moves, move.source, held)
        self.moves += 1
        super().move(move)
        self.writing = Write(move.target, NOTHING)

    def rename(self, args: tuple[VReg, ...], params: tuple[VReg, ...]) -> None:
        self.left = dict(self.holds)
        super().rename(args, params)


Transfer: TypeAlias = Callable[[int, State, list[Lost]], list[tuple[Edge, State]]]
"""Runs a block from a state on: what is lost on the way, and the state on each edge."""
_MOST: Final = 10_000
"""Writes that are looked at: a mistake is mostly near, and a large function has millions."""


@dataclass(slots=True)
class Trace:
    """The way back. ``entries`` are the states at the blocks' starts; ``points`` are, by block, the points of its moves
    in order."""

    func: MachineFunc
    env: MachineEnv
    entries: dict[int, State]
    transfer: Transfer
    points: Callable[[int], list[tuple[int, int]]]
    ran: dict[int, list[tuple[Edge, Recording]]] = field(default_factory=dict)
    looked: int = 0

    def reason(self, lost: Lost) -> Reason:
        """Why an operand does not read its value."""
        start = Recording.of(self.entries[lost.block])
        again: list[Lost] = []
        self.transfer(lost.block, start, again)
        clock = next(one.clock for one in again if (one.inst, one.operand) == (lost.inst, lost.operand))
        inst = [inst for block in self.func.blocks for inst in block.insts][lost.inst]
        asks = inst.operands[lost.operand].constraint.kind
        way = _Way(lost.block, lost.vreg, lost.place, start.log[:clock], asks)
        self._read(way)
        while True:
            found = self._in_block(way) or self._before(way)
            if found is not None:
                return found

    def _read(self, way: _Way) -> None:
        """The place is read here: whether another one has the value now."""
        entry = self.entries[way.block]
        places = {place for place, held in entry.holds.items() if way.vreg in held}
        for write in way.log:
            if write.vreg == way.vreg:
                places = {write.place}
            elif way.vreg in write.brought:
                places.add(write.place)
            else:
                places.discard(write.place)
        way.elsewhere = bool(places - {way.place})

    def _in_block(self, way: _Way) -> Reason | None:
        """What became of the value in the block that the way is in; None where its start is reached."""
        while way.log:
            write = way.log.pop()
            self.looked += 1
            if write.vreg == way.vreg or self.looked > _MOST:
                return self._never(way)
            if write.place != way.place:
                continue
            # A move of what nobody knows any more brings this value, as a rule, from where it was lost.
            lost_before = write.source is not None and not write.brought
            if way.vreg in write.held and not lost_before:
                return self._taken(way, write)
            if write.move is None or write.source is None:
                continue
            if way.vreg in write.brought:
                return Reason(Problem.NARROW, self._kind(way.place))
            if write.brought and way.instead is None and isinstance(write.source, PReg):
                # It brings another value: the right one was there before, or what should bring it is missing here. A
                # slot is read for its own value, even where an earlier one is left in it.
                way.instead = self._never(way)
            way.place, way.reader, way.asks = write.source, write.move, None
            self._read(way)
        return None

    def _taken(self, way: _Way, write: Write) -> Reason:
        """A write took the value away. If another place had it when this one was read, what is missing is the move that
        brings it back."""
        if write.move is not None and way.reader is not None:
            points = self.points(way.block)
            if points[way.reader] == points[write.move]:
                return Reason(Problem.TOGETHER, self._kind(way.place))
        if way.elsewhere:
            return self._never(way)
        problem = Problem.DEFINITION if write.vreg is not None else Problem.CLOBBER
        return Reason(Problem.MOVE if write.move is not None else problem, self._kind(way.place))

    def _before(self, way: _Way) -> Reason | None:
        """Go on at the end of a block before, one from which the value does not come."""
        here = self.entries[way.block].holds.values()
        if not isinstance(way.place, SpillSlot) and any(way.vreg in held for held in here):
            return self._never(way)
        params = self.func.blocks[way.block].params
        for block, before in enumerate(self.func.blocks):
            if block not in self.entries or not any(edge.block == way.block for edge in before.edges):
                continue
            for edge, state in self._run(block):
                if edge.block != way.block:
                    continue
                is_param = way.vreg in params
                vreg = edge.args[params.index(way.vreg)] if is_param else way.vreg
                step = (block, vreg, way.place)
                if step not in way.been and vreg not in state.left.get(way.place, NOTHING):
                    way.been.add(step)
                    # A slot is filled where its value is defined; only a parameter's is on edges.
                    way.edge |= is_param or not isinstance(way.place, SpillSlot)
                    way.block, way.vreg, way.log, way.reader = block, vreg, list(state.log), None
                    return None
        return self._never(way)

    def _run(self, block: int) -> list[tuple[Edge, Recording]]:
        if block not in self.ran:
            leaving = self.transfer(block, Recording.of(self.entries[block]), [])
            self.ran[block] = [(edge, state) for edge, state in leaving if isinstance(state, Recording)]
        return self.ran[block]

    def _never(self, way: _Way) -> Reason:
        return way.instead or never(self._kind(way.place), way.asks, way.edge)

    def _kind(self, place: Allocation) -> Kind:
        if isinstance(place, PReg):
            return Kind.SCRATCH if place in self.env.scratch.values() else Kind.REGISTER
        return Kind.SLOT


@dataclass(slots=True)
class _Way:
    """How far the way back has come: which value is looked for in which place, behind which writes of the block.
    ``asks`` is the operand's constraint as long as its own place is looked at, ``reader`` the move that reads the
    place. ``elsewhere``: another place had the value when this one was read. ``edge``: it should have come along one.
    ``instead``: why, if it was never where a move brings another value from."""

    block: int
    vreg: VReg
    place: Allocation
    log: list[Write]
    asks: ConstraintKind | None
    reader: int | None = None
    elsewhere: bool = False
    edge: bool = False
    instead: Reason | None = None
    been: set[tuple[int, VReg, Allocation]] = field(default_factory=set)
