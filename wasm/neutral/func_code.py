"""A function as mutators see it, and edits that several of them make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from wasm.isa import OPS, Imm, Instr
from wasm.limits import LOCALS
from wasm.module import ExternKind, Func, Global, Module
from wasm.neutral.draws import Draws, pick
from wasm.rewrite.index_map import labels_of, local_of, with_labels
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph
from wasm.rewrite.spans import Spans, spans_of
from wasm.signatures_gc import defaultable
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, GlobalType, NumType, ValType

CONST: Final = {type_: OPS[f"{type_}.const"] for type_ in (I32, I64, F32, F64, V128)}
END: Final = OPS["end"].bare
ELSE: Final = OPS["else"].bare
_LEGACY: Final = frozenset(OPS[name] for name in ("try", "catch", "catch_all", "rethrow", "delegate"))
_WRITES: Final = frozenset((OPS["local.set"], OPS["local.tee"]))
FUNCTIONS: Final = 40
"""So many functions of a module are edited at most."""
LONGEST: Final = 20_000
"""Longer bodies are left alone: their graphs take long, and a change is not to pass an engine's limits."""


@dataclass(slots=True)
class Edit:
    """The instructions from ``start`` up to ``end`` of a body are written anew as ``code``."""

    start: int
    end: int
    code: Sequence[Instr]


class FuncCode:
    """The ``number``-th defined function of a module, to be edited in place."""

    def __init__(self, module: Module, number: int, graph: Graph) -> None:
        self.module, self.number, self.graph = module, number, graph
        self.func = module.funcs[number]
        self._edits: list[Edit] = []
        self._added = 0

    @property
    def body(self) -> list[Instr]:
        return self.func.body

    @property
    def type(self) -> FuncType:
        composite = self.module.flat_types()[self.func.type_index].composite
        assert isinstance(composite, FuncType)
        return composite

    @cached_property
    def reachable(self) -> list[int]:
        return self.graph.reachable()

    @cached_property
    def spans(self) -> Spans:
        return spans_of(self.graph, self.reachable)

    def pieces(self, least: int = 1) -> list[tuple[int, int, ValType | None]]:
        """Start, end and type of what makes one value by at least so many instructions; then statements, typed None."""
        values = [one for one in self.spans.spans if one[1] - one[0] >= least]
        return [*values, *((start, end, None) for start, end in self.spans.statements)]

    def local(self, type_: ValType) -> int:
        """A new local."""
        self.func.locals.append((1, type_))
        self._added += 1
        return len(self.graph.locals) + self._added - 1

    def room(self, count: int) -> bool:
        """Whether so many locals more are still within the limit."""
        return len(self.graph.locals) + self._added + count <= LOCALS

    def replace(self, start: int, end: int, code: Sequence[Instr]) -> bool:
        """Have instructions written anew, or put some before ``start`` if that is the ``end``; False if another edit
        has them already."""
        if any(start < edit.end and edit.start < end for edit in self._edits):
            return False
        if start == end and any(edit.start < start < edit.end or edit.start == start for edit in self._edits):
            return False
        if start != end and any(edit.start == edit.end and start <= edit.start < end for edit in self._edits):
            return False
        self._edits.append(Edit(start, end, code))
        return True

    def write(self) -> bool:
        """Make the edits; whether there was any."""
        body = self.func.body
        for edit in sorted(self._edits, key=lambda edit: (edit.start, edit.end), reverse=True):
            body[edit.start : edit.end] = edit.code
        return bool(self._edits)

    # What stands in a piece of code.

    def plain(self, start: int, end: int) -> bool:
        """Whether code can stand in a block of its own. What it sets need not have been set before (spec 3.4.12: what
        was set in a block counts as not set behind it), and it goes on to what stands behind it: behind a block that
        is reached even where it never was."""
        goes_on = not self.graph.nodes[end - 1].transfer
        return goes_on and all(
            op not in _WRITES or defaultable(self.graph.locals[imm]) for op, imm in self.body[start:end]
        )


def in_functions(
    module: Module, draws: Draws, edit: Callable[[FuncCode], bool], most: int = FUNCTIONS
) -> Module | None:
    """The module with functions edited in place: one of them, or all, but no more than ``most``. ``edit`` says whether
    it changed anything; None if none did."""
    numbers = [number for number, func in enumerate(module.funcs) if _editable(func.body)]
    if not numbers:
        return None
    if draws.below(3) == 0:
        # Small functions are mostly wrappers: two tries for one with more to it.
        tries = [pick(draws, numbers) for _ in range(2)]
        numbers = [max(tries, key=lambda number: len(module.funcs[number].body) > 8)]
    while len(numbers) > most:
        numbers.pop(draws.below(len(numbers)))
    graphs = ModuleGraphs(module)
    changed = [edit(FuncCode(module, number, graphs.graph(number))) for number in numbers]
    return module if any(changed) else None


def _editable(body: list[Instr]) -> bool:
    return 2 <= len(body) <= LONGEST and not any(op in _LEGACY for op, _ in body)


def copied(module: Module) -> Module:
    """A module whose lists can be changed without changing this one's. Sections that say where which code stands are
    left out: they would lie."""
    return replace(
        module,
        types=list(module.types), imports=list(module.imports), tables=list(module.tables), tags=list(module.tags),
        memories=list(module.memories), globals=list(module.globals), exports=list(module.exports),
        elems=list(module.elems), datas=list(module.datas), customs=[],
        funcs=[Func(func.type_index, list(func.locals), list(func.body)) for func in module.funcs],
    )  # fmt: skip


def raised(code: Iterable[Instr], by: int = 1) -> list[Instr] | None:
    """The code as it stands in ``by`` blocks more: labels outside it count on. None if it is no whole code."""
    made: list[Instr] = []
    level = 0
    for instr in code:
        labels = labels_of(instr)
        if any(label >= level for label in labels):
            instr = with_labels(instr, [label + by if label >= level else label for label in labels])
        made.append(instr)
        if Imm.BLOCK_TYPE in instr[0].imms:
            level += 1
        elif instr[0] is OPS["end"]:
            level -= 1
            if level < 0:
                return None
    return made if level == 0 else None


def leaves(code: Iterable[Instr]) -> bool:
    """Whether code may end the function by itself, without a label: by a return or a tail call."""
    return any(op.name.startswith("return") for op, _ in code)


def locals_in(code: Iterable[Instr]) -> list[int]:
    """The locals that are named, each once, in order."""
    return list(dict.fromkeys(local for instr in code if (local := local_of(instr)) is not None))


def written_in(code: Iterable[Instr]) -> list[int]:
    """The locals that are set, each once, in order."""
    return list(dict.fromkeys(imm for op, imm in code if op in _WRITES))


def global_of(module: Module, type_: NumType, value: int, mutable: bool = True) -> int:
    """A new global that nothing sets: an engine has to read it, or to prove that."""
    module.globals.append(Global(GlobalType(type_, mutable), ((CONST[type_], value),)))
    return len(module.global_types()) - 1


def function(module: Module, type_: FuncType, locals_: list[tuple[int, ValType]], body: Sequence[Instr]) -> int:
    """The index of a new function; ``body`` is without its ``end``."""
    module.funcs.append(Func(module.type_index(type_), locals_, [*body, END]))
    return len(module.imported(ExternKind.FUNC)) + len(module.funcs) - 1


def never(module: Module, draws: Draws) -> list[Instr]:
    """Instructions that push an i32 that is 0, without it standing there."""
    return [(OPS["global.get"], global_of(module, I32, 0))] if draws.below(2) else _never_equal(module, draws)


def _never_equal(module: Module, draws: Draws) -> list[Instr]:
    type_ = pick(draws, (I32, I64))
    value = draws.below(1 << type_.bits)
    other = (value + 1 + draws.below(3)) % (1 << type_.bits)
    return [(OPS["global.get"], global_of(module, type_, value)), (CONST[type_], other), OPS[f"{type_}.eq"].bare]


def default_of(type_: ValType) -> list[Instr]:
    """The instruction that pushes what a local of the type begins with."""
    assert defaultable(type_)
    return [(CONST[type_], 0)] if isinstance(type_, NumType) else [(OPS["ref.null"], type_.heap)]
