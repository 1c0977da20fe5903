"""Functions with thousands of locals: declarations of all shapes, and what is done to the few that are looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from generators.choices import ChoiceSource, Weighted, weighted
from generators.control.pressure import Body, Step
from generators.draw.values import CONST, draw_bits, sequence_bits
from generators.module.function import BARE, GET, I64_CONST, SET, TEE, TO_I64, Function
from generators.module.shell import Shell
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_clean
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import EXNREF, F32, F64, I32, I64, V128, NumType, RefType, ValType, ref

EDGES: Final = (127, 128, 255, 256, 4095, 4096, 16383, 16384)
"""Where an index takes one more byte in LEB128 (spec 5.2.2), or leaves 8 or 12 bits."""

_FAR_EDGES: Final = (126, 129, 254, 257, 511, 512, 1023, 1024, 4094, 4097, 16382, 16385, 32767, 32768)
_SHAPES: Final = weighted(("one", 40), ("runs", 80), ("turn", 70), ("sprinkled", 66))
_RUNS: Final = (2, 3, 4, 5, 6, 8, 12, 20)
_MOST_RUNS: Final = 500
_MOST_VECTORS: Final = 6000
"""Of more locals than this none is a vector: a frame that keeps all on the stack must fit Wasmtime's 512 KiB."""

_FIRST: Final = weighted((I64, 80), (I32, 76), (F64, 56), (F32, 44))
_POOL_NUMBERS: Final = (I32, I64, F64, F32)
_SCATTER: Final = 0x9E3779B1


def local_types(shell: Shell) -> list[ValType]:
    """Types of locals besides numbers: vectors, references, also those that may only be read once they are set."""
    config = shell.config
    found: list[ValType] = [V128] if config.allows(Feature.SIMD) else []
    found += dict.fromkeys(shell.references())
    if config.allows(Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES):
        found += [ref(shell.answer_type, False), ref("func", False)]
    if config.allows(Feature.REFERENCE_TYPES, Feature.GC):
        found += [ref("i31", False), *(ref(heap) for heap in ("any", "eq", "struct", "array", "none", "nofunc"))]
    if config.allows(Feature.REFERENCE_TYPES, Feature.EXCEPTIONS):
        found.append(EXNREF)
    return found


def settable(type_: ValType) -> bool:
    """Whether ``push_values`` makes values of this type."""
    return isinstance(type_, NumType) or isinstance(type_.heap, int) or type_.heap in ("extern", "func", "i31")


@dataclass(slots=True)
class Space:
    """The locals of one function that were declared at once; parameters and what the frame needs have other indexes.

    ``beyond`` has the types of others that are looked at as well, by index.
    """

    fn: Function
    source: ChoiceSource
    starts: list[int] = field(default_factory=list)
    types: list[ValType] = field(default_factory=list)
    first: int = 0
    end: int = 0
    beyond: dict[int, NumType] = field(default_factory=dict)

    @staticmethod
    def declare(fn: Function, source: ChoiceSource, count: int) -> Space:
        """Declare ``count`` locals: of one type, in runs, in turn, or of one type with others among them."""
        space = Space(fn, source, first=local_count(fn))
        others = local_types(fn.shell) if source.below(4) else []
        if count > _MOST_VECTORS:
            others = [type_ for type_ in others if type_ is not V128]
        shape, lengths = source.weighted(_SHAPES), [count]
        main = source.weighted(_FIRST)
        row: list[ValType] = [main]
        pool: list[ValType] = [*_POOL_NUMBERS, *others]
        if shape == "runs":
            lengths = space._cut(count, source.pick(_RUNS))
            row = [source.pick(pool) for _ in range(min(len(lengths), 8))]
        elif shape == "turn":
            length = max(1, count // _MOST_RUNS)
            lengths = [*[length] * (count // length), count % length]
            row = [main, *(source.pick(pool) for _ in range(1 + source.below(5)))]
        elif shape == "sprinkled":
            step = max(2, count // (4 + source.below(60)))
            lengths = [part for at in range(0, count, step) for part in (min(step, count - at) - 1, 1)]
            row = [part for _ in range(2) for part in (main, source.pick(pool))]
        for i, length in enumerate(lengths):
            space._run(row[i % len(row)], length)
        space.end = space.first + count
        return space

    def _cut(self, count: int, pieces: int) -> list[int]:
        """Cut ``count`` into pieces of very different sizes."""
        weights = [1 << self.source.below(12) for _ in range(pieces)]
        ends = [count * part // sum(weights) for part in accumulate(weights)]
        return [b - a for a, b in zip([0, *ends], ends, strict=False)]

    def _run(self, type_: ValType, length: int) -> None:
        if length:
            self.starts.append(self.fn.f.local(type_, length))
            self.types.append(type_)
        else:
            # A declaration of no locals is a declaration too.
            self.fn.f.locals.append((0, type_))

    def type_of(self, index: int) -> ValType:
        return self.beyond.get(index) or self.types[bisect_right(self.starts, index) - 1]

    def choose(self, count: int) -> list[int]:
        """Indexes worth a look: at the edges first, at both ends, next to other types, and anywhere."""
        source, size = self.source, self.end - self.first
        found = [*(i for i in reversed(EDGES) if self.first <= i < self.end), self.first, self.end - 1]
        seed, step = source.bits(16), source.bits(16) | 1
        far = [i for i in _FAR_EDGES if self.first <= i < self.end]
        borders = [i + by for i in self.starts[1:] for by in (0, -1)]
        for i in range(count):
            kind = (seed + i) % 3
            if kind == 0 and far:
                found.append(far[i % len(far)])
            elif kind == 1 and borders:
                found.append(borders[(seed + i * step) % len(borders)])
            else:
                found.append(self.first + (seed * _SCATTER + i * step * 40503) % size)
        return list(dict.fromkeys(found))[:count]

    def fold_unset(self, indexes: Sequence[int]) -> None:
        """Locals that nothing has written: zeros and nulls (spec 4.4.10.1). Those that have no default are left out."""
        fn = self.fn
        for index in indexes:
            type_ = self.type_of(index)
            if isinstance(type_, RefType):
                if type_.nullable:
                    fn.f.body += ((GET, index), BARE["ref.is_null"], *fn.fold(I32))
                continue
            fn.f.body.append((GET, index))
            fn.take(type_)


def local_count(fn: Function) -> int:
    """The index of the next local."""
    return len(fn.f.type.params) + sum(count for count, _ in fn.f.locals)


# Steps besides those of ``pressure``


def chain(body: Body, depth: int) -> None:
    """One value into many locals by tees, at times changed between two."""
    del depth
    source, out = body.source, body.fn.f.body
    i = source.below(len(body.live))
    type_ = body.types[i]
    found = body.of(type_)
    start = source.below(len(found))
    targets = [found[(start + k) % len(found)] for k in range(1 + source.below(min(len(found), 12)))]
    if isinstance(type_, NumType):
        emit_clean(body.fn, source, type_, 1 + source.below(2))
    else:
        out.append(body.get(i))
    changed = type_ in (I32, I64) and source.below(2)
    for target in targets[:-1]:
        out.append((TEE, body.live[target]))
        if changed:
            assert isinstance(type_, NumType)
            out += ((CONST[type_], draw_bits(source, type_)), BARE[f"{type_}.{source.pick(('add', 'xor', 'mul'))}"])
    out.append(body.set(targets[-1]))


def stale(body: Body, depth: int) -> None:
    """Locals are written while their old values lie on the stack: a compiler that delays reads must not see the new."""
    source, out = body.source, body.fn.f.body
    held = body.hold(1 + source.below(min(len(body.live), 12)))
    if source.below(2):
        for i in held[:: 1 + source.below(2)]:
            type_ = body.types[i]
            if isinstance(type_, NumType):
                out += ((CONST[type_], draw_bits(source, type_)), body.set(i))
    else:
        source.weighted(LOCAL_STEPS if depth else _MOVES)(body, 0)
    if source.below(2):
        for i in reversed(held):
            body.fn.take(body.types[i])
    else:
        body.release(held)


def both(body: Body, depth: int) -> None:
    """A value and its successor in one operation: ``local.get``, ``local.tee`` of the same local, then both at once."""
    found = body.of(I32, I64)
    if not found:
        chain(body, depth)
        return
    source, out = body.source, body.fn.f.body
    for _ in range(1 + source.below(4)):
        i = source.pick(found)
        type_ = body.types[i]
        assert isinstance(type_, NumType)
        j = source.pick(body.of(type_))
        out += (body.get(i), body.get(i), (CONST[type_], draw_bits(source, type_)), BARE[f"{type_}.add"])
        out += ((TEE, body.live[i]), BARE[f"{type_}.{source.pick(('sub', 'rotl', 'mul', 'xor'))}"], body.set(j))


def nullify(body: Body, depth: int) -> None:
    """References become null and not null again: stack maps must follow."""
    found = [i for i, type_ in enumerate(body.types) if isinstance(type_, RefType) and type_.nullable]
    if not found:
        both(body, depth)
        return
    source, out, fn = body.source, body.fn.f.body, body.fn
    chosen = list(dict.fromkeys(source.pick(found) for _ in range(1 + source.below(6))))
    for i in chosen:
        type_ = body.types[i]
        assert isinstance(type_, RefType)
        out += ((OPS["ref.null"], type_.heap), body.set(i))
    known, fn.sources = fn.sources, {t: v for t, v in fn.sources.items() if not isinstance(t, RefType)}
    emit_clean(fn, source, I64, 2)
    out += fn.fold(I64)
    for i in chosen:
        out += (body.get(i), BARE["ref.is_null"], *fn.fold(I32))
        push_values(fn, source, (body.types[i],))
        out.append(body.set(i))
    fn.sources = known


def dead(body: Body, depth: int) -> None:
    """Writes that nothing reaches."""
    del depth
    source, f = body.source, body.fn.f
    i = source.below(len(body.live))
    f.open("block")
    f.body.append((OPS["br"], 0))
    if source.below(2):
        f.body.append(body.set(i))
    else:
        f.body += (body.get(i), (TEE, body.live[i]), BARE["drop"])
    f.end()


_MOVES: Final[Weighted[Step]] = weighted((chain, 100), (both, 80), (Body.stack, 76))
LOCAL_STEPS: Final[Weighted[Step]] = weighted(
    (chain, 40), (stale, 36), (both, 30), (nullify, 14), (dead, 6), (Body.change, 20), (Body.fixed, 6), (Body.call, 34),
    (Body.stack, 14), (Body.guarded, 14), (Body.loop, 22), (Body.carry, 6), (Body.branch, 22), (Body.table, 8),
    (Body.early, 8), (Body.bulk, 4), (Body.checksum, 8),
)  # fmt: skip


# All locals of a row at once


def fill(fn: Function, source: ChoiceSource, space: Space, indexes: Sequence[int]) -> list[int]:
    """Give each of the number locals a value of its own; gives those. Integers come by tees from one to the next."""
    body, seed = fn.f.body, source.bits(32)
    numbers = [i for i in indexes if isinstance(space.type_of(i), NumType)]
    chained = source.below(2)
    open_type: ValType | None = None
    for i in numbers:
        type_ = space.type_of(i)
        assert isinstance(type_, NumType)
        if open_type is not None and open_type is not type_:
            body.append(BARE["drop"])
            open_type = None
        if chained and type_ in (I32, I64):
            value = (CONST[type_], sequence_bits(type_, seed, i))
            body += (value,) if open_type is None else (value, BARE[f"{type_}.add"])
            body.append((TEE, i))
            open_type = type_
        else:
            body += ((CONST[type_], sequence_bits(type_, seed, i)), (SET, i))
    if open_type is not None:
        body.append(BARE["drop"])
    return numbers


def drain(fn: Function, source: ChoiceSource, space: Space, indexes: Sequence[int]) -> None:
    """Fold number locals into one sum, in which each has a weight of its own: forwards, backwards or in strides."""
    if not indexes:
        return
    order = source.below(3)
    step = 1 + source.below(7)
    chosen = [i for start in range(step) for i in indexes[start::step]] if order == 2 else list(indexes)
    if order == 1:
        chosen.reverse()
    body = fn.f.body
    body.append((I64_CONST, 1))
    lane = OPS["i64x2.extract_lane"]
    for i in chosen:
        type_ = space.type_of(i)
        body += ((I64_CONST, 0x9E3779B97F4A7C15), BARE["i64.mul"], (GET, i))
        if type_ is V128:
            body += ((lane, 0), BARE["i64.add"], (GET, i), (lane, 1), BARE["i64.xor"])
        else:
            body += (*TO_I64[type_], BARE["i64.add"])
    body += fn.fold(I64)


def rotate(fn: Function, space: Space, indexes: Sequence[int]) -> None:
    """Every number local gets its neighbour's value, among those of its type: one long cycle of moves a type."""
    for type_ in dict.fromkeys(space.type_of(i) for i in indexes):
        found = [i for i in indexes if space.type_of(i) is type_]
        fn.f.body += [(GET, i) for i in found]
        fn.f.body += [(SET, i) for i in reversed([*found[1:], found[0]])]
