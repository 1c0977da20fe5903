"""Editing a function body on its operand graph: take instructions, values and blocks out, and what is left is valid.

An edit says what goes: instructions (``delete``), a block around its contents (``unwrap``), the rest of an arm
(``truncate``), results of calls, arguments, results of the function. Two rules settle the rest:

* forward: a value that is no longer made and is still wanted becomes a constant of its type, in its place, however
  deep in the stack (values above it wait in fresh locals). With ``collapse``, instructions that lose an operand go
  first: they are replaced by an operand of the right type that is left, or vanish too.
* backward: a value that nobody wants any more takes its maker with it where that maker has no other effect; otherwise
  it is dropped. Block parameters and results that nobody wants leave the block's type and every branch to it.

Nothing here promises to keep the meaning: the reducer asks the predicate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fuzz.reduce.effects import SINKS, is_control, is_removable
from fuzz.reduce.emission import BlockTypes, emit
from fuzz.reduce.wanted import Wanted
from wasm.isa import OPS, Imm, Instr
from wasm.module import Func
from wasm.rewrite.index_map import Dangling
from wasm.rewrite.operands import Graph, Node, Slot
from wasm.valtypes import ValType

_UNREACHABLE: Final = OPS["unreachable"].bare


@dataclass(slots=True)
class Surgery:
    """One edit of one function. Fill in what goes, then ``emit``.

    By instruction: ``lost_args`` and ``lost_results`` are positions that a call, ``throw`` or ``catch`` no longer has;
    ``lost_clauses`` numbers of ``try_table`` clauses or ``br_table`` labels. By block: ``lost_labels`` are positions
    that leave its label whatever happens (a catch clause's tag lost them); ``function_results`` those of the function.
    ``collapse``: see the module's text. ``keep_traps``: what may trap stays, even if nobody wants its result.
    """

    graph: Graph
    collapse: bool = False
    keep_traps: bool = False
    deleted: set[int] = field(default_factory=set)
    lost_args: dict[int, frozenset[int]] = field(default_factory=dict)
    lost_results: dict[int, frozenset[int]] = field(default_factory=dict)
    function_results: frozenset[int] = frozenset()
    lost_labels: dict[int, frozenset[int]] = field(default_factory=dict)
    lost_clauses: dict[int, set[int]] = field(default_factory=dict)
    lost_locals: set[int] = field(default_factory=set)
    inserted: dict[int, list[Instr]] = field(default_factory=dict)
    aliases: dict[int, Slot] = field(default_factory=dict)
    unwrapped: set[int] = field(default_factory=set)
    truncated_arms: set[int] = field(default_factory=set)
    tolerated: set[int] = field(default_factory=set)
    left: dict[int, list[Slot]] = field(default_factory=dict)
    retyped: dict[int, ValType] = field(default_factory=dict)
    made_as: dict[int, ValType] = field(default_factory=dict)

    # What goes.

    def delete(self, index: int) -> None:
        """Take an instruction out; for a block's opener, the whole block.

        What a conditional branch or ``local.tee`` passes through stays. After a transfer, the values that it carried or
        abandoned serve those that now have to be there, as far as the types agree.
        """
        node = self.graph.nodes[index]
        if node.opens is not None:
            self.deleted.update(range(index, node.opens.end + 1))
            return
        self.deleted.add(index)
        if node.op.name == "local.tee":
            self.aliases[node.outs[0].id] = node.ins[0]
        elif node.passed:
            for out, value in zip(node.outs, node.ins[: node.passed], strict=False):
                self.aliases[out.id] = value
        elif node.transfer:
            left = [*node.abandoned, *node.ins[: node.carried]]
            for out in node.outs:
                if not left or out.type not in (left[-1].type, None):
                    break
                self.aliases[out.id] = left.pop()
            self.left[index] = left

    def _leaves_later(self, index: int) -> bool:
        """Whether another transfer follows in the same arm, which then abandons what this one did."""
        nodes, frame = self.graph.nodes, self.graph.nodes[index].frame
        later = range(index + 1, next(close for close in frame.closers() if close > index))
        return any(i not in self.deleted and nodes[i].transfer and nodes[i].frame is frame for i in later)

    def unwrap(self, index: int, arm: int = 0) -> None:
        """Take the block at ``index`` away from around its contents; of several arms, the ``arm``-th stays.

        A branch to it as its last instruction becomes the way out; every other branch to it goes.
        """
        frame = self.graph.nodes[index].opens
        assert frame is not None
        closers = frame.closers()
        starts = [index, *frame.arms]
        self.deleted.update(closers)
        self.deleted.add(index)
        self.unwrapped.add(index)
        for number, (start, close) in enumerate(zip(starts, closers, strict=True)):
            if number != arm:
                self.deleted.update(range(start, close))
        first, last = starts[arm], closers[arm]
        sources = self.graph.nodes[index].ins
        if self.graph.nodes[first].op.name not in ("catch", "catch_all"):
            for out, value in zip(self.graph.nodes[first].outs, sources, strict=False):
                self.aliases[out.id] = value
        for branch in frame.branches:
            if self.graph.nodes[branch].op.name == "delegate":
                raise Dangling("the target of a delegate")
            if self.graph.nodes[branch].opens is None:
                self.delete(branch)
        for out, value in zip(self.graph.nodes[frame.end].outs, self.graph.nodes[last].ins, strict=True):
            self.aliases[out.id] = value

    def replace_by_operand(self, index: int, operand: int) -> None:
        """Put one of an instruction's operands in the place of its only result."""
        node = self.graph.nodes[index]
        self.deleted.add(index)
        self.aliases[node.outs[0].id] = node.ins[operand]

    def truncate(self, index: int) -> None:
        """Replace the instruction at ``index`` and all that follows in its arm by ``unreachable``."""
        node = self.graph.nodes[index]
        close = next(c for c in node.frame.closers() if c > index)
        gone = range(index, close)
        self.deleted.update(gone)
        self.inserted.setdefault(index, []).append(_UNREACHABLE)
        self.truncated_arms.add(close)
        made = {slot.id for i in gone for slot in self.graph.nodes[i].outs}
        for i in [*gone, close]:
            taker = self.graph.nodes[i]
            self.tolerated.update(s.id for s in (*taker.ins, *taker.abandoned) if s.id not in made)

    def lose_local(self, index: int) -> None:
        """Take a local or parameter out: reads become constants, writes vanish."""
        self.lost_locals.add(index)

    def retype(self, slot: Slot, type_: ValType) -> None:
        """Say that a value is wanted in another type: a constant takes its place."""
        self.retyped[slot.id] = type_

    def make_as(self, slot: Slot, type_: ValType) -> None:
        """Say that a value is now made in another type: a constant takes its place where the old one is wanted."""
        self.made_as[slot.id] = type_

    # Settling what that means.

    def emit(self, func: Func, block_types: BlockTypes) -> Func:
        """The edited function (with its old type index)."""
        for index, node in enumerate(self.graph.nodes):
            if index not in self.deleted and Imm.LOCAL in node.op.imms and node.imm in self.lost_locals:
                self.delete(index)
        absent = self._absent()
        for index, slots in self.left.items():
            if self._leaves_later(index):
                self.tolerated.update(slot.id for slot in slots)
        return emit(self, Wanted(self, absent), func, block_types)

    def _absent(self) -> set[int]:
        """The slots that nobody makes any more."""
        absent: set[int] = set()
        for index, node in enumerate(self.graph.nodes):
            if len(node.outs) == 1 and node.outs[0].id in self.retyped and is_removable(node):
                self.deleted.add(index)
            if index not in self.deleted and self.collapse and not is_control(node):
                self._collapse(index, node, absent)
            if index in self.deleted:
                for slot in node.outs:
                    source = self.aliases.get(slot.id)
                    if source is None or source.id in absent:
                        absent.add(slot.id)
            elif index in self.lost_results:
                absent.update(node.outs[k].id for k in self.lost_results[index])
        return absent

    def _collapse(self, index: int, node: Node, absent: set[int]) -> None:
        if not any(slot.id in absent for slot in node.ins):
            return
        self.deleted.add(index)
        if node.op.name in SINKS or len(node.outs) != 1:
            return
        (out,) = node.outs
        for slot in node.ins:
            if slot.id not in absent and slot.type is out.type:
                self.aliases[out.id] = slot
                return
