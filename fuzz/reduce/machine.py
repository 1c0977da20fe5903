"""Reducing machine functions (cases for the register allocators), in their text form.

Each step drops something: edges and with them blocks, instructions, operands, clobbers, parameters, registers, or makes
a constraint or a type simpler. What a step leaves without a definition goes as well: a VReg's uses, the parameters that
got it as an argument. A candidate is tried only if it is valid (``compiler.machine_verify``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from compiler.machine import (
    Edge,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    PReg,
    RegClass,
    VReg,
)
from compiler.machine_text import parse_case, print_env, print_machine
from compiler.machine_verify import verify
from fuzz.reduce.machine_edits import (
    appended,
    defined_in,
    kept_blocks,
    mapped,
    operands_of,
    past,
    simpler,
    with_edges,
    with_operand,
    without,
)
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

T = TypeVar("T")
Consider: TypeAlias = Callable[[str], bool]
"""Takes a candidate text if it is interesting and smaller than the best so far; whether it did."""

SMALLEST = "registers int:0 float:0\nscratch int:31 float:31\nfunction f\nblock 0\n  ret => .\n"
"""A function that any predicate should find uninteresting."""


def reduce_machine(text: str, is_interesting: Callable[[str], bool]) -> str:
    """The smallest text found that is interesting, as ``text`` must be. Raises ``MachineTextError``."""
    best = text
    asked: set[str] = set()

    def consider(candidate: str) -> bool:
        nonlocal best
        if (len(candidate), candidate) >= (len(best), best) or candidate in asked:
            return False
        asked.add(candidate)
        if not is_interesting(candidate):
            return False
        best = candidate
        return True

    search_machine(text, consider)
    return best


def search_machine(text: str, consider: Consider) -> None:
    """Offer smaller and smaller texts to ``consider`` until no step helps. Raises ``MachineTextError``."""
    reducer = _Reducer(*parse_case(text), consider)
    while reducer.round():
        pass


class _Reducer:
    def __init__(self, func: MachineFunc, env: MachineEnv, consider: Consider) -> None:
        self.func, self.env, self.consider = func, env, consider

    def _try(self, func: MachineFunc | None, env: MachineEnv | None = None) -> bool:
        """Whether a candidate was taken; it is the reducer's function then."""
        func, env = func or self.func, env or self.env
        if verify(func) or not self.consider(print_env(env) + print_machine(func)):
            return False
        self.func, self.env = func, env
        return True

    def round(self) -> bool:
        """All steps once; whether any helped."""
        steps = (
            self._edges,
            self._unreached,
            self._threaded,
            self._joined,
            self._insts,
            self._operands,
            self._params,
            self._clobbers,
            self._registers,
            self._constraints,
            self._types,
            self._numbers,
        )
        helped = False
        for step in steps:
            helped |= step()
        return helped

    # Control flow.

    def _edges(self) -> bool:
        """End blocks early, or leave a branch with one way out."""
        helped = False
        for index in range(len(self.func.blocks) - 1, -1, -1):
            if index >= len(self.func.blocks):
                continue
            edges = self.func.blocks[index].edges
            ways: list[tuple[Edge, ...]] = [()] if edges else []
            if len(edges) > 1:
                ways += [(edge,) for edge in edges]
                ways += [edges[:k] + edges[k + 1 :] for k in range(len(edges))] if len(edges) > 2 else []
            for way in ways:
                if self._try(with_edges(self.func, index, way)):
                    helped = True
                    break
        return helped

    def _unreached(self) -> bool:
        """Drop blocks that nothing leads to; that may make more of them."""

        def blocks() -> list[int]:
            targets = {target for row in self.func.successors() for target in row}
            return [index for index in range(1, len(self.func.blocks)) if index not in targets]

        def drop(gone: Sequence[int]) -> MachineFunc:
            lost = {vreg for index in gone for vreg in defined_in(self.func.blocks[index])}
            kept = [index for index in range(len(self.func.blocks)) if index not in set(gone)]
            return without(kept_blocks(self.func, kept), vregs=lost)

        return self._without(blocks, drop)

    def _threaded(self) -> bool:
        """Lead edges past blocks that only jump on."""
        helped = False
        for index in range(len(self.func.blocks) - 1, 0, -1):
            if index < len(self.func.blocks):
                threaded = past(self.func, index)
                helped |= threaded is not None and self._try(threaded)
        return helped

    def _joined(self) -> bool:
        """Append a block to its only predecessor."""
        helped = False
        index = 0
        while index < len(self.func.blocks):
            joined = appended(self.func, index)
            if joined is not None and self._try(joined):
                helped = True
            else:
                index += 1
        return helped

    # Instructions and what they consist of.

    def _insts(self) -> bool:
        def places() -> list[tuple[int, int]]:
            return [(b, i) for b, block in enumerate(self.func.blocks) for i in range(len(block.insts) - 1)]

        return self._without(places, lambda gone: without(self.func, insts=set(gone)))

    def _operands(self) -> bool:
        def places() -> list[tuple[int, int, int]]:
            return [(b, i, k) for b, i, k, _ in operands_of(self.func)]

        return self._without(places, lambda gone: without(self.func, operands=set(gone)))

    def _params(self) -> bool:
        def params() -> list[VReg]:
            return [param for block in self.func.blocks for param in block.params]

        return self._without(params, lambda gone: without(self.func, vregs=set(gone)))

    def _clobbers(self) -> bool:
        def places() -> list[tuple[int, int, PReg]]:
            return [
                (b, i, preg)
                for b, block in enumerate(self.func.blocks)
                for i, inst in enumerate(block.insts)
                for preg in inst.clobbers
            ]

        def drop(gone: Sequence[tuple[int, int, PReg]]) -> MachineFunc:
            lost = set(gone)
            return mapped(
                self.func,
                lambda b, i, inst: replace(inst, clobbers=tuple(p for p in inst.clobbers if (b, i, p) not in lost)),
            )

        return self._without(places, drop)

    def _without(self, items: Callable[[], list[T]], drop: Callable[[Sequence[T]], MachineFunc]) -> bool:
        """Drop runs of items, long ones first, from the end, so that the places before a run stay as they are."""
        helped = False
        known = items()
        size = len(known)
        while size:
            end = len(known)
            while end > 0:
                start = max(0, end - size)
                if self._try(drop(known[start:end])):
                    helped = True
                    known = items()
                end = min(start, len(known))
            size = min(size, len(known)) // 2
        return helped

    def _registers(self) -> bool:
        helped = False
        for cls in RegClass:
            for preg in reversed(self.env.regs[cls]):
                kept = tuple(other for other in self.env.regs[cls] if other != preg)
                helped |= bool(kept) and self._try(None, MachineEnv({**self.env.regs, cls: kept}, self.env.scratch))
        return helped

    def _constraints(self) -> bool:
        helped = False
        for b, i, k, operand in list(operands_of(self.func)):
            for other in simpler(operand):
                if self._try(with_operand(self.func, (b, i, k), other)):
                    helped = True
                    break
        return helped

    def _types(self) -> bool:
        """Everything of one type to a simpler one."""
        helped = False
        for old, new in ((V128, F64), (F64, F32), (I64, I32), (F32, I32), (F64, I32), (V128, I32)):
            if old in self.func.vregs:
                helped |= self._try(
                    replace(self.func, vregs=[new if type_ is old else type_ for type_ in self.func.vregs])
                )
        return helped

    def _numbers(self) -> bool:
        """VRegs numbered in order of definition."""
        order = list(dict.fromkeys(vreg for block in self.func.blocks for vreg in defined_in(block)))
        number = {vreg: new for new, vreg in enumerate(order)}
        if all(old == new for old, new in number.items()) and len(order) == len(self.func.vregs):
            return False
        types: list[NumType] = [self.func.vregs[vreg] for vreg in order]
        blocks = []
        for block in self.func.blocks:
            insts = []
            for inst in block.insts:
                operands = tuple(operand._replace(vreg=number[operand.vreg]) for operand in inst.operands)
                edges = inst.edges and tuple(Edge(e.block, tuple(number[arg] for arg in e.args)) for e in inst.edges)
                insts.append(replace(inst, operands=operands, edges=edges))
            blocks.append(MachineBlock(tuple(number[param] for param in block.params), insts))
        return self._try(replace(self.func, vregs=types, blocks=blocks))
