"""Machine functions: what lowering makes, both allocators read, the checker believes, and emission encodes.

The vocabulary is regalloc2's: an instruction has ``Operand``s, each a virtual register with a constraint, a kind and a
position; an allocator answers with one ``Allocation`` per operand and a list of ``Edit``s (moves between instructions).

Shape of a function (checked by ``compiler.machine_verify``):
- SSA: every VReg has one definition: an operand of kind DEF, or a block parameter. A use is dominated by it.
- Block 0 is the entry; it has no parameters and no predecessors. Incoming arguments are defined by its first
  instruction with fixed-register definitions.
- The last instruction of a block, and no other, is a terminator; its ``edges`` name the successors, with the
  arguments for their parameters. The same successor may be named twice.
- Definitions of a terminator are available on edge 0 only (a protected call's results on its normal edge); late uses
  on terminators are refused.
- Critical edges are split. If a terminator has operands or clobbers, every successor has one predecessor.
- A register is fixed for one value at a moment, and is not clobbered where a late use or an early definition is fixed.
- REUSE joins a late definition to an early use that is not on the stack, each input to one definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from wasm.valtypes import F32, F64, I32, I64, V128, NumType

VReg: TypeAlias = int
"""A virtual register: an index into ``MachineFunc.vregs``."""

MAX_OPERANDS: Final = 65_536
"""Operands of one instruction: an operand's index is stored as an unsigned 16-bit number."""


class RegClass(Enum):
    """INT holds i32, i64 and references; FLOAT holds f32, f64 and v128."""

    INT = "int"
    FLOAT = "float"

    # Registers are dictionary keys everywhere; Enum's own hash is Python code and hashes the name each time.
    __hash__ = object.__hash__


CLASS_OF: Final[dict[NumType, RegClass]] = {
    I32: RegClass.INT,
    I64: RegClass.INT,
    F32: RegClass.FLOAT,
    F64: RegClass.FLOAT,
    V128: RegClass.FLOAT,
}
"""The class of each machine-level type; a reference is an I64 (an address or 0)."""


class PReg(NamedTuple):
    """A physical register: its class and hardware encoding (0..63)."""

    cls: RegClass
    hw: int


class SpillSlot(NamedTuple):
    """A place in the frame: ``word`` counts 8-byte words; a v128 takes two, 16-byte aligned (even word)."""

    word: int


Allocation: TypeAlias = PReg | SpillSlot
"""Where an operand lives."""


class ConstraintKind(Enum):
    """What an operand asks for (regalloc2's OperandConstraint)."""

    ANY = "any"
    REG = "reg"
    FIXED = "fixed"
    REUSE = "reuse"
    STACK = "stack"
    LIMIT = "limit"


class Constraint(NamedTuple):
    """``preg`` for FIXED; ``number`` is the input operand's index for REUSE, the bound (hw < number) for LIMIT."""

    kind: ConstraintKind
    preg: PReg | None = None
    number: int = 0


ANY: Final = Constraint(ConstraintKind.ANY)
REG: Final = Constraint(ConstraintKind.REG)
STACK: Final = Constraint(ConstraintKind.STACK)


class OperandKind(Enum):
    DEF = "def"
    USE = "use"


class OperandPos(Enum):
    """EARLY is before the instruction's effects, LATE after. Usual: early uses and late definitions.

    An early definition conflicts with all inputs (a temporary); a late use conflicts with all outputs.
    """

    EARLY = "early"
    LATE = "late"


class Operand(NamedTuple):
    vreg: VReg
    constraint: Constraint
    kind: OperandKind
    pos: OperandPos


def use(vreg: VReg, constraint: Constraint = REG) -> Operand:
    """An early use."""
    return Operand(vreg, constraint, OperandKind.USE, OperandPos.EARLY)


def late_use(vreg: VReg, constraint: Constraint = REG) -> Operand:
    return Operand(vreg, constraint, OperandKind.USE, OperandPos.LATE)


def define(vreg: VReg, constraint: Constraint = REG) -> Operand:
    """A late definition."""
    return Operand(vreg, constraint, OperandKind.DEF, OperandPos.LATE)


def early_define(vreg: VReg, constraint: Constraint = REG) -> Operand:
    return Operand(vreg, constraint, OperandKind.DEF, OperandPos.EARLY)


def fixed(preg: PReg) -> Constraint:
    return Constraint(ConstraintKind.FIXED, preg)


def reuse(index: int) -> Constraint:
    """The definition takes the register of the input operand at ``index`` of the same instruction."""
    return Constraint(ConstraintKind.REUSE, None, index)


def limit(bound: int) -> Constraint:
    """A register whose hardware encoding is below ``bound``."""
    return Constraint(ConstraintKind.LIMIT, None, bound)


class Edge(NamedTuple):
    """A successor and the values for its parameters."""

    block: int
    args: tuple[VReg, ...] = ()


@dataclass(slots=True)
class MachineInst:
    """One instruction. ``name`` is a row of the ISA's instruction table, or any word for allocator-only functions.

    ``imm`` is what emission needs beside the operands. ``clobbers`` are registers that hold nothing known afterwards
    (late). ``edges`` is not None for terminators only; a return or a trap has no edges. ``is_move``: operand 1 is
    copied to operand 0, and an allocator may put both in one place.
    """

    name: str
    operands: tuple[Operand, ...] = ()
    imm: Any = None
    clobbers: tuple[PReg, ...] = ()
    edges: tuple[Edge, ...] | None = None
    is_move: bool = False

    @property
    def is_terminator(self) -> bool:
        return self.edges is not None


@dataclass(slots=True)
class MachineBlock:
    params: tuple[VReg, ...] = ()
    insts: list[MachineInst] = field(default_factory=list)

    @property
    def terminator(self) -> MachineInst:
        return self.insts[-1]

    @property
    def edges(self) -> tuple[Edge, ...]:
        return self.insts[-1].edges or ()


@dataclass(slots=True)
class MachineFunc:
    """A function. ``vregs[v]`` is the machine-level type of VReg v. Instructions are numbered in block order."""

    name: str
    vregs: list[NumType] = field(default_factory=list)
    blocks: list[MachineBlock] = field(default_factory=list)

    def new_vreg(self, type_: NumType) -> VReg:
        self.vregs.append(type_)
        return len(self.vregs) - 1

    def successors(self) -> list[list[int]]:
        """The blocks that each block leads to, one entry per edge."""
        return [[edge.block for edge in block.edges] for block in self.blocks]

    def class_of(self, vreg: VReg) -> RegClass:
        return CLASS_OF[self.vregs[vreg]]


@dataclass(frozen=True, slots=True)
class MachineEnv:
    """The registers that an allocator may use, in order of preference, by class; and one scratch per class.

    A scratch register is never allocatable: it breaks cycles of moves and carries stack-to-stack moves.
    """

    regs: dict[RegClass, tuple[PReg, ...]]
    scratch: dict[RegClass, PReg]


class ProgPoint(NamedTuple):
    """A place between instructions: before (0) or after (1) the instruction of that number."""

    inst: int
    after: int


@dataclass(frozen=True, slots=True)
class Move:
    """A copy of a value of ``type`` from one allocation to another; never from memory to memory without a scratch."""

    source: Allocation
    target: Allocation
    type: NumType


@dataclass(frozen=True, slots=True)
class Edit:
    """A move at a point. Edits at the same point run in list order."""

    point: ProgPoint
    move: Move


@dataclass(slots=True)
class Allocations:
    """An allocator's answer.

    ``operands[i][k]`` is where operand k of instruction i (numbered through all blocks in order) lives. ``edits`` are
    sorted by point. ``slots`` is the number of 8-byte spill slots. ``stats`` has counts by name (moves, spills,
    splits, evictions ...).
    """

    operands: list[tuple[Allocation, ...]]
    edits: list[Edit]
    slots: int
    stats: dict[str, int] = field(default_factory=dict)


class AllocationError(Exception):
    """Why a function has no allocation; ``inst`` is the instruction's number, -1 if none is to blame."""

    def __init__(self, message: str, inst: int = -1) -> None:
        super().__init__(message)
        self.inst = inst


class TooManyOperands(AllocationError):
    """An instruction has more than ``MAX_OPERANDS`` operands."""


class TooManyLiveRegs(AllocationError):
    """An instruction's register constraints cannot be met by the registers there are."""
