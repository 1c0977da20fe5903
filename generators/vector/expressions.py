"""Vector code: expressions and statements over every vector instruction, with open NaNs left alone until observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import by_instructions
from generators.draw.values import constant
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.module.shell import DATA_BYTES
from generators.scalar.expressions import Candidate, Nan, candidate_of, emit, settle
from generators.vector.corners import draw_vectors, lane_corners
from generators.vector.idioms import Tree, idioms
from generators.vector.values import draw_mask, draw_shift, draw_vector, lane_count
from wasm.features import Feature
from wasm.isa import OPS, ROWS, Imm, Instr, MemArg, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

REGION: Final = 64
"""Bytes of memory to which one function stores, and from which it loads again."""

_CONST: Final = OPS["v128.const"]
_SCALARS: Final = (I32, I64, F32, F64)


@by_instructions
def vector_rows(features: frozenset[Feature]) -> tuple[Op, ...]:
    """All vector instructions that the features allow; those without memory are simpler and come first."""
    found = [r for r in ROWS if r.feature in (Feature.SIMD, Feature.RELAXED_SIMD) and r.feature in features]
    return tuple(sorted(found, key=lambda r: r.access is not None))


@by_instructions
def _producers(features: frozenset[Feature]) -> tuple[Op, ...]:
    """Those of them that give a vector and take any; relaxed ones, which are few and off mostly, three times."""
    found = [r for r in vector_rows(features) if r.results == (V128,) and candidate_of(r) is not None]
    return (*found, *[r for r in found if r.feature is Feature.RELAXED_SIMD] * 2)


@lru_cache(maxsize=512)
def _candidate(row: Op) -> Candidate:
    found = candidate_of(row)
    assert found is not None
    return found


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
        return Vectors(fn, source, [(local, Nan.NONE) for local in fn.sources.get(V128, ())])

    @property
    def features(self) -> frozenset[Feature]:
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
        kind = self.source.below(8)
        if kind < 2 or depth <= 0:
            self.fn.f.body.append(constant(self.source, type_))
            return Nan.NONE
        if kind < 5:
            found = _scalar_rows(self.features, type_)
            return self.operation(self.source.pick(found), depth - 1)
        return emit(self.fn, self.source, type_, min(depth, 2) * (kind & 1))

    def _leaf(self, _depth: int) -> Nan:
        source = self.source
        kind = source.below(8)
        if kind < 2 or (kind < 7 and not self.known):
            self.fn.f.body.append((_CONST, draw_vector(source)))
            return Nan.NONE
        if kind == 7:
            return self._splat()
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
        found = _candidate(row)
        source, body = self.source, self.fn.f.body
        same = source.below(8) >= (4 if row.imms == (Imm.LANES,) else 7)
        corner = self._corner(row) if not same and source.below(8) >= 4 else []
        nan = Nan.NONE
        shift = row.params == (V128, I32) and not row.imms
        for i, param in enumerate(found.params):
            assert isinstance(param, NumType)
            if corner and param is V128:
                body += corner.pop(0)
                continue
            if shift and i == 1 and source.below(4):
                bits = 128 // lane_count(row.name.partition(".")[0])
                body.append((I32_CONST, draw_shift(source, bits)))
                continue
            if same and i and param is V128 and found.params[0] is V128:
                # The same vector twice, out of one local.
                t = self.fn.temp(V128)
                body += ((TEE, t), (GET, t))
                got = nan
            else:
                got = self.operand(param, found.takes[i], depth)
            got = settle(self.fn, got, param, found.takes[i])
            nan = got if got is not Nan.NONE else nan
        return self._finish(found, nan)

    def _corner(self, row: Op) -> list[tuple[Instr, ...]]:
        """Operands that meet at corners of the instruction, lane by lane: three times in four one of two constants, by
        an argument, which a compiler cannot compute with."""
        width, lanes = lane_corners(row)
        if not lanes:
            return []
        count = (row.params or ()).count(V128)
        first = draw_vectors(self.source, width, lanes, count)
        locals_ = self.fn.sources.get(I32)
        if not locals_ or self.source.below(4) == 3:
            return [((_CONST, one),) for one in first]
        second, by = draw_vectors(self.source, width, lanes, count), (GET, self.source.pick(locals_))
        return [((_CONST, a), (_CONST, b), by, BARE["select"]) for a, b in zip(first, second, strict=True)]

    def _finish(self, found: Candidate, nan: Nan) -> Nan:
        row = found.op
        self.fn.f.body.append((row, self.immediate(row)) if row.imms else row.bare)
        if found.passes:
            return found.gives if nan is not Nan.NONE else Nan.NONE
        return found.gives

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
        found = self.source.pick(idioms(self.features, V128))
        return self.tree(found, depth - 1, {})

    def tree(self, tree: Tree, depth: int, held: dict[str, tuple[int, Nan]]) -> Nan:
        """Emit an idiom; equal capital letters are one and the same vector, held in a local."""
        body = self.fn.f.body
        if isinstance(tree, str):
            if tree not in held:
                nan = self.vector(depth)
                local = self.fn.f.local(V128)
                body.append((TEE, local))
                held[tree] = local, nan
                return nan
            local, nan = held[tree]
            body.append((GET, local))
            return nan
        if isinstance(tree, tuple) and isinstance(tree[0], NumType):
            type_, value = tree[0], tree[1]
            body.append((OPS[f"{type_}.const"], draw_vector(self.source) if value is None else value))
            return Nan.NONE
        row, operands = tree[0], tree[1:]
        assert isinstance(row, Op)
        found = _candidate(row)
        nan = Nan.NONE
        for operand, param, takes in zip(operands, found.params, found.takes, strict=True):
            assert isinstance(param, NumType)
            got = self._argument(operand, param, depth, held)
            got = settle(self.fn, got, param, takes)
            nan = got if got is not Nan.NONE else nan
        return self._finish(found, nan)

    def _argument(self, operand: object, param: NumType, depth: int, held: dict[str, tuple[int, Nan]]) -> Nan:
        if operand == "amount":
            self.fn.f.body.append((I32_CONST, draw_shift(self.source, self.source.pick((8, 16, 32, 64)))))
            return Nan.NONE
        if operand == "number":
            return self.scalar(param, 1)
        assert isinstance(operand, str | tuple)
        return self.tree(operand, depth, held)

    def _select(self, depth: int) -> Nan:
        """``select`` of two vectors, with and without its type."""
        first = self.vector(depth - 1)
        second = self._like(first, depth - 1)
        self.operand(I32, Nan.NONE, depth - 1)
        typed = self.source.below(2) and Feature.REFERENCE_TYPES in self.features
        self.fn.f.body.append((OPS["select_t"], (V128,)) if typed else BARE["select"])
        return second if first is Nan.NONE else first

    def _like(self, first: Nan, depth: int) -> Nan:
        """A second vector for the same place as one with ``first``: open NaNs of one shape only."""
        second = self.vector(depth)
        if second is not first and Nan.NONE not in (first, second):
            second = settle(self.fn, second, V128, first)
        return second

    def _if(self, depth: int) -> Nan:
        self.operand(I32, Nan.NONE, depth - 1)
        self.fn.f.open("if", (), (V128,))
        first = self.vector(depth - 1)
        self.fn.f.else_()
        second = self._like(first, depth - 1)
        self.fn.f.end()
        return second if first is Nan.NONE else first

    def _block(self, depth: int) -> Nan:
        """Left early with a vector, perhaps."""
        self.fn.f.open("block", (), (V128,))
        first = self.vector(depth - 1)
        self.operand(I32, Nan.NONE, depth - 1)
        self.fn.f.body += ((OPS["br_if"], 0), BARE["drop"])
        second = self._like(first, depth - 1)
        self.fn.f.end()
        return second if first is Nan.NONE else first

    def _load(self, depth: int) -> Nan:
        rows = [row for row in vector_rows(self.features) if row.access and row.access.kind == "load"]
        return self.memory(self.source.pick(rows), depth - 1)

    # Memory

    def memory(self, row: Op, depth: int) -> Nan:
        """One load or store of any form, in the data or in the region that this function stores to."""
        access, source, body = row.access, self.source, self.fn.f.body
        assert access is not None
        shell = self.fn.shell
        shell.uses_memory = True
        stores = access.kind == "store"
        if self.region < 0:
            self.region = shell.reserve(REGION)
        own = stores or source.below(2)
        base, size = (self.region, REGION) if own else (0, DATA_BYTES)
        offset = source.below(size - access.bytes + 1)
        if source.below(2):
            # An address that is not known: masked, so that address and offset together stay within.
            emit(self.fn, source, I32, source.below(2))
            body += ((I32_CONST, size // 4 - 1), BARE["i32.and"])
            offset = source.below(size - size // 4 - access.bytes + 1)
            if base and source.below(2):
                body += ((I32_CONST, base), BARE["i32.add"])
            else:
                offset += base
        elif source.below(2):
            body.append((I32_CONST, base + offset))
            offset = 0
        else:
            body.append((I32_CONST, base))
        if row.params == ("addr", V128):
            self.operand(V128, Nan.NONE, depth)
        natural = access.bytes.bit_length() - 1
        memarg = MemArg(source.pick((0, natural, source.below(natural + 1))), offset)
        lane = row.imms == (Imm.MEMARG, Imm.LANE)
        body.append((row, (memarg, source.below(16 // access.bytes)) if lane else memarg))
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
        local = self.fn.f.local(V128)
        if nan is not Nan.NONE and self.source.below(4) == 3:
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
