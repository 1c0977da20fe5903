"""The backward half of an edit: marking what is wanted, from the instructions that stay for their effects."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from fuzz.reduce.effects import hands_on, is_removable
from wasm.rewrite.index_map import Dangling
from wasm.rewrite.operands import Frame, Graph, Slot

Position: TypeAlias = tuple[int, str, int]
"""A place in a block's type: (opener, ``P`` parameter, ``R`` result or ``L`` label, number)."""


class WantedPlan(Protocol):
    """What is read of a ``Surgery``."""

    graph: Graph
    keep_traps: bool
    deleted: set[int]
    lost_args: dict[int, frozenset[int]]
    function_results: frozenset[int]
    lost_labels: dict[int, frozenset[int]]
    aliases: dict[int, Slot]
    truncated_arms: set[int]


class Wanted:
    """What is wanted after an edit.

    ``needed`` has the slots, by id; ``live`` the instructions that stay; ``kept`` the positions of block types and
    labels that stay; ``absent`` the slots that nobody makes any more.
    """

    def __init__(self, plan: WantedPlan, absent: set[int]) -> None:
        self.plan, self.graph, self.absent = plan, plan.graph, absent
        self.needed: set[int] = set()
        self.kept: set[Position] = set()
        self.lost: set[Position] = set()
        self.group = self._label_groups()
        self.work: list[tuple[str, Any]] = []
        self.live: set[int] = set()
        self.position_of: dict[int, list[Position]] = {}
        self._solve()

    def _label_groups(self) -> dict[int, list[Frame]]:
        """Frames whose labels must keep one type, since one br_table names them; by opener."""
        groups: dict[int, list[Frame]] = {frame.opener: [frame] for frame in self.graph.frames}
        for index, node in enumerate(self.graph.nodes):
            if node.op.name == "br_table" and index not in self.plan.deleted:
                merged = list({id(f): f for t in node.targets for f in groups[t.opener]}.values())
                for frame in merged:
                    groups[frame.opener] = merged
        return groups

    def key(self, frame: Frame, kind: str, k: int) -> Position:
        """The position that stands for ``k`` of a frame's parameters (P), results (R) or label (L)."""
        if (kind == "P") == frame.loop:
            kind = "L"
        return (self.group[frame.opener][0].opener if kind == "L" else frame.opener, kind, k)

    def _solve(self) -> None:
        plan, nodes = self.plan, self.graph.nodes
        for frame in self.graph.frames:
            if frame.opener >= 0 and frame.opener in plan.deleted:
                continue
            self._register(frame)
        for index, node in enumerate(nodes):
            if index in plan.deleted:
                continue
            for k in range(node.passed):
                self._give(node.outs[k], self.key(node.targets[0], "L", k))
            if not is_removable(node) or (plan.keep_traps and node.op.traps):
                self._wake(index)
        while self.work:
            kind, item = self.work.pop()
            if kind == "slot":
                self._need(item)
            else:
                self._keep(item)

    def _give(self, slot: Slot, position: Position) -> None:
        self.position_of.setdefault(slot.id, []).append(position)

    def _register(self, frame: Frame) -> None:
        """Tie a frame's inner parameters and outer results to its positions, and pin the positions that must stay."""
        nodes, plan = self.graph.nodes, self.plan
        if frame.opener >= 0:
            opener = nodes[frame.opener]
            for start in (frame.opener, *(arm for arm in frame.arms if nodes[arm].op.name == "else")):
                for k, slot in enumerate(nodes[start].outs):
                    self._give(slot, self.key(frame, "P", k))
            for k, slot in enumerate(nodes[frame.end].outs):
                self._give(slot, self.key(frame, "R", k))
            if opener.op.name == "if" and not frame.arms and frame.params:
                for k in range(len(frame.params)):
                    self.work += [("position", self.key(frame, "P", k)), ("position", self.key(frame, "R", k))]
        lost = plan.function_results if frame.opener < 0 else plan.lost_labels.get(frame.opener, frozenset())
        caught = any(
            b not in plan.deleted and nodes[b].opens is not None and frame in nodes[b].targets for b in frame.branches
        )
        last = len(frame.label) - 1
        last_pinned = any(b not in plan.deleted and hands_on(nodes[b]) for b in frame.branches)
        if last_pinned and last in lost:
            raise Dangling("a branch that hands on its own reference")
        self.lost.update(self.key(frame, "L", k) for k in lost)
        for k in range(len(frame.label)):
            if frame.opener < 0 or caught or (last_pinned and k == last):
                self.work.append(("position", self.key(frame, "L", k)))

    def _wake(self, index: int) -> None:
        """An instruction stays: it wants its operands, but for those that belong to a block or label position."""
        if index in self.live:
            return
        self.live.add(index)
        node, plan = self.graph.nodes[index], self.plan
        lost = plan.lost_args.get(index, frozenset())
        first = node.carried
        if node.opens is not None:
            first = len(node.opens.params)
        elif node.closes:
            first = len(node.ins)
        self.work += [("slot", slot) for k, slot in enumerate(node.ins) if k >= first and k not in lost]
        self.work += [("slot", slot) for slot in node.abandoned if slot.id not in self.absent]

    def _need(self, slot: Slot) -> None:
        if slot.id in self.needed:
            return
        self.needed.add(slot.id)
        for position in self.position_of.get(slot.id, ()):
            self._keep(position)
        maker = slot.maker
        if maker in self.plan.deleted:
            if slot.id in self.plan.aliases and slot.id not in self.absent:
                self.work.append(("slot", self.plan.aliases[slot.id]))
        else:
            self._wake(maker)

    def _keep(self, position: Position) -> None:
        """A block or label position stays: all that feed it are wanted."""
        if position in self.kept or position in self.lost:
            return
        self.kept.add(position)
        opener, kind, k = position
        nodes, plan = self.graph.nodes, self.plan
        frames = self.group[opener] if kind == "L" else [f for f in self.group[opener] if f.opener == opener]
        for frame in frames:
            if frame.opener >= 0 and frame.opener in plan.deleted:
                continue
            into_params = kind == "P" or (kind == "L" and frame.loop)
            if into_params:
                self.work.append(("slot", nodes[frame.opener].ins[k]))
            else:
                self.work += [
                    ("slot", nodes[close].ins[k]) for close in frame.closers() if close not in plan.truncated_arms
                ]
            if kind == "L":
                self.work += [
                    ("slot", nodes[b].ins[k]) for b in frame.branches if b not in plan.deleted and k < nodes[b].carried
                ]
