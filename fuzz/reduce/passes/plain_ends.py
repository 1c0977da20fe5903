"""Replace the first or last instructions of a block by ``unreachable`` in a module that is not valid.

    (module (func i32.const 1 i32.const 2 i32.add i32.eqz f32.neg drop nop nop))

becomes, with ``i32.eqz`` and ``f32.neg`` to stay,

    (module (func unreachable i32.eqz f32.neg unreachable))

Whatever stack the rest wants, it finds it there, so that what surrounds a mistake goes without another mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from fuzz.reduce.contract import BULK, ENDS, Edit, Scope
from fuzz.reduce.sites import frames
from fuzz.reduce.subject import Subject
from wasm.isa import OPS
from wasm.module import Func

TIER: Final = BULK
STRATEGY: Final = ENDS
SCOPE: Final = Scope.INVALID
_UNREACHABLE: Final = OPS["unreachable"].bare


def edits(subject: Subject) -> list[Edit]:
    """Edits (function, first, last) with an instruction or a whole block each; at both ends two, to be smaller."""
    possible = []
    for k, func in enumerate(subject.module.funcs):
        for number, spans in enumerate(_sequences(func)):
            if len(spans) > 3:
                spans[:2] = [(spans[0][0], spans[1][1])]
                spans[-2:] = [(spans[-2][0], spans[-1][1])]
            elif len(spans) > 1:
                spans = [(spans[0][0], spans[-1][1])]
            else:
                continue
            possible += [Edit((k, first, last), last - first + 1, (k, number)) for first, last in spans]
    return possible


def _sequences(func: Func) -> Iterator[list[tuple[int, int]]]:
    """The instructions of the body and of each arm of each block, as (first, last) of what stands on that level."""
    marks = {frame[0]: frame for frame in frames(func)}

    def level(first: int, end: int) -> list[tuple[int, int]]:
        spans = []
        while first < end:
            spans.append((first, marks[first][-1]))
            first = marks[first][-1] + 1
        return spans

    yield level(0, len(func.body) - 1)
    for frame in marks.values():
        for before, after in pairwise(frame):
            yield level(before + 1, after)


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    (k, first, _), last = edits[0].what, edits[-1].what[2]
    funcs = list(subject.module.funcs)
    body = funcs[k].body
    body = [*body[:first], _UNREACHABLE, *body[last + 1 :]]
    funcs[k] = Func(funcs[k].type_index, funcs[k].locals, body)
    return Subject(replace(subject.module, funcs=funcs), subject.invocations)
