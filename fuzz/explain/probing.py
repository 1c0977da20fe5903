"""Probes: a module that writes down what its instructions gave, in a log that can be read when it has run.

    local.get 0  local.get 1  i32.add   ->   local.get 0  local.get 1  i32.add
                                             local.tee $kept
                                             global.get $end   i32.const 7          i32.store
                                             global.get $end   local.get $kept      i32.store offset=16
                                             global.get $end   i32.const 32  i32.add  global.set $end

An entry is 32 bytes: from byte 0 the number of the place plus one, from byte 16 the value. Probed are the numbers and
vectors that an instruction leaves on the stack, a function's parameters at its beginning, a local or global after it
was set, and what is in memory where a store has just written. The log is a memory of its own, or where the engine has
one memory only, pages behind the module's own. What the probed module computes otherwise is of no concern, as long as
it is wrong in the same way: reference and engine run the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from wasm.fragment import Code, code, template
from wasm.isa import ADDR, OPS, Instr, MemArg, Op
from wasm.module import Export, ExternKind, Func, Global, Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph, Node
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, GlobalType, Limits, MemType, NumType, ValType

STRIDE: Final = 32
_VALUE: Final = 16
PAGE: Final = 1 << 16

_STORE: Final = {type_: OPS[f"{type_}.store"] for type_ in (I32, I64, F32, F64, V128)}
_READ: Final = {
    "i32.store": "i32.load", "i64.store": "i64.load", "f32.store": "f32.load", "f64.store": "f64.load",
    "v128.store": "v128.load", "i32.store8": "i32.load8_u", "i32.store16": "i32.load16_u", "i64.store8": "i64.load8_u",
    "i64.store16": "i64.load16_u", "i64.store32": "i64.load32_u",
}  # fmt: skip
"""How to read back what a store wrote."""
_GET, _SET, _TEE = (template(f"local.{word} $local") for word in ("get", "set", "tee"))
_GLOBAL_GET: Final = template("global.get $index")
_GLOBAL_SET: Final = template("global.set $index")
_PIECES: Final[dict[NumType, tuple[Code, ...]]] = {
    I32: ((),), I64: ((),), F32: (code("i32.reinterpret_f32"),), F64: (code("i64.reinterpret_f64"),),
    V128: (code("i64x2.extract_lane 0"), code("i64x2.extract_lane 1")),
}  # fmt: skip
"""What makes integers of a value, since not every host can read other globals."""
_CONST: Final = {I32: template("i32.const $value"), I64: template("i64.const $value")}
_BUMP: Final = {
    I32: template("global.get $end  i32.const $stride  i32.add  global.set $end"),
    I64: template("global.get $end  i64.const $stride  i64.add  global.set $end"),
}
MOVES: Final = frozenset(name for name in OPS if name.startswith("local.") or name.endswith(".const"))
"""Instructions that only move values."""


class Form(Enum):
    """How entries are written: into the log by the code itself or by functions; or, each place for itself, into globals
    that are exported, which need no memory and hold the latest value alone."""

    INLINE = "inline"
    CALLED = "called"
    GLOBALS = "globals"


class Seen(Enum):
    """What of a place is in the log: a result, a parameter at a function's beginning, what was written, an operand; or
    where there is no number, that it came so far."""

    RESULT = "result"
    PARAMETER = "parameter"
    ENTERED = "entered"
    WRITTEN = "written"
    OPERAND = "operand"


@dataclass(frozen=True, slots=True)
class Place:
    """What one kind of entry is about: the ``slot``-th value of an instruction of the module without probes.

    ``at`` is -1 for parameters. ``func`` counts imports.
    """

    func: int
    at: int
    seen: Seen
    slot: int
    type: NumType


@dataclass(slots=True)
class Probed:
    """The module with probes. ``places`` by number; ``marks`` says of the position (function, flat body) of each
    instruction that writes a value to the log which place it is of, and ``origins`` where an instruction stood.
    ``kept`` has the names of a place's globals: that it was reached, and the 64-bit pieces of its value."""

    module: Module
    export: str
    base: int
    places: list[Place] = field(default_factory=list)
    marks: dict[tuple[int, int], int] = field(default_factory=dict)
    origins: dict[tuple[int, int], int] = field(default_factory=dict)
    kept: list[tuple[str, ...]] = field(default_factory=list)


Wanted = Callable[[int, int, Op], bool]
"""Whether the place at (function index, position, row) is probed; parameters have position -1 and ``nop``'s row."""


def probed(
    module: Module, wanted: Wanted, *, pages: int = 16, form: Form = Form.INLINE, operands: bool = False,
    multi_memory: bool = False,
) -> Probed | None:  # fmt: skip
    """Put probes into a valid module, which is changed. None where there is no room for a log.

    ``operands``: numbers and vectors that the instruction
    takes are in the log too.
    """
    graphs = ModuleGraphs(replace(module, funcs=list(module.funcs)))
    if form is Form.GLOBALS:
        log: tuple[Probed, int, NumType] | None = Probed(module, "", 0), 0, I32
    else:
        log = make_log(module, pages, multi_memory)
    if log is None:
        return None
    result, memory, address = log
    writer = Writer(module, result, memory, address, form)
    first = len(module.imported(ExternKind.FUNC))
    defined = list(module.funcs)
    for number, func in enumerate(defined):
        graph = graphs.graph(number)
        body = _Body(writer, first + number, func, graph, operands)
        module.funcs[number] = body.written(wanted)
    return result


def make_log(module: Module, pages: int, multi_memory: bool) -> tuple[Probed, int, NumType] | None:
    """Where the log is: in a memory of its own, or behind what the module's only memory has at its beginning."""
    memories = module.memory_types()
    if not memories or multi_memory:
        module.memories.append(MemType(Limits(pages, pages)))
        index, base, address = len(memories), 0, I32
    elif (
        len(memories) == 1
        and module.memories
        and memories[0].limits.minimum + pages <= PAGE
        and memories[0].page_log2 == 16
    ):
        old = memories[0]
        least, most = old.limits.minimum, old.limits.maximum
        most = None if most is None else max(most, least + pages)
        module.memories[0] = replace(old, limits=Limits(least + pages, most))
        index, base, address = 0, least * PAGE, old.index_type
    else:
        return None
    names = {export.name for export in module.exports}
    name = next((one.name for one in module.exports if one.kind is ExternKind.MEMORY and one.index == index), None)
    if name is None:
        name = next(word for number in range(len(names) + 1) if (word := f"log{number or ''}") not in names)
        module.exports.append(Export(name, ExternKind.MEMORY, index))
    return Probed(module, name, base), index, address


class Writer:
    """Makes the code of entries. New functions, globals and types go to the ends of their spaces."""

    def __init__(self, module: Module, result: Probed, memory: int, address: NumType, form: Form) -> None:
        self.module, self.result, self.memory, self.address, self.form = module, result, memory, address, form
        self.names = {export.name for export in module.exports}
        self.functions: dict[NumType, int] = {}
        self.imported_globals = len(module.imported(ExternKind.GLOBAL))
        if form is not Form.GLOBALS:
            self.end = len(module.global_types())
            module.globals.append(Global(GlobalType(address, True), _CONST[address](result.base)))

    def entry(self, number: int, value: Code, type_: NumType) -> tuple[Code, int | None]:
        """The code that writes an entry, and where in it the value is stored."""
        if self.form is Form.GLOBALS:
            return self._globals(number, value, type_)
        if self.form is Form.CALLED:
            function = self._function(type_)
            return (*value, *_CONST[I32](number + 1), (OPS["call"], function)), None
        head, tail = self._stores(_CONST[I32](number + 1), value, type_)
        return (*head, *tail), len(head) - 1

    def _stores(self, number: Code, value: Code, type_: NumType) -> tuple[Code, Code]:
        """The code up to the value's store, which is the last of it, and what is behind it."""
        end = _GLOBAL_GET(self.end)
        head = (*end, *number, (OPS["i32.store"], MemArg(2, 0, self.memory)),
                *end, *value, (_STORE[type_], MemArg(0, _VALUE, self.memory)))  # fmt: skip
        return head, _BUMP[self.address](end=self.end, stride=STRIDE)

    def _globals(self, number: int, value: Code, type_: NumType) -> tuple[Code, None]:
        """The value's pieces, and that the place was reached, in globals of the place's own."""
        pieces = _PIECES[type_]
        names = [f"probe{number}{letter}" for letter in "abc"[: 1 + len(pieces)]]
        while self.names.intersection(names):
            names = [f"{name}'" for name in names]
        made: list[Instr] = []
        for name, piece in zip(names[1:], pieces, strict=True):
            made += (*value, *piece, *_GLOBAL_SET(self._global(name, I32 if type_ in (I32, F32) else I64)))
        made += (*_CONST[I32](1), *_GLOBAL_SET(self._global(names[0], I32)))
        self.result.kept.append(tuple(names))
        return tuple(made), None

    def _global(self, name: str, type_: NumType) -> int:
        index = self.imported_globals + len(self.module.globals)
        self.module.globals.append(Global(GlobalType(type_, True), _CONST[type_](0)))
        self.module.exports.append(Export(name, ExternKind.GLOBAL, index))
        return index

    def replay(self, type_: NumType) -> Code:
        """The code that reads the value of the next entry and goes on to the one after it."""
        load = (OPS[f"{type_.name}.load"], MemArg(0, _VALUE, self.memory))
        return (*_GLOBAL_GET(self.end), load, *_BUMP[self.address](end=self.end, stride=STRIDE))

    def _function(self, type_: NumType) -> int:
        if type_ not in self.functions:
            self.functions[type_] = len(self.module.imported(ExternKind.FUNC)) + len(self.module.funcs)
            head, tail = self._stores(_GET(1), _GET(0), type_)
            self.module.funcs.append(
                Func(self.module.type_index(FuncType((type_, I32), ())), [], [*head, *tail, OPS["end"].bare])
            )
        return self.functions[type_]


class _Body:
    """One function with its probes."""

    def __init__(self, writer: Writer, index: int, func: Func, graph: Graph, operands: bool) -> None:
        self.writer, self.index, self.func, self.graph, self.operands = writer, index, func, graph, operands
        self.locals = list(func.locals)
        self.count = len(graph.locals)
        self.kept: dict[tuple[ValType, int], int] = {}
        self.body: list[Instr] = []

    def written(self, wanted: Wanted) -> Func:
        nop = OPS["nop"]
        if wanted(self.index, -1, nop):
            types = self.graph.locals[: self.graph.param_count]
            for slot, type_ in enumerate(types):
                if isinstance(type_, NumType):
                    self._log(Place(self.index, -1, Seen.PARAMETER, slot, type_), _GET(slot))
            if not any(isinstance(type_, NumType) for type_ in types):
                self._log(Place(self.index, -1, Seen.ENTERED, 0, I32), _CONST[I32](0))
        reached = set(self.graph.reachable())
        last = len(self.func.body) - 1
        for at, instr in enumerate(self.func.body):
            if at in reached and at != last and wanted(self.index, at, instr[0]):
                self._probe(at, instr, self.graph.nodes[at])
            else:
                self._keep(at, instr)
        return Func(self.func.type_index, self.locals, self.body)

    def _keep(self, at: int, instr: Instr) -> None:
        self.writer.result.origins[self.index, len(self.body)] = at
        self.body.append(instr)

    def _probe(self, at: int, instr: Instr, node: Node) -> None:
        op, imm = instr
        if self.operands:
            self._operands(at, node)
        if op.name in ("local.set", "global.set"):
            self._keep(at, instr)
            self._written_variable(at, op, imm)
        elif op.name in _READ:
            self._store(at, instr, node)
        else:
            self._keep(at, instr)
            if not node.transfer:
                self._results(at, node)

    def _results(self, at: int, node: Node) -> None:
        """The values on top of the stack, which stay there; where there is no number, that it came here."""
        number = len(self.writer.result.places)
        self._values(at, Seen.RESULT, [slot.type for slot in node.outs])
        if number == len(self.writer.result.places) and not node.control and node.op.name not in ("nop", "drop"):
            self._log(Place(self.index, at, Seen.ENTERED, 0, I32), _CONST[I32](0))

    def _operands(self, at: int, node: Node) -> None:
        if not node.closes:
            self._values(at, Seen.OPERAND, [slot.type for slot in node.ins])

    def _values(self, at: int, seen: Seen, types: list[ValType | None]) -> None:
        """Log the topmost numbers of the stack, which are taken off and put back."""
        first = len(types)
        while first and isinstance(types[first - 1], NumType):
            first -= 1  # what is below a reference stays where it is
        numbers = [type_ for type_ in types[first:] if isinstance(type_, NumType)]
        slots = [self._local(type_, k) for k, type_ in enumerate(numbers)]
        if len(numbers) == 1:
            self.body += _TEE(slots[0])
        else:
            for slot in reversed(slots):
                self.body += _SET(slot)
        for k, (slot, type_) in enumerate(zip(slots, numbers, strict=True)):
            self._log(Place(self.index, at, seen, first + k, type_), _GET(slot))
        if len(numbers) > 1:
            for slot in slots:
                self.body += _GET(slot)

    def _written_variable(self, at: int, op: Op, imm: int) -> None:
        is_local = op.name == "local.set"
        type_ = self.graph.locals[imm] if is_local else self.writer.module.global_types()[imm].type
        if isinstance(type_, NumType):
            self._log(Place(self.index, at, Seen.WRITTEN, 0, type_), _GET(imm) if is_local else _GLOBAL_GET(imm))

    def _store(self, at: int, instr: Instr, node: Node) -> None:
        """A store, and then what is in memory there."""
        op, imm = instr
        address, value = node.ins
        read = OPS[_READ[op.name]]
        assert read.results is not None
        type_ = read.results[0]
        assert isinstance(type_, NumType)
        assert read.params == (ADDR,)
        if not isinstance(address.type, NumType) or not isinstance(value.type, NumType):
            self._keep(at, instr)
            return
        kept = self._local(address.type, -1)
        held = self._local(value.type, -2)
        self.body += (*_SET(held), *_TEE(kept), *_GET(held))
        self._keep(at, instr)
        self._log(Place(self.index, at, Seen.WRITTEN, 0, type_), (*_GET(kept), (read, imm)))

    def _log(self, place: Place, value: Code) -> None:
        result = self.writer.result
        number = len(result.places)
        result.places.append(place)
        made, store = self.writer.entry(number, value, place.type)
        where = len(self.body) + (len(value) if store is None else store)
        result.marks[self.index, where] = number
        self.body += made

    def _local(self, type_: ValType, k: int) -> int:
        """A local of the function's own for the ``k``-th value of a place."""
        if (type_, k) not in self.kept:
            self.kept[type_, k] = self.count
            self.locals.append((1, type_))
            self.count += 1
        return self.kept[type_, k]
