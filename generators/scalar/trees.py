"""Deep expressions that tempt an instruction selector: related operations, constants on either side, reused values.

Other than ``generators.scalar.expressions``, which draws evenly from the whole table, a tree tends to stay within one
family of instructions, so that two of them meet often enough for the rules that match both. A value on its way up may
be kept for later expressions, a condition is a chain of comparisons as often as a number, and whoever makes the module
can have its own loads as operands. Valid, terminating and free of traps; open NaNs as in
``generators.scalar.expressions``. ``tree.grow(I64, 3)`` may write

    local.get 0  i64.const 12  i64.shl  local.tee 4        # an operation that is kept
    local.get 0  i64.const 52  i64.shr_u                   # one of the same family, with a related amount
    i64.or
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, Weighted, weighted
from generators.draw.corners import corners
from generators.draw.edges import SHIFTS, Constants
from generators.draw.values import CANONICAL_NAN, CONST
from generators.module.function import GET, SET, TEE, Function
from generators.module.loops import ROUNDS, ROUNDS_BY_VALUE
from generators.scalar.candidates import Candidate, Guard, Nan, result_of
from generators.scalar.conditions import emit_condition, emit_decision
from generators.scalar.expressions import LEAVE, SELECT, TWICE, TYPED_SELECT, immediate, merge, settle
from generators.scalar.families import NEAR, families
from generators.scalar.idioms import emit_idiom
from generators.scalar.operands import SHIFTED_OPERANDS, TWO_OPERANDS, guard, known_operand, meet
from wasm.features import Feature
from wasm.fragment import template
from wasm.isa import OPS, Op
from wasm.valtypes import I32, I64, V128, NumType

_WIDE: Final = tuple(OPS[f"i64.{name}"] for name in ("add128", "sub128", "mul_wide_s", "mul_wide_u"))
_KEEP_HIGH: Final = template("local.set $half")
_KEEP_LOW: Final = template("local.set $half  local.set $t  local.get $half  local.get $t  local.set $half")
"""By which half of a 128-bit result is kept in a local; the other one stays on the stack."""

_AT_CORNERS: Final = {"convert": 5}
"""In how many of 8 instructions of a family operands meet at a corner, if it has any; one where nothing is said."""

Load = Callable[["Tree", NumType, int], None]
"""Puts a value of the type on the stack that came out of a memory, a global or a table; never an open NaN."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Proportions of one target's trees: forms by name, and how a value that has no operands is made."""

    forms: Weighted[str]
    leaves: Weighted[str]


PLAIN: Final = Mix(
    weighted(
        ("leaf", 8), ("operation", 166), ("idiom", 26), ("keep", 24), ("select", 12), ("if", 6), ("block", 5),
        ("loop", 3), ("wide", 3),
    ),
    weighted(("local", 75), ("const", 25)),
)  # fmt: skip
LOADING: Final = Mix(
    weighted(
        ("leaf", 16), ("load", 70), ("operation", 132), ("idiom", 20), ("keep", 10), ("select", 14), ("if", 6),
        ("block", 6), ("loop", 3),
    ),
    weighted(("local", 30), ("const", 20), ("load", 50)),
)  # fmt: skip


@dataclass(slots=True)
class Tree:
    """Makes expressions in one function. ``room`` is how many more nodes they may have; then only leaves follow.

    ``pool`` has the locals that may be read, by type, with the open NaNs that they may hold.
    """

    fn: Function
    source: ChoiceSource
    mix: Mix
    room: int
    load: Load | None = None
    pool: dict[NumType, list[tuple[int, Nan]]] = field(default_factory=dict)
    constants: Constants = field(init=False)

    def __post_init__(self) -> None:
        self.constants = Constants(self.source)
        for i, type_ in enumerate(self.fn.f.type.params):
            if isinstance(type_, NumType):
                self.know(type_, i, Nan.NONE)

    @staticmethod
    def within(fn: Function, source: ChoiceSource, mix: Mix, room: int, load: Load | None = None) -> Tree:
        """A tree in a function that others write too: it reads the locals that ``fn.sources`` has."""
        tree = Tree(fn, source, mix, room, load)
        tree.pool.clear()
        for type_, locals_ in fn.sources.items():
            if isinstance(type_, NumType):
                open_ = fn.shell.free_nans and type_ in CANONICAL_NAN
                for local in locals_:
                    tree.know(type_, local, Nan.SCALAR if open_ else Nan.NONE)
        return tree

    def know(self, type_: NumType, local: int, nan: Nan) -> None:
        """Let later expressions read a local."""
        self.pool.setdefault(type_, []).append((local, nan))

    # Expressions

    def grow(self, type_: NumType, depth: int, family: str = "") -> Nan:
        """An expression on the stack, nested up to ``depth``; says which of its bits may be an open NaN.

        ``family`` is that of the instruction around it.
        """
        self.room -= 1
        if depth <= 0 or self.room < 0:
            return self.leaf(type_, 0, family)
        return _FORMS[self.source.weighted(self.mix.forms)](self, type_, depth, family)

    def clean(self, type_: NumType, depth: int) -> None:
        """An expression without open NaN bits."""
        settle(self.fn, self.grow(type_, depth), type_, Nan.NONE)

    def statement(self, type_: NumType, depth: int) -> tuple[int, Nan]:
        """Compute a value into a new local that later expressions may read."""
        nan = self.grow(type_, depth)
        local = self.fn.local(type_)
        self.fn.f.body.append((SET, local))
        self.know(type_, local, nan)
        return local, nan

    def leaf(self, type_: NumType, _depth: int, _family: str) -> Nan:
        """What has no operands: a local that is known, a constant, or a load where the mix has those."""
        how = self.source.weighted(self.mix.leaves)
        if how == "load" and self.load is not None:
            self.load(self, type_, 0)
            return Nan.NONE
        known = self.pool.get(type_)
        if how == "local" and known:
            # From the last one back, which is the simplest: what an optimizer has just computed.
            local, nan = known[-1 - self.source.below(len(known))]
            self.fn.f.body.append((GET, local))
            return nan
        self.fn.f.body.append((CONST[type_], self.constants.plain(type_)))
        return Nan.NONE

    def loaded(self, type_: NumType, depth: int, family: str) -> Nan:
        """What the maker of the module reads from its state; an operation where it has given no way."""
        if self.load is None:
            return self.operation(type_, depth, family)
        self.load(self, type_, depth - 1)
        return Nan.NONE

    def operation(self, type_: NumType, depth: int, family: str) -> Nan:
        """An instruction of a family near the one around it, six times in eight, or of any."""
        family = self._near(type_, family)
        return self.apply(self.source.pick(families(self.fn.shell.config.features, type_)[1][family]), depth, family)

    def idiom(self, type_: NumType, depth: int, family: str) -> Nan:
        """A combination that instruction selection may turn into one instruction."""
        if type_ is V128:
            return self.operation(type_, depth, family)
        return emit_idiom(self, type_, min(depth - 1, self.source.below(3)))

    def _near(self, type_: NumType, family: str) -> str:
        table, members = families(self.fn.shell.config.features, type_)
        near = NEAR.get(family)
        if near is not None:
            family = self.source.pick(near)
        if family not in members or self.source.chance(2, 8):
            family = self.source.weighted(table)
        return family

    def apply(self, candidate: Candidate, depth: int, family: str) -> Nan:
        """One instruction with its operands."""
        source, fn, op = self.source, self.fn, candidate.op
        if source.chance(_AT_CORNERS.get(family, 1), 8) and corners(op):
            return self._corner(candidate)
        how: tuple[str, ...] = ("tree",) * len(candidate.params)
        if len(how) == 2 and candidate.params[0] is candidate.params[1]:
            how = source.weighted(SHIFTED_OPERANDS if op.name.partition(".")[2] in SHIFTS else TWO_OPERANDS)
        nan = operand = Nan.NONE
        twin = ""
        for i, type_ in enumerate(candidate.params):
            assert isinstance(type_, NumType)
            if i == len(how) - 1 and candidate.guard is not None and known_operand(self, candidate, type_):
                return candidate.gives
            if how[i] == "const":
                fn.f.body.append((CONST[type_], self.constants.operand(op, i, type_)))
                continue
            if how[i] == "same":
                fn.f.body += TWICE(fn.temp(type_))
            elif how[i] == "pair":
                twin = twin or self._near(type_, family)
                operand = self.apply(source.pick(families(fn.shell.config.features, type_)[1][twin]), 1, twin)
            else:
                operand = self.grow(type_, depth - 1, family)
            operand = settle(fn, operand, type_, candidate.takes[i])
            nan = operand if operand is not Nan.NONE else nan
        if candidate.guard is not None:
            guard(self, candidate)
        self._instruction(op)
        return result_of(candidate, nan)

    def _corner(self, candidate: Candidate) -> Nan:
        """An instruction with operands that meet at a corner of it; those of conversions are inside their ranges."""
        meet(self, candidate.op)
        if candidate.guard is not None and candidate.guard is not Guard.IN_RANGE:
            guard(self, candidate)
        self._instruction(candidate.op)
        return Nan.NONE if candidate.passes else candidate.gives

    def _instruction(self, op: Op) -> None:
        self.fn.f.body.append((op, immediate(self.source, op)) if op.imms else op.bare)

    def condition(self, depth: int) -> None:
        """An i32 to decide on (``generators.scalar.conditions``)."""
        emit_condition(self, depth)

    # Control

    def keep(self, type_: NumType, depth: int, family: str) -> Nan:
        """An operation whose value is kept on its way: more than one consumer."""
        nan = self.operation(type_, depth, family)
        local = self.fn.local(type_)
        self.fn.f.body.append((TEE, local))
        self.know(type_, local, nan)
        return nan

    def _second(self, type_: NumType, depth: int, first: Nan) -> Nan:
        """The other alternative for a place that holds ``first``; gives what the place may hold."""
        return merge(self.fn, type_, first, self.grow(type_, depth))

    def select(self, type_: NumType, depth: int, _family: str) -> Nan:
        """One of two values by a condition, with and without its type."""
        nan = self._second(type_, depth - 1, self.grow(type_, depth - 1))
        self.condition(depth - 1)
        typed = self.source.one_in(4) and self.fn.shell.config.allows(Feature.REFERENCE_TYPES)
        self.fn.f.body += TYPED_SELECT[type_] if typed else SELECT
        return nan

    def if_(self, type_: NumType, depth: int, _family: str) -> Nan:
        """One of two values, each in an arm of its own."""
        emit_decision(self, depth - 1)
        with self.fn.block("if", (), (type_,)):
            first = self.grow(type_, depth - 1)
            self.fn.else_()
            return self._second(type_, depth - 1, first)

    def block(self, type_: NumType, depth: int, _family: str) -> Nan:
        """A block that a conditional branch leaves early with a value."""
        with self.fn.block("block", (), (type_,)):
            first = self.grow(type_, depth - 1)
            emit_decision(self, depth - 1)
            self.fn.f.body += LEAVE
            return self._second(type_, depth - 1, first)

    def loop(self, type_: NumType, depth: int, _family: str) -> Nan:
        """One to four rounds that compute a value from itself; how many is constant or depends on a value."""
        fn, body = self.fn, self.fn.f.body
        self.clean(type_, depth - 2)
        value, count = fn.local(type_), fn.local(I32)
        body.append((SET, value))
        if self.source.one_in(2):
            self.grow(I32, 0)
            body += ROUNDS_BY_VALUE(count)
        else:
            body += ROUNDS(self.source.between(1, 4), count)
        self.know(type_, value, Nan.NONE)
        with fn.repeat(count):
            self.clean(type_, depth - 1)
            body.append((SET, value))
        body.append((GET, value))
        return Nan.NONE

    def wide(self, type_: NumType, depth: int, family: str) -> Nan:
        """128-bit arithmetic: one half stays on the stack, the other one is kept."""
        if type_ is not I64 or not self.fn.shell.config.allows(Feature.WIDE_ARITHMETIC):
            return self.operation(type_, depth, family)
        op = self.source.pick(_WIDE)
        for _ in op.params or ():
            self.grow(I64, depth - 2)
        body = self.fn.f.body
        body.append(op.bare)
        half = self.fn.local(I64)
        body += _KEEP_LOW(half, self.fn.temp(I64)) if self.source.one_in(2) else _KEEP_HIGH(half)
        self.know(I64, half, Nan.NONE)
        return Nan.NONE


_FORMS: Final[dict[str, Callable[[Tree, NumType, int, str], Nan]]] = {
    "leaf": Tree.leaf,
    "load": Tree.loaded,
    "operation": Tree.operation,
    "idiom": Tree.idiom,
    "keep": Tree.keep,
    "select": Tree.select,
    "if": Tree.if_,
    "block": Tree.block,
    "loop": Tree.loop,
    "wide": Tree.wide,
}
