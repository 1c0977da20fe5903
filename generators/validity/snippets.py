"""Bodies for modules that are only validated: any instruction of the table with operands of the right types.

Nothing here is ever executed, so addresses, indices and casts need not make sense; types must. That reaches every
typing rule with code of a few bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import isqrt
from typing import Any, Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.features import Feature
from wasm.isa import OPS, ROWS, Catch, Imm, Instr, MemArg, Op
from wasm.module import Func, Module
from wasm.signatures import signature
from wasm.valtypes import I32, FuncType, HeapType, NumType, RefType, ValType, ref

_BARE: Final = {name: row.bare for name, row in OPS.items()}
_DROP: Final = _BARE["drop"]
_END: Final = _BARE["end"]
_WIDTHS: Final = {Imm.I32: 32, Imm.I64: 64, Imm.F32: 32, Imm.F64: 64, Imm.V128: 128}
_NOT_PLAIN: Final = frozenset((
    "ref.func", "call_ref", "return_call", "return_call_indirect", "return_call_ref", "unreachable",
))  # fmt: skip


_TRIES: Final = 4
"""Immediates drawn for one instruction: most of the indices of a small module name something of the wrong kind."""


@lru_cache(maxsize=64)
def _rows(features: frozenset[Feature]) -> tuple[tuple[Op, ...], ...]:
    """The rows that a snippet may be about, those of one feature together, larger features more often."""
    found: dict[Feature | None, list[Op]] = {}
    for row in ROWS:
        if (row.feature is None or row.feature in features) and row.name not in _NOT_PLAIN:
            found.setdefault(row.feature, []).append(row)
    return tuple(tuple(rows) for rows in found.values() for _ in range(isqrt(len(rows))))


@dataclass(slots=True)
class Body:
    """One function body under construction. ``locals`` are the parameters and locals that have a value."""

    config: Config
    source: ChoiceSource
    module: Module
    context: ModuleContext
    type: FuncType
    locals: list[ValType] = field(default_factory=list)
    code: list[Instr] = field(default_factory=list)
    depth: int = 0

    def snippet(self) -> None:
        """One instruction with its operands, its results dropped; or a construct around others."""
        if self.depth < 3 and self.source.chance(1, 3):
            self.source.weighted(_CONSTRUCTS)(self)
        else:
            self._instruction()

    def _instruction(self) -> None:
        row = self.source.pick(self.source.pick(_rows(self.config.features)))
        for _ in range(_TRIES if row.imms else 1):
            imm = self._immediates(row)
            try:
                found = signature(row, imm, self.context)
            except Invalid:
                continue  # what these immediates name does not fit, or is not there
            if found is not None and len(found[0]) <= 24:
                params, results = found
                self.push_all(params)
                self.code.append((row, imm))
                self.drop(results)
            return

    def drop(self, types: tuple[ValType, ...]) -> None:
        self.code += [_DROP] * len(types)

    def push_all(self, types: tuple[ValType, ...]) -> None:
        for type_ in types:
            self.push(type_)

    def push(self, type_: ValType) -> None:
        """A value of exactly this type, or of a subtype."""
        known = [i for i, local in enumerate(self.locals) if local is type_]
        if known and self.source.below(2):
            self.code.append((OPS["local.get"], self.source.pick(known)))
        elif isinstance(type_, NumType):
            row = OPS[f"{type_}.const"]
            self.code.append((row, self._bits(type_.bits)))
        elif type_.nullable:
            self.code.append((OPS["ref.null"], type_.heap))
        elif type_.heap == "i31":
            self.code += ((OPS["i32.const"], self.source.below(9)), _BARE["ref.i31"])
        elif type_.heap == "func" and self.context.refs:
            self.code.append((OPS["ref.func"], self.source.pick(sorted(self.context.refs))))
        else:
            self.code += ((OPS["ref.null"], type_.heap), _BARE["ref.as_non_null"])

    def _bits(self, width: int) -> int:
        ends = (0, 1, (1 << width) - 1, 1 << width - 1, 64, 127)
        return self.source.pick(ends) & (1 << width) - 1

    def any_type(self) -> ValType:
        """Any value type that the features have."""
        return draw_value_type(self.source, self.config, len(self.context.types.flat))

    def _immediates(self, row: Op) -> Any:
        values = [self._immediate(row, kind) for kind in row.imms]
        return None if not values else values[0] if len(values) == 1 else tuple(values)

    def _immediate(self, row: Op, kind: Imm) -> Any:
        source, context = self.source, self.context
        counts = {
            Imm.FUNC: len(context.funcs), Imm.TYPE: len(context.types.flat), Imm.TABLE: len(context.tables),
            Imm.MEMORY: len(context.memories), Imm.GLOBAL: len(context.globals), Imm.TAG: len(context.tags),
            Imm.DATA: context.datas, Imm.ELEM: len(context.elems), Imm.FIELD: 3, Imm.COUNT: 4,
        }  # fmt: skip
        if kind in counts:
            return source.below(max(1, counts[kind]))
        if kind in _WIDTHS:
            return self._bits(_WIDTHS[kind])
        if kind is Imm.MEMARG:
            assert row.access is not None
            natural = row.access.bytes.bit_length() - 1
            align = natural if row.prefix == 0xFE else source.below(natural + 1)
            return MemArg(align, source.pick((0, 1, 127, 128, 0xFFFFFFFF)), source.below(max(1, len(context.memories))))
        if kind is Imm.LANE:
            lanes = 16 // row.access.bytes if row.access else int(row.name.partition("x")[2].partition(".")[0])
            return source.below(lanes)
        if kind is Imm.LANES:
            return tuple(byte & 31 for byte in source.bytes(16))
        if kind is Imm.HEAP:
            return draw_heap_type(source, self.config, len(context.types.flat))
        if kind is Imm.TYPES:
            return (self.any_type(),)
        return 0 if kind is Imm.ORDERING else None


# --- constructs: what has no type of its own ---


def _block(body: Body) -> None:
    """A block, loop or if with parameters and results, left early by a branch of some kind."""
    source = body.source
    word = source.pick(("block", "if", "loop"))
    type_ = body.any_type()
    funcs = [i for i, sub in enumerate(body.context.types.flat) if isinstance(sub.composite, FuncType)]
    by_index = bool(funcs) and body.config.allows(Feature.MULTI_VALUE) and source.below(2)
    index = source.pick(funcs) if by_index else -1
    composite = body.context.types.flat[index].composite if by_index else FuncType((), (type_,))
    assert isinstance(composite, FuncType)
    if len(composite.params) + len(composite.results) > 24:
        return
    body.push_all(composite.params)
    if word == "if":
        body.push(I32)
    body.code.append((OPS[word], index if by_index else type_))
    body.depth += 1
    label = composite.params if word == "loop" else composite.results
    body.drop(composite.params)
    body.snippet()
    body.push_all(label)
    body.push(I32)
    branch = source.below(3)
    if branch == 0:
        body.code.append((OPS["br_if"], 0))
        body.drop(label)
        body.push_all(composite.results)
    else:
        body.code.append((OPS["br_table"], ((0, 0), 0)) if branch == 1 else _BARE["unreachable"])
    if word == "if":
        body.code.append(_BARE["else"])
        if source.below(2):
            body.code.append(_BARE["unreachable"])
        else:
            body.drop(composite.params)
            body.push_all(composite.results)
    body.code.append(_END)
    body.depth -= 1
    body.drop(composite.results)


def _local(body: Body) -> None:
    if body.locals:
        index = body.source.below(len(body.locals))
        body.push(body.locals[index])
        tee = body.source.below(2)
        body.code.append((OPS["local.tee" if tee else "local.set"], index))
        body.drop((body.locals[index],) * tee)


def _select(body: Body) -> None:
    type_ = body.any_type()
    body.push_all((type_, type_, I32))
    plain = isinstance(type_, NumType) and not body.source.below(2)
    if plain or body.config.allows(Feature.REFERENCE_TYPES):
        body.code.append(_BARE["select"] if plain else (OPS["select_t"], (type_,)))
        body.drop((type_,))
    else:
        body.drop((type_, type_, I32))


def _reference(body: Body) -> None:
    """Instructions whose type is that of their operand: null tests, casts that branch, references to functions."""
    if not body.config.allows(Feature.REFERENCE_TYPES):
        return
    source = body.source
    kind = source.below(7 if body.config.allows(Feature.GC, Feature.FUNCTION_REFERENCES) else 2)
    if kind == 1 and body.context.refs:
        body.code += ((OPS["ref.func"], source.pick(sorted(body.context.refs))), _DROP)
        return
    heap = draw_heap_type(source, body.config, len(body.context.types.flat))
    if kind <= 2:
        body.push(ref(heap))
        body.code += (_BARE["ref.is_null" if kind < 2 else "ref.as_non_null"], _DROP)
        return
    full, whole = ref(heap), ref(heap, False)
    if kind == 3:
        body.code.append((OPS["block"], None))
        body.push(full)
        body.code += ((OPS["br_on_null"], 0), _DROP, _END)
        return
    if kind == 4:
        body.code.append((OPS["block"], whole))
        body.push(full)
        body.code += ((OPS["br_on_non_null"], 0), _BARE["unreachable"], _END, _DROP)
        return
    _branching_cast(body, heap, kind == 5)


def _branching_cast(body: Body, heap: HeapType, fail: bool) -> None:
    types = body.context.types
    from_ = ref(types.top(heap), bool(body.source.below(2)))
    to = ref(heap, from_.nullable and bool(body.source.below(2)))
    rest = ref(from_.heap, from_.nullable and not to.nullable)
    there, here = (rest, to) if fail else (to, rest)
    body.code.append((OPS["block"], there))
    body.push(from_)
    body.code.append((OPS["br_on_cast_fail" if fail else "br_on_cast"], (0, from_, to)))
    body.drop((here,))
    body.push(there)
    body.code += (_END, _DROP)


def _call(body: Body) -> None:
    """A call by reference, or a tail call where the types allow it."""
    source, context = body.source, body.context
    funcs = [i for i, sub in enumerate(context.types.flat) if isinstance(sub.composite, FuncType)]
    if not funcs or not body.config.allows(Feature.FUNCTION_REFERENCES):
        return
    index = source.pick(funcs)
    callee = context.types.flat[index].composite
    assert isinstance(callee, FuncType)
    if len(callee.params) + len(callee.results) > 24:
        return
    body.push_all(callee.params)
    if callee.results != body.type.results or not body.config.allows(Feature.TAIL_CALL) or not source.below(2):
        body.push(ref(index))
        body.code.append((OPS["call_ref"], index))
        body.drop(callee.results)
        return
    same = [i for i, type_index in enumerate(context.funcs) if type_index == index]
    body.code.append((OPS["block"], None))
    body.depth += 1
    body.push_all(callee.params)
    if same and source.below(2):
        body.code.append((OPS["return_call"], source.pick(same)))
    else:
        body.push(ref(index))
        body.code.append((OPS["return_call_ref"], index))
    body.code.append(_END)
    body.depth -= 1
    body.drop(callee.params)


def _try(body: Body) -> None:
    """A try_table with one or two clauses, and a throw inside."""
    if not body.context.tags or not body.config.allows(Feature.EXCEPTIONS):
        return
    source, context = body.source, body.context
    tag = source.below(len(context.tags))
    payload = context.tag_params(tag)
    if len(payload) > 24 or (len(payload) > 1 and not body.config.allows(Feature.MULTI_VALUE)):
        return
    kind = source.pick(("catch_all", "catch_all_ref", "catch"))
    caught = payload if kind == "catch" else (ref("exn", False),) if kind == "catch_all_ref" else ()
    if len(caught) > 1 or (kind == "catch_all_ref" and not body.config.allows(Feature.FUNCTION_REFERENCES)):
        kind, caught = "catch_all", ()
    body.code.append((OPS["block"], caught[0] if caught else None))
    clause = Catch(kind, tag if kind == "catch" else None, 0)
    body.code.append((OPS["try_table"], (None, (clause,) * (1 + source.below(2)))))
    body.depth += 2
    body.snippet()
    if source.below(2):
        body.push_all(payload)
        body.code.append((OPS["throw"], tag))
    body.code.append(_END)
    body.depth -= 2
    body.push_all(caught)
    body.code.append(_END)
    body.drop(caught)


def _dead(body: Body) -> None:
    """Instructions after one that never ends: their operands may have any type (spec 3.4.1, polymorphic stacks)."""
    source = body.source
    body.code.append((OPS["block"], None))
    for _ in range(source.between(1, 3)):
        body.code.append(_BARE["unreachable"])
        row = source.pick(source.pick(_rows(body.config.features)))
        if row.params is not None and not row.imms:
            body.code.append(row.bare)
    body.code += (_BARE["unreachable"], _END)


def _jump(body: Body) -> None:
    """A way out without a condition; what follows is dead."""
    source = body.source
    body.code.append((OPS["block"], None))
    kind = source.below(4)
    if kind == 0:
        body.code.append((OPS["br"], 0))
    elif kind == 1:
        body.push_all(body.type.results)
        body.code.append(_BARE["return"])
    elif kind == 2 and body.config.allows(Feature.EXCEPTIONS):
        body.push(ref("exn"))
        body.code.append(_BARE["throw_ref"])
    else:
        body.push(I32)
        body.code.append((OPS["br_table"], ((0,) * source.below(3), 0)))
    body.code.append(_END)


def _convert(body: Body) -> None:
    """The two conversions between the hierarchies of host and internal references, which keep nullability."""
    if body.config.allows(Feature.GC):
        from_, word = body.source.pick((("any", "extern.convert_any"), ("extern", "any.convert_extern")))
        body.push(ref(from_, not body.source.below(2)))
        body.code += (_BARE[word], _DROP)


def _nothing(body: Body) -> None:
    body.code.append(_BARE["nop"])


_CONSTRUCTS: Final = weighted(
    (_nothing, 4), (_local, 28), (_select, 28), (_block, 56), (_reference, 56), (_call, 26), (_try, 28), (_dead, 14),
    (_jump, 12), (_convert, 8),
)  # fmt: skip


def fill(func: Func, source: ChoiceSource, config: Config, module: Module, context: ModuleContext) -> None:
    """Write the body of a function of a module that is complete but for bodies."""
    type_ = context.func_type_at(func.type_index)
    if len(type_.params) > 40 or len(type_.results) > 40:
        func.body = [_BARE["unreachable"], _END]
        return
    known = len(context.types.flat)
    runs = [(source.between(1, 3), draw_value_type(source, config, known)) for _ in range(source.below(4))]
    func.locals = runs
    usable = list(type_.params)
    body = Body(config, source, module, context, type_, usable)
    for count, local in runs:
        for _ in range(count):
            if isinstance(local, RefType) and not local.nullable:
                # It has no value before it is set (spec 3.5.5).
                body.push(local)
                body.code.append((OPS["local.set"], len(usable)))
            usable.append(local)
    for _ in range(source.between(1, 12)):
        body.snippet()
    body.push_all(type_.results)
    func.body = [*body.code, _END]
