"""Statements on structs, arrays and i31: fields and elements read and written, lists, equality, the pool.

local.get 5          ;; read: an object whose type the function knows
struct.get_u 3 1
...                  ;; fold
"""

from __future__ import annotations

from typing import Final, NamedTuple

from generators.choices import shares
from generators.program.program import Program
from generators.refs.expressions import RefCode
from generators.refs.instructions import array_get, struct_get
from generators.refs.lattice import Defined, value_type
from generators.refs.statements import value
from wasm.fragment import code, template
from wasm.valtypes import ANYREF, I32, RefType, ref

_ROUNDS: Final = (1, 2, 3, 5, 8, 20, 60, 200)
_MOST_FIELDS: Final = 2_000
"""Fields of all objects of a list."""
_SEEN: Final = 3
"""Numbers of each object of a list that are folded."""
_NEWEST: Final = 16
_KINDS: Final = shares(("struct", 2), ("array", 1))
_READS: Final = (("i31.get_s",), ("i31.get_u",), ("i31.get_s", "i31.get_u"))

_COPY: Final = template("local.get $one  local.set $other")
_IS_NULL: Final = template("local.get $object  ref.is_null")
_LENGTH: Final = template("local.get $array  array.len")
_WRAPPED: Final = template("local.get $array  array.len  i32.rem_u")
_STRUCT: Final = template("struct.new $type  local.set $to")
_STRUCT_SET: Final = template("struct.set $type $field")
_ARRAY_SET: Final = template("array.set $type")
_EMPTY_LIST: Final = template("ref.null $type  local.set $head  i32.const $rounds  local.set $count")
_COUNTED: Final = template("local.get $count  i32.const $factor  i32.mul")
_LEAVE_AT_END: Final = template("local.get $at  br_on_null 1  local.set $object")
_LINK: Final = template("local.get $object  struct.get $type $field")
_CAST: Final = template("ref.cast_null $heap")
_AGAIN: Final = code("br 0")
_SAME: Final = code("ref.eq")
_I31: Final = code("ref.i31")
_AS_I31: Final = code("ref.cast i31")
_I31_GETS: Final = {name: code(name) for name in ("i31.get_s", "i31.get_u")}
_MARK: Final = template("i32.const $mark")
_WRAP: Final = template("i32.const $size  i32.rem_u")
_TABLE_GET: Final = template("table.get $table")
_REPLACED: Final = template("table.set $table  i32.const $at")


class Held(NamedTuple):
    """A local that surely holds an object of a type."""

    type: Defined
    local: int


def made(program: Program, refs: RefCode) -> None:
    """A new object of one of the module's own types, read at once."""
    types = refs.space.concrete("any")
    if not types:
        value(program, refs)
        return
    type_ = refs.source.pick(types)
    refs.new(type_, 3)
    read_members(refs, Held(type_, refs.keep(ref(type_.index, False))))


def _some_object(refs: RefCode, kind: str) -> Held | None:
    """An object of a type of a kind, three times in four one that there is; None if there is no such type."""
    space, source = refs.space, refs.source
    types = space.lattice.all(kind)
    if not types:
        return None
    above = ref(kind)
    held = [
        (type_.heap, local)
        for type_, local in refs.known[: -_NEWEST - 1 : -1]
        if not type_.nullable and isinstance(type_.heap, int) and space.matches(type_, above)
    ]
    if held and source.chance(3, 4):
        index, local = source.pick(held)
        return Held(space.lattice.types[index], local)
    chosen = source.pick(types)
    refs.push(ref(chosen.index, False), 2)
    return Held(chosen, refs.keep(ref(chosen.index, False)))


def read_members(refs: RefCode, held: Held) -> None:
    """Fold some of the fields, of some of them only a part; or the length of an array and one element."""
    source, fn = refs.source, refs.fn
    type_, local = held
    if type_.kind == "array":
        fn += _LENGTH(local)
        fn += fn.fold(I32)
        _read_element(refs, held)
        return
    if not type_.fields:
        fn += _IS_NULL(local)
        fn += fn.fold(I32)
        return
    for _ in range(min(1 + source.below(4), len(type_.fields))):
        i = source.below(len(type_.fields))
        fn.get(local)
        fn += (struct_get(type_, i, source.below(2)),)
        refs.fold(value_type(type_.fields[i].storage), 1 + source.below(2))


def _read_element(refs: RefCode, held: Held) -> None:
    """Fold one element, if there is any."""
    fn, (type_, local) = refs.fn, held
    fn += _LENGTH(local)
    with fn.block("if"):
        _push_element_place(refs, local)
        fn += (array_get(type_, refs.source.below(2)),)
        refs.fold(value_type(type_.fields[0].storage), 1 + refs.source.below(2))


def _push_element_place(refs: RefCode, array: int) -> None:
    """An array that is not empty, and an index in it."""
    refs.fn.get(array)
    refs.number(I32, 1)
    refs.fn += _WRAPPED(array)


def read(program: Program, refs: RefCode) -> None:
    """Fields of an object."""
    held = _some_object(refs, refs.source.pick(_KINDS))
    if held is None:
        value(program, refs)
    else:
        read_members(refs, held)


def written(program: Program, refs: RefCode) -> None:
    """A field or an element is written, and the object seen."""
    source, fn = refs.source, refs.fn
    held = _some_object(refs, source.pick(_KINDS))
    if held is None:
        value(program, refs)
        return
    type_, local = held
    places = [i for i, field in enumerate(type_.fields) if field.mutable]
    if not places:
        read_members(refs, held)
        return
    if type_.kind == "struct":
        i = source.pick(places)
        fn.get(local)
        refs.item(type_.fields[i].storage, 2)
        fn += _STRUCT_SET(type=type_.index, field=i)
    else:
        mark = refs.mark()
        fn += _LENGTH(local)
        with fn.block("if"):
            _push_element_place(refs, local)
            refs.item(type_.fields[0].storage, 2)
            fn += _ARRAY_SET(type_.index)
        refs.leave(mark)
    fn.get(local)
    refs.fold(ref(type_.index, False), 1 + source.below(2))


def linked(program: Program, refs: RefCode) -> None:
    """A list is built in a loop, each object leading to the one before, and walked to its end."""
    source, fn, space = refs.source, refs.fn, refs.space
    links = [(t, i) for t in space.lattice.all("struct") for i in range(len(t.fields)) if _leads(refs, t, i)]
    if not links:
        made(program, refs)
        return
    type_, link = source.pick(links)
    head, count = fn.local(ref(type_.index)), fn.local(I32)
    rounds = min(source.pick(_ROUNDS), _MOST_FIELDS // len(type_.fields))
    fn += _EMPTY_LIST(type=type_.index, head=head, rounds=rounds, count=count)
    mark = refs.mark()
    with fn.repeat(count):
        for i, field in enumerate(type_.fields):
            if i == link:
                fn.get(head)
            elif value_type(field.storage) is I32:
                fn += _COUNTED(count=count, factor=source.bits(8))
            else:
                refs.item(field.storage, 0)
        fn += _STRUCT(type=type_.index, to=head)
    refs.leave(mark)
    _walk(refs, type_, link, head)


def _leads(refs: RefCode, type_: Defined, field: int) -> bool:
    """Whether a field can hold an object of the same type or null."""
    storage = type_.fields[field].storage
    return isinstance(storage, RefType) and refs.space.matches(ref(type_.index), storage)


def _walk(refs: RefCode, type_: Defined, link: int, head: int) -> None:
    """Follow the list from the local ``head`` on and fold some numbers of each object."""
    fn = refs.fn
    at = fn.local(ref(type_.index))
    numbers = [i for i, field in enumerate(type_.fields) if not isinstance(field.storage, RefType)]
    fn += _COPY(head, at)
    with fn.block(), fn.block("loop"):
        held = fn.local(ref(type_.index, False))
        fn += _LEAVE_AT_END(at, held)
        for i in numbers[:_SEEN]:
            fn.get(held)
            fn += (struct_get(type_, i, refs.source.below(2)),)
            refs.fold(value_type(type_.fields[i].storage))
        fn += _LINK(object=held, type=type_.index, field=link)
        if type_.fields[link].storage is not ref(type_.index):
            fn += _CAST(type_.index)
        fn.set(at)
        if not numbers:
            fn += _MARK(mark=0x4C)
            refs.fold(I32)
        fn += _AGAIN


def equal(program: Program, refs: RefCode) -> None:
    """Whether two references are the same: of one object twice, of two alike, of small numbers, of null."""
    del program
    source, fn = refs.source, refs.fn
    heap = refs.space.draw_internal(source)
    refs.push(ref("eq" if heap == "any" else heap), 2)
    first = refs.keep(ref("eq"))
    fn.get(first)
    if source.one_in(2):
        fn.get(first)
    else:
        refs.push(ref("eq"), 2)
    fn += _SAME
    if not source.one_in(2):
        refs.fold(I32)
        return
    with fn.block("if"):
        fn += _MARK(mark=0x57)
        refs.fold(I32)
        fn.else_()
        fn.get(first)
        refs.fold(ref("eq"))


def small(program: Program, refs: RefCode) -> None:
    """A number of 31 bits, through a reference of any type above it, read with and without its sign."""
    del program
    source, fn = refs.source, refs.fn
    refs.number(I32, 2)
    fn += _I31
    type_ = ref(source.pick(("i31", "eq", "any")), not source.chance(2, 3))
    local = refs.keep(type_)
    for name in source.pick(_READS):
        fn.get(local)
        if type_.heap != "i31":
            fn += _AS_I31
        fn += _I31_GETS[name]
        refs.fold(I32)


def pooled(program: Program, refs: RefCode) -> None:
    """An object that no compiler knows, out of the pool, or one more in the pool."""
    del program
    source, fn = refs.source, refs.fn
    pool = refs.space.pool()
    refs.number(I32, 1)
    fn += _WRAP(pool.size)
    if source.one_in(3):
        refs.push(ANYREF, 2)
        fn += _REPLACED(table=pool.index, at=source.below(pool.size))
    fn += _TABLE_GET(pool.index)
    refs.fold(ANYREF, 1 + source.below(2))
