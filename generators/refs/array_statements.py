"""Statements on parts of arrays: filled, copied, or filled from a segment; the ends are computed and fit exactly.

local.get $array
local.get $start       ;; any number, cut to the length
...                    ;; a value
local.get $count       ;; any number, cut to what is left; or all that is left
array.fill 4
"""

from __future__ import annotations

from typing import Final

from generators.choices import shares
from generators.program.program import Program
from generators.refs.expressions import RefCode
from generators.refs.instructions import width
from generators.refs.lattice import Defined
from generators.refs.space import ELEMENTS, SEGMENT
from generators.refs.statements import value
from wasm.fragment import Code, template
from wasm.valtypes import I32, RefType, ref

_STEPS: Final = shares(("fill", 1), ("copy", 1), ("init", 2))

_PLACE: Final = template("local.get $array  local.get $start")
_START: Final = template("local.get $array  array.len  i32.const 1  i32.add  i32.rem_u  local.set $start")
_ALL_THE_REST: Final = template("local.get $array  array.len  local.get $start  i32.sub  local.set $count")
_PART_OF_REST: Final = template(
    "local.get $array  array.len  local.get $start  i32.sub  i32.const 1  i32.add  i32.rem_u  local.set $count"
)
_AT_MOST: Final = template(
    "local.get $count  i32.const $most  local.get $count  i32.const $most  i32.lt_u  select  local.set $count"
)
_AT_MOST_LOCAL: Final = template(
    "local.get $count  local.get $most  local.get $count  local.get $most  i32.lt_u  select  local.set $count"
)
_FILL: Final = template("local.get $count  array.fill $type")
_INIT_DATA: Final = template(
    "local.get $array  local.get $start  i32.const $first  local.get $count  array.init_data $type $segment"
)
_INIT_ELEM: Final = template(
    "local.get $array  local.get $start  i32.const $first  local.get $count  array.init_elem $type $segment"
)
_KEEP_LENGTH: Final = template("local.get $array  array.len  local.set $length")
_TO_FROM: Final = template("local.get $array  local.get $start  local.get $origin")
_COPY: Final = template(
    "local.get $length  local.get $count  i32.sub  i32.const 1  i32.add  i32.rem_u"
    "  local.get $count  array.copy $type $other"
)
"""From any number on: it becomes a place in the origin from which ``count`` elements fit."""


def bulk(program: Program, refs: RefCode) -> None:
    """A part of an array is filled, copied or filled from a segment, and the array seen."""
    source, fn, space = refs.source, refs.fn, refs.space
    arrays = [t for t in space.lattice.all("array") if t.fields[0].mutable]
    if not arrays:
        value(program, refs)
        return
    type_ = source.pick(arrays)
    storage = type_.fields[0].storage
    refs.push(ref(type_.index, False), 2)
    array = refs.keep(ref(type_.index, False))
    start, count = fn.local(I32), fn.local(I32)
    match source.pick(_STEPS):
        case "fill":
            _range(refs, array, start, count)
            fn += _PLACE(array, start)
            refs.item(storage, 2)
            fn += _FILL(count=count, type=type_.index)
        case "copy":
            _copied(refs, type_, array, start, count)
        case _ if isinstance(storage, RefType):
            if not space.initial(storage):
                return
            segment = space.elem(storage)
            first = source.below(ELEMENTS + 1)
            most = source.between(0, ELEMENTS - first)
            _range(refs, array, start, count, _AT_MOST(count=count, most=most))
            fn += _INIT_ELEM(array=array, start=start, first=first, count=count, type=type_.index, segment=segment)
        case _:
            segment = space.data()
            first = source.below(SEGMENT // 2)
            most = source.between(0, (SEGMENT - first) // width(storage))
            _range(refs, array, start, count, _AT_MOST(count=count, most=most))
            fn += _INIT_DATA(array=array, start=start, first=first, count=count, type=type_.index, segment=segment)
    fn.get(array)
    refs.fold(ref(type_.index, False), 1)


def _copied(refs: RefCode, type_: Defined, array: int, start: int, count: int) -> None:
    """A copy from another array or within the same one, where the two ranges may overlap."""
    source, fn = refs.source, refs.fn
    others = [t for t in refs.space.lattice.all("array") if _fits(refs, t, type_)]
    other = source.pick([type_, *others])
    origin = array
    if other is not type_ or source.one_in(2):
        refs.push(ref(other.index, False), 2)
        origin = refs.keep(ref(other.index, False))
    length = fn.local(I32)
    fn += _KEEP_LENGTH(origin, length)
    _range(refs, array, start, count, _AT_MOST_LOCAL(count=count, most=length))
    fn += _TO_FROM(array=array, start=start, origin=origin)
    refs.number(I32, 1)
    fn += _COPY(length=length, count=count, type=type_.index, other=other.index)


def _fits(refs: RefCode, other: Defined, type_: Defined) -> bool:
    """Whether elements of another array type can be copied into one of this type (spec 3.4.8)."""
    a, b = other.fields[0].storage, type_.fields[0].storage
    if isinstance(a, RefType) and isinstance(b, RefType):
        return refs.space.lattice.matches(a, b)
    return a is b


def _range(refs: RefCode, array: int, start: int, count: int, limit: Code = ()) -> None:
    """Set the locals ``start`` and ``count`` to a part of an array; ``limit`` makes ``count`` small enough."""
    fn = refs.fn
    refs.number(I32, 1)
    fn += _START(array, start)
    if refs.source.one_in(2):
        fn += _ALL_THE_REST(array=array, start=start, count=count)
    else:
        refs.number(I32, 1)
        fn += _PART_OF_REST(array=array, start=start, count=count)
    fn += limit
