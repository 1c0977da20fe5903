"""Reference and aggregate instructions as functions of their operands (spec 4.6.4 and 4.6.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from oracles.interpreter.operators import Bound, binder
from oracles.interpreter.store import Instance
from oracles.interpreter.values import Aggregate, Layout, Ref, abstract_test, matches_concrete, same_ref
from wasm.traps import Trap, TrapKind
from wasm.valtypes import HeapType, PackedType, RefType, StorageType

_OBJECT = 8
"""What an object counts beside its fields (``Budget.cells``)."""

_I31 = 0x7FFFFFFF


def reference_test(instance: Instance, type_: RefType) -> Callable[[Ref], bool]:
    """Whether a reference is of a type in the same hierarchy (spec 4.6.4, ref.test)."""
    nullable = type_.nullable
    if isinstance(type_.heap, int):
        type_id = instance.types.canonical_id(type_.heap)
        return lambda ref: nullable if ref is None else matches_concrete(ref, type_id)
    inside = abstract_test(type_.heap)
    return lambda ref: nullable if ref is None else inside(ref)


def _test(heap: HeapType, nullable: bool, instance: Instance) -> Bound:
    inside = reference_test(instance, RefType(heap, nullable))
    return lambda ref: 1 if inside(ref) else 0, 1, 1


def _cast(heap: HeapType, nullable: bool, instance: Instance) -> Bound:
    inside = reference_test(instance, RefType(heap, nullable))

    def cast(ref: Ref) -> Ref:
        if inside(ref):
            return ref
        raise Trap(TrapKind.CAST_FAILURE)

    return cast, 1, 1


@binder("ref.test")
def _ref_test(imm: HeapType, instance: Instance) -> Bound:
    return _test(imm, False, instance)


@binder("ref.test_null")
def _ref_test_null(imm: HeapType, instance: Instance) -> Bound:
    return _test(imm, True, instance)


@binder("ref.cast")
def _ref_cast(imm: HeapType, instance: Instance) -> Bound:
    return _cast(imm, False, instance)


@binder("ref.cast_null")
def _ref_cast_null(imm: HeapType, instance: Instance) -> Bound:
    return _cast(imm, True, instance)


@binder("ref.is_null")
def _ref_is_null(_imm: None, _instance: Instance) -> Bound:
    return lambda ref: 1 if ref is None else 0, 1, 1


def non_null(ref: Ref) -> Ref:
    """ref.as_non_null. Raises ``Trap``."""
    if ref is None:
        raise Trap(TrapKind.NULL_REFERENCE)
    return ref


@binder("ref.as_non_null")
def _ref_as_non_null(_imm: None, _instance: Instance) -> Bound:
    return non_null, 1, 1


@binder("ref.eq")
def _ref_eq(_imm: None, _instance: Instance) -> Bound:
    return same_ref, 2, 1


@binder("any.convert_extern", "extern.convert_any")
def _convert(_imm: None, _instance: Instance) -> Bound:
    return lambda ref: ref, 1, 1


@binder("ref.i31")
def _ref_i31(_imm: None, _instance: Instance) -> Bound:
    return lambda value: value & _I31, 1, 1


@binder("i31.get_u")
def _i31_get_u(_imm: None, _instance: Instance) -> Bound:
    return non_null, 1, 1


@binder("i31.get_s")
def _i31_get_s(_imm: None, _instance: Instance) -> Bound:
    return lambda ref: (non_null(ref) ^ 1 << 30) - (1 << 30) & 0xFFFFFFFF, 1, 1


# Structs


@binder("struct.new")
def _struct_new(imm: int, instance: Instance) -> Bound:
    layout, meter = instance.layout(imm), instance.store.meter
    masks, count = layout.masks, len(layout.masks)
    packed = any(mask is not None for mask in masks)

    def new(*items: Any) -> Aggregate:
        meter.allocate(_OBJECT + count)
        if packed:
            return Aggregate(layout, [x if mask is None else x & mask for x, mask in zip(items, masks, strict=True)])
        return Aggregate(layout, list(items))

    return new, count, 1


@binder("struct.new_default")
def _struct_new_default(imm: int, instance: Instance) -> Bound:
    layout, meter = instance.layout(imm), instance.store.meter

    def new() -> Aggregate:
        meter.allocate(_OBJECT + len(layout.defaults))
        return Aggregate(layout, layout.defaults[:])

    return new, 0, 1


def _sign(storage: StorageType) -> int:
    assert isinstance(storage, PackedType)
    return 1 << storage.bits - 1


@binder("struct.get", "struct.get_u")
def _struct_get(imm: tuple[int, int], _instance: Instance) -> Bound:
    field = imm[1]

    def get(ref: Ref) -> Any:
        if ref is None:
            raise Trap(TrapKind.NULL_REFERENCE)
        return ref.items[field]

    return get, 1, 1


@binder("struct.get_s")
def _struct_get_s(imm: tuple[int, int], instance: Instance) -> Bound:
    field = imm[1]
    sign = _sign(instance.layout(imm[0]).storages[field])
    return lambda ref: (non_null(ref).items[field] ^ sign) - sign & 0xFFFFFFFF, 1, 1


@binder("struct.set")
def _struct_set(imm: tuple[int, int], instance: Instance) -> Bound:
    field = imm[1]
    mask = instance.layout(imm[0]).masks[field]

    def set_field(ref: Ref, value: Any) -> None:
        if ref is None:
            raise Trap(TrapKind.NULL_REFERENCE)
        ref.items[field] = value if mask is None else value & mask

    return set_field, 2, 0


# Arrays


def _array(layout: Layout, items: list[Any]) -> Aggregate:
    return Aggregate(layout, items)


def _check(ref: Ref, at: int, length: int) -> list[Any]:
    """The elements of an array, if the range is inside. Raises ``Trap``."""
    items: list[Any] = non_null(ref).items
    if at + length > len(items):
        raise Trap(TrapKind.ARRAY_OOB)
    return items


@binder("array.new")
def _array_new(imm: int, instance: Instance) -> Bound:
    layout, meter = instance.layout(imm), instance.store.meter
    mask = layout.masks[0]

    def new(value: Any, length: int) -> Aggregate:
        meter.allocate(_OBJECT + length)
        return _array(layout, [value if mask is None else value & mask] * length)

    return new, 2, 1


@binder("array.new_default")
def _array_new_default(imm: int, instance: Instance) -> Bound:
    layout, meter = instance.layout(imm), instance.store.meter

    def new(length: int) -> Aggregate:
        meter.allocate(_OBJECT + length)
        return _array(layout, layout.defaults * length)

    return new, 1, 1


@binder("array.new_fixed")
def _array_new_fixed(imm: tuple[int, int], instance: Instance) -> Bound:
    layout, meter = instance.layout(imm[0]), instance.store.meter
    mask, count = layout.masks[0], imm[1]

    def new(*items: Any) -> Aggregate:
        meter.allocate(_OBJECT + count)
        return _array(layout, list(items) if mask is None else [item & mask for item in items])

    return new, count, 1


_LARGE: Final = 1 << 24
"""No engine refuses arrays of fewer items for their size alone; of more it may, before it looks at a segment's end."""


def _also(length: int) -> list[TrapKind]:
    """What else a new array of so many items may trap by, where they are not there."""
    return [TrapKind.ALLOCATION_TOO_LARGE] if length >= _LARGE else []


def _numbers(layout: Layout, segment: bytes, start: int, length: int, also: Sequence[TrapKind] = ()) -> list[int]:
    """Numbers from a data segment. Raises ``Trap``."""
    storage = layout.storages[0]
    assert not isinstance(storage, RefType)
    size = storage.bits // 8
    if start + length * size > len(segment):
        raise Trap(TrapKind.MEMORY_OOB, *also)
    part = segment[start : start + length * size]
    return [int.from_bytes(part[i : i + size], "little") for i in range(0, len(part), size)]


def _refs(segment: list[Ref], start: int, length: int, also: Sequence[TrapKind] = ()) -> list[Ref]:
    """References from an element segment. Raises ``Trap``."""
    if start + length > len(segment):
        raise Trap(TrapKind.TABLE_OOB, *also)
    return segment[start : start + length]


@binder("array.new_data")
def _array_new_data(imm: tuple[int, int], instance: Instance) -> Bound:
    layout, data = instance.layout(imm[0]), imm[1]

    def new(start: int, length: int) -> Aggregate:
        items = _numbers(layout, instance.datas[data], start, length, _also(length))
        instance.store.meter.allocate(_OBJECT + length)
        return _array(layout, items)

    return new, 2, 1


@binder("array.new_elem")
def _array_new_elem(imm: tuple[int, int], instance: Instance) -> Bound:
    layout, elem = instance.layout(imm[0]), imm[1]

    def new(start: int, length: int) -> Aggregate:
        items = _refs(instance.elems[elem], start, length, _also(length))
        instance.store.meter.allocate(_OBJECT + length)
        return _array(layout, items)

    return new, 2, 1


@binder("array.get", "array.get_u")
def _array_get(_imm: int, _instance: Instance) -> Bound:
    def get(ref: Ref, at: int) -> Any:
        if ref is None:
            raise Trap(TrapKind.NULL_REFERENCE)
        items = ref.items
        if at >= len(items):
            raise Trap(TrapKind.ARRAY_OOB)
        return items[at]

    return get, 2, 1


@binder("array.get_s")
def _array_get_s(imm: int, instance: Instance) -> Bound:
    sign = _sign(instance.layout(imm).storages[0])
    return lambda ref, at: (_check(ref, at, 1)[at] ^ sign) - sign & 0xFFFFFFFF, 2, 1


@binder("array.set")
def _array_set(imm: int, instance: Instance) -> Bound:
    mask = instance.layout(imm).masks[0]

    def set_element(ref: Ref, at: int, value: Any) -> None:
        _check(ref, at, 1)[at] = value if mask is None else value & mask

    return set_element, 3, 0


@binder("array.len")
def _array_len(_imm: None, _instance: Instance) -> Bound:
    return lambda ref: len(non_null(ref).items), 1, 1


@binder("array.fill")
def _array_fill(imm: int, instance: Instance) -> Bound:
    mask, meter = instance.layout(imm).masks[0], instance.store.meter

    def fill(ref: Ref, at: int, value: Any, length: int) -> None:
        items = _check(ref, at, length)
        meter.spend(length >> 4)
        items[at : at + length] = [value if mask is None else value & mask] * length

    return fill, 4, 0


@binder("array.copy")
def _array_copy(_imm: tuple[int, int], instance: Instance) -> Bound:
    meter = instance.store.meter

    def copy(target: Ref, at: int, source: Ref, start: int, length: int) -> None:
        non_null(target)
        non_null(source)
        items = _check(target, at, length)
        source_array = _check(source, start, length)
        meter.spend(length >> 4)
        items[at : at + length] = source_array[start : start + length]

    return copy, 5, 0


@binder("array.init_data")
def _array_init_data(imm: tuple[int, int], instance: Instance) -> Bound:
    layout, data = instance.layout(imm[0]), imm[1]

    def init(ref: Ref, at: int, start: int, length: int) -> None:
        items = _check(ref, at, length)
        instance.store.meter.spend(length >> 4)
        items[at : at + length] = _numbers(layout, instance.datas[data], start, length)

    return init, 4, 0


@binder("array.init_elem")
def _array_init_elem(imm: tuple[int, int], instance: Instance) -> Bound:
    elem = imm[1]

    def init(ref: Ref, at: int, start: int, length: int) -> None:
        items = _check(ref, at, length)
        instance.store.meter.spend(length >> 4)
        items[at : at + length] = _refs(instance.elems[elem], start, length)

    return init, 4, 0
