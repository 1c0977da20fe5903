"""The same by other instructions, for those that make, fill and look at objects: no value stands for an object.

    array.fill      traps by ``array.get`` where it would, else a loop of ``array.set``
    array.new       ``array.new_default``, and a loop of ``array.set``
    struct.new      ``struct.new_default``, and ``struct.set`` for each field
    ref.test        ``br_on_cast``, and back again for casts
    array.get_s     ``array.get_u``, shifted

Where fields are immutable or have no default there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from wasm.canonical import Types
from wasm.fragment import Code, code, template
from wasm.isa import OPS, Instr, Op
from wasm.signatures_gc import defaultable
from wasm.valtypes import (
    I8,
    I32,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    PackedType,
    RefType,
    StructType,
    ValType,
    ref,
)

_MOST: Final = 64
"""Fields, or operands of ``array.new_fixed``, that are written one by one."""


class Function(NamedTuple):
    """A function for an instruction: its type, its further locals and its body without ``end``."""

    type: FuncType
    body: Sequence[Instr]
    locals: tuple[ValType, ...] = ()


Make: TypeAlias = Callable[[Types, Any, ValType | None], Function | None]
"""Makes the function for an instruction with this immediate whose last operand is of this type, if that is known."""

_MAKERS: dict[Op, Make] = {}


def _of(*names: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        _MAKERS.update((OPS[name], make) for name in names)
        return make

    return add


def makes(op: Op) -> bool:
    """Whether there is an equivalent of a row, for some types at least."""
    return op in _MAKERS


def heap_equivalent(types: Types, instr: Instr, operand: ValType | None) -> Function | None:
    """A function that does what an instruction does whose last operand has this type, if there is one."""
    op, imm = instr
    return _MAKERS[op](types, imm, operand)


def _unpacked(field: FieldType) -> ValType:
    return I32 if isinstance(field.storage, PackedType) else field.storage


def _element(types: Types, index: int) -> FieldType:
    composite: CompositeType = types.flat[index].composite
    assert isinstance(composite, ArrayType)
    return composite.field


def _fields(types: Types, index: int) -> tuple[FieldType, ...]:
    composite: CompositeType = types.flat[index].composite
    assert isinstance(composite, StructType)
    return composite.fields


def _free(*fields: FieldType) -> bool:
    """Whether there are objects with defaults in these fields, which can be written afterwards."""
    return len(fields) <= _MOST and all(field.mutable and defaultable(field.storage) for field in fields)


def _default(field: FieldType) -> Code:
    type_ = _unpacked(field)
    return ((OPS["ref.null"], type_.heap),) if isinstance(type_, RefType) else ((OPS[f"{type_}.const"], 0),)


def _get(field: FieldType, array: int) -> Code:
    """Read an element, of whichever value: nobody looks at the sign."""
    return ((OPS["array.get_u" if isinstance(field.storage, PackedType) else "array.get"], array),)


_OUTSIDE: Final = template(
    "local.get $array  array.len  i64.extend_i32_u"
    "  local.get $first  i64.extend_i32_u  local.get $many  i64.extend_i32_u  i64.add  i64.lt_u"
)
"""Whether some of ``many`` elements are not in an array; then a read beyond any array's end traps."""
_BEYOND: Final = template("local.get $array  i32.const -1")
_FAIL: Final = code("drop  unreachable")
_DOWN: Final = template("local.get $many  i32.const 1  i32.sub  local.set $many")
_UP: Final = code("local.get 5  i32.const 1  i32.add  local.set 5  local.get 5  local.get 4  i32.lt_u  br_if 0")
_PUT: Final = template(
    "local.get $array  local.get $first  local.get $many  i32.add  local.get $value  array.set $type"
)
_IS_ZERO: Final = template("local.get $many  i32.eqz  br_if 1")
_AGAIN: Final = code("br 0")
_BLOCK, _LOOP, _IF = ((OPS[name], None) for name in ("block", "loop", "if"))
_ELSE, _END = OPS["else"].bare, OPS["end"].bare


def _inside(types: Types, index: int, array: int, first: int, many: int) -> list[Instr]:
    """Trap as an access of these elements does if some are not there."""
    read = (*_BEYOND(array=array), *_get(_element(types, index), index), *_FAIL)
    return [*_OUTSIDE(array=array, first=first, many=many), _IF, *read, _END]


def _downward(many: int, body: Sequence[Instr]) -> list[Instr]:
    """Do something for each number below ``many``, which is the number, and 0 afterwards."""
    return [_BLOCK, _LOOP, *_IS_ZERO(many=many), *_DOWN(many=many), *body, *_AGAIN, _END, _END]


def _filled(array: int, first: int, many: int, value: int, index: int) -> list[Instr]:
    return _downward(many, _PUT(array=array, first=first, many=many, value=value, type=index))


@_of("array.fill")
def _array_fill(types: Types, index: int, _: ValType | None) -> Function:
    value = _unpacked(_element(types, index))
    body = [*_inside(types, index, 0, 1, 3), *_filled(0, 1, 3, 2, index)]
    return Function(FuncType((ref(index), I32, value, I32), ()), body)


@_of("array.copy")
def _array_copy(types: Types, imm: tuple[int, int], _: ValType | None) -> Function:
    """From the end where it moves up, as the arrays may be one (spec 4.4.5)."""
    to, source = imm
    take = _get(_element(types, source), source)
    move = template(
        "local.get 0  local.get 1  local.get $at  i32.add  local.get 2  local.get 3  local.get $at  i32.add"
    )
    put = (OPS["array.set"], to)
    backward = _downward(4, [*move(at=4), *take, put])
    forward = [*code("local.get 4"), _IF, _LOOP, *move(at=5), *take, put, *_UP, _END, _END]
    body = [*_inside(types, to, 0, 1, 4), *_inside(types, source, 2, 3, 4), *code("local.get 1  local.get 3  i32.gt_u"),
            _IF, *backward, _ELSE, *forward, _END]  # fmt: skip
    return Function(FuncType((ref(to), I32, ref(source), I32, I32), ()), body, (I32,))


_NOT_NULL: Final = template("local.get $at  ref.as_non_null")


@_of("array.new")
def _array_new(types: Types, index: int, _: ValType | None) -> Function | None:
    field = _element(types, index)
    if not _free(field):
        return None
    body = [*code("local.get 1"), (OPS["array.new_default"], index), *code("local.set 2"), *_filled(2, 3, 1, 0, index)]
    type_ = FuncType((_unpacked(field), I32), (ref(index, False),))
    return Function(type_, [*body, *_NOT_NULL(at=2)], (ref(index), I32))


@_of("array.new_default")
def _array_new_default(types: Types, index: int, _: ValType | None) -> Function:
    body = [*_default(_element(types, index)), *code("local.get 0"), (OPS["array.new"], index)]
    return Function(FuncType((I32,), (ref(index, False),)), body)


@_of("array.new_fixed")
def _array_new_fixed(types: Types, imm: tuple[int, int], _: ValType | None) -> Function | None:
    index, many = imm
    field = _element(types, index)
    if not _free(field) or many > _MOST:
        return None
    body: list[Instr] = [(OPS["i32.const"], many), (OPS["array.new_default"], index), (OPS["local.set"], many)]
    for at in range(many):
        body += [(OPS["local.get"], many), (OPS["i32.const"], at), (OPS["local.get"], at), (OPS["array.set"], index)]
    type_ = FuncType((_unpacked(field),) * many, (ref(index, False),))
    return Function(type_, [*body, *_NOT_NULL(at=many)], (ref(index),))


@_of("struct.new")
def _struct_new(types: Types, index: int, _: ValType | None) -> Function | None:
    fields = _fields(types, index)
    if not _free(*fields):
        return None
    many = len(fields)
    body: list[Instr] = [(OPS["struct.new_default"], index), (OPS["local.set"], many)]
    for at in range(many):
        body += [(OPS["local.get"], many), (OPS["local.get"], at), (OPS["struct.set"], (index, at))]
    type_ = FuncType(tuple(map(_unpacked, fields)), (ref(index, False),))
    return Function(type_, [*body, *_NOT_NULL(at=many)], (ref(index),))


@_of("struct.new_default")
def _struct_new_default(types: Types, index: int, _: ValType | None) -> Function:
    values = [instr for field in _fields(types, index) for instr in _default(field)]
    return Function(FuncType((), (ref(index, False),)), [*values, (OPS["struct.new"], index)])


_EXTENDED: Final = template("i32.const $by  i32.shl  i32.const $by  i32.shr_s")
_MASKED: Final = template("i32.const $mask  i32.and")


def _narrowed(field: FieldType, signed: bool) -> Code:
    """What makes of a narrow value that was read with the other sign one that is ``signed`` or is not."""
    bits = 8 if field.storage is I8 else 16
    return _EXTENDED(by=32 - bits) if signed else _MASKED(mask=(1 << bits) - 1)


def _other_getter(name: str, signed: bool) -> None:
    other = OPS[f"{name}.get_{'u' if signed else 's'}"]

    @_of(f"{name}.get_{'s' if signed else 'u'}")
    def make(types: Types, imm: Any, _: ValType | None) -> Function:
        params: tuple[ValType, ...]
        if name == "array":
            field, params = _element(types, imm), (ref(imm), I32)
        else:
            field, params = _fields(types, imm[0])[imm[1]], (ref(imm[0]),)
        operands = [(OPS["local.get"], at) for at in range(len(params))]
        return Function(FuncType(params, (I32,)), [*operands, (other, imm), *_narrowed(field, signed)])


for _name in ("array", "struct"):
    for _signed in (True, False):
        _other_getter(_name, _signed)


# A cast of an i31 to what nothing is fails, by the row that is not the guilty one.
_CAST_FAILS: Final = {
    OPS["ref.cast"]: code("i32.const 0  ref.i31  ref.cast_null none  drop  unreachable"),
    OPS["ref.cast_null"]: code("i32.const 0  ref.i31  ref.cast none  drop  unreachable"),
}
_IS_NULL: Final = code("ref.null i31  i31.get_u  drop  unreachable")
_YES: Final = code("i32.const 1")
_NO: Final = code("i32.const 0  return")
_FIRST: Final = code("local.get 0")
_DROP: Final = code("drop")


def _looked_at(name: str, nullable: bool) -> None:
    op = OPS[name]

    @_of(name)
    def make(types: Types, heap: int | str, _: ValType | None) -> Function:
        # An operand may be of a type below the wanted one, which a branch does not allow.
        operand, wanted = ref(types.top(heap)), ref(heap, nullable)
        look: list[Instr] = [(OPS["block"], wanted), *_FIRST, (OPS["br_on_cast"], (0, operand, wanted))]
        if op in _CAST_FAILS:
            return Function(FuncType((operand,), (wanted,)), [*look, *_CAST_FAILS[op], _END])
        return Function(FuncType((operand,), (I32,)), [*look, *_DROP, *_NO, _END, *_DROP, *_YES])


for _name in ("ref.cast", "ref.cast_null", "ref.test", "ref.test_null"):
    _looked_at(_name, _name.endswith("_null"))


@_of("ref.is_null")
def _is_null(_: Types, __: None, operand: ValType | None) -> Function | None:
    if not isinstance(operand, RefType):
        return None
    body = [_BLOCK, *_FIRST, (OPS["br_on_null"], 0), *_DROP, *_NO, _END, *_YES]
    return Function(FuncType((operand,), (I32,)), body)


@_of("ref.as_non_null")
def _as_non_null(_: Types, __: None, operand: ValType | None) -> Function | None:
    if not isinstance(operand, RefType):
        return None
    there = ref(operand.heap, False)
    body = [(OPS["block"], there), *_FIRST, (OPS["br_on_non_null"], 0), *_IS_NULL, _END]
    return Function(FuncType((operand,), (there,)), body)
