"""Writing a body down after an edit: block types, label depths and locals anew, constants and drops where due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from fuzz.reduce.effects import default_value, is_removable
from fuzz.reduce.wanted import Wanted
from wasm.isa import OPS, Instr
from wasm.module import Func
from wasm.rewrite.index_map import local_of, runs, with_labels, with_local
from wasm.rewrite.operands import Frame, Graph, Node, Slot
from wasm.valtypes import I32, FuncType, ValType

BlockTypes: TypeAlias = Callable[[Any, FuncType, bool], Any]
"""From a block's old immediate, its type, and whether that type is changed, to its new immediate."""

_DROP: Final = OPS["drop"].bare


class EmittedPlan(Protocol):
    """What is read of a ``Surgery``."""

    graph: Graph
    deleted: set[int]
    inserted: dict[int, list[Instr]]
    aliases: dict[int, Slot]
    unwrapped: set[int]
    lost_clauses: dict[int, set[int]]
    lost_locals: set[int]
    tolerated: set[int]
    retyped: dict[int, ValType]
    made_as: dict[int, ValType]


def emit(plan: EmittedPlan, wanted: Wanted, func: Func, block_types: BlockTypes) -> Func:
    """The function with its edited body."""
    return _Emitter(plan, wanted, block_types).run(func)


class _Emitter:
    """Writes the body that is left: block types, label depths and locals anew, constants and drops where due."""

    def __init__(self, plan: EmittedPlan, wanted: Wanted, block_types: BlockTypes) -> None:
        self.plan, self.graph, self.wanted, self.block_types = plan, plan.graph, wanted, block_types
        self.absent, self.needed, self.kept, self.live = wanted.absent, wanted.needed, wanted.kept, wanted.live
        self.body: list[Instr] = []
        self.levels: dict[int, int] = {-1: 0}
        self.open: list[int] = [-1]
        kept_locals = [i for i in range(len(self.graph.locals)) if i not in plan.lost_locals]
        self.local_map = {old: new for new, old in enumerate(kept_locals)}
        self.param_count = sum(i < self.graph.param_count for i in kept_locals)
        self.new_locals = [self.graph.locals[i] for i in kept_locals]

    def run(self, func: Func) -> Func:
        for index, node in enumerate(self.graph.nodes):
            self.body += self.plan.inserted.get(index, ())
            if index in self.plan.deleted or (index not in self.live and is_removable(node)):
                self._settle(node, False)
                continue
            self.body.append(self._instr(index, node))
            self._settle(node, True)
        return Func(func.type_index, runs(self.new_locals[self.param_count :]), self.body)

    def _depth(self, frame: Frame) -> int:
        return len(self.open) - 1 - self.levels[frame.opener]

    def _instr(self, index: int, node: Node) -> Instr:
        instr = (node.op, node.imm)
        if node.opens is not None:
            return self._open(index, node, node.opens)
        if node.closes and node.frame.end == index:
            self.open.pop()
        if node.targets:
            lost = self.plan.lost_clauses.get(index, ())
            return with_labels(instr, [self._depth(frame) for k, frame in enumerate(node.targets) if k not in lost])
        local = local_of(instr)
        return instr if local is None else with_local(instr, self.local_map[local])

    def _open(self, index: int, node: Node, frame: Frame) -> Instr:
        params = tuple(t for k, t in enumerate(frame.params) if self.wanted.key(frame, "P", k) in self.kept)
        results = tuple(t for k, t in enumerate(frame.results) if self.wanted.key(frame, "R", k) in self.kept)
        changed = (params, results) != (frame.params, frame.results)
        old = node.imm[0] if node.op.name == "try_table" else node.imm
        imm = self.block_types(old, FuncType(params, results), changed)
        if node.op.name == "try_table":
            clauses = tuple(
                clause._replace(label=self._depth(target))
                for k, (clause, target) in enumerate(zip(node.imm[1], node.targets, strict=True))
                if target.opener not in self.plan.unwrapped and k not in self.plan.lost_clauses.get(index, ())
            )
            imm = (imm, clauses)
        self.levels[index] = len(self.open)
        self.open.append(index)
        return (node.op, imm)

    def _made(self, node: Node, there: bool) -> list[bool]:
        """For each result in stack order: is it on the stack now?"""
        made = []
        for k, slot in enumerate(node.outs):
            if not there:
                made.append(slot.id in self.plan.aliases and slot.id not in self.absent and slot.id in self.needed)
            elif node.opens is not None or (node.op.name == "else"):
                frame = node.opens or node.frame
                made.append(self.wanted.key(frame, "P", k) in self.kept)
            elif node.op.name in ("end", "delegate"):
                made.append(self.wanted.key(node.frame, "R", k) in self.kept)
            elif k < node.passed:
                made.append(self.wanted.key(node.targets[0], "L", k) in self.kept)
            else:
                made.append(slot.id not in self.absent)
        return made

    def _settle(self, node: Node, there: bool) -> None:
        """Make the stack hold exactly the wanted ones of an instruction's results."""
        if not node.outs or (node.transfer and there):
            return
        outs, made = node.outs, self._made(node, there)
        if node.transfer:
            outs, made = outs[::-1], made[::-1]
        wanted = [
            slot.id in self.needed or (is_made and slot.id in self.plan.tolerated)
            for slot, is_made in zip(outs, made, strict=True)
        ]
        wrong = [self._made_wrong(slot, there) for slot in outs]
        if made == wanted and not any(wrong):
            return
        states = enumerate(zip(made, wanted, wrong, strict=True))
        lowest = next(k for k, (is_made, is_wanted, bad) in states if is_made != is_wanted or bad)
        temps: dict[int, int] = {}
        for k in range(len(made) - 1, lowest - 1, -1):
            if made[k] and wanted[k] and not wrong[k]:
                temps[k] = self._temp(self._type(outs[k]))
                self.body.append((OPS["local.set"], temps[k]))
            elif made[k]:
                self.body.append(_DROP)
        for k in range(lowest, len(made)):
            if k in temps:
                self.body.append((OPS["local.get"], temps[k]))
            elif wanted[k]:
                self.body += default_value(self.plan.retyped.get(outs[k].id, outs[k].type))

    def _made_wrong(self, slot: Slot, there: bool) -> bool:
        """Whether the value on the stack is not of the type that is wanted of it after retyping."""
        source = slot
        while not there and source.id in self.plan.aliases:
            source = self.plan.aliases[source.id]
        made_as = self.plan.made_as.get(
            source.id, self.plan.retyped.get(source.id, source.type) if not there else source.type
        )
        return made_as is not self.plan.retyped.get(slot.id, slot.type) and bool(self.plan.made_as or self.plan.retyped)

    def _type(self, slot: Slot) -> ValType | None:
        """A value's type; where dead code leaves it open, that of the value that now stands for it."""
        while slot.type is None and slot.id in self.plan.aliases:
            slot = self.plan.aliases[slot.id]
        return slot.type

    def _temp(self, type_: ValType | None) -> int:
        self.new_locals.append(I32 if type_ is None else type_)
        return len(self.new_locals) - 1
