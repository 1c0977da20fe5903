"""A finding's module with its run on the reference, and probed variants of it with the logs of both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fuzz.explain.asking import Subject
from fuzz.explain.probing import Form, Probed
from fuzz.explain.tracing import Expected, Step, expected, first_difference
from fuzz.records.explanation import Operation
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Exhausted, Observation
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.isa import Instr, Op
from wasm.module import Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Node
from wasm.text.body import BodyPrinter
from wasm.text.words import Scope
from wasm.valtypes import NumType, ValType

At = tuple[int, int]
"""A function's index, imports counted, and a position in its flat body; -1 is the function's beginning."""


class Hidden(Exception):
    """An instrument has no answer; the text says why. ``suspects`` are the operations of which it is one, where that is
    known; ``crashed``: what the engine does there may be due to an earlier one."""

    def __init__(self, text: str, suspects: Sequence[Operation] = (), crashed: bool = False) -> None:
        super().__init__(text)
        self.suspects, self.crashed = tuple(suspects), crashed


def module_of(case: Case) -> Module:
    """A case's module. Raises ``Hidden`` for what is none."""
    try:
        return decode(case.content)
    except WasmError:
        raise Hidden("it is no module") from None


class Instructions:
    """The instructions of a case's module by place. Raises ``Hidden`` for what is no module."""

    def __init__(self, case: Case) -> None:
        self.module = module_of(case)
        self.graphs = ModuleGraphs(self.module)
        self.first = self.graphs.first
        self._scope = Scope(self.module)

    def op(self, place: At) -> Op:
        """The row of the instruction at a place."""
        return self.instr(place)[0]

    def instr(self, place: At) -> Instr:
        func, at = place
        return self.module.funcs[func - self.first].body[at]

    def text(self, place: At) -> str:
        """An instruction in one line."""
        return " ".join(BodyPrinter(self._scope, {}, {}).instr(self.instr(place)).split())[:200]

    def node(self, place: At) -> Node:
        func, at = place
        return self.graphs.graph(func - self.first).nodes[at]

    def takes_all(self, place: At, others: Sequence[At]) -> bool:
        """Whether an instruction's operands are made from all of these, directly, through others or through locals."""
        seen: set[At] = set()
        reached = [place]
        while reached:
            one = reached.pop()
            makers = {(one[0], slot.maker) for slot in self.node(one).ins} - seen
            for op, imm in [self.instr(maker) for maker in makers if maker[1] >= 0]:
                if op.name == "local.get":
                    makers |= self._sets(one[0], imm)
            seen |= makers
            reached += [maker for maker in makers if maker[1] >= 0]
        return seen >= set(others)

    def _sets(self, func: int, local: int) -> set[At]:
        """Where a function sets a local."""
        body = self.module.funcs[func - self.first].body
        return {
            (func, at) for at, (op, imm) in enumerate(body) if op.name in ("local.set", "local.tee") and imm == local
        }


class Followed(Instructions):
    """The case up to the call that is wrong, its module, and what the reference executes of it, in order of the first
    time (``executed``). Raises ``Hidden`` for what is no module, runs nothing, or runs too long."""

    def __init__(self, subject: Subject) -> None:
        if subject.case.kind is not CaseKind.WASM:
            raise Hidden("nothing is executed in this case")
        calls = subject.case.invocations
        calls = calls[: subject.step + 1] if subject.step >= 0 else calls
        self.subject = subject
        self.case = replace(subject.case, invocations=calls, sites=())
        super().__init__(self.case)
        self.takes = {
            (self.first + number, at): len(node.ins)
            for number in range(len(self.module.funcs))
            for at, node in enumerate(self.graphs.graph(number).nodes)
        }
        plain = Probed(self.module, "", 0, origins={place: place[1] for place in self.takes})
        self.run = expected(self.case, plain, self.takes)
        seen = self.run.observation
        if not self.run.whole or any(isinstance(one, Exhausted) for one in (seen.instantiation, *seen.outcomes)):
            raise Hidden("the run is too long to be followed")
        if not self.run.steps:
            raise Hidden("no instruction is executed before it is wrong")
        self.executed = dict.fromkeys((step.func, step.at) for step in self.run.steps)

    def operands(self, step: Step) -> tuple[str, ...]:
        """The operands of an executed instruction as the reference had them."""
        slots = self.node((step.func, step.at)).ins
        slots = slots[len(slots) - len(step.operands) :]
        return tuple(shown(slot.type, value) for slot, value in zip(slots, step.operands, strict=True))

    def with_module(self, module: Module) -> Case:
        """The case with a changed module, and the features that it needs."""
        features = frozenset(feature.value for feature in required_features(module))
        changed = self.case.with_content(encode(module))
        return replace(changed, features=changed.features | features)


@dataclass(frozen=True, slots=True)
class Way:
    """How to probe: which places, and how entries are written. ``words`` say so. ``all_values``: whether every place
    that gives a number is probed, so that whatever is logged later was made from what was seen."""

    words: str
    wanted: Callable[[int, int, Op], bool]
    form: Form = Form.INLINE
    operands: bool = False
    all_values: bool = False


@dataclass(frozen=True, slots=True)
class Logged:
    """A probed module that shows the finding, with both logs and observations."""

    way: Way
    probed: Probed
    wanted: Expected
    got: list[tuple[int, int]]
    observation: Observation

    @property
    def first(self) -> int | None:
        """The number of the first entry in which they differ."""
        return first_difference(self.wanted, self.got, self.probed)


def shown(type_: ValType | None, value: int | None) -> str:
    """``i32:0x18``; a reference by its type alone."""
    if not isinstance(type_, NumType) or value is None:
        return "ref"
    return f"{type_.name}:{value & (1 << type_.bits) - 1:#x}"
