"""Vector code: expressions and statements over every vector instruction, with open NaNs left alone until observed.

``code.statement(2)`` may write

    local.get 1  i32.const 17  i16x8.shr_s                 # a shift past the lane
    v128.const ...  local.get 3  i8x16.shuffle 0 16 1 17 ...
    i8x16.narrow_i16x8_u  local.set 5                      # the statement's own instruction, drawn from all
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import by_instructions
from generators.draw.values import constant
from generators.module.function import GET, I32_CONST, SET, TEE, Function
from generators.module.shell import DATA_BYTES
from generators.scalar.candidates import Candidate, Nan, candidate_of, result_of
from generators.scalar.expressions import LEAVE, SELECT, TWICE, TYPED_SELECT, emit, merge, settle
from generators.vector.corners import draw_vectors, lane_corners
from generators.vector.idioms import Node, idioms
from generators.vector.values import LANE_BITS, draw_mask, draw_shift, draw_vector, lane_count
from wasm.features import Feature
from wasm.fragment import Code, template
from wasm.isa import OPS, ROWS, Imm, MemArg, Op
from wasm.valtypes import I32, V128, NumType

REGION: Final = 64
"""Bytes of memory to which one function stores, and from which it loads again."""

_CONST: Final = OPS["v128.const"]

_NUMBERS: Final = ("constant", "constant", "lane", "lane", "lane", "expression", "leaf", "expression")
"""Where a number comes from: ``lane`` is any vector instruction with a scalar result."""

_LEAVES: Final = shares(("constant", 2), ("local", 5), ("splat", 1))
_AMOUNT: Final = template("i32.const $amount")
_EITHER: Final = template("v128.const $one  v128.const $other  local.get $decides  select")
_MASKED: Final = template("i32.const $mask  i32.and")
_PLUS: Final = template("i32.const $base  i32.add")


@by_instructions
def vector_rows(features: frozenset[Feature]) -> tuple[Op, ...]:
    """All vector instructions that the features allow; those without memory are simpler and come first."""
    rows = [r for r in ROWS if r.feature in (Feature.SIMD, Feature.RELAXED_SIMD) and r.feature in features]
    return tuple(sorted(rows, key=lambda r: r.access is not None))


@by_instructions
def _producers(features: frozenset[Feature]) -> tuple[Op, ...]:
    """Those of them that give a vector and take any; relaxed ones, which are few and off mostly, three times."""
    rows = [r for r in vector_rows(features) if r.results == (V128,) and candidate_of(r) is not None]
    return (*rows, *[r for r in rows if r.feature is Feature.RELAXED_SIMD] * 2)


@lru_cache(maxsize=512)
def _candidate(row: Op) -> Candidate:
    candidate = candidate_of(row)
    assert candidate is not None
    return candidate


@by_instructions
def _scalar_rows(features: frozenset[Feature], type_: NumType) -> tuple[Op, ...]:
    """Vector instructions that give a scalar of this type."""
    return tuple(r for r in vector_rows(features) if r.results == (type_,) and r.params == (V128,))


@dataclass(slots=True)
class Vectors:
    """Vector code in one function: the locals that hold vectors, and which lanes of each may be an open NaN."""

    fn: Function
    source: ChoiceSource
    known: list[tuple[int, Nan]] = field(default_factory=list)
    region: int = -1

    @staticmethod
    def of(fn: Function, source: ChoiceSource) -> Vectors:
        """In a function whose vectors, parameters mostly, may be read at once."""
        return Vectors(fn, source, [(local, Nan.NONE) for local in fn.sources.get(V128, ())])

    @property
    def features(self) -> frozenset[Feature]:
        """What the module may use."""
        return self.fn.shell.config.features

    # Values

    def operand(self, type_: NumType, takes: Nan, depth: int) -> Nan:
        """An operand on the stack, made canonical unless its consumer takes its open NaNs."""
        nan = self.vector(depth) if type_ is V128 else self.scalar(type_, depth)
        return settle(self.fn, nan, type_, takes)

    def vector(self, depth: int) -> Nan:
        """A vector on the stack."""
        if depth <= 0:
            return self._leaf(0)
        return self.source.weighted(_VECTOR_FORMS)(self, depth)

    def scalar(self, type_: NumType, depth: int) -> Nan:
        """A number on the stack: a constant, a local, a lane or a test of a vector, or an expression of numbers."""
        kind = self.source.pick(_NUMBERS)
        if kind == "constant" or depth <= 0:
            self.fn.f.body.append(constant(self.source, type_))
            return Nan.NONE
        if kind == "lane":
            return self.operation(self.source.pick(_scalar_rows(self.features, type_)), depth - 1)
        return emit(self.fn, self.source, type_, min(depth, 2) if kind == "expression" else 0)

    def _leaf(self, _depth: int) -> Nan:
        source = self.source
        kind = source.pick(_LEAVES)
        if kind == "splat":
            return self._splat()
        if kind == "constant" or not self.known:
            self.fn.f.body.append((_CONST, draw_vector(source)))
            return Nan.NONE
        local, nan = source.pick(self.known)
        self.fn.f.body.append((GET, local))
        return nan

    def _splat(self) -> Nan:
        """A number in every lane."""
        shape = self.source.pick(_SHAPES)
        row = OPS[f"{shape}.splat"]
        assert row.params is not None
        type_ = row.params[0]
        assert isinstance(type_, NumType)
        nan = settle(self.fn, emit(self.fn, self.source, type_, self.source.below(2)), type_, Nan.NONE)
        self.fn.f.body.append(row.bare)
        return nan

    def _produce(self, depth: int) -> Nan:
        return self.operation(self.source.pick(_producers(self.features)), depth - 1)

    def operation(self, row: Op, depth: int) -> Nan:
        """One pure instruction on operands nested up to ``depth``."""
        candidate = _candidate(row)
        source, body = self.source, self.fn.f.body
        same = source.chance(4 if row.imms == (Imm.LANES,) else 1, 8)
        corner = self._corner(row) if not same and source.chance(4, 8) else []
        nan = Nan.NONE
        shift = row.params == (V128, I32) and not row.imms
        for i, param in enumerate(candidate.params):
            assert isinstance(param, NumType)
            if corner and param is V128:
                body += corner.pop(0)
                continue
            if shift and i == 1 and source.chance(3, 4):
                bits = 128 // lane_count(row.name.partition(".")[0])
                body += _AMOUNT(draw_shift(source, bits))
                continue
            if same and i and param is V128 and candidate.params[0] is V128:
                body += TWICE(self.fn.temp(V128))
                given = nan
            else:
                given = self.operand(param, candidate.takes[i], depth)
            given = settle(self.fn, given, param, candidate.takes[i])
            nan = given if given is not Nan.NONE else nan
        return self._finish(candidate, nan)

    def _corner(self, row: Op) -> list[Code]:
        """Operands that meet at corners of the instruction, lane by lane: three times in four one of two constants, by
        an argument, which a compiler cannot compute with."""
        width, lanes = lane_corners(row)
        if not lanes:
            return []
        count = (row.params or ()).count(V128)
        first = draw_vectors(self.source, width, lanes, count)
        locals_ = self.fn.sources.get(I32)
        if not locals_ or self.source.one_in(4):
            return [((_CONST, one),) for one in first]
        second, decides = draw_vectors(self.source, width, lanes, count), self.source.pick(locals_)
        return [_EITHER(one, other, decides) for one, other in zip(first, second, strict=True)]

    def _finish(self, candidate: Candidate, nan: Nan) -> Nan:
        row = candidate.op
        self.fn.f.body.append((row, self.immediate(row)) if row.imms else row.bare)
        return result_of(candidate, nan)

    def immediate(self, row: Op) -> object:
        """A lane index or a shuffle's mask."""
        if row.imms == (Imm.LANE,):
            return self.source.below(lane_count(row.name.partition(".")[0]))
        assert row.imms == (Imm.LANES,), row
        return draw_mask(self.source)

    def _shuffle(self, depth: int) -> Nan:
        """The instruction with the most rules."""
        return self.operation(OPS["i8x16.shuffle"], depth - 1)

    def _idiom(self, depth: int) -> Nan:
        """A combination that instruction selection may turn into one instruction."""
        return self._node(self.source.pick(idioms(self.features, V128)), depth - 1, {})

    def _node(self, node: Node, depth: int, held: dict[str, tuple[int, Nan]]) -> Nan:
        """Emit an idiom; equal capital letters are one and the same vector, held in a local."""
        body = self.fn.f.body
        if isinstance(node, str):
            if node not in held:
                nan = self.vector(depth)
                local = self.fn.local(V128)
                body.append((TEE, local))
                held[node] = local, nan
                return nan
            local, nan = held[node]
            body.append((GET, local))
            return nan
        row, *operands = node
        if row is V128:
            body.append((_CONST, draw_vector(self.source) if operands[0] is None else operands[0]))
            return Nan.NONE
        assert isinstance(row, Op)
        candidate = _candidate(row)
        nan = Nan.NONE
        for operand, param, takes in zip(operands, candidate.params, candidate.takes, strict=True):
            assert isinstance(param, NumType)
            given = settle(self.fn, self._argument(operand, param, depth, held), param, takes)
            nan = given if given is not Nan.NONE else nan
        return self._finish(candidate, nan)

    def _argument(self, operand: object, param: NumType, depth: int, held: dict[str, tuple[int, Nan]]) -> Nan:
        if operand == "amount":
            self.fn += _AMOUNT(amount=draw_shift(self.source, self.source.pick(LANE_BITS)))
            return Nan.NONE
        if operand == "number":
            return self.scalar(param, 1)
        assert isinstance(operand, str | tuple)
        return self._node(operand, depth, held)

    def _select(self, depth: int) -> Nan:
        """``select`` of two vectors, with and without its type."""
        nan = self._second(self.vector(depth - 1), depth - 1)
        self.operand(I32, Nan.NONE, depth - 1)
        typed = self.source.one_in(2) and Feature.REFERENCE_TYPES in self.features
        self.fn += TYPED_SELECT[V128] if typed else SELECT
        return nan

    def _second(self, first: Nan, depth: int) -> Nan:
        """The other alternative for a place that holds ``first``; gives what the place may hold."""
        return merge(self.fn, V128, first, self.vector(depth))

    def _if(self, depth: int) -> Nan:
        self.operand(I32, Nan.NONE, depth - 1)
        with self.fn.block("if", (), (V128,)):
            first = self.vector(depth - 1)
            self.fn.else_()
            return self._second(first, depth - 1)

    def _block(self, depth: int) -> Nan:
        """Left early with a vector, perhaps."""
        with self.fn.block("block", (), (V128,)):
            first = self.vector(depth - 1)
            self.operand(I32, Nan.NONE, depth - 1)
            self.fn += LEAVE
            return self._second(first, depth - 1)

    def _load(self, depth: int) -> Nan:
        rows = [row for row in vector_rows(self.features) if row.access and row.access.kind == "load"]
        return self.memory(self.source.pick(rows), depth - 1)

    # Memory

    def memory(self, row: Op, depth: int) -> Nan:
        """One load or store of any form, in the data or in the region that this function stores to."""
        access, source, fn = row.access, self.source, self.fn
        assert access is not None
        fn.shell.uses_memory = True
        if self.region < 0:
            self.region = fn.shell.reserve(REGION)
        own = access.kind == "store" or source.one_in(2)
        base, size = (self.region, REGION) if own else (0, DATA_BYTES)
        offset = source.below(size - access.bytes + 1)
        if source.one_in(2):
            # An address that is not known: masked, so that address and offset together stay within.
            emit(fn, source, I32, source.below(2))
            fn += _MASKED(mask=size // 4 - 1)
            offset = source.below(size - size // 4 - access.bytes + 1)
            if base and source.one_in(2):
                fn += _PLUS(base=base)
            else:
                offset += base
        elif source.one_in(2):
            fn.f.body.append((I32_CONST, base + offset))
            offset = 0
        else:
            fn.f.body.append((I32_CONST, base))
        if row.params == ("addr", V128):
            self.operand(V128, Nan.NONE, depth)
        natural = access.bytes.bit_length() - 1
        memarg = MemArg(source.pick((0, natural, source.below(natural + 1))), offset)
        lane = row.imms == (Imm.MEMARG, Imm.LANE)
        fn.f.body.append((row, (memarg, source.below(16 // access.bytes)) if lane else memarg))
        return Nan.NONE

    # Statements

    def statement(self, depth: int) -> None:
        """One instruction of all, as likely as any other, with its result kept or folded."""
        row = self.source.pick(vector_rows(self.features))
        fn = self.fn
        if row is _CONST:
            nan = self.vector(depth)
        elif row.access is not None:
            nan = self.memory(row, depth - 1)
        else:
            nan = self.operation(row, depth - 1)
        results = row.results
        assert results is not None
        if results == (V128,):
            self.keep(nan)
        elif results:
            type_ = results[0]
            assert isinstance(type_, NumType)
            settle(fn, nan, type_, Nan.NONE)
            fn.f.body += fn.fold(type_)

    def keep(self, nan: Nan) -> int:
        """Move the vector on the stack into a local that later code reads."""
        local = self.fn.local(V128)
        if nan is not Nan.NONE and self.source.one_in(4):
            nan = settle(self.fn, nan, V128, Nan.NONE)
        self.fn.f.body.append((SET, local))
        self.known.append((local, nan))
        if nan is Nan.NONE:
            self.fn.sources.setdefault(V128, []).append(local)
        return local

    def fold(self, known: list[tuple[int, Nan]]) -> None:
        """Fold the vectors of these locals."""
        for local, nan in known:
            self.fn.f.body.append((GET, local))
            settle(self.fn, nan, V128, Nan.NONE)
            self.fn.f.body += self.fn.fold(V128)


_SHAPES: Final = ("i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2")
_VECTOR_FORMS: Final[tuple[Callable[[Vectors, int], Nan], ...]] = weighted(
    (Vectors._leaf, 50), (Vectors._produce, 100), (Vectors._idiom, 36), (Vectors._shuffle, 16), (Vectors._load, 18),
    (Vectors._select, 16),
    (Vectors._if, 8), (Vectors._block, 6),
)  # fmt: skip
"""The forms of a vector that is not a leaf for lack of depth, simplest first."""
