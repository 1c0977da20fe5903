"""Functions of up to 50,000 locals of all types in many declarations, live across calls and loops, read before set.

Indexes at the ends of LEB128 lengths, at both ends and at the borders of declarations are read as zeros or nulls,
written by chains of tees, permuted, changed while old values lie on the stack, in branches, before throws and traps.

How they are declared, filled and drained is in ``generators/control/many_locals.py``; the steps on those that are
looked at one by one are in ``generators/control/local_steps.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource, spread
from generators.config import Config, draw_size
from generators.control.live_values import LiveValues
from generators.control.local_steps import LOCAL_STEPS
from generators.control.many_locals import DeclaredLocals, drain, fill, local_count, rotate, settable
from generators.control.pressure import checksum
from generators.control.surroundings import Surroundings, call_itself, draw_imports, draw_surroundings
from generators.draw.signatures import draw_types
from generators.module.function import Function
from generators.program.calls import Callee
from generators.program.parts import Part
from generators.program.program import REFERENCES, TRAPS, VECTORS, Program
from generators.program.push_values import push_values
from wasm.case import Case
from wasm.features import Feature
from wasm.valtypes import F32, F64, I32, I64, NumType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
BASE: Final = True
WEIGHT: Final = 0.5
COST: Final = 25.0


def _logarithmic(low: int, high: int, count: int) -> list[int]:
    return [round(low * (high / low) ** ((i + 0.5) / count)) for i in range(count)]


_EDGES: Final = (126, 127, 128, 129, 130, 254, 255, 256, 257, 258, 512, 513, 1000, 1024, 1025)
_HIGH_EDGES: Final = (4095, 4096, 4097, 4098, 16383, 16384, 16385, 16386, 32767, 32768, 32769, 49_999, 50_000, 50_000)
_COUNTS: Final = spread(
    sorted([*_logarithmic(3, 300, 2600), *_logarithmic(300, 4000, 480), *_logarithmic(4000, 50_000, 160),
            *_EDGES * 36, *_HIGH_EDGES * 22]),
    4096,
)  # fmt: skip
"""Locals of a case's main function, parameters too."""

_WATCHED: Final = (3, 4, 6, 8, 8, 10, 10, 12, 12, 14, 16, 18, 20, 24, 30, 40)
_ROOM: Final = (8, *(round(60 * (600 / 60) ** (i / 63)) for i in range(1, 64)))
_DENSE: Final = spread([*[0] * 36, *_logarithmic(4, 60, 20), *_logarithmic(60, 700, 7), 2000], 256)
_ALL: Final = 400
"""In one of so many cases every local is written and read, however many there are."""

_FOR_STEPS: Final = 400
"""Locals that the steps of a function may declare for themselves."""

_TURNED: Final = 300
"""Up to this many locals trade places at once."""

_LOW_STACK: Final = 3000
"""Up to this many locals a function may call itself."""

_FILLERS: Final = (I64, I32, F64, F32)


def generate(source: ChoiceSource, config: Config) -> Case:
    """One function of many locals, sometimes a second that calls it."""
    count = draw_size(source, _COUNTS, config.max_locals)
    plain = source.chance(5, 16)
    if plain:
        config = config.without(Feature.EXCEPTIONS, Feature.TAIL_CALL)
    if plain or source.chance(4, 16):
        config = config.without(*REFERENCES)
    if source.chance(5, 16):
        config = config.without(*VECTORS)
    program = Program.open(source, config)
    around = draw_surroundings(program, source.fork("around"), draw_imports(program, source))
    fn = _function(program, around, source.fork("f0"), "f0", count)
    if source.chance(3, 16):
        first = Callee(fn.f.index, fn.f.type_index, fn.f.type)
        around = replace(around, callees=(*around.callees, (first, False)))
        _function(program, around, source.fork("f1"), "f1", min(source.between(3, 302), config.max_locals))
    return program.close()


def _params(source: ChoiceSource, config: Config, count: int) -> tuple[ValType, ...]:
    few = min(source.below(6), config.max_params - 1)
    many = min(source.pick((20, 60, 126, 127, 128, 200)), config.max_params - 1, count)
    return (I32, *draw_types(source, config, many if source.one_in(16) else few))


def _function(program: Program, around: Surroundings, source: ChoiceSource, name: str, count: int) -> Function:
    """An exported function of ``count`` locals, or some more where these are few."""
    shell, config = program.shell, program.config
    fn = program.function(source, _params(source, config, count), (I64,), name)
    room = count - local_count(fn)
    many = room > 2 * _FOR_STEPS
    declared = DeclaredLocals.declare(fn, source, room - _FOR_STEPS if many else max(1, room))
    filler = source.pick(_FILLERS)
    dense = source.pick(_DENSE)
    if source.one_in(_ALL):
        shell.labels.add("all")
        dense = count
    if many:
        # The last index of all is looked at too: what is declared for it comes at the end.
        declared.beyond[count - 1] = filler
    work = _Work(program, around, fn, source, declared, source.pick(_WATCHED), dense)
    work.start()
    work.steps(fn.here + source.pick(_ROOM), source.one_in(TRAPS))
    if count <= _LOW_STACK and source.one_in(10):
        call_itself(fn, source)
    work.finish()
    # The steps took an unknown number: now there are exactly as many as were drawn.
    left = count - local_count(fn)
    if left > 0:
        fn.local(filler, left)
    program.close_function(fn, source)
    return fn


class _Work:
    """What is done in one function: ``watched`` locals in steps, a dense range of locals all at once."""

    def __init__(
        self, program: Program, around: Surroundings, fn: Function, source: ChoiceSource, declared: DeclaredLocals,
        watched: int, dense: int,
    ) -> None:  # fmt: skip
        self.program, self.fn, self.source, self.declared = program, fn, source, declared
        if not declared.beyond:
            declared.beyond[fn.local(I64)] = I64
        chosen = [*declared.beyond, *declared.choose(watched)]
        self.watched = [i for i in chosen if settable(declared.type_of(i))]
        self.unset = [i for i in chosen if not settable(declared.type_of(i))]
        first = declared.first + source.below(max(1, declared.end - declared.first - dense))
        taken = frozenset(chosen)
        self.dense = [i for i in range(first, min(first + dense, declared.end)) if i not in taken]
        self.types = [declared.type_of(i) for i in self.watched]
        self.live = LiveValues(program, around, fn, source, self.types, self.watched)

    def start(self) -> None:
        """Read zeros and nulls, then set what may not be null and most of the rest."""
        source, fn = self.source, self.fn
        step = source.between(1, 4)
        self.declared.fold_unset(self.watched[::step] + self.unset + self.dense[:3])
        kept = source.below(8)
        chosen = [
            (i, type_) for i, type_ in zip(self.watched, self.types, strict=True)
            if not isinstance(type_, NumType) or (i + kept) % 4
        ]  # fmt: skip
        push_values(fn, source, [type_ for _, type_ in chosen])
        fn.set(*(i for i, _ in reversed(chosen)))
        for i, type_ in zip(self.watched, self.types, strict=True):
            fn.sources.setdefault(type_, []).append(i)
        self.dense = fill(fn, source, self.declared, self.dense)

    def steps(self, room: int, traps: bool) -> None:
        """Steps until there are ``room`` instructions; in between all dense locals trade places, at times in a loop."""
        source, fn = self.source, self.fn
        most = local_count(fn) + _FOR_STEPS // 2
        turns = source.below(3) if 1 < len(self.dense) <= _TURNED else 0
        while True:
            source.weighted(LOCAL_STEPS)(self.live, 2)
            if turns:
                self._turn(turns == 2)
                turns = 0
            if fn.here > room or local_count(fn) > most:
                break
        if traps:
            checksum(self.live, 0)
            fn.publish()
            self.program.trap(fn, source)

    def _turn(self, looped: bool) -> None:
        if not looped:
            rotate(self.fn, self.declared, self.dense)
            return
        with self.fn.repeat(self.live.rounds()):
            rotate(self.fn, self.declared, self.dense)
            self.source.weighted(LOCAL_STEPS)(self.live, 0)

    def finish(self) -> None:
        """Everything into the hash, and what nothing has written: it is zero or null still."""
        declared, taken = self.declared, {*self.watched, *self.dense}
        drain(self.fn, self.source, declared, self.dense)
        self.live.finish()
        near = [i + by for i in self.watched for by in (1, -1)]
        clean = [i for i in dict.fromkeys(near) if declared.first <= i < declared.end and i not in taken]
        declared.fold_unset([*clean[: self.source.between(2, 7)], *self.unset])


# What other targets draw

_PART_LOCALS: Final = (5, 20, 60, 130, 260, 400)


def _part(program: Program, fn: Function, source: ChoiceSource, size: int) -> None:
    """Some hundred locals more, and a few steps on some of them."""
    with fn.scope():
        declared = DeclaredLocals.declare(fn, source, 3 + source.pick(_PART_LOCALS))
        watched = max(3, min(source.pick(_WATCHED), size // 24))
        dense = min(source.pick(_DENSE), size // 16)
        work = _Work(program, Surroundings(), fn, source, declared, watched, dense)
        work.live.sure = False
        work.start()
        work.steps(fn.here + size // 3, False)
        work.finish()


PARTS: Final[tuple[Part, ...]] = (Part("locals", NEEDS, _part),)
