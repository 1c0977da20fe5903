"""Random machine functions for the register allocators: any control flow, any constraint, any number of operands.

Functions are built structured (branches that meet again, loops, protected calls, early returns), so that every use is
dominated by its definition and no edge is critical, and then their blocks are shuffled. Every instruction's demands
fit the registers: a budget of them is kept per instruction, so an allocator that refuses a function is wrong.

A branch whose arms meet again, in the text form of ``compiler.machine_text``:

    block 0
      args v0:i64>fixed(int:0)
      br v0<any => 1() 2()
    block 1
      op v0<reg v1:i64>any
      jmp => 3(v1)
    block 2
      jmp => 3(v0)
    block 3 (v2:i64)
      ret v2<any => .
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeVar

from compiler.machine import (
    Edge,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    PReg,
    RegClass,
    VReg,
)
from generators.choices import ChoiceSource, Weighted, weighted
from generators.machine.insts import TYPES, InstMaker, Registers
from wasm.valtypes import NumType

T = TypeVar("T")

_REGISTER_COUNTS: Final = weighted((6, 30), (3, 50), (4, 50), (2, 30), (1, 10), (8, 40), (12, 16), (24, 30))
_BLOCK_BUDGET: Final = weighted((1, 40), (3, 40), (8, 80), (20, 60), (60, 30), (100, 6))
_BLOCKS_OF_LARGE: Final = 8
"""The most blocks to come in a function with large instructions."""

_INSTS: Final = weighted((1, 60), (2, 60), (0, 30), (4, 60), (8, 40), (20, 6))
_SHAPES: Final = weighted(
    ("insts", 60), ("branch", 60), ("loop", 50), ("protected", 40), ("jump", 30), ("exit", 8), ("dead", 8)
)
_PARAMS: Final = weighted((0, 60), (1, 60), (2, 60), (3, 40), (6, 26), (20, 10))
_ARMS: Final = weighted((2, 200), (3, 30), (1, 10), (8, 16))
_ORDERS: Final = weighted(("layout", 150), ("shuffled", 70), ("reverse", 36))
_SIZES: Final[Weighted[str]] = weighted(("small", 182), ("medium", 58), ("wide", 10), ("edge", 6))
_NESTING: Final = 12
"""Blocks within blocks."""

_HUGE_IN: Final = 4096
"""One function in so many has an instruction with as many operands as there can be."""

_RECENT: Final = 64
"""Values that travel along edges are among so many of the last ones."""

_WINDOW: Final = 4096
"""The most alternatives that a draw of two bytes tells apart: what is shuffled or passed on is within so many."""

_SCRATCH: Final = 31


@dataclass(slots=True)
class _Scope:
    """The VRegs that may be used here: everything defined in dominating blocks."""

    vregs: list[VReg] = field(default_factory=list)

    def inner(self) -> _Scope:
        """A scope of its own for blocks that this one's values dominate."""
        return _Scope(list(self.vregs))


def make_env(source: ChoiceSource) -> MachineEnv:
    """1 to 24 registers per class, in or out of order, and a scratch register beyond them."""
    regs: dict[RegClass, tuple[PReg, ...]] = {}
    for cls in RegClass:
        pregs = [PReg(cls, hw) for hw in range(source.weighted(_REGISTER_COUNTS))]
        if source.one_in(4):
            shuffle(source, pregs)
        regs[cls] = tuple(pregs)
    return MachineEnv(regs, {cls: PReg(cls, _SCRATCH) for cls in RegClass})


def shuffle(source: ChoiceSource, items: list[T]) -> None:
    """In place; the simplest choices leave the order as it is."""
    for i in range(len(items) - 1):
        j = i + source.below(min(len(items) - i, _WINDOW))
        items[i], items[j] = items[j], items[i]


def make_function(source: ChoiceSource) -> tuple[MachineFunc, MachineEnv]:
    """A valid function and the registers to allocate it with."""
    size = source.weighted(_SIZES)
    huge = source.one_in(_HUGE_IN)
    env = make_env(source)
    maker = _Maker(source, env, "huge" if huge else size)
    maker.build()
    return maker.func, env


class _Maker:
    """One function under construction: instructions go into the block ``current``, ``budget`` is blocks to come."""

    def __init__(self, source: ChoiceSource, env: MachineEnv, size: str) -> None:
        self.source = source
        self.func = MachineFunc("f", [], [MachineBlock()])
        self.insts = InstMaker(source, self.func, Registers.of(env), size)
        self.current = 0
        self.budget = 1 if size == "huge" else source.weighted(_BLOCK_BUDGET)
        if size in ("wide", "edge"):
            self.budget = min(self.budget, _BLOCKS_OF_LARGE)

    def build(self) -> None:
        """Write the whole function."""
        scope = _Scope()
        self._put(self.insts.arguments(scope.vregs))
        self._region(scope, 0)
        self._put(self.insts.leave(scope.vregs))
        self._order()

    def _put(self, inst: MachineInst) -> None:
        self.func.blocks[self.current].insts.append(inst)

    def _block(self, params: tuple[VReg, ...] = ()) -> int:
        self.func.blocks.append(MachineBlock(params))
        self.budget -= 1
        return len(self.func.blocks) - 1

    def _fresh(self, types: list[NumType]) -> tuple[VReg, ...]:
        return tuple(self.func.new_vreg(type_) for type_ in types)

    def _straight(self, scope: _Scope) -> None:
        for _ in range(self.source.weighted(_INSTS)):
            self._put(self.insts.plain(scope.vregs))

    def _region(self, scope: _Scope, depth: int) -> None:
        """Code from the current block on, ending in an unfinished current block that ``scope`` describes."""
        self._straight(scope)
        while self.budget > 0 and depth < _NESTING:
            match self.source.weighted(_SHAPES):
                case "insts":
                    self._straight(scope)
                    if not self.source.one_in(2):
                        return
                case "branch":
                    self._branch(scope, depth)
                case "loop":
                    self._loop(scope, depth)
                case "protected":
                    self._protected(scope, depth)
                case "jump":
                    self._jump(scope)
                case "dead":
                    self._dead(scope)
                case _:
                    if depth:
                        return

    def _types(self) -> list[NumType]:
        return [self.source.weighted(TYPES) for _ in range(self.source.weighted(_PARAMS))]

    def _arguments(self, scope: _Scope, types: list[NumType]) -> tuple[VReg, ...]:
        """Values of these types, made first where there are none."""
        args = []
        for type_ in types:
            fitting = [vreg for vreg in scope.vregs[-_RECENT:] if self.func.vregs[vreg] is type_]
            if not fitting:
                self._put(self.insts.constant(type_, scope.vregs))
                fitting = scope.vregs[-1:]
            args.append(fitting[-1 - self.source.below(len(fitting))])
        return tuple(args)

    def _join(self, ends: list[tuple[int, _Scope]], scope: _Scope) -> None:
        """Make the unfinished blocks ``ends`` meet in a new current block; a single end may go on by itself."""
        types = self._types()
        params = self._fresh(types)
        target = self._block(params)
        for block, inner in ends:
            self.current = block
            args = self._arguments(inner, types)
            self._put(MachineInst("jmp", edges=(Edge(target, args),)))
        self.current = target
        scope.vregs += params

    def _branch(self, scope: _Scope, depth: int) -> None:
        """Two or more ways, each with parameters of its own; some leave the function, the others meet again."""
        count = self.source.weighted(_ARMS)
        arms, edges = [], []
        for _ in range(count):
            types = self._types() if self.source.one_in(4) else []
            args = self._arguments(scope, types)
            params = self._fresh(types)
            arms.append((self._block(params), params))
            edges.append(Edge(arms[-1][0], args))
        self._put(self.insts.branch(scope.vregs, tuple(edges)))
        self._arms(arms, scope, depth)

    def _arms(self, arms: list[tuple[int, tuple[VReg, ...]]], scope: _Scope, depth: int) -> None:
        ends = []
        for position, (block, params) in enumerate(arms):
            inner = scope.inner()
            inner.vregs += params
            self.current = block
            self._region(inner, depth + 1)
            if position and self.source.one_in(5):
                self._put(self.insts.leave(inner.vregs))
            else:
                ends.append((self.current, inner))
        self._join(ends, scope)

    def _loop(self, scope: _Scope, depth: int) -> None:
        """Loop-carried parameters, permuted or replaced on the way round; one way out."""
        types = self._types()
        first = self._arguments(scope, types)
        params = self._fresh(types)
        head = self._block(params)
        self._put(MachineInst("jmp", edges=(Edge(head, first),)))
        self.current = head
        inner = scope.inner()
        inner.vregs += params
        self._region(inner, depth + 1)
        back, out = self._block(), self._block()
        self._put(self.insts.branch(inner.vregs, (Edge(back), Edge(out))))
        self.current = back
        again = inner.inner()
        self._straight(again)
        args = self._carried(again, params, types)
        self._put(MachineInst("jmp", edges=(Edge(head, args),)))
        self.current = out
        scope.vregs[:] = inner.vregs

    def _carried(self, scope: _Scope, params: tuple[VReg, ...], types: list[NumType]) -> tuple[VReg, ...]:
        """A rotation of the parameters of each type, or any values."""
        if self.source.one_in(3):
            return self._arguments(scope, types)
        args = list(params)
        for type_ in dict.fromkeys(types):
            places = [i for i, other in enumerate(types) if other is type_]
            shift = self.source.below(len(places)) if len(places) > 1 else 0
            for i, place in enumerate(places):
                args[place] = params[places[(i + shift) % len(places)]]
        return tuple(args)

    def _protected(self, scope: _Scope, depth: int) -> None:
        """A call under ``try_table``: results on edge 0 only, the way of an exception elsewhere."""
        inst, results = self.insts.protected_call(scope.vregs)
        arms, edges = [], []
        for position in range(1 + self.source.between(1, 3)):
            types = self._types() if self.source.one_in(4) else []
            args = list(self._arguments(scope, types))
            if position == 0 and results and self.source.one_in(2):
                # Results may be passed on at once, since they exist on this edge.
                passed = [results[self.source.below(min(len(results), _WINDOW))] for _ in range(2)]
                args += passed
                types = types + [self.func.vregs[vreg] for vreg in passed]
            params = self._fresh(types)
            visible = params + (tuple(results) if position == 0 else ())
            arms.append((self._block(params), visible))
            edges.append(Edge(arms[-1][0], tuple(args)))
        inst.edges = tuple(edges)
        self._put(inst)
        self._arms(arms, scope, depth)

    def _jump(self, scope: _Scope) -> None:
        """On to a block with no other predecessor; such a jump may have operands."""
        types = self._types()
        args = self._arguments(scope, types)
        params = self._fresh(types)
        target = self._block(params)
        edges = (Edge(target, args),)
        self._put(self.insts.branch(scope.vregs, edges) if self.source.one_in(2) else MachineInst("jmp", edges=edges))
        self.current = target
        scope.vregs += params

    def _dead(self, scope: _Scope) -> None:
        """A block that nothing leads to."""
        here = self.current
        self.current = self._block()
        self._straight(scope.inner())
        self._put(self.insts.leave(scope.vregs))
        self.current = here

    def _order(self) -> None:
        order = list(range(1, len(self.func.blocks)))
        match self.source.weighted(_ORDERS):
            case "shuffled":
                shuffle(self.source, order)
            case "reverse":
                order.reverse()
            case _:
                return
        order.insert(0, 0)
        position = {old: new for new, old in enumerate(order)}
        self.func.blocks = [self.func.blocks[old] for old in order]
        for block in self.func.blocks:
            last = block.insts[-1]
            last.edges = tuple(Edge(position[edge.block], edge.args) for edge in last.edges or ())
