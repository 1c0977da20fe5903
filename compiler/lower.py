"""From SSA to machine instructions, by rules.

Blocks are lowered from last instruction to first, so that an instruction whose results nobody needs is never lowered:
a rule that folds its operand's maker (a constant into an immediate, a comparison into a branch) simply does not ask for
that operand's register. A value that is asked for is lowered where it is defined; constants are made anew at each use,
which keeps live ranges short.

Every edge gets a machine block of its own where regalloc2's rules want one: a terminator with operands may only lead to
blocks with one predecessor, and no edge is critical.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from compiler.abi import Abi
from compiler.dominators import dominators
from compiler.errors import Unsupported
from compiler.ir import (
    Block,
    Function,
    Inst,
    IrOp,
    Target,
    Terminator,
    ValueId,
    successors,
)
from compiler.layout import InstanceLayout
from compiler.machine import Edge, MachineBlock, MachineFunc, MachineInst, VReg
from compiler.rewrite import terminator_uses
from wasm.context import ModuleContext
from wasm.isa import Op
from wasm.valtypes import I64, NumType

Rule: TypeAlias = "Callable[[Lowering, Inst], None]"
RULES: Final[dict[str, Rule]] = {}
"""Instruction rules by the name of the row or operation."""

TerminatorRule: TypeAlias = "Callable[[Lowering, Any], None]"
TERMINATORS: Final[dict[type, TerminatorRule]] = {}


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule. Raises ``ValueError`` for a name that has one."""

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"{name} has two rules")
            RULES[name] = rule
        return rule

    return register


def ends(kind: type) -> Callable[[TerminatorRule], TerminatorRule]:
    """Register the rule of a terminator."""

    def register(rule: TerminatorRule) -> TerminatorRule:
        TERMINATORS[kind] = rule
        return rule

    return register


@dataclass(frozen=True, slots=True)
class Settings:
    """What changes the code: ``opt`` (none, speed), block ``order`` (rpo, reverse, or random with ``seed``)."""

    opt: str = "speed"
    order: str = "rpo"
    seed: int = 0


class Isa(Protocol):
    """What lowering needs of an instruction set beside its rules."""

    def constant(self, vreg: VReg, type_: NumType, bits: int) -> MachineInst:
        """The instruction that puts a bit pattern into a register."""

    def entry(self, lowering: Lowering) -> None:
        """Emit the definitions of the context and the parameters."""


class Lowering:
    """The state of one function's lowering. Rules call ``use``, ``result``, ``emit`` and what an ISA adds on top."""

    def __init__(
        self,
        isa: Isa,
        func: Function,
        context: ModuleContext,
        layout: InstanceLayout,
        abi: Abi,
        settings: Settings,
        defined: int,
    ) -> None:
        self.isa = isa
        self.func, self.context, self.layout, self.abi, self.settings = func, context, layout, abi, settings
        self.machine = MachineFunc(func.name, list(func.types))
        self.makers: dict[ValueId, Inst] = {}
        self.home: dict[ValueId, int] = {}
        for index, block in enumerate(func.blocks):
            for inst in block.insts:
                for result in inst.results:
                    self.makers[result] = inst
                    self.home[result] = index
        # Values whose registers a rule has asked for so far: what is not in here when its maker's turn comes is dead.
        self.wanted: set[ValueId] = set()
        self.uses = _use_counts(func)
        self.current = 0
        # The machine instructions of the SSA instruction at hand, in program order; the walk itself goes backwards.
        self.buffer: list[MachineInst] = []
        # Bytes of the return area and of staged arguments: the most that any call of the function needs.
        self.area = 0
        self.staging = 0
        self.context_vreg = self.new(I64)
        self.area_vreg: VReg | None = None
        # Pointers that are loaded once, by (what, index); block 0, where they are defined, is lowered last.
        self.hoisted: dict[tuple[str, int], VReg] = {}
        self.defined = defined

    # What rules use.

    def new(self, type_: NumType) -> VReg:
        return self.machine.new_vreg(type_)

    def type_of(self, value: ValueId) -> NumType:
        return self.machine.vregs[value]

    def emit(self, inst: MachineInst) -> None:
        """Append to what stands for the instruction at hand."""
        self.buffer.append(inst)

    def constant(self, value: ValueId) -> int | None:
        """The bit pattern if the value is a constant; asking does not make it wanted."""
        maker = self.makers.get(value)
        if maker is not None and isinstance(maker.op, Op) and maker.op.name.endswith(".const"):
            bits: int = maker.imm
            return bits
        return None

    def maker(self, value: ValueId, *names: str) -> Inst | None:
        """The instruction that makes the value, if it is one of these and nothing else needs it from there.

        With ``opt=none`` nothing is folded. Only instructions without effects may be asked for: they are lowered again
        where they are folded.
        """
        # Were it used elsewhere too, it would run twice, and its operands would live up to here beside its result.
        maker = self.makers.get(value)
        if self.settings.opt == "none" or maker is None or maker.op.name not in names or self.uses.get(value) != 1:
            return None
        return maker

    def use(self, value: ValueId) -> VReg:
        """The register of an operand. A constant is made on the spot."""
        if self.constant(value) is not None:
            return self.make_constant(self.type_of(value), self.makers[value].imm)
        self.wanted.add(value)
        return value

    def hoist(self, what: str, index: int) -> VReg:
        """A pointer that stays the same while the function runs; the ISA's entry loads each that was asked for."""
        pointer = self.hoisted.get((what, index))
        if pointer is None:
            pointer = self.hoisted[(what, index)] = self.new(I64)
        return pointer

    def make_constant(self, type_: NumType, bits: int) -> VReg:
        made = self.new(type_)
        self.emit(self.isa.constant(made, type_, bits))
        return made

    # The walk.

    def run(self) -> MachineFunc:
        """Lower all blocks, lay them out, split edges."""
        order = self._order()
        # Definitions come before uses in reverse postorder but for back edges, which only pass block parameters: so
        # when a block is lowered in the opposite order, everything that may want its values was lowered before.
        lowered: dict[int, list[MachineInst]] = {}
        for index in reversed(dominators(successors(self.func)).order):
            lowered[index] = self._block(index)
        position = {index: i for i, index in enumerate(order)}
        self.machine.blocks = [
            MachineBlock(self.func.blocks[index].params if index else (), lowered[index]) for index in order
        ]
        for block in self.machine.blocks:
            last = block.insts[-1]
            last.edges = tuple(Edge(position[edge.block], edge.args) for edge in last.edges or ())
        _split_edges(self.machine)
        return self.machine

    def _order(self) -> list[int]:
        order = dominators(successors(self.func)).order
        rest = order[1:]
        if self.settings.order == "reverse":
            rest.reverse()
        elif self.settings.order == "random":
            random.Random(self.settings.seed).shuffle(rest)
        return [order[0], *rest]

    def _block(self, index: int) -> list[MachineInst]:
        self.current = index
        block = self.func.blocks[index]
        pieces: list[list[MachineInst]] = []
        self.buffer = []
        self._terminator(block)
        pieces.append(self.buffer)
        for inst in reversed(block.insts):
            if self._needed(inst):
                self.buffer = []
                rule = RULES.get(inst.op.name)
                if rule is None:
                    raise Unsupported(inst.op.name)
                rule(self, inst)
                pieces.append(self.buffer)
        if index == 0:
            self.buffer = []
            self.isa.entry(self)
            pieces.append(self.buffer)
        return [inst for piece in reversed(pieces) for inst in piece]

    def _needed(self, inst: Inst) -> bool:
        if isinstance(inst.op, IrOp):
            effect = inst.op.effect not in ("", "read")
        elif inst.op.name.endswith(".const"):
            return False
        else:
            effect = bool(inst.op.traps)
        return effect or not self.wanted.isdisjoint(inst.results)

    def _terminator(self, block: Block) -> None:
        terminator: Terminator = block.terminator
        TERMINATORS[type(terminator)](self, terminator)

    def edge(self, target: Target) -> Edge:
        """An edge to an SSA block: its arguments are wanted here, constants among them made before the branch."""
        return Edge(target.block, tuple(map(self.use, target.args)))


def _use_counts(func: Function) -> dict[ValueId, int]:
    counts: dict[ValueId, int] = {}
    for block in func.blocks:
        for inst in block.insts:
            for arg in inst.args:
                counts[arg] = counts.get(arg, 0) + 1
        uses: list[ValueId] = []
        own, outgoing = terminator_uses(block.terminator)
        uses += own
        for target in outgoing:
            uses += target.args
        for value in uses:
            counts[value] = counts.get(value, 0) + 1
    return counts


def _split_edges(machine: MachineFunc) -> None:
    """Give an edge a block of its own where it is critical, or its terminator has operands and the target joins."""
    ways = [0] * len(machine.blocks)
    for block in machine.blocks:
        for edge in block.edges:
            ways[edge.block] += 1
    # The blocks that are added have one edge and no operands: they need no splitting, so the range stays as it is.
    for index in range(len(machine.blocks)):
        terminator = machine.blocks[index].terminator
        edges = terminator.edges or ()
        if len(edges) < 2 and not terminator.operands:
            continue
        changed = []
        for edge in edges:
            if ways[edge.block] > 1:
                machine.blocks.append(MachineBlock((), [MachineInst("jmp", edges=(edge,))]))
                edge = Edge(len(machine.blocks) - 1)
            changed.append(edge)
        terminator.edges = tuple(changed)
