"""One aim drawn in any function: its pattern on whatever operands the function has, and its value used.

    local.get 4  i32.const 7  i32.shl       ;; local 4 is a parameter, what another part kept, or was just loaded
    local.get 4  i32.const 25  i32.shr_u
    i32.or                                  ;; stored, folded, or the condition of a select

Other than in ``writing``, nothing traps: divisors are never 0 or -1, and addresses are in bounds, at the end of a
memory as often as for other accesses (``generators.state.memories``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from generators.aims.aim import Address, Aim, Apply, Leaf, Open, Tree, parts, result_type
from generators.aims.own import own_aims
from generators.aims.writing import features_of
from generators.choices import shares
from generators.config import by_instructions
from generators.module.function import BARE, GET, SET, TEE
from generators.scalar import trees
from generators.scalar.candidates import Candidate, Guard, Nan, candidate_of, result_of
from generators.scalar.expressions import merge, settle
from generators.scalar.operands import guard
from generators.state.memories import Memories, Memory
from wasm.features import Feature
from wasm.isa import OPS, Imm, MemArg, Op
from wasm.valtypes import I32, I64, NUM_TYPES, NumType

_TYPES: Final = {t.name: t for t in NUM_TYPES}
_WHERE: Final = shares(("inside", 5), ("outside", 2), ("apart", 1))
"""Constants for which the rule holds or just does not; a value that should be there twice is two."""
_DEPTHS: Final = (0, 0, 0, 1, 0, 2)
"""How deep the operands are: mostly they are what is at hand."""
_DECIDES: Final = 3
"""One i32 in so many decides a select, without anything between."""


@dataclass(frozen=True, slots=True)
class _Choices:
    """An aim with those of its constants that trap for no operand."""

    aim: Aim
    inside: tuple[tuple[int, ...], ...]
    outside: tuple[tuple[int, ...], ...]
    twice: tuple[str, ...]


@by_instructions
def _drawable(features: frozenset[Feature]) -> tuple[_Choices, ...]:
    """Our own aims that need no feature but these and can be written without a trap."""
    found = []
    for aim in own_aims():
        if not features_of(aim) <= features:
            continue
        inside, outside = (tuple(one for one in ones if harmless(aim.tree, one)) for ones in (aim.inside, aim.outside))
        counts = Counter(part.name for part in parts(aim.tree) if isinstance(part, Leaf))
        if inside:
            found.append(_Choices(aim, inside, outside, tuple(name for name, count in counts.items() if count > 1)))
    return tuple(found)


def harmless(tree: Tree, values: tuple[int, ...]) -> bool:
    """Whether no divisor among the constants is 0, or -1 where the quotient might not fit."""
    for part in parts(tree):
        if not isinstance(part, Apply) or (candidate := _candidate(part.row)) is None or candidate.guard is None:
            continue
        divisor = part.args[-1]
        if isinstance(divisor, Apply) and divisor.row in ("i32.const", "i64.const"):
            (imm,) = divisor.imms
            value = values[imm.number] if isinstance(imm, Open) else imm
            ones = (1 << _TYPES[divisor.row[:3]].bits) - 1
            if value == 0 or (value == ones and candidate.guard is Guard.POSITIVE):
                return False
    return True


def draw_aim(tree: trees.Tree) -> tuple[NumType, int, Nan] | None:
    """Write one aim; gives type and local of its value, None for a store. ``tree`` makes the operands."""
    source = tree.source
    chosen = source.pick(_drawable(tree.fn.shell.config.features))
    where = source.pick(_WHERE)
    values = source.pick(chosen.outside if where == "outside" and chosen.outside else chosen.inside)
    apart = source.pick(chosen.twice) if where == "apart" and chosen.twice else ""
    return write_aim(tree, chosen.aim, values, apart)


def write_aim(tree: trees.Tree, aim: Aim, values: tuple[int, ...], apart: str = "") -> tuple[NumType, int, Nan] | None:
    """Write an aim with these constants, which must not trap; the last ``apart`` is another value than the others."""
    return _Drawing(tree, aim, values, apart).draw()


@dataclass(slots=True)
class _Drawing:
    """An aim in the making. ``held`` are the leaves that occur again, ``at`` the address, once there is one."""

    tree: trees.Tree
    aim: Aim
    values: tuple[int, ...]
    apart: str
    left: Counter[str] = field(default_factory=Counter)
    held: dict[str, tuple[int, Nan]] = field(default_factory=dict)
    at: tuple[Memory, int, int] | None = None

    def draw(self) -> tuple[NumType, int, Nan] | None:
        whole, tree, body = self.aim.tree, self.tree, self.tree.fn.f.body
        assert isinstance(whole, Apply)
        self.left.update(part.name for part in parts(whole) if isinstance(part, Leaf))
        type_ = result_type(whole)
        decides = type_ is I32 and tree.source.one_in(_DECIDES)
        first = Nan.NONE
        if decides:
            first = merge(tree.fn, I64, tree.leaf(I64, 0, ""), tree.leaf(I64, 0, ""))
        self._share_address(whole)
        nan = self._apply(whole)
        if type_ is None:
            return None
        if decides:
            body.append(BARE["select"])
            type_, nan = I64, first
        local = tree.fn.local(type_)
        body.append((SET, local))
        return type_, local, nan

    def _share_address(self, whole: Apply) -> None:
        """Where a value is stored that was loaded, the address is the same: in a local from the start."""
        rows = [OPS[part.row] for part in parts(whole) if isinstance(part, Apply)]
        sizes = [row.access.bytes for row in rows if row.access is not None]
        if result_type(whole) is None and len(sizes) > 1:
            memories = self.tree.fn.shell.kit(Memories.of)
            memory = memories.pick(self.tree.source)
            offset = memories.address(self.tree, memory, max(sizes), True)
            local = self.tree.fn.local(memory.type)
            self.tree.fn.f.body.append((SET, local))
            self.at = memory, offset, local

    def _apply(self, applied: Apply) -> Nan:
        """An instruction with its operands; says which of its bits may be an open NaN."""
        op, body = OPS[applied.row], self.tree.fn.f.body
        if op.access is not None:
            return self._access(applied, op)
        candidate = _candidate(applied.row)
        if candidate is None:
            return self._select(applied) if applied.row == "select" else self._constant(applied, op)
        nan = Nan.NONE
        for position, (arg, param, takes) in enumerate(
            zip(applied.args, candidate.params, candidate.takes, strict=True)
        ):
            assert isinstance(param, NumType)
            divisor = candidate if position == len(applied.args) - 1 and candidate.guard is not None else None
            given = settle(self.tree.fn, self._operand(arg, divisor), param, takes)
            nan = given if given is not Nan.NONE else nan
        body.append((op, self._immediate(applied, op)) if op.imms else op.bare)
        return result_of(candidate, nan)

    def _constant(self, applied: Apply, op: Op) -> Nan:
        self.tree.fn.f.body.append((op, self._immediate(applied, op)))
        return Nan.NONE

    def _select(self, applied: Apply) -> Nan:
        one, other, condition = applied.args
        type_ = result_type(applied)
        assert type_ is not None
        nan = merge(self.tree.fn, type_, self._operand(one), self._operand(other))
        self._operand(condition)
        self.tree.fn.f.body.append(BARE["select"])
        return nan

    def _access(self, applied: Apply, op: Op) -> Nan:
        """A load, or a store of its last operand."""
        assert op.access is not None
        size, body, source = op.access.bytes, self.tree.fn.f.body, self.tree.source
        store = op.access.kind == "store"
        if self.at is not None:
            memory, offset, local = self.at
            body.append((GET, local))
        else:
            memories = self.tree.fn.shell.kit(Memories.of)
            memory = memories.pick(source)
            offset = memories.address(self.tree, memory, size, store)
        _, *rest = applied.args
        for arg, type_ in zip(rest, (op.params or ())[1:], strict=True):
            assert isinstance(type_, NumType)
            settle(self.tree.fn, self._operand(arg), type_, Nan.NONE)
        align = size.bit_length() - 1
        argument = MemArg(align if source.one_in(2) else source.below(align + 1), offset, memory.index)
        rest_of = self._immediate(applied, op)
        body.append((op, argument if rest_of is None else (argument, rest_of)))
        return Nan.NONE

    def _operand(self, arg: Tree, divides: Candidate | None = None) -> Nan:
        """``divides`` is the instruction that would trap for some values of it."""
        assert not isinstance(arg, Address)
        if isinstance(arg, Leaf):
            return self._leaf(arg)
        nan = self._apply(arg)
        if divides is not None and not arg.row.endswith(".const"):
            guard(self.tree, divides)
        return nan

    def _leaf(self, leaf: Leaf) -> Nan:
        """Any value at hand; where it occurs again it is kept, made fit to divide by if anything divides by it."""
        tree, body, name = self.tree, self.tree.fn.f.body, leaf.name
        self.left[name] -= 1
        if name in self.held and not (name == self.apart and not self.left[name]):
            local, nan = self.held[name]
            body.append((GET, local))
            return nan
        type_ = _TYPES[leaf.type]
        nan = tree.grow(type_, tree.source.pick(_DEPTHS))
        divided = self._divided_by(name)
        if divided is not None:
            guard(tree, divided)
        if self.left[name] and name not in self.held:
            local = tree.fn.local(type_)
            body.append((TEE, local))
            tree.know(type_, local, nan)
            self.held[name] = local, nan
        return nan

    def _divided_by(self, name: str) -> Candidate | None:
        for part in parts(self.aim.tree):
            if isinstance(part, Apply) and part.args and part.args[-1] == Leaf(name, part.row[:3]):
                candidate = _candidate(part.row)
                if candidate is not None and candidate.guard is not None:
                    return candidate
        return None

    def _immediate(self, applied: Apply, op: Op) -> object:
        """What the row takes besides a memory's argument; None for nothing."""
        if not applied.imms:
            return None
        (imm,) = applied.imms
        value = self.values[imm.number] if isinstance(imm, Open) else imm
        return tuple(value.to_bytes(16, "little")) if Imm.LANES in op.imms else value


@lru_cache(maxsize=512)
def _candidate(row: str) -> Candidate | None:
    return candidate_of(OPS[row])
