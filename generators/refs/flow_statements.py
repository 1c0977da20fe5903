"""Statements that carry references over labels: rounds of a loop, blocks with several ways out, exceptions.

block (result (ref null 2) i64 (ref 0))   ;; labelled: several ways out of one block
  ...
  br_if 0                                 ;; with values of those types, some of narrower ones
  ...
end
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import weighted
from generators.module.loops import ROUNDS
from generators.program.program import Program
from generators.refs.expressions import RefCode
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.valtypes import EXNREF, I32, ValType, ref

_COUNTS: Final = weighted((1, 40), (2, 60), (3, 60), (5, 50), (8, 30), (20, 16))
"""How many values a label has."""

_THROW: Final = template("throw $tag")
_THROW_AGAIN: Final = template("local.get $exception  throw_ref")
_UNREACHABLE: Final = code("unreachable")
_HELD_NULL: Final = template("local.tee $exception  ref.is_null")


def carried(program: Program, refs: RefCode) -> None:
    """A loop of a few rounds around locals that trade places, or around values on the stack."""
    del program
    count = refs.fn.local(I32)
    refs.fn += ROUNDS(rounds=refs.source.between(1, 4), count=count)
    if refs.source.one_in(2):
        _carried_in_locals(refs, count)
    else:
        _carried_on_stack(refs, count)


def _carried_in_locals(refs: RefCode, count: int) -> None:
    """Each round every local gets the value of one ``turn`` places further."""
    source, fn = refs.source, refs.fn
    type_ = refs.space.draw(source)
    held = []
    for _ in range(1 + source.below(6)):
        refs.push(type_, 1)
        held.append(fn.local(type_))
        fn.set(held[-1])
    with fn.repeat(count):
        turn = source.below(len(held))
        fn.get(*held[turn:], *held[:turn])
        fn.set(*reversed(held))
        refs.collectors.pause(fn, source, 3)
        fn.get(held[0])
        refs.fold(type_)
    refs.known += [(type_, local) for local in held]


def _carried_on_stack(refs: RefCode, count: int) -> None:
    """The loop's parameters are its results, each in the next place of its type."""
    fn = refs.fn
    types = refs.space.draw_types(refs.source, refs.source.weighted(_COUNTS))
    refs.push_values(types)
    with fn.repeat(count, types, types):
        locals_ = [fn.local(type_) for type_ in types]
        fn.set(*reversed(locals_))
        refs.collectors.pause(fn, refs.source, 3)
        fn.get(*(locals_[_next_of_type(types, i)] for i in range(len(types))))
    refs.fold_values(types, 1)


def _next_of_type(types: Sequence[ValType], i: int) -> int:
    """The next place of the same type as place ``i``, round and round."""
    later = (j for j in range(i + 1, len(types)) if types[j] is types[i])
    return next(later, types.index(types[i]))


def labelled(program: Program, refs: RefCode) -> None:
    """A block that several branches leave with values, references among them, some of narrower types."""
    del program
    source, fn = refs.source, refs.fn
    types = refs.space.draw_types(source, source.weighted(_COUNTS))
    mark = refs.mark()
    with fn.block(results=types) as outer:
        for _ in range(1 + source.below(3)):
            if source.one_in(3):
                with fn.block(results=types) as inner:
                    refs.push_values(types)
                    refs.number(I32)
                    fn.br_table((inner, outer), inner)
            else:
                refs.push_values(types)
                refs.condition()
                fn.br(outer, "br_if")
            refs.fold_values(types)
        refs.push_values(types)
    refs.leave(mark)
    refs.fold_values(types, 1)


def thrown(program: Program, refs: RefCode) -> None:
    """References as an exception's payload, and the exception's own reference, kept and thrown again."""
    space, source, fn = refs.space, refs.source, refs.fn
    if not space.config.allows(Feature.EXCEPTIONS):
        labelled(program, refs)
        return
    types = space.draw_types(source, 1 + source.below(min(6, space.config.max_params - 1)))
    tag = program.shell.builder.tag(types)
    exception = fn.local(EXNREF)
    # The exception's reference is one result more than the payload, which may have as many as there can be.
    by_reference = len(types) < space.config.max_results
    with fn.block(results=(*types, ref("exn")) if by_reference else types) as handler:
        with fn.try_table((("catch_ref" if by_reference else "catch", tag, handler),)):
            mark = refs.mark()
            refs.push_values(types)
            fn += _THROW(tag)
        fn += _UNREACHABLE
    refs.leave(mark)
    if by_reference:
        fn += _HELD_NULL(exception)
        fn += fn.fold(I32)
    refs.fold_values(types, 1)
    if by_reference and source.one_in(2):
        with fn.block(results=types) as again:
            with fn.try_table((("catch", tag, again),)):
                fn += _THROW_AGAIN(exception)
            fn += _UNREACHABLE
        refs.fold_values(types, 1)
