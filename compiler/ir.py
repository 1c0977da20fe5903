"""SSA with block parameters: what translation makes from a Wasm body, simplification rewrites and lowering consumes.

A pure Wasm instruction keeps its row of the instruction table: the verifier reads the row's type, folding calls the
row's own semantics, GVN compares rows and immediates. What Wasm says implicitly (calls, memory, globals, control) has
the few operations of ``IR_OPS``. Invariants are checked by ``compiler.ir_verify`` after every pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from wasm.isa import Op
from wasm.traps import TrapKind
from wasm.valtypes import NumType

ValueId: TypeAlias = int
"""An SSA value: an index into ``Function.types``. A reference is an I64: the address of its record, or 0."""


@dataclass(frozen=True, slots=True, eq=False)
class IrOp:
    """An operation that is no pure row. ``effect`` is what it does besides giving its results:

    "" nothing (may be removed, merged, moved); ``read`` (may be removed; sees writes); ``load`` (a read that may trap);
    ``trap`` (may trap, otherwise nothing); ``write``; ``call`` (anything).
    """

    name: str
    effect: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


IR_OPS: Final[dict[str, IrOp]] = {
    name: IrOp(name, effect)
    for name, effect in (
        ("load", "load"),  # imm (row, MemArg): args address
        ("store", "write"),  # imm (row, MemArg): args address, value
        ("global.get", "read"),  # imm global index
        ("global.set", "write"),
        ("memory.size", "read"),  # imm memory index
        ("table.size", "read"),  # imm table index
        ("table.get", "load"),
        ("table.set", "write"),
        ("ref.func", "read"),  # imm function index
        ("select", ""),  # args then, else, condition
        ("is_null", ""),  # args reference
        ("trap_if", "trap"),  # imm TrapKind: args condition (i32)
        ("helper", "call"),  # imm Helper name and its indices: args by the helper; status checked
        ("call", "call"),  # imm function index: args
        ("call_indirect", "call"),  # imm (type index, table index): args, element index
        ("call_ref", "call"),  # imm type index: args, reference
        ("caught", "read"),  # first in a landing block: the exception reference in flight
        ("payload", "read"),  # imm (tag index, field): args exception reference
        ("mailbox.get", "read"),  # imm slot of Runtime.ARGS: trampolines between host and compiled code
        ("mailbox.set", "write"),  # imm slot: args value
        ("fuel", "write"),  # imm cost: at loop heads and function entries, when fuel is on
    )
}


@dataclass(slots=True)
class Inst:
    """``results = op(args)``. ``op`` is a pure row of the table, or an ``IrOp``; ``imm`` as that one states."""

    op: Op | IrOp
    args: tuple[ValueId, ...]
    imm: Any = None
    results: tuple[ValueId, ...] = ()


class Target(NamedTuple):
    """A successor and the values for its parameters."""

    block: int
    args: tuple[ValueId, ...] = ()


@dataclass(frozen=True, slots=True)
class Jump:
    target: Target


@dataclass(frozen=True, slots=True)
class Branch:
    """To ``then`` if ``condition`` (i32) is not 0, else to ``otherwise``."""

    condition: ValueId
    then: Target
    otherwise: Target


@dataclass(frozen=True, slots=True)
class BranchTable:
    index: ValueId
    targets: tuple[Target, ...]
    default: Target


@dataclass(frozen=True, slots=True)
class Return:
    values: tuple[ValueId, ...]


@dataclass(frozen=True, slots=True)
class TrapNow:
    kind: TrapKind


@dataclass(frozen=True, slots=True)
class TailCall:
    """``return_call*``: ``call`` is an Inst of ``call``, ``call_indirect`` or ``call_ref`` without results."""

    call: Inst


@dataclass(frozen=True, slots=True)
class TryCall:
    """A call inside try_table: a terminator. ``call.results`` are defined on the edge to ``normal`` only.

    ``handlers`` are (tag index or None for all, landing block) in the order in which they are tried, those of outer
    try_tables after the inner ones; a landing block has one predecessor edge and begins with ``caught``.
    ``throw`` and ``throw_ref`` inside try_table are such calls too (helper ``throw``), with ``normal`` a trap block.
    """

    call: Inst
    normal: Target
    handlers: tuple[tuple[int | None, int], ...]


Terminator: TypeAlias = Jump | Branch | BranchTable | Return | TrapNow | TailCall | TryCall


@dataclass(slots=True)
class Block:
    params: tuple[ValueId, ...] = ()
    insts: list[Inst] = field(default_factory=list)
    terminator: Terminator = TrapNow(TrapKind.UNREACHABLE)


@dataclass(slots=True)
class Function:
    """One function. Block 0 is the entry and its parameters are the function's. ``types[v]`` is the type of value v."""

    name: str
    results: tuple[NumType, ...]
    types: list[NumType] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def new_value(self, type_: NumType) -> ValueId:
        self.types.append(type_)
        return len(self.types) - 1


def targets(terminator: Terminator) -> tuple[Target, ...]:
    """The successors in order; handlers of a protected call come after the normal one, without arguments."""
    match terminator:
        case Jump(target):
            return (target,)
        case Branch(_, then, otherwise):
            return (then, otherwise)
        case BranchTable(_, cases, default):
            return (*cases, default)
        case TryCall(_, normal, handlers):
            return (normal, *(Target(block) for _, block in handlers))
        case Return() | TrapNow() | TailCall():
            return ()


def successors(func: Function) -> list[list[int]]:
    """The blocks that each block leads to, one entry per edge."""
    return [[target.block for target in targets(block.terminator)] for block in func.blocks]
