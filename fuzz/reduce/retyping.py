"""Changing types: a number type into its smaller brother everywhere, or single positions into i32."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeAlias

from fuzz.reduce.operation import Operation, function_exports
from fuzz.reduce.subject import Subject
from fuzz.reduce.surgery import Surgery
from wasm.embedding import Invocation, Value
from wasm.isa import OPS, Imm, Instr, MemArg, Op
from wasm.module import Elem, Func, Global, Import, Module, Table
from wasm.rewrite.index_map import Dangling
from wasm.rewrite.operands import Node, Slot
from wasm.valtypes import (
    F32,
    F64,
    I32,
    I64,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    StructType,
    SubType,
    TableType,
    ValType,
)

LOWER: Final[dict[str, tuple[ValType, ValType]]] = {"i64": (I64, I32), "f64": (F64, F32)}
Place: TypeAlias = tuple[str, int, int]
"""(``params`` or ``results``, type, position)."""

_WORD: Final = {name: re.compile(rf"(?<![a-z0-9]){name}(?![x0-9])") for name in LOWER}
_SAME_AFTER: Final = {
    "i32.wrap_i64", "i64.extend_i32_s", "i64.extend_i32_u", "i64.extend32_s", "f32.demote_f64", "f64.promote_f32",
}  # fmt: skip
_WHOLE_ACCESS: Final = {"i64.load32_s": "i32.load", "i64.load32_u": "i32.load", "i64.store32": "i32.store"}
_VALUE_MASK: Final = 0xFFFFFFFF
_PAGES: Final = 65_536


def uses_type(subject: Subject, name: str) -> bool:
    """Whether the number type occurs in signatures, locals, globals or instructions."""
    module, old = subject.module, LOWER[name][0]
    composites = [sub.composite for sub in module.flat_types()]
    if any(old in (*c.params, *c.results) for c in composites if isinstance(c, FuncType)):
        return True
    if any(item.type is old for item in module.global_types()):
        return True
    return any(
        any(type_ is old for _, type_ in func.locals) or any(_WORD[name].search(op.name) for op, _ in func.body)
        for func in module.funcs
    )


def _f32_bits(bits: int) -> int:
    """The f32 nearest to an f64, by bit patterns; NaNs keep sign and upper payload."""
    value = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    if value != value:
        return bits >> 63 << 31 | 0x7F800000 | max(bits >> 29 & 0x7FFFFF, 1)
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:
        return bits >> 63 << 31 | 0x7F800000


def lowered_bits(name: str, bits: int) -> int:
    return bits & _VALUE_MASK if name == "i64" else _f32_bits(bits)


class _Lowering:
    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(name for name in LOWER if name in set(names))
        self.types = {LOWER[name][0]: LOWER[name][1] for name in self.names}

    def type(self, type_: Any) -> Any:
        return self.types.get(type_, type_)

    def op(self, op: Op) -> Op | None:
        """The instruction for the smaller type; None if nothing is left to do. Raises ``Dangling`` if there is none."""
        return _lowered_op(op, self.names)

    def instr(self, instr: Instr) -> tuple[Instr, ...]:
        old, imm = instr
        new = self.op(old)
        if new is None:
            return ()
        if old.imms == (Imm.BLOCK_TYPE,) or old.imms == (Imm.BLOCK_TYPE, Imm.CATCHES):
            imm = (self.type(imm[0]), imm[1]) if len(old.imms) == 2 else self.type(imm)
        elif old.imms == (Imm.TYPES,):
            imm = tuple(map(self.type, imm))
        elif old is not new and old.imms in ((Imm.I64,), (Imm.F64,)):
            imm = lowered_bits(old.name[:3], imm)
        elif old.imms == (Imm.MEMARG,) and new.access is not None:
            align, offset, memory = imm
            imm = MemArg(min(align, new.access.bytes.bit_length() - 1), offset & _VALUE_MASK, memory)
        return ((new, imm),)

    def expr(self, expr: Iterable[Instr]) -> tuple[Instr, ...]:
        return tuple(made for instr in expr for made in self.instr(instr))

    def composite(self, composite: CompositeType) -> CompositeType:
        match composite:
            case FuncType(params, results):
                return FuncType(tuple(map(self.type, params)), tuple(map(self.type, results)))
            case StructType(fields):
                return StructType(tuple(FieldType(self.type(f.storage), f.mutable) for f in fields))
            case ArrayType(item):
                return ArrayType(FieldType(self.type(item.storage), item.mutable))

    def extern(self, type_: Any) -> Any:
        match type_:
            case GlobalType():
                return GlobalType(self.type(type_.type), type_.mutable)
            case MemType() | TableType() if type_.index64 and "i64" in self.names:
                return replace(type_, index64=False, limits=_clamped(type_.limits))
            case _:
                return type_

    def module(self, module: Module) -> Module:
        return replace(
            module,
            types=[tuple(SubType(self.composite(s.composite), s.supertypes, s.final) for s in g) for g in module.types],
            imports=[Import(item.module, item.name, self.extern(item.type)) for item in module.imports],
            funcs=[
                Func(f.type_index, [(n, self.type(t)) for n, t in f.locals], list(self.expr(f.body)))
                for f in module.funcs
            ],
            tables=[Table(self.extern(t.type), t.init and self.expr(t.init)) for t in module.tables],
            memories=[self.extern(memory) for memory in module.memories],
            globals=[Global(self.extern(g.type), self.expr(g.init)) for g in module.globals],
            elems=[
                Elem(e.type, tuple(map(self.expr, e.init)), e.mode, e.table, self.expr(e.offset)) for e in module.elems
            ],
            datas=[replace(d, offset=self.expr(d.offset)) for d in module.datas],
        )

    def call(self, call: Invocation) -> Invocation:
        def lowered(arg: Value) -> Value:
            if arg.type in self.names:
                return Value(str(LOWER[arg.type][1]), lowered_bits(arg.type, arg.bits))
            return arg

        return replace(call, args=tuple(map(lowered, call.args)))


def _clamped(limits: Limits) -> Limits:
    """Limits that a 32-bit memory may have."""
    return Limits(min(limits.minimum, _PAGES), None if limits.maximum is None else min(limits.maximum, _PAGES))


@cache
def _lowered_op(op: Op, names: tuple[str, ...]) -> Op | None:
    name = op.name
    for old in names:
        if not _WORD[old].search(op.name) and old not in op.name:
            continue
        if op.name in _SAME_AFTER and old in op.name and not name.startswith("i32.trunc"):
            return None
        name = _WHOLE_ACCESS.get(name, name).replace(old, LOWER[old][1].__repr__())
    if name == op.name:
        return op
    if name not in OPS:
        raise Dangling(f"{op.name} has no smaller form")
    return OPS[name]


def lower_types(subject: Subject, names: set[str]) -> Subject:
    """The subject with number types lowered. Raises ``Dangling`` for an instruction that has no smaller form."""
    lowering = _Lowering(names)
    return Subject(lowering.module(subject.module), tuple(map(lowering.call, subject.invocations)))


def retypable(subject: Subject) -> list[Place]:
    """Parameters and results that are not i32, of types without sub- and supertypes (those must go on matching)."""
    places: list[Place] = []
    flat = subject.module.flat_types()
    parents = {parent for sub in flat for parent in sub.supertypes}
    for index, sub in enumerate(flat):
        if isinstance(sub.composite, FuncType) and not sub.supertypes and index not in parents:
            for side in ("results", "params"):
                types = getattr(sub.composite, side)
                places += [(side, index, k) for k, type_ in enumerate(types) if type_ is not I32]
    return places


def as_i32(subject: Subject, places: set[Place]) -> Subject:
    """The subject with these parameters and results made i32, in the whole module.

    Arguments and returned values become ``i32.const 0``, and reads of such a parameter or result zeros of the old type,
    where they are used at all. Raises ``Dangling`` where a tail call or a branch table ties the type to another one.
    """
    operation = Operation(subject)
    context = operation.lifter.context
    for number, func in enumerate(subject.module.funcs):
        plan = operation.surgery(number)
        own = _positions(places, func.type_index)
        for frame_user in [plan.graph.frames[0].end, *plan.graph.frames[0].branches]:
            node = plan.graph.nodes[frame_user]
            if own[1] and (node.op.name in ("br_table", "try_table") or node.op.name.startswith("return_call")):
                raise Dangling("results that something else shares")
            if node.op.name.startswith("return_call"):
                continue
            _retype(plan, node.ins, own[1])
            if node.carried:
                _remake(plan, node.outs, own[1])
        for index, node in enumerate(plan.graph.nodes):
            name, imm = node.op.name, node.imm
            if Imm.LOCAL in node.op.imms and imm in own[0]:
                plan.delete(index)
            elif name in ("call", "return_call"):
                _retype_call(plan, node, _positions(places, context.funcs[imm]))
            elif name in ("call_indirect", "return_call_indirect"):
                _retype_call(plan, node, _positions(places, imm[0]))
            elif name in ("call_ref", "return_call_ref"):
                _retype_call(plan, node, _positions(places, imm))
            elif name == "throw":
                _retype(plan, node.ins, _positions(places, context.tags[imm])[0])
            elif name == "catch":
                _remake(plan, node.outs, _positions(places, context.tags[imm])[0])
            elif name == "try_table" and any(
                clause.tag is not None and _positions(places, context.tags[clause.tag])[0] for clause in imm[1]
            ):
                raise Dangling("a clause whose label would have to change")
    index, types = 0, []
    for group in subject.module.types:
        types.append(tuple(_sub_as_i32(sub, index + k, places) for k, sub in enumerate(group)))
        index += len(group)
    operation.replace_types(types)
    changed = operation.finish()
    exports = function_exports(subject.module)

    def call_as_i32(call: Invocation) -> Invocation:
        params = _positions(places, context.funcs[exports[call.export]])[0]
        return replace(call, args=tuple(Value("i32") if k in params else arg for k, arg in enumerate(call.args)))

    return Subject(changed.module, tuple(map(call_as_i32, changed.invocations)))


def _positions(places: set[Place], type_index: int) -> tuple[set[int], set[int]]:
    """The parameters and the results of a type that change."""
    return (
        {k for side, index, k in places if index == type_index and side == "params"},
        {k for side, index, k in places if index == type_index and side == "results"},
    )


def _retype(plan: Surgery, values: Sequence[Slot], positions: set[int]) -> None:
    for k in positions:
        if k < len(values):
            plan.retype(values[k], I32)


def _retype_call(plan: Surgery, node: Node, changed: tuple[set[int], set[int]]) -> None:
    if node.transfer and changed[1]:
        raise Dangling("a tail call's results")
    _retype(plan, node.ins, changed[0])
    _remake(plan, node.outs, changed[1])


def _remake(plan: Surgery, values: Sequence[Slot], positions: set[int]) -> None:
    """Values that are now made as i32, where they are not just dropped or left behind."""
    if not positions:
        return
    used = {slot.id for node in plan.graph.nodes if node.op.name != "drop" for slot in node.ins}
    for k in positions:
        if k < len(values) and values[k].id in used:
            plan.make_as(values[k], I32)


def _sub_as_i32(sub: SubType, index: int, places: set[Place]) -> SubType:
    composite = sub.composite
    if not isinstance(composite, FuncType):
        return sub

    def side(name: str) -> tuple[ValType, ...]:
        return tuple(I32 if (name, index, k) in places else t for k, t in enumerate(getattr(composite, name)))

    return replace(sub, composite=FuncType(side("params"), side("results")))
