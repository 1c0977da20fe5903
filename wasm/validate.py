"""The validator (spec 3 and appendix A.3): total, for any decoded module and any set of features.

``Invalid`` is the only exception it raises, with the byte offset if the encoded module is at hand. Time and memory are
linear in the module's size but for wide signatures, where two bytes (a call) may stand for a thousand operands.
"""

from __future__ import annotations

from collections.abc import Iterable

from wasm.canonical import Types
from wasm.context import ModuleContext, item
from wasm.decode import instruction_offset
from wasm.errors import Invalid
from wasm.feature_use import first_refused, required_features
from wasm.features import DEFAULT, Feature
from wasm.limits import MEMORIES, PARAMS, RESULTS, STRUCT_FIELDS, SUBTYPE_DEPTH, TABLES
from wasm.module import ExternKind, ImportedFunc, Module, SegmentMode
from wasm.signatures_gc import defaultable
from wasm.validate_code import BodyValidator
from wasm.valtypes import (
    ArrayType,
    CompositeType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    TagType,
)

__all__ = ["required_features", "validate"]


def validate(module: Module, features: frozenset[Feature] = DEFAULT, data: bytes | None = None) -> None:
    """Check that a module is valid and uses no feature outside ``features``.

    ``data``, the bytes that the module was decoded from, gives errors a byte offset; without it, or for what has no
    place in the code, the message says which function, instruction or item it is about. Raises ``Invalid`` only.
    """
    use = first_refused(module, features)
    if use is not None:
        name = (use.feature or Feature.EXCEPTIONS).value
        if use.func is None:
            raise Invalid(f"feature {name} is not enabled ({use.place})")
        raise _at_instruction(module, data, use.func, use.instr, f"feature {name} is not enabled")
    _Validator(module, data).run()


def _at_instruction(
    module: Module, data: bytes | None, func: int, instr: int, message: str, *, limit: bool = False
) -> Invalid:
    """The error for an instruction of a defined function, with its offset where the bytes are known."""
    index = len(module.imported(ExternKind.FUNC)) + func
    offset = None if data is None else instruction_offset(data, func, instr)
    return Invalid(f"{message} (function {index}, instruction {instr})", offset, limit=limit)


class _Validator:
    """One module's validation. ``_place`` says in words what is being checked, for messages without an offset."""

    def __init__(self, module: Module, data: bytes | None) -> None:
        self._module, self._data = module, data
        self._place = ""
        self._context = ModuleContext(Types(()))

    def run(self) -> None:
        try:
            self._types()
            self._context = context = ModuleContext.of(self._module)
            self._imports()
            self._definitions()
            bodies = BodyValidator(context)
            self._initialisers(bodies)
            self._exports()
            self._segments(bodies)
        except Invalid as error:
            raise Invalid(f"{error.message} ({self._place})", limit=error.limit) from None
        self._bodies(bodies)

    def _bodies(self, bodies: BodyValidator) -> None:
        for index, func in enumerate(self._module.funcs):
            try:
                bodies.func(func)
            except Invalid as error:
                where = self._module, self._data, index, bodies.at
                raise _at_instruction(*where, error.message, limit=error.limit) from None

    def _types(self) -> None:
        """The type section (spec 3.2.12 to 3.2.14)."""
        types = Types(self._module.types)
        first = 0
        depths: list[int] = []
        for group in self._module.types:
            bound = first + len(group)
            for index, sub in enumerate(group, first):
                self._place = f"type {index}"
                _check_indices(sub.composite, bound)
                depths.append(_check_supertypes(sub, index, types, depths))
            for index, sub in enumerate(group, first):
                for parent in sub.supertypes:
                    self._place = f"type {index}"
                    if not types.composite_matches(sub.composite, types.expand(parent)):
                        raise Invalid(f"sub type {index} does not match super type {parent}")
            first = bound

    def _imports(self) -> None:
        for index, import_ in enumerate(self._module.imports):
            self._place = f"import {index}"
            match import_.type:
                case ImportedFunc(type_index):
                    self._context.func_type_at(type_index)
                case TableType():
                    self._table_type(import_.type)
                case MemType():
                    _check_memory(import_.type)
                case GlobalType(type_):
                    self._context.check_type(type_)
                case TagType():
                    self._tag(import_.type)

    def _table_type(self, type_: TableType) -> None:
        self._context.check_type(type_.ref)
        _check_limits(type_.limits, (1 << type_.index_type.bits) - 1, "table size")

    def _tag(self, type_: TagType) -> None:
        if self._context.func_type_at(type_.type_index).results:
            raise Invalid("non-empty tag result type")

    def _definitions(self) -> None:
        """Function and tag types, tables, memories and global types, without their initialisers."""
        context, module = self._context, self._module
        for index, func in enumerate(module.funcs, len(context.funcs) - len(module.funcs)):
            self._place = f"function {index}"
            context.func_type_at(func.type_index)
        for index, table in enumerate(module.tables, len(context.tables) - len(module.tables)):
            self._place = f"table {index}"
            self._table_type(table.type)
        for index, memory in enumerate(module.memories, len(context.memories) - len(module.memories)):
            self._place = f"memory {index}"
            _check_memory(memory)
        for index, tag in enumerate(module.tags, len(context.tags) - len(module.tags)):
            self._place = f"tag {index}"
            self._tag(tag)
        for index, item_ in enumerate(module.globals, len(context.globals) - len(module.globals)):
            self._place = f"global {index}"
            context.check_type(item_.type.type)
        for what, count, limit in (
            ("tables", len(context.tables), TABLES),
            ("memories", len(context.memories), MEMORIES),
        ):
            self._place = what
            if count > limit:
                raise Invalid(f"too many {what}: {count}, more than the limit of {limit}", limit=True)

    def _initialisers(self, bodies: BodyValidator) -> None:
        context, module = self._context, self._module
        imported = len(context.globals) - len(module.globals)
        for index, table in enumerate(module.tables, len(context.tables) - len(module.tables)):
            self._place = f"table {index}"
            if table.init is not None:
                # Tables come before globals: only imported ones have a value yet.
                bodies.constant(table.init, table.type.ref, imported)
            elif not defaultable(table.type.ref):
                raise Invalid("type mismatch: a table of non-null references needs an initialiser")
        for index, item_ in enumerate(module.globals, imported):
            self._place = f"global {index}"
            bodies.constant(item_.init, item_.type.type, index)

    def _exports(self) -> None:
        context, module = self._context, self._module
        spaces = {
            ExternKind.FUNC: ("function", len(context.funcs)),
            ExternKind.TABLE: ("table", len(context.tables)),
            ExternKind.MEMORY: ("memory", len(context.memories)),
            ExternKind.GLOBAL: ("global", len(context.globals)),
            ExternKind.TAG: ("tag", len(context.tags)),
        }
        seen: set[str] = set()
        for index, export in enumerate(module.exports):
            self._place = f"export {index}"
            noun, count = spaces[export.kind]
            if export.index >= count:
                raise Invalid(f"unknown {noun} {export.index}")
            if export.name in seen:
                raise Invalid(f"duplicate export name {export.name!r}")
            seen.add(export.name)
        if module.start is not None:
            self._place = "start section"
            if context.func_type(module.start) != FuncType():
                raise Invalid("start function must neither take nor give values")

    def _segments(self, bodies: BodyValidator) -> None:
        context, module = self._context, self._module
        known = len(context.globals)
        for index, elem in enumerate(module.elems):
            self._place = f"element segment {index}"
            context.check_type(elem.type)
            if elem.mode is SegmentMode.ACTIVE:
                table = item(context.tables, elem.table, "table")
                if not context.types.is_subtype(elem.type, table.ref):
                    raise Invalid("type mismatch: the element segment does not fit the table")
                bodies.constant(elem.offset, table.index_type, known)
            for expr in elem.init:
                bodies.constant(expr, elem.type, known)
        for index, segment in enumerate(module.datas):
            self._place = f"data segment {index}"
            if segment.mode is SegmentMode.ACTIVE:
                memory = item(context.memories, segment.memory, "memory")
                bodies.constant(segment.offset, memory.index_type, known)


def _check_indices(composite: CompositeType, bound: int) -> None:
    """Every type index in a definition is below ``bound``, the end of its group; and its size is within limits."""
    storages: Iterable[StorageType]
    match composite:
        case FuncType(params, results):
            if len(params) > PARAMS or len(results) > RESULTS:
                raise Invalid(f"a function type has at most {PARAMS} parameters and {RESULTS} results", limit=True)
            storages = {*params, *results}
        case StructType(fields):
            if len(fields) > STRUCT_FIELDS:
                raise Invalid(f"a struct type has at most {STRUCT_FIELDS} fields", limit=True)
            storages = [field.storage for field in fields]
        case ArrayType(field):
            storages = (field.storage,)
    for type_ in storages:
        if type(type_) is RefType and isinstance(type_.heap, int) and type_.heap >= bound:
            raise Invalid(f"unknown type {type_.heap}")


def _check_supertypes(sub: SubType, index: int, types: Types, depths: list[int]) -> int:
    """Check the declared supertypes (spec 3.2.12) and return how many stand above the type."""
    if not sub.supertypes:
        return 0
    if len(sub.supertypes) > 1:
        raise Invalid("a sub type has at most one super type")
    (parent,) = sub.supertypes
    if parent >= index:
        raise Invalid(f"unknown type {parent}")
    if types.flat[parent].final:
        raise Invalid(f"sub type {index} extends the final type {parent}")
    depth = depths[parent] + 1
    if depth > SUBTYPE_DEPTH:
        raise Invalid(f"sub type hierarchy too deep: more than {SUBTYPE_DEPTH} super types", limit=True)
    return depth


def _check_limits(limits: Limits, bound: int, noun: str) -> None:
    """Limits within a bound (spec 3.2.15)."""
    if max(limits.minimum, limits.maximum or 0) > bound:
        raise Invalid(f"{noun} must be at most {bound}")
    if limits.maximum is not None and limits.maximum < limits.minimum:
        raise Invalid("size minimum must not be greater than maximum")


def _check_memory(type_: MemType) -> None:
    if type_.page_log2 not in (0, 16):
        raise Invalid("invalid custom page size: it is 1 or 65536")
    bits = type_.index_type.bits
    # With pages of one byte, all of an address space has one page more than its size type can say.
    bound = min(1 << (bits - type_.page_log2), (1 << bits) - 1)
    _check_limits(type_.limits, bound, "memory size")
    if type_.shared and type_.limits.maximum is None:
        raise Invalid("shared memory must have maximum")
