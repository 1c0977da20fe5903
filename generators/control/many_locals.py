"""Functions with thousands of locals: declarations of all shapes, and what is done to all of a range at once.

Ten locals in the shape ``sprinkled``, every fourth of another type, the first three filled by tees and drained:

    (local i64 i64 i64 externref i64 i64 i64 externref i64 i64)
    i64.const 7  local.tee 1  i64.const 9  i64.add  local.tee 2  i64.const 2  i64.add  local.tee 3  drop
    i64.const 1
    i64.const 0x9E3779B97F4A7C15  i64.mul  local.get 1  i64.add
    i64.const 0x9E3779B97F4A7C15  i64.mul  local.get 2  i64.add
    ...

Steps on the few locals that are looked at one by one are in ``generators.control.local_steps``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST, sequence_bits
from generators.module.function import TO_I64, Function
from generators.module.shell import Shell
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.valtypes import EXNREF, F32, F64, I32, I64, V128, NumType, RefType, ValType, ref

EDGES: Final = (127, 128, 255, 256, 4095, 4096, 16383, 16384)
"""Where an index takes one more byte in LEB128 (spec 5.2.2), or leaves 8 or 12 bits."""

_FAR_EDGES: Final = (126, 129, 254, 257, 511, 512, 1023, 1024, 4094, 4097, 16382, 16385, 32767, 32768)
_SHAPES: Final = weighted(("one", 40), ("runs", 80), ("turn", 70), ("sprinkled", 66))
_RUNS: Final = (2, 3, 4, 5, 6, 8, 12, 20)
_MOST_RUNS: Final = 500
_MOST_VECTORS: Final = 6000
"""Of more locals than this none is a vector: a stack frame that keeps them all must fit Wasmtime's 512 KiB."""

_MOST_IN_TURN: Final = 8
"""So many runs differ in type; then the types come round again."""

_MAIN: Final = weighted((I64, 80), (I32, 76), (F64, 56), (F32, 44))
_POOL_NUMBERS: Final = (I32, I64, F64, F32)
_SCATTER: Final = 0x9E3779B1
_SCATTER_STEP: Final = 40503
"""2**32 and 2**16 divided by the golden ratio: indexes anywhere, far from each other."""


def local_types(shell: Shell) -> list[ValType]:
    """Types of locals besides numbers: vectors, references, also those that may only be read once they are set."""
    config = shell.config
    types: list[ValType] = [V128] if config.allows(Feature.SIMD) else []
    types += dict.fromkeys(shell.references())
    if config.allows(Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES):
        types += [ref(shell.answer_type, False), ref("func", False)]
    if config.allows(Feature.REFERENCE_TYPES, Feature.GC):
        types += [ref("i31", False), *(ref(heap) for heap in ("any", "eq", "struct", "array", "none", "nofunc"))]
    if config.allows(Feature.REFERENCE_TYPES, Feature.EXCEPTIONS):
        types.append(EXNREF)
    return types


def settable(type_: ValType) -> bool:
    """Whether ``push_values`` makes values of this type."""
    return isinstance(type_, NumType) or isinstance(type_.heap, int) or type_.heap in ("extern", "func", "i31")


@dataclass(slots=True)
class DeclaredLocals:
    """The locals ``first`` to ``end - 1`` of one function, declared at once. Parameters and those that code needs for
    itself have other indexes.

    ``starts`` has the first index of each run of one type, ``types`` that type. ``beyond`` has the types of others that
    are looked at as well, by index.
    """

    fn: Function
    source: ChoiceSource
    starts: list[int] = field(default_factory=list)
    types: list[ValType] = field(default_factory=list)
    first: int = 0
    end: int = 0
    beyond: dict[int, NumType] = field(default_factory=dict)

    @staticmethod
    def declare(fn: Function, source: ChoiceSource, count: int) -> DeclaredLocals:
        """Declare ``count`` locals: of one type, in runs, in turn, or of one type with others among them."""
        declared = DeclaredLocals(fn, source, first=local_count(fn))
        others = local_types(fn.shell) if source.chance(3, 4) else []
        if count > _MOST_VECTORS:
            others = [type_ for type_ in others if type_ is not V128]
        shape, lengths = source.weighted(_SHAPES), [count]
        main = source.weighted(_MAIN)
        turn: list[ValType] = [main]
        pool: list[ValType] = [*_POOL_NUMBERS, *others]
        if shape == "runs":
            lengths = declared._cut(count, source.pick(_RUNS))
            turn = [source.pick(pool) for _ in range(min(len(lengths), _MOST_IN_TURN))]
        elif shape == "turn":
            length = max(1, count // _MOST_RUNS)
            lengths = [*[length] * (count // length), count % length]
            turn = [main, *(source.pick(pool) for _ in range(source.between(1, 5)))]
        elif shape == "sprinkled":
            step = max(2, count // source.between(4, 63))
            lengths = [part for at in range(0, count, step) for part in (min(step, count - at) - 1, 1)]
            turn = [part for _ in range(2) for part in (main, source.pick(pool))]
        for i, length in enumerate(lengths):
            declared._run(turn[i % len(turn)], length)
        declared.end = declared.first + count
        return declared

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
        """The type of one of these locals, or of one of ``beyond``."""
        return self.beyond.get(index) or self.types[bisect_right(self.starts, index) - 1]

    def choose(self, count: int) -> list[int]:
        """Indexes worth a look: at the edges first, at both ends, next to other types, and anywhere."""
        source, size = self.source, self.end - self.first
        chosen = [*(i for i in reversed(EDGES) if self.first <= i < self.end), self.first, self.end - 1]
        seed, step = source.bits(16), source.bits(16) | 1
        far = [i for i in _FAR_EDGES if self.first <= i < self.end]
        borders = [i + by for i in self.starts[1:] for by in (0, -1)]
        for i in range(count):
            kind = (seed + i) % 3
            if kind == 0 and far:
                chosen.append(far[i % len(far)])
            elif kind == 1 and borders:
                chosen.append(borders[(seed + i * step) % len(borders)])
            else:
                chosen.append(self.first + (seed * _SCATTER + i * step * _SCATTER_STEP) % size)
        return list(dict.fromkeys(chosen))[:count]

    def fold_unset(self, indexes: Sequence[int]) -> None:
        """Locals that nothing has written: zeros and nulls (spec 4.4.10.1). Those that have no default are left out."""
        fn = self.fn
        for index in indexes:
            type_ = self.type_of(index)
            if isinstance(type_, RefType):
                if type_.nullable:
                    fn += (*_IS_NULL(i=index), *fn.fold(I32))
            else:
                fn.fold_local(type_, index)


def local_count(fn: Function) -> int:
    """The index of the next local."""
    return len(fn.f.type.params) + sum(count for count, _ in fn.f.locals)


# All locals of a range at once

_IS_NULL: Final = template("local.get $i  ref.is_null")
_DROP: Final = code("drop")
_SET: Final = {t: template(f"{t}.const $bits  local.set $i") for t in CONST}
_FIRST_TEE: Final = {t: template(f"{t}.const $bits  local.tee $i") for t in (I32, I64)}
_NEXT_TEE: Final = {t: template(f"{t}.const $bits  {t}.add  local.tee $i") for t in (I32, I64)}


def fill(fn: Function, source: ChoiceSource, declared: DeclaredLocals, indexes: Sequence[int]) -> list[int]:
    """Give each of the number locals a value of its own; gives those. Integers come by tees from one to the next."""
    body, seed, numbers = fn.f.body, source.bits(32), []
    chained = source.chance(1, 2)
    on_stack: ValType | None = None
    for i in indexes:
        type_ = declared.type_of(i)
        if not isinstance(type_, NumType):
            continue
        numbers.append(i)
        if on_stack is not None and on_stack is not type_:
            body += _DROP
            on_stack = None
        bits = sequence_bits(type_, seed, i)
        if chained and type_ in _NEXT_TEE:
            body += (_FIRST_TEE if on_stack is None else _NEXT_TEE)[type_](bits=bits, i=i)
            on_stack = type_
        else:
            body += _SET[type_](bits=bits, i=i)
    if on_stack is not None:
        body += _DROP
    return numbers


_ORDERS: Final = ("forwards", "backwards", "strides")

_WEIGHT: Final = 0x9E3779B97F4A7C15
"""The factor between two weights: odd, so that no bit is lost."""

_ONE: Final = code("i64.const 1")
_ADD: Final = code("i64.add")
_TIMES: Final = template(f"i64.const {_WEIGHT}  i64.mul  local.get $i")
_ADD_VECTOR: Final = template(
    f"""
    i64.const {_WEIGHT}  i64.mul
    local.get $i  i64x2.extract_lane 0  i64.add  local.get $i  i64x2.extract_lane 1  i64.xor
    """
)


def drain(fn: Function, source: ChoiceSource, declared: DeclaredLocals, indexes: Sequence[int]) -> None:
    """Fold number locals into one sum, in which each has a weight of its own: forwards, backwards or in strides."""
    if not indexes:
        return
    order, step = source.pick(_ORDERS), source.between(1, 7)
    chosen = list(indexes)
    if order == "strides":
        chosen = [i for start in range(step) for i in indexes[start::step]]
    elif order == "backwards":
        chosen.reverse()
    body = fn.f.body
    body += _ONE
    for i in chosen:
        type_ = declared.type_of(i)
        if type_ is V128:
            body += _ADD_VECTOR(i=i)
        else:
            body += (*_TIMES(i=i), *TO_I64[type_], *_ADD)
    body += fn.fold(I64)


def rotate(fn: Function, declared: DeclaredLocals, indexes: Sequence[int]) -> None:
    """Every number local gets its neighbour's value, among those of its type: one long cycle of moves a type."""
    for type_ in dict.fromkeys(declared.type_of(i) for i in indexes):
        same = [i for i in indexes if declared.type_of(i) is type_]
        fn.get(*same)
        fn.set(same[0], *reversed(same[1:]))
