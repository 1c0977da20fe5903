"""Statements that ask an object for its type, in each of the six ways; the answer is known at run time only, or never.

block (result anyref)
  local.get 5
  br_on_cast_fail 0 anyref (ref 3)
  ...                    ;; uses of the object as a (ref 3)
  br 1
end
...                      ;; uses of what is no (ref 3)
"""

from __future__ import annotations

from typing import Final

from generators.choices import shares, weighted
from generators.program.program import Program
from generators.refs.expressions import RefCode
from generators.refs.instructions import cast_to, test_of
from generators.refs.object_statements import Held, read_members
from wasm.fragment import code, template
from wasm.valtypes import ANYREF, I32, HeapType, RefType, ref

_FROM_POOL: Final = weighted((True, 150), (False, 106))
_ABSTRACT: Final = ("eq", "i31", "struct", "array", "none")
_QUESTIONS: Final = shares(
    ("test", 1), ("test and cast", 1), ("br_on_cast", 1), ("br_on_cast_fail", 2), ("nullable test", 1)
)

_POOL_GET: Final = template("i32.const $size  i32.rem_u  table.get $pool")
_LEAVE_ON_CAST: Final = template("local.get $object  br_on_cast imm=$cast")
_LEAVE_ON_OTHER: Final = template("local.get $object  br_on_cast_fail imm=$cast")
_I31_GETS: Final = (code("i31.get_s"), code("i31.get_u"))


def cast(program: Program, refs: RefCode) -> None:
    """One to three questions about one object, which comes out of the pool or has a type that is known in part."""
    del program
    space, source, fn = refs.space, refs.source, refs.fn
    top = ANYREF
    if source.weighted(_FROM_POOL):
        pool = space.pool()
        refs.number(I32, 1)
        fn += _POOL_GET(size=pool.size, pool=pool.index)
    else:
        top = ref(space.draw_internal(source))
        refs.push(top, 2)
    local = refs.keep(top)
    lower: list[HeapType] = [t.index for t in space.concrete(top.heap)]
    for _ in range(1 + source.below(3)):
        if top.heap in ("any", "eq") and source.one_in(4):
            heap: HeapType = source.pick(_ABSTRACT)
        else:
            heap = source.pick(lower) if lower else top.heap
        if not space.matches(ref(heap), top):
            heap = top.heap
        _ask(refs, local, top, ref(heap, source.one_in(2)))


def _ask(refs: RefCode, local: int, top: RefType, target: RefType) -> None:
    """One question about an object of type ``top``, with uses of the object on both sides."""
    fn = refs.fn
    mark = refs.mark()
    match refs.source.pick(_QUESTIONS):
        case "test":
            _test(refs, local, target)
        case "nullable test":
            # Whether it is null or of the type is no part of any other question.
            _test(refs, local, ref(target.heap))
        case "test and cast":
            fn.get(local)
            fn += (test_of(target),)
            with fn.block("if"):
                fn.get(local)
                fn += (cast_to(target),)
                _use(refs, target)
        case "br_on_cast":
            with fn.block() as past:
                with fn.block(results=(target,)):
                    fn += _LEAVE_ON_CAST(local, (0, top, target))
                    refs.fold(_difference(top, target), 1)
                    fn.br(past)
                _use(refs, target)
        case _:
            with fn.block() as past:
                with fn.block(results=(_difference(top, target),)):
                    fn += _LEAVE_ON_OTHER(local, (0, top, target))
                    _use(refs, target)
                    fn.br(past)
                refs.fold(_difference(top, target), 1)
    refs.leave(mark)


def _test(refs: RefCode, local: int, target: RefType) -> None:
    fn = refs.fn
    fn.get(local)
    fn += (test_of(target),)
    fn += fn.fold(I32)


def _difference(top: RefType, target: RefType) -> RefType:
    """What a value is that is not of the target type (spec 3.4.4)."""
    return ref(top.heap, top.nullable and not target.nullable)


def _use(refs: RefCode, type_: RefType) -> None:
    """Use the value on the stack of the type that it was cast to."""
    source = refs.source
    if isinstance(type_.heap, int) and not type_.nullable and source.one_in(2):
        read_members(refs, Held(refs.space.lattice.types[type_.heap], refs.keep(type_)))
    elif type_.heap == "i31" and not type_.nullable:
        refs.fn += source.pick(_I31_GETS)
        refs.fold(I32)
    else:
        refs.fold(type_, 1 + source.below(2))
