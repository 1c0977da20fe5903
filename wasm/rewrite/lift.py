"""From a function body to its graph (``wasm.rewrite.operands``): the validator works, and this listens.

No instruction has a line here. Where the type of an instruction is known from its row and its immediates,
``wasm.signatures`` gives it. The others have a rule in ``wasm.validate_flow``, which speaks to the validator's state,
``Checker``; ``_Listener`` is such a state, with slots on its stack, and notes what it is told:

    br_on_null 1    pop_ref()        one operand, of some reference type
                    branch(1)        the second frame from inside is a target; it gets what is on the stack below
                    replace([i32])   an i32 is taken and comes back
                    push((ref 4))    a result
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from wasm.canonical import BOT, BOT_REF
from wasm.context import ModuleContext, Signature
from wasm.errors import WasmError
from wasm.isa import Op
from wasm.module import Func, Module
from wasm.rewrite.index_map import labels_of
from wasm.rewrite.operands import Control, Frame, Graph, Node, Slot
from wasm.signatures import signature
from wasm.validate_flow import FLOW
from wasm.validate_stack import BlockPlan, Checker, FrameKind
from wasm.validate_stack import Frame as Open
from wasm.valtypes import FUNCREF, RefType, ValType

_OPEN_TYPES: Final = (BOT, BOT_REF)
"""What the validator calls a type that unreachable code leaves open. A slot has None there."""


@dataclass(slots=True, eq=False)
class _Level:
    """An open frame: where its stack begins, and the node of the transfer after which nothing is reached (else -1)."""

    frame: Frame
    height: int
    dead_after: int = -1


@final
class _Listener(Checker):
    """The state of lifting one body after the other. Types are followed, not checked: a body must be valid.

    ``level`` is the innermost one of ``levels``, which run beside the validator's own ``frames``. What is noted of one
    instruction, until ``_flow`` makes a node of it: ``popped`` (the topmost first), ``pushed``, ``any_refs`` (operands
    that may be any reference), ``named`` (frames by label), ``wants`` (the types that operands were asked for by; None
    once the rule was told a type that was on the stack), and what ``Control`` has under the same names.
    """

    __slots__ = (
        "any_refs", "carried", "closes", "count", "cuts", "level", "levels", "named", "nodes", "opened", "opens",
        "passed", "popped", "pushed", "settled", "signatures", "slots", "top", "transfers", "wants",
    )  # fmt: skip

    def __init__(self, context: ModuleContext) -> None:
        super().__init__(context)
        self.signatures: dict[Any, Signature | None] = {}
        """By instruction; None where a rule has to be heard."""

    def graph(self, func: Func) -> Graph:
        """Follow a body from its beginning to its end."""
        type_ = self.context.func_type_at(func.type_index)
        local_types = list(type_.params)
        for count, local in func.locals:
            local_types += [local] * count
        # Where a local may be read is the validator's business: here all of them are set.
        self.start(list(type_.results), local_types, None)
        outermost = Frame(-1, (), type_.results)
        self.slots: list[Slot] = []
        self.nodes: list[Node] = []
        self.opened = [outermost]
        self.level = _Level(outermost, 0)
        self.levels = [self.level]
        self.count = 0
        self.popped: list[Slot] = []
        self.pushed: list[Slot] = []
        self.any_refs: list[Slot] = []
        self.wants: list[ValType] | None = []
        self.transfers: list[int] = []
        self.settled: dict[Any, Signature] = {}
        """What ``signatures`` leaves open and this function settles: ``local.get 3``. See ``_flow``."""
        self._forget()
        self._follow(func)
        return Graph(self.nodes, self.opened, local_types, len(type_.params), self.transfers, self.count)

    def _follow(self, func: Func) -> None:
        signatures, settled, context = self.signatures, self.settled, self.context
        slots, nodes = self.slots, self.nodes
        level, depth = self.level, 1
        for op, imm in func.body:
            key = (op, imm)
            try:
                types = signatures[key]
            except KeyError:
                types = signatures[key] = signature(op, imm, context)
            if types is None:
                types = settled.get(key)
                if types is None:
                    self._flow(op, imm)
                    level, depth = self.level, len(self.levels)
                    continue
            params, results = types
            if not params:
                ins = []
            elif level.dead_after < 0 and len(slots) - level.height >= len(params):
                first = -len(params)
                ins = slots[first:]
                del slots[first:]
            else:
                ins = self._take(params)
            if len(results) == 1:
                slot = Slot(self.count, results[0], len(nodes))
                self.count += 1
                slots.append(slot)
                outs = [slot]
            elif results:
                at, count = len(nodes), self.count
                outs = [Slot(id, type_, at) for id, type_ in enumerate(results, count)]
                self.count = count + len(outs)
                slots += outs
            else:
                outs = []
            nodes.append(Node(op, imm, ins, outs, level.frame, depth))

    def _flow(self, op: Op, imm: Any) -> None:
        """An instruction with a rule of its own: hear the rule, and make a node of what it said."""
        index, level, depth = len(self.nodes), self.level, len(self.levels)
        FLOW[op](self, imm)
        ins = self.popped
        ins.reverse()
        if not (self.named or self.closes or self.opens is not None or self.cuts):
            node = Node(op, imm, ins, self.pushed, level.frame, depth)
            if self.wants is not None:
                # The rule asked for nothing that can differ from one place of this function to another: no frame, no
                # type on the stack. What it said holds for this instruction wherever it stands.
                results = tuple([slot.type for slot in self.pushed if slot.type is not None])
                self.settled[op, imm] = (tuple(self.wants[::-1]), results)
        else:
            node = Control(op, imm, ins, self.pushed, level.frame, depth)
            # A rule may ask for labels in any order (br_table: each once); nodes list them as the immediates do.
            labels = labels_of((op, imm))
            targets = tuple([self.named[label] for label in labels] if labels else self.named.values())
            for frame in targets:
                frame.branches.append(index)
            node.opens, node.closes, node.targets = self.opens, self.closes, targets
            node.carried, node.passed = self.carried, self.passed
            for slot, type_ in zip(ins[: self.carried], targets[0].label if targets else (), strict=False):
                slot.type = slot.type or type_
            if self.cuts:
                node.transfer = True
                node.abandoned = tuple(self.slots[level.height :])
                del self.slots[level.height :]
                level.dead_after = index
                self.transfers.append(index)
            self._forget()
        if self.any_refs:
            for slot in self.any_refs:
                slot.type = slot.type or FUNCREF
            self.any_refs = []
        self.popped, self.pushed, self.wants = [], [], []
        self.nodes.append(node)

    def _forget(self) -> None:
        self.named: dict[int, Frame] = {}
        self.opens: Frame | None = None
        self.closes = self.cuts = False
        self.carried = self.passed = self.top = 0

    # Slots

    def _pop(self, type_: ValType | None) -> Slot:
        """Take the topmost slot, or a virtual one from below an unreachable point; an open type becomes ``type_``."""
        level = self.level
        if len(self.slots) > level.height:
            slot = self.slots.pop()
            if slot.type is None:
                slot.type = type_
            return slot
        if level.dead_after < 0:
            raise ValueError("operand stack underflow: the body is not valid")
        slot = Slot(self.count, type_, level.dead_after)
        self.count += 1
        self.nodes[level.dead_after].outs.append(slot)
        return slot

    def _take(self, types: Sequence[ValType]) -> list[Slot]:
        """Take slots of these types, the last one from the top; they are given in stack order."""
        slots, level, count = self.slots, self.level, len(types)
        if level.dead_after < 0 and len(slots) - level.height >= count:
            if not count:
                return []
            taken = slots[-count:]
            del slots[-count:]
            return taken
        taken = [self._pop(type_) for type_ in reversed(types)]
        taken.reverse()
        return taken

    # What rules say: operands

    def push(self, type_: ValType) -> None:
        slot = Slot(self.count, None if type_ in _OPEN_TYPES else type_, len(self.nodes))
        self.count += 1
        self.slots.append(slot)
        self.pushed.append(slot)

    def pop_any(self) -> ValType:
        self.wants = None
        slot = self._pop(None)
        self.popped.append(slot)
        return BOT if slot.type is None else slot.type

    def pop(self, want: ValType) -> None:
        self.popped.append(self._pop(want))
        if self.wants is not None:
            self.wants.append(want)

    def pop_pair(self) -> tuple[ValType, ValType]:
        self.wants = None
        second = self._pop(None)
        first = self._pop(second.type)
        if second.type is None:
            second.type = first.type
        self.popped += (second, first)
        type_ = BOT if first.type is None else first.type
        return type_, type_

    def pop_ref(self, want: RefType | None = None) -> RefType:
        self.wants = None
        slot = self._pop(want)
        self.popped.append(slot)
        if slot.type is None:
            self.any_refs.append(slot)
            return BOT_REF
        assert isinstance(slot.type, RefType)
        return slot.type

    def check_top(self, want: list[ValType]) -> int:
        """The operands stay where they are; ``cut`` takes them."""
        self.slots += self._take(want)
        self.top = len(want)
        return len(want)

    def pop_all(self, want: list[ValType]) -> None:
        self.popped += reversed(self._take(want))
        if self.wants is not None:
            self.wants += reversed(want)

    def replace(self, want: list[ValType]) -> None:
        self.pop_all(want)
        for type_ in want:
            self.push(type_)
        self.passed = len(want)

    def cut(self) -> None:
        if self.top:
            self.popped += self.slots[: -self.top - 1 : -1]
            del self.slots[-self.top :]
        self.cuts = True

    # What rules say: frames

    def label(self, depth: int) -> Open:
        self.named[depth] = self.levels[-1 - depth].frame
        return super().label(depth)

    def branch(self, depth: int) -> list[ValType]:
        labels = self.label(depth).labels
        self.carried = len(labels)
        return labels

    def enter(self, kind: FrameKind, plan: BlockPlan) -> None:
        self.frame = Open(kind, plan)
        self.frames.append(self.frame)
        loop = kind is FrameKind.LOOP
        params, results, _ = plan
        self.opens = Frame(len(self.nodes), tuple(params), tuple(results), loop, self.level.frame.loops + loop)
        self.opened.append(self.opens)
        self.level = _Level(self.opens, len(self.slots))
        self.levels.append(self.level)
        for type_ in params:
            self.push(type_)

    def check_end(self) -> Open:
        level = self.level
        self.popped += reversed(self._take(level.frame.results))
        del self.slots[level.height :]
        level.dead_after = -1
        self.closes = True
        return self.frame

    def leave(self) -> None:
        self.level.frame.end = len(self.nodes)
        results = self.level.frame.results
        self.levels.pop()
        self.frames.pop()
        if self.levels:
            self.level, self.frame = self.levels[-1], self.frames[-1]
            for type_ in results:
                self.push(type_)

    def restart(self, kind: FrameKind, operands: Sequence[ValType]) -> None:
        self.frame.kind = kind
        self.level.frame.arms.append(len(self.nodes))
        for type_ in operands:
            self.push(type_)


class Lifter:
    """Graphs of functions of one module, whose types and index spaces have been checked."""

    def __init__(self, context: ModuleContext) -> None:
        self.context = context
        self._listener = _Listener(context)

    def lift(self, func: Func) -> Graph:
        """The graph of a valid function. Raises ``ValueError`` if it turns out not to be valid; that is no check."""
        try:
            return self._listener.graph(func)
        except (WasmError, IndexError, KeyError) as error:
            raise ValueError(f"the function is not valid: {error}") from None


class ModuleGraphs:
    """Graphs of a valid module's functions, made on demand and kept."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.context = ModuleContext.of(module)
        self.first = len(self.context.funcs) - len(module.funcs)
        """The index of the first defined function."""
        self._lifter = Lifter(self.context)
        self._graphs: dict[int, Graph] = {}

    def graph(self, func: int) -> Graph:
        """The graph of the ``func``-th *defined* function. Raises ``ValueError`` if the body is not valid."""
        graph = self._graphs.get(func)
        if graph is None:
            graph = self._graphs[func] = self._lifter.lift(self.module.funcs[func])
        return graph
