"""Where values come from and go to in a function body: what an edit may touch, and which instructions belong together.

A body is read once, front to back, with the types of what is on the stack. Code that cannot be reached is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from wasm.context import ModuleContext, Signature
from wasm.isa import OPS, Catch, Imm, Instr, Op
from wasm.module import Func, Module
from wasm.signatures import CHECKED, PLAIN, signature
from wasm.valtypes import I32, FuncType, RefType, ValType, ref

_FIXED: Final = {row: type_ for row, type_ in PLAIN[I32].items() if not CHECKED.intersection(row.imms)}
"""The rows whose type depends on nothing."""

_OPENERS: Final = frozenset(("block", "loop", "if", "try_table"))
_ENDS: Final = frozenset((
    "unreachable", "br", "br_table", "return", "return_call", "return_call_indirect", "return_call_ref", "throw",
    "throw_ref",
))  # fmt: skip
_BRANCHES: Final = frozenset((
    Imm.LABEL, Imm.LABELS, Imm.CAST, Imm.CATCHES,
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A value on the stack: who made it (-1: a block's parameter), and where the code that makes it alone begins.

    ``start`` is -1 where the code makes other values as well.
    """

    type: ValType
    maker: int
    start: int


@dataclass(frozen=True, slots=True)
class Node:
    """A reachable instruction: what it takes, what it gives, in how many loops it stands."""

    at: int
    ins: tuple[Value, ...]
    outs: tuple[ValType, ...]
    loops: int


@dataclass(slots=True)
class _Block:
    opener: int
    word: str
    type: FuncType
    height: int
    start: int


@dataclass(slots=True)
class Graph:
    """A function's reachable instructions by position, and its expressions.

    ``spans`` has (start, end, type) of code that does nothing to the stack but push one value. ``statements`` has
    (start, end) of code that leaves it as it is.
    """

    local_types: list[ValType]
    params: int
    nodes: dict[int, Node] = field(default_factory=dict)
    spans: list[tuple[int, int, ValType]] = field(default_factory=list)
    statements: list[tuple[int, int]] = field(default_factory=list)
    sets: dict[int, list[Value]] = field(default_factory=dict)
    """By local, what is put into it."""


class UnknownCode(Exception):
    """An instruction that this reader does not follow; the function is then left alone."""


def read_graph(func: Func, context: ModuleContext) -> Graph:
    """The graph of a valid function. Raises ``UnknownCode``."""
    type_ = context.func_type_at(func.type_index)
    local_types = [*type_.params, *(local for count, local in func.locals for _ in range(count))]
    return _Reader(func, context, type_, Graph(local_types, len(type_.params))).run()


class _Reader:
    def __init__(self, func: Func, context: ModuleContext, type_: FuncType, graph: Graph) -> None:
        self.body, self.context, self.graph = func.body, context, graph
        self.stack: list[Value] = []
        self.blocks = [_Block(-1, "func", FuncType((), type_.results), 0, -1)]
        self.loops = 0

    def run(self) -> Graph:
        at = 0
        while at < len(self.body):
            row, imm = self.body[at]
            if row.name in _OPENERS:
                self._open(at, row.name, imm)
            elif row.name == "else":
                self._else()
            elif row.name == "end":
                self._end(at)
            else:
                self._plain(at, self._type(at, row.name, imm))
                if row.name in _ENDS:
                    at = self._skip(at)
                    continue
            at += 1
        return self.graph

    def _skip(self, at: int) -> int:
        """The position of the ``else`` or ``end`` that closes the innermost block, which begins again or ends there."""
        level = 0
        while True:
            at += 1
            name = self.body[at][0].name
            if name in _OPENERS:
                level += 1
            elif name == "end" and level:
                level -= 1
            elif not level and name in ("end", "else"):
                block = self.blocks[-1]
                del self.stack[block.height :]
                self.stack += [Value(type_, at, -1) for type_ in block.type.results]
                return at

    # --- types ---

    def _block_type(self, imm: Any) -> FuncType:
        if isinstance(imm, int):
            return self.context.func_type_at(imm)
        return FuncType((), () if imm is None else (imm,))

    def _label(self, depth: int) -> tuple[ValType, ...]:
        block = self.blocks[-1 - depth]
        return block.type.params if block.word == "loop" else block.type.results

    def _top(self) -> ValType:
        return self.stack[-1].type

    def _type(self, at: int, name: str, imm: Any) -> Signature:
        row = self.body[at][0]
        found = _FIXED.get(row) or signature(row, imm, self.context)
        if found is not None:
            return found
        label: tuple[ValType, ...]
        match name:
            case "unreachable":
                return (), ()
            case "drop":
                return (self._top(),), ()
            case "select":
                type_ = self.stack[-2].type
                return (type_, type_, I32), (type_,)
            case "local.get" | "local.set" | "local.tee":
                type_ = self.graph.local_types[imm]
                return ((), (type_,)) if name == "local.get" else ((type_,), (type_,) if name == "local.tee" else ())
            case "br" | "br_if":
                label = self._label(imm)
                return ((*label, I32), label) if name == "br_if" else (label, ())
            case "br_table":
                return (*self._label(imm[1]), I32), ()
            case "return":
                return self.blocks[0].type.results, ()
            case "return_call":
                return self.context.func_type(imm).params, ()
            case "return_call_indirect":
                address = self.context.callable_table(imm[1]).index_type
                return (*self.context.func_type_at(imm[0]).params, address), ()
            case "return_call_ref":
                return (*self.context.func_type_at(imm).params, ref(imm)), ()
            case "throw":
                return self.context.tag_params(imm), ()
            case "throw_ref":
                return (self._top(),), ()
            case "ref.is_null":
                return (self._top(),), (I32,)
            case "ref.as_non_null":
                return (self._top(),), (self._whole(self._top()),)
            case "br_on_null":
                label = self._label(imm)
                return (*label, self._top()), (*label, self._whole(self._top()))
            case "br_on_non_null":
                label = self._label(imm)[:-1]
                return (*label, self._top()), label
            case _:
                raise UnknownCode(name)

    @staticmethod
    def _whole(type_: ValType) -> ValType:
        return ref(type_.heap, False) if isinstance(type_, RefType) else type_

    # --- the stack ---

    def _pop(self, count: int) -> tuple[Value, ...]:
        if len(self.stack) - self.blocks[-1].height < count:
            raise UnknownCode("operands")
        found = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return found

    def _start(self, ins: tuple[Value, ...], at: int) -> int:
        """Where the code of an instruction and all its operands begins; -1 if that makes something else too."""
        start = at
        for value in reversed(ins):
            if value.start < 0 or value.maker + 1 != start:
                return -1
            start = value.start
        return start

    def _plain(self, at: int, type_: Signature) -> None:
        params, results = type_
        ins = self._pop(len(params))
        self.graph.nodes[at] = Node(at, ins, results, self.loops)
        start = self._start(ins, at)
        name, imm = self.body[at][0].name, self.body[at][1]
        if name in ("local.set", "local.tee"):
            self.graph.sets.setdefault(imm, []).append(ins[0])
        if len(results) == 1:
            self.stack.append(Value(results[0], at, start))
            if start >= 0:
                self.graph.spans.append((start, at + 1, results[0]))
        else:
            self.stack += [Value(result, at, -1) for result in results]
            if not results and start >= 0:
                self.graph.statements.append((start, at + 1))

    def _open(self, at: int, name: str, imm: Any) -> None:
        type_ = self._block_type(imm[0] if name == "try_table" else imm)
        condition = self._pop(1) if name == "if" else ()
        ins = self._pop(len(type_.params))
        self.graph.nodes[at] = Node(at, (*ins, *condition), type_.params, self.loops)
        start = self._start(condition, at) if not ins else -1
        self.blocks.append(_Block(at, name, type_, len(self.stack), start))
        self.loops += name == "loop"
        self.stack += [Value(param, -1, -1) for param in type_.params]

    def _else(self) -> None:
        block = self.blocks[-1]
        del self.stack[block.height :]
        self.stack += [Value(param, -1, -1) for param in block.type.params]

    def _end(self, at: int) -> None:
        block = self.blocks.pop()
        self.loops -= block.word == "loop"
        del self.stack[block.height :]
        if not self.blocks:
            return
        results = block.type.results
        start = block.start if not block.type.params else -1
        if len(results) == 1 and start >= 0:
            self.stack.append(Value(results[0], at, start))
            self.graph.spans.append((start, at + 1, results[0]))
        else:
            self.stack += [Value(result, at, -1) for result in results]
            if not results and start >= 0:
                self.graph.statements.append((start, at + 1))


def closed(code: list[Instr]) -> bool:
    """Whether no branch leaves this code, so that it may stand in a block more or less."""
    level = 0
    for row, imm in code:
        if row.name in _OPENERS:
            if row.name == "try_table" and any(clause.label >= level for clause in _clauses(imm)):
                return False
            level += 1
        elif row.name == "end":
            level -= 1
        elif not _BRANCHES.isdisjoint(row.imms):
            if row.name in ("br_on_cast", "br_on_cast_fail"):
                depth = imm[0]
            elif row.name == "br_table":
                depth = max((*imm[0], imm[1]))
            else:
                depth = imm
            if depth >= level:
                return False
    return True


def _clauses(imm: Any) -> tuple[Catch, ...]:
    clauses: tuple[Catch, ...] = imm[1]
    return clauses


# --- what must stay as it is ---

_MASKS: Final = frozenset(
    ("i32.and", "i32.or", "i64.and", "i64.or", "i32.rem_u", "i64.rem_u", "i32.shr_u", "i64.shr_u")
)
_CONSTANTS: Final = frozenset(OPS[f"{t}.const"] for t in ("i32", "i64", "f32", "f64", "v128"))
_TESTS: Final = frozenset(("br_if", "br_table", "if", "br_on_null", "br_on_non_null"))


@dataclass(frozen=True, slots=True)
class Guarded:
    """``kept`` has the instructions that an edit leaves alone. ``open_loops``: what ends a loop comes from outside."""

    kept: frozenset[int]
    open_loops: bool


def deep_functions(module: Module) -> frozenset[int]:
    """The functions that may call themselves: by their own index, or whatever a table or a reference holds."""
    imported = len(module.func_type_indices()) - len(module.funcs)
    return frozenset(
        index
        for index, func in enumerate(module.funcs, imported)
        if any(row.name in _BY_VALUE or (row.name in _DIRECT and imm == index) for row, imm in func.body)
    )


_DIRECT: Final = ("call", "return_call")
_BY_VALUE: Final = ("call_indirect", "call_ref", "return_call_indirect", "return_call_ref")


def guarded(graph: Graph, body: list[Instr], recursive: bool, deep: frozenset[int]) -> Guarded:
    """The instructions on which depends that code ends and does not trap.

    These are the conditions of branches in loops (all, if the function is ``recursive``), the arguments of ``deep``
    functions and the operands of whatever may trap, each back to a mask with a constant, or to what comes from outside
    of the function. Small globals count fuel.
    """
    found: set[int] = set()
    locals_: set[int] = set()
    conditions: list[Value] = []
    work: list[Value] = []
    for at, node in graph.nodes.items():
        row, imm = body[at]
        name = row.name
        if name in _BY_VALUE or (name in _DIRECT and imm in deep):
            work += node.ins
        elif row.traps or name.startswith(("memory.", "table.", "array.")):
            work += _deciding(row, node.ins)
        elif name in _TESTS:
            if node.loops:
                conditions += node.ins[-1:]
            if recursive:
                work += node.ins[-1:]
        elif name in ("global.set", "global.get"):
            found.add(at)
            if node.ins and node.ins[0].type is I32:
                work += node.ins
    _slice(graph, body, work, found, locals_)
    open_loops = _slice(graph, body, conditions, found, locals_)
    # Who sets such a local twice would count twice.
    found.update(at for at in graph.nodes if body[at][0].name in ("local.set", "local.tee") and body[at][1] in locals_)
    return Guarded(frozenset(found), open_loops or bool(conditions and recursive))


def _deciding(row: Op, ins: tuple[Value, ...]) -> tuple[Value, ...]:
    """The operands on which it depends whether an instruction traps: a divisor, an address, else all."""
    word = row.name.partition(".")[2]
    if word.startswith(("div_", "rem_")):
        return ins[1:]
    return ins[:1] if row.access is not None and row.access.kind == "store" else ins


def _slice(graph: Graph, body: list[Instr], work: list[Value], found: set[int], locals_: set[int]) -> bool:
    """Add what these values depend on to ``found`` and ``locals_``; whether they depend on anything from outside."""
    outside = False
    seen: set[int] = set()
    while work:
        value = work.pop()
        at = value.maker
        if at < 0 or at not in graph.nodes:
            outside = True
            continue
        if at in seen:
            continue
        seen.add(at)
        found.add(at)
        row, imm = body[at]
        ins = graph.nodes[at].ins
        constants = [one.maker for one in ins if one.maker >= 0 and body[one.maker][0] in _CONSTANTS]
        if row.name in _MASKS and constants:
            found.update(constants)
            outside |= row.name.endswith(("or", "shr_u"))
        elif row.name in ("local.get", "local.tee"):
            work += ins
            if imm not in locals_:
                locals_.add(imm)
                work += graph.sets.get(imm, ())
            outside |= imm < graph.params
        else:
            outside |= row.access is not None or row.name.startswith(("call", "global.get", "memory.", "table."))
            work += ins
    return outside
