"""Building SSA on the fly: drafts of blocks, and which value a local has where.

Braun, Buchwald, Hack, Leissa, Mallon and Zwinkau, "Simple and Efficient Construction of Static Single Assignment Form"
(2013), without recursion (bodies nest 50,000 deep) and without incomplete blocks: structured control knows all
predecessors of a forward merge when it is entered, and a loop's header gets a parameter for each local that the loop
assigns. A local that nothing assigns between ``block`` and ``end`` is at the end what it was at the start: the
merge takes no parameter for it. Parameters that turn out to have one value are removed at the end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from compiler.ir import Block, Function, Inst, Target, Terminator, ValueId
from compiler.rewrite import map_terminator
from wasm.isa import OPS
from wasm.valtypes import NumType

_EIGHTH: Final = 8
"""A local's value is noted in every so many of the blocks that a search for it went through: noting it in all takes
memory for each pair of a block and a local, in none time."""

ZERO: Final = {name: OPS[f"{name}.const"] for name in ("i32", "i64", "f32", "f64", "v128")}


@dataclass(slots=True)
class DraftEdge:
    """An edge under construction: its arguments grow when the target turns out to need a local."""

    source: int
    target: int
    args: list[ValueId]


@dataclass(slots=True)
class Draft:
    """A block under construction. ``defs`` has the locals' values at its end as far as they were looked up or set.

    ``finish`` makes the terminator once all arguments are known. ``passes`` marks a loop's header: locals that are no
    parameters of it come from its first predecessor, whatever the others.
    """

    params: list[ValueId] = field(default_factory=list)
    insts: list[Inst] = field(default_factory=list)
    defs: dict[int, ValueId] = field(default_factory=dict)
    preds: list[DraftEdge] = field(default_factory=list)
    finish: Callable[[], Terminator] | None = None
    passes: bool = False
    opened: tuple[int, int, int] | None = None


class SsaBuilder:
    """The function under construction; ``current`` is the block that instructions are appended to.

    ``assigned`` has for each local that is assigned where in the body that is, in order.
    """

    def __init__(
        self, name: str, results: tuple[NumType, ...], params: list[NumType], locals_: list[NumType],
        assigned: Mapping[int, Sequence[int]],
    ) -> None:  # fmt: skip
        self.func = Function(name, results)
        self.assigned = assigned
        self.local_types = params + locals_
        self.drafts: list[Draft] = [Draft()]
        self.current = 0
        entry = self.drafts[0]
        entry.params = [self.func.new_value(type_) for type_ in params]
        entry.defs = dict(enumerate(entry.params))
        self._zeros: list[Inst] = []

    def new_block(self) -> int:
        self.drafts.append(Draft())
        return len(self.drafts) - 1

    def emit(self, op: Any, args: tuple[ValueId, ...], imm: Any, types: tuple[NumType, ...]) -> tuple[ValueId, ...]:
        """Append an instruction to the current block and return its results."""
        results = tuple(map(self.func.new_value, types))
        self.drafts[self.current].insts.append(Inst(op, args, imm, results))
        return results

    def edge(self, target: int, args: list[ValueId]) -> DraftEdge:
        """An edge from the current block; the caller builds the terminator around it with ``end``."""
        edge = DraftEdge(self.current, target, args)
        self.drafts[target].preds.append(edge)
        return edge

    def end(self, finish: Callable[[], Terminator]) -> None:
        """Close the current block."""
        self.drafts[self.current].finish = finish

    def set_local(self, local: int, value: ValueId) -> None:
        self.drafts[self.current].defs[local] = value

    def get_local(self, local: int, block: int | None = None) -> ValueId:
        """The local's value at the end (so far) of a block, the current one if none is given."""
        first, pending = self._look_up(local, self.current if block is None else block)
        while pending:
            edge = pending.pop()
            value, more = self._look_up(local, edge.source)
            edge.args.append(value)
            pending += more
        return first

    def _look_up(self, local: int, block: int) -> tuple[ValueId, list[DraftEdge]]:
        """Walk up to a definition; at a merge make a parameter, whose arguments on the returned edges are due."""
        path = []
        due: list[DraftEdge] = []
        places = self.assigned.get(local, ())
        while True:
            draft = self.drafts[block]
            value = draft.defs.get(local)
            if value is not None:
                break
            path.append(draft)
            if draft.opened is not None:
                before, start, end = draft.opened
                at = bisect_left(places, start)
                if at == len(places) or places[at] >= end:
                    block = before
                    continue
            if not draft.preds:
                value = draft.defs[local] = self._zero(local)
                break
            if len(draft.preds) > 1 and not draft.passes:
                value = draft.defs[local] = self.func.new_value(self.local_types[local])
                draft.params.append(value)
                due = list(draft.preds)
                break
            block = draft.preds[0].source
        for draft in path[::_EIGHTH]:
            draft.defs[local] = value
        return value, due

    def _zero(self, local: int) -> ValueId:
        """A local that was never set holds zero (spec 4.4.10); the constant stands in the entry."""
        type_ = self.local_types[local]
        value = self.func.new_value(type_)
        self._zeros.append(Inst(ZERO[type_.name], (), 0, (value,)))
        return value

    def finish(self) -> Function:
        """The function, its redundant parameters removed and its unreachable blocks left out."""
        self.drafts[0].insts[:0] = self._zeros
        replaced = self._redundant()

        def new(value: ValueId) -> ValueId:
            while value in replaced:
                value = replaced[value]
            return value

        for draft in self.drafts:
            keep = [i for i, param in enumerate(draft.params) if param not in replaced]
            for edge in draft.preds:
                edge.args = [new(edge.args[i]) for i in keep]
            draft.params = [draft.params[i] for i in keep]
            for inst in draft.insts:
                inst.args = tuple(map(new, inst.args))
        number = self._reachable()
        for index in number:
            draft = self.drafts[index]
            assert draft.finish is not None, f"block {index} has no end"
            terminator = map_terminator(draft.finish(), new, number.__getitem__)
            self.func.blocks.append(Block(tuple(draft.params), draft.insts, terminator))
        return self.func

    def _redundant(self) -> dict[ValueId, ValueId]:
        """Parameters whose arguments are one value (or the parameter itself), each with that value."""
        replaced: dict[ValueId, ValueId] = {}
        users: dict[ValueId, list[tuple[int, int]]] = {}
        work: list[tuple[int, int]] = []
        for index, draft in enumerate(self.drafts):
            if not index or not draft.preds:
                continue
            for position in range(len(draft.params)):
                work.append((index, position))
                for edge in draft.preds:
                    users.setdefault(edge.args[position], []).append((index, position))
        while work:
            index, position = work.pop()
            draft = self.drafts[index]
            param = draft.params[position]
            if param in replaced:
                continue
            only = -1
            for edge in draft.preds:
                arg = edge.args[position]
                while arg in replaced:
                    arg = replaced[arg]
                if arg in (param, only):
                    continue
                if only >= 0:
                    break
                only = arg
            else:
                if only >= 0:
                    replaced[param] = only
                    again = users.pop(param, [])
                    users.setdefault(only, []).extend(again)
                    work += again
        return replaced

    def _reachable(self) -> dict[int, int]:
        """The drafts that control can reach, in order, with their new numbers."""
        out: dict[int, list[int]] = {}
        for draft in self.drafts:
            for edge in draft.preds:
                out.setdefault(edge.source, []).append(edge.target)
        seen = {0}
        work = [0]
        while work:
            for target in out.get(work.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    work.append(target)
        return {index: number for number, index in enumerate(sorted(seen))}


def target_of(edge: DraftEdge) -> Target:
    return Target(edge.target, tuple(edge.args))
