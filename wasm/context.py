"""What the instructions of a module are typed against (spec 3.1.4), without what belongs to one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from wasm.canonical import Types
from wasm.errors import Invalid
from wasm.isa import OPS, Op
from wasm.module import ExternKind, Module
from wasm.valtypes import FuncType, GlobalType, HeapType, MemType, PackedType, RefType, TableType, ValType

Signature: TypeAlias = tuple[tuple[ValType, ...], tuple[ValType, ...]]
"""What an instruction takes (the last one on top) and gives."""

_Item = TypeVar("_Item")


@dataclass(slots=True)
class ModuleContext:
    """The part of a validation context (spec 3.1.4) that all of a module's functions share.

    ``funcs`` and ``tags`` hold type indices; ``refs`` the functions that ``ref.func`` may name in a body.
    """

    types: Types
    funcs: list[int] = field(default_factory=list)
    tables: list[TableType] = field(default_factory=list)
    memories: list[MemType] = field(default_factory=list)
    globals: list[GlobalType] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    elems: list[RefType] = field(default_factory=list)
    datas: int = 0
    refs: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, module: Module) -> ModuleContext:
        """The context of a module. Nothing is checked; ``wasm.validate`` does that."""
        return cls(
            Types(module.types),
            module.func_type_indices(),
            module.table_types(),
            module.memory_types(),
            module.global_types(),
            [tag.type_index for tag in module.tag_types()],
            [elem.type for elem in module.elems],
            len(module.datas),
            declared_refs(module),
        )

    def func_type(self, index: int) -> FuncType:
        """The type of function ``index``. Raises ``Invalid`` if there is none."""
        return self.func_type_at(item(self.funcs, index, "function"))

    def func_type_at(self, type_index: int) -> FuncType:
        """The function type at a type index. Raises ``Invalid`` if there is no such type, or another kind of type."""
        type_ = self.types.func(type_index)
        if type_ is None:
            if type_index >= len(self.types.flat):
                raise Invalid(f"unknown type {type_index}")
            raise Invalid(f"type {type_index} is not a function type")
        return type_

    def callable_table(self, index: int) -> TableType:
        """A table that ``call_indirect`` may use. Raises ``Invalid`` if it does not hold functions."""
        table = item(self.tables, index, "table")
        if not self.types.heap_matches(table.ref.heap, "func"):
            raise Invalid(f"type mismatch: table {index} does not hold functions")
        return table

    def tag_params(self, tag: int) -> tuple[ValType, ...]:
        """What an exception with this tag carries. Raises ``Invalid`` for an unknown tag."""
        return self.func_type_at(item(self.tags, tag, "tag")).params

    def check_heap(self, heap: HeapType) -> None:
        if isinstance(heap, int) and heap >= len(self.types.flat):
            raise Invalid(f"unknown type {heap}")

    def check_type(self, type_: ValType | PackedType) -> None:
        """Raises ``Invalid`` for a reference to a type that the module does not have."""
        if type(type_) is RefType:
            self.check_heap(type_.heap)


def declared_refs(module: Module) -> set[int]:
    """The functions named outside of function bodies and of the start section (spec 3.5.14, C.refs)."""
    ref_func = OPS["ref.func"]
    declared = {export.index for export in module.exports if export.kind is ExternKind.FUNC}
    for elem in module.elems:
        declared.update(imm for expr in elem.init for row, imm in expr if row is ref_func)
        declared.update(imm for row, imm in elem.offset if row is ref_func)
    exprs = [definition.init for definition in module.globals]
    exprs += [table.init for table in module.tables if table.init is not None]
    exprs += [data.offset for data in module.datas]
    declared.update(imm for expr in exprs for row, imm in expr if row is ref_func)
    return declared


def item(space: list[_Item], index: int, noun: str) -> _Item:
    """One item of an index space. Raises ``Invalid`` (``unknown table 3``) if there is none."""
    if index >= len(space):
        raise Invalid(f"unknown {noun} {index}")
    return space[index]


def check_data(context: ModuleContext, index: int) -> None:
    """Raises ``Invalid`` if there is no such data segment."""
    if index >= context.datas:
        raise Invalid(f"unknown data segment {index}")


Rule: TypeAlias = Callable[[ModuleContext, Any], Signature]
"""(context, immediates) to the instruction's type; raises ``Invalid`` for immediates that break a rule."""


def rule_adder(rules: dict[Op, Rule]) -> Callable[..., Callable[[Rule], Rule]]:
    """A decorator maker: ``@rule("struct.get_s", "struct.get_u")`` enters a function under these rows."""

    def rule(*names: str) -> Callable[[Rule], Rule]:
        def add(function: Rule) -> Rule:
            for name in names:
                rules[OPS[name]] = function
            return function

        return add

    return rule
