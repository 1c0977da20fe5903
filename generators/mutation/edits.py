"""Typed edits of a valid function: each keeps it valid, and most of them the places that it must not trap or hang in.

An edit that turns out invalid after all is taken back; whoever asked for it counts that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.draw.values import draw_bits
from generators.module.function import Function
from generators.module.shell import PAGE, Shell
from generators.mutation.spans import Graph, Guarded, UnknownCode, closed, guarded, read_graph
from generators.scalar.expressions import emit_clean
from wasm.builder import FuncBuilder
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.isa import OPS, ROWS, Imm, Instr, MemArg, Op
from wasm.module import Func, Module
from wasm.validate_code import BodyValidator
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, NumType, ValType

_BARE: Final = {name: row.bare for name, row in OPS.items()}
_END: Final = _BARE["end"]
_CONSTANTS: Final = {OPS[f"{type_}.const"]: type_ for type_ in (I32, I64, F32, F64, V128)}
_MOST_INSTRS: Final = 1500
"""Functions above this are left alone: reading them again for every edit would take longer than all else."""
_LARGEST_SPAN: Final = 120


@dataclass(slots=True)
class Editor:
    """One function of a module under edit. ``moves`` has (end, delta): positions from ``end`` on moved by ``delta``."""

    module: Module
    context: ModuleContext
    config: Config
    source: ChoiceSource
    index: int
    deep: frozenset[int]
    func: Func
    graph: Graph
    guarded: Guarded
    moves: list[tuple[int, int, int]] = field(default_factory=list)

    @staticmethod
    def open(
        module: Module, context: ModuleContext, config: Config, source: ChoiceSource, index: int, deep: frozenset[int]
    ) -> Editor | None:
        """An editor for function ``index``; None if it cannot be edited. ``deep``: see ``deep_functions``."""
        func = module.funcs[index - (len(context.funcs) - len(module.funcs))]
        if len(func.body) > _MOST_INSTRS:
            return None
        try:
            graph = read_graph(func, context)
        except (UnknownCode, Invalid):
            return None
        found = guarded(graph, func.body, index in deep, deep)
        return Editor(module, context, config, source, index, deep, func, graph, found)

    @property
    def kept(self) -> frozenset[int]:
        return self.guarded.kept

    def edit(self) -> bool | None:
        """Try one edit. None: nothing to edit was found; False: the result was not valid and was taken back."""
        func = self.func
        before = list(func.body), list(func.locals), list(self.moves), list(self.graph.local_types)
        change = self.source.weighted(_EDITS)
        if not change(self):
            return None
        if change in _IN_PLACE:
            return True
        try:
            BodyValidator(self.context).func(func)
            graph = read_graph(func, self.context)
        except (Invalid, UnknownCode):
            func.body, func.locals, self.moves, self.graph.local_types = before
            return False
        self.graph = graph
        self.guarded = guarded(graph, func.body, self.index in self.deep, self.deep)
        return True

    # --- means ---

    def splice(self, start: int, end: int, code: list[Instr]) -> None:
        self.func.body[start:end] = code
        self.moves.append((start, end, len(code) - (end - start)))

    def local(self, type_: ValType) -> int:
        """A new local."""
        index = len(self.graph.local_types)
        self.graph.local_types.append(type_)
        self.func.locals.append((1, type_))
        return index

    def span(self) -> tuple[int, int, ValType] | None:
        """An expression whose value nothing needs that makes the code end or keeps it from trapping."""
        found = [
            item for item in self.graph.spans if item[1] - item[0] <= _LARGEST_SPAN and item[1] - 1 not in self.kept
        ]
        return self.source.pick(found) if found else None

    def number(self) -> tuple[int, int, NumType] | None:
        """The same for a number."""
        found = [
            (start, end, type_)
            for start, end, type_ in self.graph.spans
            if isinstance(type_, NumType) and end - start <= _LARGEST_SPAN and end - 1 not in self.kept
        ]
        return self.source.pick(found) if found else None

    def pick(self, wanted: Callable[[int, Op, Any], bool]) -> int | None:
        """An instruction that may be changed."""
        body = self.func.body
        found = [at for at in self.graph.nodes if at not in self.kept and wanted(at, *body[at])]
        return self.source.pick(found) if found else None

    def fresh(self, type_: NumType, depth: int) -> list[Instr] | None:
        """A new expression over the function's parameters; None where memory 0 is not as it expects."""
        memories = self.context.memories
        if not memories or memories[0].index64 or memories[0].limits.minimum << memories[0].page_log2 < PAGE:
            return None
        shell = Shell(self.config, self.source, private=True)
        every = self.graph.local_types
        f = FuncBuilder(shell.builder, 0, FuncType(tuple(every), ()), 0)
        params = self.context.func_type_at(self.func.type_index).params
        sources: dict[ValType, list[int]] = {}
        for i, param in enumerate(params):
            sources.setdefault(param, []).append(i)
        # Parameters may be NaNs with bits that the specification leaves open: only integers are read.
        fn = Function(shell, f, self.source, 0, 0, {t: sources[t] for t in (I32, I64) if t in sources})
        emit_clean(fn, self.source, type_, depth)
        for count, local in f.locals:
            self.graph.local_types += [local] * count
            self.func.locals.append((count, local))
        return f.body


# --- edits that change what is computed ---


def _constant(editor: Editor) -> bool:
    """A constant becomes one from an edge."""
    at = editor.pick(lambda _, row, __: row in _CONSTANTS)
    if at is None:
        return False
    row = editor.func.body[at][0]
    editor.func.body[at] = row, draw_bits(editor.source, _CONSTANTS[row])
    return True


_OBSERVING: Final = ("reinterpret", "copysign", "bitmask", "any_true", "all_true", "extract_lane", "narrow")


def _family(row: Op) -> str:
    return row.name.partition(".")[0] if row.params and V128 in row.params else ""


@lru_cache(maxsize=1024)
def _alike(row: Op, features: frozenset[Any]) -> tuple[Op, ...]:
    """The rows that can stand in for one: same type, no trap and no open NaN that it has not, no bits looked at."""
    if row.params is None or row.access is not None or row.imms or row.traps:
        return ()
    return tuple(
        other
        for other in ROWS
        if (other.params, other.results, other.imms) == (row.params, row.results, row.imms)
        and other is not row
        and other.access is None
        and not other.traps
        and (row.nan or not other.nan)
        and _family(other) == _family(row)
        and not any(word in other.name for word in _OBSERVING)
        and (other.feature is None or other.feature in features)
        and (other.feature is row.feature or row.feature is None or other.feature is None)
        and "relaxed" not in other.name
    )


def _instruction(editor: Editor) -> bool:
    """An instruction becomes another one of the same type."""
    at = editor.pick(lambda _, row, __: bool(_alike(row, editor.config.features)))
    if at is None:
        return False
    row, imm = editor.func.body[at]
    editor.func.body[at] = editor.source.pick(_alike(row, editor.config.features)), imm
    return True


def _swap(editor: Editor) -> bool:
    """Two operands of one type change places."""
    nodes = editor.graph.nodes

    def two(at: int, row: Op, _: Any) -> bool:
        ins = nodes[at].ins
        if len(ins) < 2 or row.params is None or ins[-1].type is not ins[-2].type:
            return False
        a, b = ins[-2:]
        return 0 <= a.start < b.start == a.maker + 1 and b.maker + 1 == at and not {a.maker, b.maker} & editor.kept

    at = editor.pick(two)
    if at is None:
        return False
    a, b = nodes[at].ins[-2:]
    body = editor.func.body
    editor.splice(a.start, at, body[b.start : at] + body[a.start : b.start])
    return True


def _replace(editor: Editor) -> bool:
    """An expression becomes a new one."""
    found = editor.number()
    if found is None:
        return False
    start, end, type_ = found
    body = editor.func.body
    if any(body[at][0].name in ("local.tee", "local.set") and at in editor.kept for at in range(start, end)):
        return False
    code = editor.fresh(type_, editor.source.between(0, 3))
    if code is None:
        return False
    editor.splice(start, end, code)
    return True


def _repeat(editor: Editor) -> bool:
    """A statement is done twice."""
    found = [
        (start, end)
        for start, end in editor.graph.statements
        if end - start <= _LARGEST_SPAN and not any(at in editor.kept for at in range(start, end))
    ]
    if not found:
        return False
    start, end = editor.source.pick(found)
    code = editor.func.body[start:end]
    if not closed(code):
        return False
    editor.splice(end, end, code)
    return True


def _offset(editor: Editor) -> bool:
    """An access a little lower, or with another alignment: never further out than before."""
    body = editor.func.body
    found = [at for at in editor.graph.nodes if Imm.MEMARG in body[at][0].imms and body[at][0].prefix != 0xFE]
    if not found:
        return False
    at = editor.source.pick(found)
    row, imm = body[at]
    memarg = imm if isinstance(imm, MemArg) else imm[0]
    assert row.access is not None
    offset = editor.source.pick((memarg.offset, memarg.offset // 2, 0, max(0, memarg.offset - 1)))
    changed = MemArg(editor.source.below(row.access.bytes.bit_length()), offset, memarg.memory)
    body[at] = row, changed if isinstance(imm, MemArg) else (changed, *imm[1:])
    return True


def _choose(editor: Editor) -> bool:
    """An expression becomes one arm of a choice; the other arm is a new one."""
    found = editor.number()
    if found is None:
        return False
    start, end, type_ = found
    code = editor.func.body[start:end]
    if not closed(code):
        return False
    other = editor.fresh(type_, 2)
    condition = editor.fresh(I32, 1)
    if other is None or condition is None:
        return False
    if editor.source.below(2):
        editor.splice(start, end, [*condition, (OPS["if"], type_), *code, _BARE["else"], *other, _END])
    else:
        editor.splice(start, end, [*code, *other, *condition, _BARE["select"]])
    return True


# --- edits that only change how it is computed ---


def _through_local(editor: Editor) -> bool:
    """A value goes through a new local, or is kept in one besides."""
    found = editor.span()
    if found is None or not getattr(found[2], "nullable", True):
        return False
    _, end, type_ = found
    local = editor.local(type_)
    code: list[Instr] = [(OPS["local.tee"], local)]
    if editor.source.below(2):
        code = [(OPS["local.set"], local), (OPS["local.get"], local)]
    editor.splice(end, end, code)
    return True


def _wrap(editor: Editor) -> bool:
    """An expression moves into a block, a loop that is not repeated, or an arm that is always taken."""
    found = editor.span()
    if found is None:
        return False
    start, end, type_ = found
    code = editor.func.body[start:end]
    if not closed(code):
        return False
    kind = editor.source.below(4)
    if kind == 3 and isinstance(type_, NumType):
        arms = [*code, _BARE["else"], (OPS[f"{type_}.const"], 0), _END]
        editor.splice(start, end, [(OPS["i32.const"], 1), (OPS["if"], type_), *arms])
        return True
    out: list[Instr] = [(OPS["br"], 0)] if kind == 2 else []
    editor.splice(start, end, [(OPS["loop" if kind == 1 else "block"], type_), *code, *out, _END])
    return True


_NEUTRAL: Final = ("add", "or", "xor", "shl", "rotl", "sub")
_SAME: Final[dict[ValType, tuple[tuple[Instr, ...], ...]]] = {
    type_: (
        *(((OPS[f"{type_}.const"], 0), _BARE[f"{type_}.{word}"]) for word in _NEUTRAL),
        ((OPS[f"{type_}.const"], (1 << type_.bits) - 1), _BARE[f"{type_}.and"]),
        ((OPS[f"{type_}.const"], 1), _BARE[f"{type_}.mul"]),
        ((OPS[f"{type_}.const"], type_.bits), _BARE[f"{type_}.shr_u"]),
        *(((OPS[f"{type_}.const"], value), _BARE[f"{type_}.add"], (OPS[f"{type_}.const"], value), _BARE[f"{type_}.sub"])
          for value in (1, 0x7F, (1 << type_.bits - 1) - 1)),
        (_BARE[f"f{type_.bits}.reinterpret_i{type_.bits}"], _BARE[f"i{type_.bits}.reinterpret_f{type_.bits}"]),
    )
    for type_ in (I32, I64)
}  # fmt: skip
_NARROWED: Final = (_BARE["i64.extend_i32_u"], _BARE["i32.wrap_i64"])


def _identity(editor: Editor) -> bool:
    """An integer goes through operations that leave it as it is."""
    found = editor.number()
    if found is None or found[2] not in _SAME:
        return False
    _, end, type_ = found
    ways = _SAME[type_] if type_ is I64 else (*_SAME[type_], _NARROWED)
    editor.splice(end, end, list(editor.source.pick(ways)))
    return True


Edit = Callable[[Editor], bool]
_EDITS: Final = weighted(
    (_constant, 40), (_instruction, 44), (_swap, 30), (_replace, 34), (_repeat, 18), (_offset, 18), (_choose, 18),
    (_through_local, 18), (_wrap, 18), (_identity, 18),
)  # fmt: skip
_IN_PLACE: Final = frozenset((_constant, _instruction, _offset))
"""These put one instruction in the place of another one of its type: all that is known of the function still holds."""
