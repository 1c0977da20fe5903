"""Exported functions of one instruction that traps for some arguments, and one that looks at what is left after them.

    (func (export "t0") (param i32) (result i64)
      global.get 3  local.get 0  i32.const 2  array.fill ...    ;; around the end of an array
      ...)

They are called last, so that all else has been seen before the first trap.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.module.function import Function
from generators.module.shell import TYPED_ANSWERS
from generators.program.program import Program
from generators.refs.expressions import RefCode
from generators.refs.instructions import array_get, cast_to, struct_get, width
from generators.refs.lattice import Defined, value_type
from generators.refs.space import ELEMENTS, SEGMENT, RefGlobal, RefSpace
from wasm.embedding import Invocation, Value
from wasm.fragment import Code, code, template
from wasm.valtypes import I32, I64, FuncType, RefType, ref

_COUNT: Final = 5
"""Elements of the arrays whose ends are tried."""
_DATA_START: Final = 8
"""From this byte of a data segment on, an array is made of as many elements as the argument says."""
_KINDS: Final = ("bounds", "cast", "indirect", "null")
_NULLS: Final = ("as_non_null", "member", "member", "i31")
_MOST: Final = 0xFFFFFFFF

_ARGUMENT: Final = code("local.get 0")
_NULL: Final = template("ref.null $heap")
_IF_EVEN: Final = template("local.get 0  i32.const 1  i32.and  select_t imm=$types")
_AS_NON_NULL: Final = code("ref.as_non_null")
_I31_GETS: Final = (code("i31.get_s"), code("i31.get_u"))
_CALL_REF: Final = template("local.get $held  call_ref $type")
_CALL_AT: Final = template("local.get 0  call_indirect $table (type $type)")
_LENGTH: Final = code("array.len")
_ZERO: Final = code("i32.const 0")
_FILL_NONE: Final = template("i32.const 0  array.fill $type")
_STRUCT_SET: Final = template("struct.set $type $field")
_POOL_GET: Final = template("local.get 0  i32.const $size  i32.rem_u  table.get $pool")
_TABLE_GET: Final = template("i32.const $at  table.get $table")
_GET_GLOBAL: Final = template("global.get $index")
_FIXED: Final = template("array.new_fixed $type $count")
_ARRAY_SET: Final = template("array.set $type")
_FILL: Final = template("i32.const $count  array.fill $type")
_COPY: Final = template("global.get $array  i32.const $start  i32.const $count  array.copy $type $type")
_INIT_DATA: Final = template("i32.const $start  i32.const $count  array.init_data $type $segment")
_INIT_ELEM: Final = template("i32.const $start  i32.const $count  array.init_elem $type $segment")
_NEW_DATA: Final = template("i32.const $start  local.get 0  array.new_data $type $segment")
_NEW_ELEM: Final = template("i32.const 1  local.get 0  array.new_elem $type $segment")


def add_trap(program: Program, source: ChoiceSource, name: str) -> None:
    """An exported function (i32) -> i64 and two to four calls of it, of which some trap."""
    shell = program.shell
    f = shell.builder.func((I32,), (I64,), export=name)
    fn = Function.of(shell, f, source)
    fn.seed(f.index)
    refs = RefCode(fn, source)
    space = refs.space
    arrays = [t for t in space.lattice.all("array") if space.initial(ref(t.index))]
    kind = source.pick(_KINDS)
    if kind == "bounds" and arrays and space.bulk:
        arguments = _bounds(refs, source.pick(arrays))
    elif kind == "cast" and space.gc:
        arguments = _cast(refs)
    elif kind == "indirect" or not space.typed:
        arguments = _indirect(program, refs)
    else:
        arguments = _null(refs)
    fn.publish()
    fn.get(fn.acc)
    shell.labels.add("traps")
    shell.last += [Invocation(name, (Value(I32.name, value),)) for value in dict.fromkeys(arguments)]


def _null(refs: RefCode) -> tuple[int, ...]:
    """An instruction that wants an object gets null for odd arguments."""
    source, space, fn = refs.source, refs.space, refs.fn
    own = list(space.lattice.types.values())
    kind = source.pick(_NULLS)
    if kind == "i31" and space.gc:
        _choose(refs, ref("i31"))
        fn += source.pick(_I31_GETS)
        refs.fold(I32)
    elif kind == "as_non_null" or not own:
        type_ = space.draw(source)
        heap = type_.heap if space.inhabited(type_.heap) else "func"
        _choose(refs, ref(heap))
        fn += _AS_NON_NULL
        refs.fold(ref(heap, False))
    else:
        _member(refs, source.pick(own))
    return 0, 1, 2


def _choose(refs: RefCode, type_: RefType) -> None:
    """A reference on the stack that is null for odd arguments."""
    refs.fn += _NULL(type_.heap)
    refs.fresh(type_.heap, 1)
    # ``select`` takes the first, null, where the condition is not zero.
    refs.fn += _IF_EVEN((type_,))


def _member(refs: RefCode, type_: Defined) -> None:
    """Read or write through a reference to a type of the module's own, or call it."""
    source, fn = refs.source, refs.fn
    held = fn.local(ref(type_.index))
    signature = type_.composite
    _choose(refs, ref(type_.index))
    fn.set(held)
    if isinstance(signature, FuncType):
        refs.arguments(signature.params, 0)
        fn += _CALL_REF(held=held, type=type_.index)
        refs.fold_values(signature.results)
        return
    fn.get(held)
    if type_.kind == "array" and (not type_.fields[0].mutable or source.one_in(2)):
        fn += _LENGTH
        refs.fold(I32)
    elif type_.kind == "array":
        # Nothing is written, and null is not allowed all the same.
        fn += _ZERO
        refs.item(type_.fields[0].storage, 0)
        fn += _FILL_NONE(type_.index)
    elif not type_.fields:
        fn += _AS_NON_NULL
        refs.fold(ref(type_.index, False))
    else:
        i = source.below(len(type_.fields))
        storage = type_.fields[i].storage
        if type_.fields[i].mutable and source.one_in(2):
            refs.item(storage, 1)
            fn += _STRUCT_SET(type=type_.index, field=i)
        else:
            fn += (struct_get(type_, i, source.below(2)),)
            refs.fold(value_type(storage))


def _cast(refs: RefCode) -> tuple[int, ...]:
    """A cast of an object out of the pool: it has the type, or is null, or not."""
    source, space, fn = refs.source, refs.space, refs.fn
    pool = space.pool()
    target = ref(space.draw_internal(source), source.one_in(2))
    fn += _POOL_GET(size=pool.size, pool=pool.index)
    fn += (cast_to(target),)
    refs.fold(target)
    return tuple(source.below(pool.size) for _ in range(4))


def _indirect(program: Program, refs: RefCode) -> tuple[int, ...]:
    """A call of a function of another type, of none, or beyond the table's end."""
    source, space, fn, shell = refs.source, refs.space, refs.fn, program.shell
    functions = space.lattice.all("func")
    if functions:
        type_ = source.pick(functions)
        other = source.pick(functions)
        signature = type_.composite
        assert isinstance(signature, FuncType)
        slot = shell.slot(space.function(type_.index, 0), space.function(other.index, 1))
        refs.arguments(signature.params, 0)
        fn += _CALL_AT(table=shell.tables["functions"], type=type_.index)
        refs.fold_values(signature.results)
    else:
        slot = shell.slot(shell.answer(source.below(TYPED_ANSWERS)), refs.f.index)
        fn += _CALL_AT(table=shell.tables["functions"], type=shell.answer_type)
        refs.fold(I32)
    return slot, 1, slot + 1, _MOST if source.one_in(2) else 0


def _bounds(refs: RefCode, type_: Defined) -> tuple[int, ...]:
    """An instruction around the end of an array that a global holds, so that what it left is seen."""
    source, fn, space, storage = refs.source, refs.fn, refs.space, type_.fields[0].storage
    array, count = _array_global(refs, type_)
    get = _GET_GLOBAL(array.index)
    name = source.pick(_instructions(type_, space))
    length = source.below(3)
    if name == "new_data":
        fn += _NEW_DATA(start=_DATA_START, type=type_.index, segment=space.data())
        refs.fold(ref(type_.index, False))
        room = (SEGMENT - _DATA_START) // width(storage)
        return room, room + 1, 0
    if name == "new_elem":
        assert isinstance(storage, RefType)
        fn += _NEW_ELEM(type=type_.index, segment=space.elem(storage))
        refs.fold(ref(type_.index, False))
        return ELEMENTS - 1, ELEMENTS, 0
    fn += (*get, *_ARGUMENT)
    match name:
        case "get":
            fn += (array_get(type_, source.below(2)),)
            refs.fold(value_type(storage))
            return count, max(count - 1, 0), _MOST
        case "set":
            refs.item(storage, 1)
            fn += _ARRAY_SET(type_.index)
            return count, max(count - 1, 0), 0x80000000
        case "fill":
            refs.item(storage, 1)
            fn += _FILL(count=length, type=type_.index)
        case "copy":
            fn += _COPY(array=array.index, start=source.below(count + 1), count=length, type=type_.index)
        case "init_data":
            fn += _INIT_DATA(start=source.below(8), count=length, type=type_.index, segment=space.data())
        case _:
            assert isinstance(storage, RefType)
            start = source.below(ELEMENTS)
            fn += _INIT_ELEM(start=start, count=length, type=type_.index, segment=space.elem(storage))
    return max(count - length, 0), count - length + 1, _MOST


def _array_global(refs: RefCode, type_: Defined) -> tuple[RefGlobal, int]:
    """A new global with an array, which is empty if its elements have no constant; and the array's length."""
    source, space, storage = refs.source, refs.space, type_.fields[0].storage
    values: list[Code] = []
    if not isinstance(storage, RefType) or space.initial(storage):
        values = [space.item(source, storage, 1) for _ in range(_COUNT)]
    init = (*(instr for value in values for instr in value), *_FIXED(type=type_.index, count=len(values)))
    mutable = source.one_in(2)
    holder = ref(type_.index)
    held = RefGlobal(holder, space.builder.global_(holder, init, mutable), mutable)
    space.globals.append(held)
    return held, len(values)


def _instructions(type_: Defined, space: RefSpace) -> list[str]:
    """The instructions that an array type takes, by the last part of their names."""
    storage = type_.fields[0].storage
    segment = "data"
    if isinstance(storage, RefType):
        segment = "elem" if space.initial(storage) else ""
    names = ["get"]
    if type_.fields[0].mutable:
        names += ["set", "fill", "copy"]
        names += [f"init_{segment}"] if segment else []
    return [*names, *([f"new_{segment}"] if segment else [])]


def add_look(program: Program) -> None:
    """An exported function that folds all that globals, tables and the pool hold; called at the very end."""
    shell = program.shell
    space = shell.kit(RefSpace)
    if not (space.globals or space.tables or space.pooled):
        return
    f = shell.builder.func((), (I64,), export="look")
    fn = Function.of(shell, f, space.fork())
    fn.seed(1)
    refs = RefCode(fn, fn.source)
    for held in space.globals:
        fn += _GET_GLOBAL(held.index)
        refs.fold(held.type)
    for table in [*space.tables, *([space.pool()] if space.pooled else [])]:
        for i in range(table.size):
            fn += _TABLE_GET(at=i, table=table.index)
            refs.fold(table.type)
    fn.get(fn.acc)
    shell.last.append(Invocation("look"))
