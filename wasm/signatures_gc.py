"""Typing rules of the aggregate instructions (spec 3.4.8 and 3.4.9); part of ``wasm.signatures``."""

from __future__ import annotations

from typing import Final

from wasm.context import ModuleContext, Rule, Signature, check_data, item, rule_adder
from wasm.errors import Invalid
from wasm.isa import Op
from wasm.limits import ARRAY_NEW_FIXED
from wasm.valtypes import I32, ArrayType, FieldType, PackedType, RefType, StructType, ValType, ref

GC_RULES: Final[dict[Op, Rule]] = {}
_rule = rule_adder(GC_RULES)


def _unpacked(field_: FieldType) -> ValType:
    storage = field_.storage
    return I32 if isinstance(storage, PackedType) else storage


def _struct(context: ModuleContext, index: int) -> StructType:
    composite = item(context.types.flat, index, "type").composite
    if not isinstance(composite, StructType):
        raise Invalid(f"type mismatch: type {index} is not a struct type")
    return composite


def _array(context: ModuleContext, index: int) -> FieldType:
    composite = item(context.types.flat, index, "type").composite
    if not isinstance(composite, ArrayType):
        raise Invalid(f"type mismatch: type {index} is not an array type")
    return composite.field


def defaultable(storage: ValType | PackedType) -> bool:
    """Whether the type has a default value (spec 3.2.6): all but non-null references."""
    return type(storage) is not RefType or storage.nullable


def _check_default(fields: tuple[FieldType, ...]) -> None:
    if not all(defaultable(item.storage) for item in fields):
        raise Invalid("field type is not defaultable")


def _check_mutable(field_: FieldType) -> None:
    if not field_.mutable:
        raise Invalid("field is immutable")


def _check_packed(field_: FieldType, packed: bool) -> None:
    if isinstance(field_.storage, PackedType) is not packed:
        raise Invalid(f"type mismatch: field is {'unpacked' if packed else 'packed'}")


@_rule("struct.new")
def _struct_new(context: ModuleContext, index: int) -> Signature:
    return tuple(map(_unpacked, _struct(context, index).fields)), (ref(index, False),)


@_rule("struct.new_default")
def _struct_new_default(context: ModuleContext, index: int) -> Signature:
    _check_default(_struct(context, index).fields)
    return (), (ref(index, False),)


def _struct_field(context: ModuleContext, imm: tuple[int, int]) -> FieldType:
    fields = _struct(context, imm[0]).fields
    if imm[1] >= len(fields):
        raise Invalid(f"unknown field {imm[1]}")
    return fields[imm[1]]


def _struct_getter(packed: bool) -> Rule:
    def rule(context: ModuleContext, imm: tuple[int, int]) -> Signature:
        field_ = _struct_field(context, imm)
        _check_packed(field_, packed)
        return (ref(imm[0]),), (_unpacked(field_),)

    return rule


_rule("struct.get")(_struct_getter(False))
_rule("struct.get_s", "struct.get_u")(_struct_getter(True))


@_rule("struct.set")
def _struct_set(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    field_ = _struct_field(context, imm)
    _check_mutable(field_)
    return (ref(imm[0]), _unpacked(field_)), ()


@_rule("array.new")
def _array_new(context: ModuleContext, index: int) -> Signature:
    return (_unpacked(_array(context, index)), I32), (ref(index, False),)


@_rule("array.new_default")
def _array_new_default(context: ModuleContext, index: int) -> Signature:
    _check_default((_array(context, index),))
    return (I32,), (ref(index, False),)


@_rule("array.new_fixed")
def _array_new_fixed(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    index, length = imm
    element = _unpacked(_array(context, index))
    if length > ARRAY_NEW_FIXED:
        message = f"array.new_fixed has {length} operands, more than the limit of {ARRAY_NEW_FIXED}"
        raise Invalid(message, limit=True)
    return (element,) * length, (ref(index, False),)


def _check_numeric(field_: FieldType) -> None:
    if isinstance(field_.storage, RefType):
        raise Invalid("type mismatch: array elements are neither numbers nor vectors")


@_rule("array.new_data")
def _array_new_data(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    _check_numeric(_array(context, imm[0]))
    check_data(context, imm[1])
    return (I32, I32), (ref(imm[0], False),)


def _check_elem(context: ModuleContext, field_: FieldType, elem: int) -> None:
    segment: RefType = item(context.elems, elem, "elem segment")
    if not context.types.storage_matches(segment, field_.storage):
        raise Invalid("type mismatch: the element segment does not fit the array")


@_rule("array.new_elem")
def _array_new_elem(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    _check_elem(context, _array(context, imm[0]), imm[1])
    return (I32, I32), (ref(imm[0], False),)


def _array_getter(packed: bool) -> Rule:
    def rule(context: ModuleContext, index: int) -> Signature:
        element = _array(context, index)
        _check_packed(element, packed)
        return (ref(index), I32), (_unpacked(element),)

    return rule


_rule("array.get")(_array_getter(False))
_rule("array.get_s", "array.get_u")(_array_getter(True))


def _mutable_array(context: ModuleContext, index: int) -> FieldType:
    element = _array(context, index)
    if not element.mutable:
        raise Invalid("array is immutable")
    return element


@_rule("array.set")
def _array_set(context: ModuleContext, index: int) -> Signature:
    return (ref(index), I32, _unpacked(_mutable_array(context, index))), ()


@_rule("array.fill")
def _array_fill(context: ModuleContext, index: int) -> Signature:
    return (ref(index), I32, _unpacked(_mutable_array(context, index)), I32), ()


@_rule("array.copy")
def _array_copy(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    to, source = _mutable_array(context, imm[0]), _array(context, imm[1])
    if not context.types.storage_matches(source.storage, to.storage):
        raise Invalid("array types do not match")
    return (ref(imm[0]), I32, ref(imm[1]), I32, I32), ()


@_rule("array.init_data")
def _array_init_data(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    _check_numeric(_mutable_array(context, imm[0]))
    check_data(context, imm[1])
    return (ref(imm[0]), I32, I32, I32), ()


@_rule("array.init_elem")
def _array_init_elem(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    _check_elem(context, _mutable_array(context, imm[0]), imm[1])
    return (ref(imm[0]), I32, I32, I32), ()
