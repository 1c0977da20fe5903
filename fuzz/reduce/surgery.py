"""Editing a function body on its operand graph: take instructions, values and blocks out, and what is left is valid.

An edit says what goes: instructions (``delete``), a block around its contents (``unwrap``), the rest of an arm
(``truncate``), results of calls, arguments, results of the function. Two rules settle the rest:

* forward: a value that is no longer made and is still wanted becomes a constant of its type, in its place, however deep
  in the stack (values above it wait in fresh locals). With ``collapse``, instructions that lose an operand go first: they
  are replaced by an operand of the right type that is left, or vanish too.
* backward: a value that nobody wants any more takes its maker with it where that maker has no other effect; otherwise it
  is dropped. Block parameters and results that nobody wants leave the block's type and every branch to it.

Nothing here promises to keep the meaning: the reducer asks the predicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias

from fuzz.reduce.edits import Dangling
from fuzz.reduce.stacktypes import Frame, Graph, Node, Slot
from wasm.isa import OPS, Imm, Instr, Op
from wasm.module import Func
from wasm.valtypes import I32, FuncType, NumType, RefType, ValType

BlockTypes: TypeAlias = Callable[[Any, FuncType, bool], Any]
"""From a block's old immediate, its type, and whether that type is changed, to its new immediate."""

_UNREACHABLE: Final = OPS["unreachable"].bare
_DROP: Final = OPS["drop"].bare
_PASSING: Final = {"br_if": 0, "br_on_null": 0, "br_on_non_null": 1, "br_on_cast": 1, "br_on_cast_fail": 1}
"""Conditional branches, with how many of the label's values they do not give back."""
_CONTROL_KINDS: Final = frozenset({Imm.LABEL, Imm.LABELS, Imm.CAST, Imm.BLOCK_TYPE})
_EFFECTS: Final = frozenset(
    "unreachable else end catch catch_all delegate drop return call call_indirect call_ref return_call "
    "return_call_indirect return_call_ref throw throw_ref rethrow memory.grow table.grow".split()
)
_SINKS: Final = frozenset("drop local.set global.set local.tee".split())


@cache
def is_control(op: Op) -> bool:
    """Whether the instruction opens, closes or leaves a block, or calls: all that ``collapse`` leaves alone."""
    return bool(_CONTROL_KINDS.intersection(op.imms)) or (op.name in _EFFECTS and op.name != "drop")


@cache
def _has_no_effect(op: Op) -> bool:
    if op.name in _EFFECTS or op.name == "local.tee" or _CONTROL_KINDS.intersection(op.imms):
        return False
    return op.access is None or op.access.kind == "load"


def is_removable(node: Node) -> bool:
    """Whether the instruction is only there for its results (a trap in it does not count)."""
    return bool(node.outs) and _has_no_effect(node.op)


def default_value(type_: ValType | None) -> tuple[Instr, ...]:
    """The simplest instructions that push a value of the type; an open type is taken for i32.

    For a reference that must not be null there is only one that traps.
    """
    if isinstance(type_, RefType):
        null: tuple[Instr, ...] = ((OPS["ref.null"], type_.heap),)
        return null if type_.nullable else (*null, OPS["ref.as_non_null"].bare)
    return ((OPS[f"{type_.name if isinstance(type_, NumType) else 'i32'}.const"], 0),)


@dataclass(slots=True)
class Surgery:
    """One edit of one function. Fill in what goes, then ``emit``.

    ``lost_args`` and ``lost_results`` give positions per call instruction (also of block-less tag users);
    ``function_results`` the positions that leave the function's own type. ``replaced`` swaps an instruction for others
    of the same type. ``lost_labels`` are positions that leave a frame's label whatever happens (catch clauses whose tag
    loses a parameter). ``collapse``: see the module's text.
    """

    graph: Graph
    collapse: bool = False
    keep_traps: bool = False
    deleted: set[int] = field(default_factory=set)
    lost_args: dict[int, frozenset[int]] = field(default_factory=dict)
    lost_results: dict[int, frozenset[int]] = field(default_factory=dict)
    function_results: frozenset[int] = frozenset()
    lost_labels: dict[int, frozenset[int]] = field(default_factory=dict)
    replaced: dict[int, tuple[Instr, ...]] = field(default_factory=dict)
    lost_clauses: dict[int, set[int]] = field(default_factory=dict)
    lost_locals: set[int] = field(default_factory=set)
    inserted: dict[int, list[Instr]] = field(default_factory=dict)
    aliases: dict[int, Slot] = field(default_factory=dict)
    unwrapped: set[int] = field(default_factory=set)
    truncated_arms: set[int] = field(default_factory=set)
    tolerated: set[int] = field(default_factory=set)

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
        elif node.op.name in _PASSING:
            for out, value in zip(node.outs, node.ins[: self._passed(node)], strict=False):
                self.aliases[out.id] = value
        elif node.transfer:
            left = [*node.abandoned, *node.ins[: node.carried]]
            for out in node.outs:
                if not left or out.type not in (left[-1].type, None):
                    break
                self.aliases[out.id] = left.pop()
            if self._leaves_later(index, node):
                self.tolerated.update(slot.id for slot in left)

    def _leaves_later(self, index: int, node: Node) -> bool:
        """Whether another transfer follows in the same arm, which then abandons what this one did."""
        nodes, close = self.graph.nodes, next(c for c in node.frame.closers() if c > index)
        return any(n.transfer and n.frame is node.frame for n in nodes[index + 1 : close])

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

    @staticmethod
    def _passed(node: Node) -> int:
        return node.carried - _PASSING[node.op.name]

    # Settling what that means.

    def emit(self, func: Func, block_types: BlockTypes) -> Func:
        """The edited function (with its old type index)."""
        for index, node in enumerate(self.graph.nodes):
            if index not in self.deleted and Imm.LOCAL in node.op.imms and node.imm in self.lost_locals:
                self.delete(index)
        absent = self._absent()
        needs = _Needs(self, absent)
        needs.solve()
        return _Emitter(self, needs, block_types).run(func)

    def _absent(self) -> set[int]:
        """The slots that nobody makes any more."""
        absent: set[int] = set()
        for index, node in enumerate(self.graph.nodes):
            if index not in self.deleted and self.collapse and not is_control(node.op):
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
        if node.op.name in _SINKS or len(node.outs) != 1:
            return
        (out,) = node.outs
        for slot in node.ins:
            if slot.id not in absent and slot.type is out.type:
                self.aliases[out.id] = slot
                return


class _Needs:
    """Which slots are wanted: marked from the instructions that stay for their effects, backwards."""

    def __init__(self, plan: Surgery, absent: set[int]) -> None:
        self.plan, self.graph, self.absent = plan, plan.graph, absent
        self.maker = {slot.id: i for i, node in enumerate(self.graph.nodes) for slot in node.outs}
        self.needed: set[int] = set()
        self.kept: set[tuple[int, str, int]] = set()
        self.group = self._label_groups()
        self.work: list[tuple[str, Any]] = []
        self.live: set[int] = set()
        self.position_of: dict[int, list[tuple[int, str, int]]] = {}

    def _label_groups(self) -> dict[int, list[Frame]]:
        """Frames whose labels must keep one type, since one br_table names them; by opener."""
        groups: dict[int, list[Frame]] = {frame.opener: [frame] for frame in self.graph.frames}
        for index, node in enumerate(self.graph.nodes):
            if node.op.name == "br_table" and index not in self.plan.deleted:
                merged = list({id(f): f for t in node.targets for f in groups[t.opener]}.values())
                for frame in merged:
                    groups[frame.opener] = merged
        return groups

    def key(self, frame: Frame, kind: str, k: int) -> tuple[int, str, int]:
        """The position that stands for ``k`` of a frame's parameters (P), results (R) or label (L)."""
        if (kind == "P") == frame.loop:
            kind = "L"
        return (self.group[frame.opener][0].opener if kind == "L" else frame.opener, kind, k)

    def solve(self) -> None:
        plan, nodes = self.plan, self.graph.nodes
        for frame in self.graph.frames:
            if frame.opener >= 0 and frame.opener in plan.deleted:
                continue
            self._register(frame)
        for index, node in enumerate(nodes):
            if index in plan.deleted:
                continue
            if node.op.name in _PASSING:
                for k in range(plan._passed(node)):
                    self._give(node.outs[k], self.key(node.targets[0], "L", k))
            if not is_removable(node) or (plan.keep_traps and node.op.traps):
                self._wake(index)
        while self.work:
            kind, item = self.work.pop()
            if kind == "slot":
                self._need(item)
            else:
                self._keep(item)

    def _give(self, slot: Slot, position: tuple[int, str, int]) -> None:
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
            b not in plan.deleted and nodes[b].op.name == "try_table" and frame in nodes[b].targets
            for b in frame.branches
        )
        refs = [b for b in frame.branches if b not in plan.deleted and _PASSING.get(nodes[b].op.name) is not None]
        last_pinned = any(nodes[b].op.name in ("br_on_non_null", "br_on_cast", "br_on_cast_fail") for b in refs)
        for k in range(len(frame.label)):
            pinned = frame.opener < 0 or caught or (last_pinned and k == len(frame.label) - 1)
            if pinned and k not in lost:
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
        elif node.op.name in ("else", "end", "catch", "catch_all", "delegate"):
            first = len(node.ins)
        self.work += [("slot", slot) for k, slot in enumerate(node.ins) if k >= first and k not in lost]
        self.work += [("slot", slot) for slot in node.abandoned if slot.id not in self.absent]

    def _need(self, slot: Slot) -> None:
        if slot.id in self.needed:
            return
        self.needed.add(slot.id)
        for position in self.position_of.get(slot.id, ()):
            self._keep(position)
        maker = self.maker[slot.id]
        if maker in self.plan.deleted:
            if slot.id in self.plan.aliases and slot.id not in self.absent:
                self.work.append(("slot", self.plan.aliases[slot.id]))
        else:
            self._wake(maker)

    def _keep(self, position: tuple[int, str, int]) -> None:
        """A block or label position stays: all that feed it are wanted."""
        if position in self.kept:
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


class _Emitter:
    """Writes the body that is left: block types, label depths and locals anew, constants and drops where due."""

    def __init__(self, plan: Surgery, needs: _Needs, block_types: BlockTypes) -> None:
        self.plan, self.graph, self.needs, self.block_types = plan, plan.graph, needs, block_types
        self.absent, self.needed, self.kept, self.live = needs.absent, needs.needed, needs.kept, needs.live
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
                self._settle(index, node, False)
                continue
            self.body += self.plan.replaced.get(index) or (self._instr(index, node),)
            self._settle(index, node, True)
        return Func(func.type_index, runs(self.new_locals[self.param_count :]), self.body)

    def _depth(self, frame: Frame) -> int:
        return len(self.open) - 1 - self.levels[frame.opener]

    def _instr(self, index: int, node: Node) -> Instr:
        op, imm = node.op, node.imm
        if node.opens is not None:
            return self._open(index, node, node.opens)
        if op.name in ("end", "delegate"):
            self.open.pop()
            if op.name == "delegate":
                return (op, self._depth(node.targets[0]))
            return (op, imm)
        if Imm.LOCAL in op.imms:
            return (op, self.local_map[imm])
        if op.name == "br_table":
            depths = tuple(map(self._depth, node.targets))
            return (op, (depths[:-1], depths[-1]))
        if Imm.CAST in op.imms:
            return (op, (self._depth(node.targets[0]), imm[1], imm[2]))
        if Imm.LABEL in op.imms:
            return (op, self._depth(node.targets[0]))
        return (op, imm)

    def _open(self, index: int, node: Node, frame: Frame) -> Instr:
        params = tuple(t for k, t in enumerate(frame.params) if self.needs.key(frame, "P", k) in self.kept)
        results = tuple(t for k, t in enumerate(frame.results) if self.needs.key(frame, "R", k) in self.kept)
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
        found = []
        for k, slot in enumerate(node.outs):
            if not there:
                found.append(slot.id in self.plan.aliases and slot.id not in self.absent and slot.id in self.needed)
            elif node.opens is not None or (node.op.name == "else"):
                frame = node.opens or node.frame
                found.append(self.needs.key(frame, "P", k) in self.kept)
            elif node.op.name in ("end", "delegate"):
                found.append(self.needs.key(node.frame, "R", k) in self.kept)
            elif node.op.name in _PASSING and k < self.plan._passed(node):
                found.append(self.needs.key(node.targets[0], "L", k) in self.kept)
            else:
                found.append(slot.id not in self.absent)
        return found

    def _settle(self, index: int, node: Node, there: bool) -> None:
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
        if made == wanted:
            return
        lowest = next(k for k, pair in enumerate(zip(made, wanted, strict=True)) if pair[0] != pair[1])
        temps: dict[int, int] = {}
        for k in range(len(made) - 1, lowest - 1, -1):
            if made[k] and wanted[k]:
                temps[k] = self._temp(outs[k].type)
                self.body.append((OPS["local.set"], temps[k]))
            elif made[k]:
                self.body.append(_DROP)
        for k in range(lowest, len(made)):
            if k in temps:
                self.body.append((OPS["local.get"], temps[k]))
            elif wanted[k]:
                self.body += default_value(outs[k].type)

    def _temp(self, type_: ValType | None) -> int:
        self.new_locals.append(I32 if type_ is None else type_)
        return len(self.new_locals) - 1


def runs(types: Iterable[ValType]) -> list[tuple[int, ValType]]:
    """Locals as runs of one type, as the binary format has them."""
    found: list[tuple[int, ValType]] = []
    for type_ in types:
        if found and found[-1][1] is type_:
            found[-1] = (found[-1][0] + 1, type_)
        else:
            found.append((1, type_))
    return found
