"""Deep expressions that tempt an instruction selector: related operations, constants on either side, reused values.

Other than ``generators.scalar.expressions``, which draws evenly from the whole table, a tree tends to stay within one
family of instructions, so that two of them meet often enough for the rules that match both. A value on its way up may
be kept for later expressions, a condition is a chain of comparisons as often as a number, and whoever makes the module
can have its own loads as operands. Valid, terminating and free of traps; open NaNs as in
``generators.scalar.expressions``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, Weighted, weighted
from generators.draw.corners import corners
from generators.draw.edges import INTEGERS, SHIFTS, Constants, conversion_ends, divisors
from generators.draw.values import CANONICAL_NAN, CONST
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.scalar.expressions import Candidate, Guard, Nan, immediate, settle
from generators.scalar.families import NEAR, comparisons, families
from generators.scalar.idioms import emit_idiom
from wasm.features import Feature
from wasm.isa import OPS, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

_WIDE: Final = tuple(OPS[f"i64.{name}"] for name in ("add128", "sub128", "mul_wide_s", "mul_wide_u"))


_BOTH: Final = weighted(
    (("tree", "tree"), 8), (("pair", "pair"), 4), (("tree", "const"), 4), (("const", "tree"), 2), (("tree", "same"), 1)
)  # fmt: skip
_SHIFTED: Final = weighted(
    (("tree", "const"), 10), (("tree", "tree"), 4), (("const", "tree"), 2), (("tree", "same"), 1)
)
_CONDITIONS: Final = weighted(
    ("compare", 60), ("not", 12), ("logic", 14), ("value", 12), ("against", 8), ("mask", 6)
)  # fmt: skip
_COMPARED: Final = weighted((I32, 34), (I64, 30), (F64, 20), (F32, 16))

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
        """A tree in a function that others write too: it reads the locals that ``frame.sources`` has."""
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
        local = self.fn.f.local(type_)
        self.fn.f.body.append((SET, local))
        self.know(type_, local, nan)
        return local, nan

    def leaf(self, type_: NumType, _depth: int, _family: str) -> Nan:
        how = self.source.weighted(self.mix.leaves)
        if how == "load" and self.load is not None:
            self.load(self, type_, 0)
            return Nan.NONE
        found = self.pool.get(type_)
        if how == "local" and found:
            # Late ones too: they are what an optimizer has just computed.
            local, nan = found[-1 - self.source.below(len(found))]
            self.fn.f.body.append((GET, local))
            return nan
        self.fn.f.body.append((CONST[type_], self.constants.plain(type_)))
        return Nan.NONE

    def loaded(self, type_: NumType, depth: int, family: str) -> Nan:
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
        table, rows = families(self.fn.shell.config.features, type_)
        near = NEAR.get(family)
        if near is not None:
            family = self.source.pick(near)
        if family not in rows or self.source.below(8) >= 6:
            family = self.source.weighted(table)
        return family

    def apply(self, row: Candidate, depth: int, family: str) -> Nan:
        """One instruction with its operands."""
        source, body, op = self.source, self.fn.f.body, row.op
        if source.below(8) >= (3 if family == "convert" else 7) and corners(op):
            return self._corner(row)
        plan: tuple[str, ...] = ("tree",) * len(row.params)
        if len(plan) == 2 and row.params[0] is row.params[1]:
            plan = source.weighted(_SHIFTED if op.name.partition(".")[2] in SHIFTS else _BOTH)
        nan = found = Nan.NONE
        features, twin = self.fn.shell.config.features, ""
        guard = row.guard
        for i, type_ in enumerate(row.params):
            assert isinstance(type_, NumType)
            if i == len(plan) - 1 and guard is not None and self._known_operand(row, type_):
                return row.gives
            if plan[i] == "const":
                body.append((CONST[type_], self.constants.operand(op, i, type_)))
                continue
            if plan[i] == "same":
                t = self.fn.temp(type_)
                body += ((TEE, t), (GET, t))
            elif plan[i] == "pair":
                twin = twin or self._near(type_, family)
                found = self.apply(source.pick(families(features, type_)[1][twin]), 1, twin)
            else:
                found = self.grow(type_, depth - 1, family)
            found = settle(self.fn, found, type_, row.takes[i])
            nan = found if found is not Nan.NONE else nan
        if guard is not None:
            self._guard(row)
        body.append((op, immediate(source, op)) if op.imms else op.bare)
        if row.passes:
            return row.gives if nan is not Nan.NONE else Nan.NONE
        return row.gives

    def _corner(self, row: Candidate) -> Nan:
        """An instruction with operands that meet at a corner of it; those of conversions are inside their ranges."""
        self._meet(row.op)
        if row.guard is not None and row.guard is not Guard.IN_RANGE:
            self._guard(row)
        op = row.op
        self.fn.f.body.append((op, immediate(self.source, op)) if op.imms else op.bare)
        return Nan.NONE if row.passes else row.gives

    def _meet(self, op: Op) -> None:
        """Operands from one of two rows of corners by a condition, so that a compiler cannot compute them; one in four
        is a constant."""
        source, body = self.source, self.fn.f.body
        first, second = source.pick(corners(op)), source.pick(corners(op))
        types = [type_ for type_ in op.params or () if isinstance(type_, NumType)]
        decides = self.fn.temp(I32)
        self.condition(0)
        body.append((SET, decides))
        for type_, one, other in zip(types, first, second, strict=True):
            body.append((CONST[type_], one))
            if source.below(4):
                body += ((CONST[type_], other), (GET, decides), BARE["select"])

    def _close(self, type_: NumType) -> None:
        """A constant, on either side, and a value that is the same or next to it."""
        source, body = self.source, self.fn.f.body
        bits = self.constants.plain(type_)
        left = source.below(2)
        if left:
            body.append((CONST[type_], bits))
        near = bits + (1, -1)[source.below(2)] & (1 << type_.bits) - 1
        body += ((CONST[type_], bits), (CONST[type_], near))
        self.condition(0)
        body.append(BARE["select"])
        if not left:
            body.append((CONST[type_], bits))

    # Instructions that can trap

    def _known_operand(self, row: Candidate, type_: NumType) -> bool:
        """Half of the time the operand that decides about a trap is a constant: then the instruction is complete."""
        source, body, op = self.source, self.fn.f.body, row.op
        if source.below(2):
            return False
        if row.guard is Guard.IN_RANGE:
            inside, _ = conversion_ends(op.name)
            body.append((CONST[type_], source.pick(inside)))
            if source.below(2):
                body.append((CONST[type_], source.pick(inside)))
                self.condition(1)
                body.append(BARE["select"])
        elif source.below(6) == 5:
            # By -1: the dividend must not be the least number (4.3.2, idiv_s), but for a remainder it may.
            if op.name.endswith("div_s"):
                body += ((CONST[type_], 1), BARE[f"{type_}.shr_u"])
            body.append((CONST[type_], (1 << type_.bits) - 1))
        else:
            body.append((CONST[type_], source.pick(divisors(type_)) if source.below(8) else 1))
        body.append(op.bare)
        return True

    def _guard(self, row: Candidate) -> None:
        """Make the last operand one that does not trap, whatever it is."""
        body, type_ = self.fn.f.body, row.params[-1]
        assert isinstance(type_, NumType)
        if row.guard is Guard.IN_RANGE:
            t = self.fn.temp(type_)
            inside, _ = conversion_ends(row.op.name)
            # Where a value is out of range, or a NaN, comparing says so, and one that is in range takes its place.
            body += ((TEE, t), (CONST[type_], self.source.pick(inside)), (GET, t), (CONST[type_], inside[0]))
            body += (BARE[f"{type_}.le"], (GET, t), (CONST[type_], inside[1]), BARE[f"{type_}.ge"])
            body += (BARE["i32.and"], BARE["select"])
            return
        if row.guard is Guard.POSITIVE:
            body += ((CONST[type_], (1 << type_.bits - 1) - 1), BARE[f"{type_}.and"])
        if self.source.below(2):
            body += ((CONST[type_], 1), BARE[f"{type_}.or"])
        else:
            t = self.fn.temp(type_)
            body += ((TEE, t), (CONST[type_], 1), (GET, t), (CONST[type_], 0), BARE[f"{type_}.ne"], BARE["select"])

    # Conditions

    def condition(self, depth: int) -> None:
        """An i32 to decide on: comparisons of any type, negated, combined, compared again, or any number."""
        self.room -= 1
        source, body = self.source, self.fn.f.body
        how = source.weighted(_CONDITIONS) if depth > 0 and self.room > 0 else "compare"
        if how == "compare":
            self._compare(depth)
        elif how == "not":
            self.condition(depth - 1)
            body.append(BARE["i32.eqz"])
        elif how == "logic":
            self.condition(depth - 1)
            self.condition(depth - 1)
            body.append(BARE[source.pick(("i32.and", "i32.or", "i32.xor"))])
        elif how == "value":
            self.grow(I32, depth - 1)
        elif how == "against":
            self.condition(depth - 1)
            body += ((I32_CONST, source.below(2)), source.pick(comparisons(I32)[1:]).bare)
        else:
            type_ = source.pick(INTEGERS)
            self.grow(type_, depth - 1)
            body += ((CONST[type_], 1 << source.below(type_.bits)), BARE[f"{type_}.and"])
            if type_ is I64 or source.below(2):
                body.append(BARE[f"{type_}.eqz"])

    def _compare(self, depth: int) -> None:
        type_ = self.source.weighted(_COMPARED)
        op = self.source.pick(comparisons(type_))
        if depth > 0 and self.source.below(2):
            if type_ in INTEGERS and len(op.params or ()) == 2 and self.source.below(2):
                self._close(type_)
            else:
                self._meet(op)
            self.fn.f.body.append(op.bare)
            return
        plan = self.source.weighted(_BOTH) if len(op.params or ()) == 2 else ("tree",)
        body = self.fn.f.body
        for i, how in enumerate(plan):
            if how == "const":
                body.append((CONST[type_], self.constants.operand(op, i, type_)))
            elif how == "pair":
                self.operation(type_, 1, "")
            elif how == "same":
                t = self.fn.temp(type_)
                body += ((TEE, t), (GET, t))
            else:
                self.grow(type_, depth - 1)
        body.append(op.bare)

    # Control

    def keep(self, type_: NumType, depth: int, family: str) -> Nan:
        """An operation whose value is kept on its way: more than one consumer."""
        nan = self.operation(type_, depth, family)
        local = self.fn.f.local(type_)
        self.fn.f.body.append((TEE, local))
        self.know(type_, local, nan)
        return nan

    def _second(self, type_: NumType, depth: int, first: Nan) -> Nan:
        """The other alternative, with open NaNs of the first one's kind or none; gives what either may be."""
        second = self.grow(type_, depth)
        if second is not first and Nan.NONE not in (first, second):
            second = settle(self.fn, second, type_, first)
        return second if first is Nan.NONE else first

    def select(self, type_: NumType, depth: int, _family: str) -> Nan:
        nan = self._second(type_, depth - 1, self.grow(type_, depth - 1))
        self.condition(depth - 1)
        if self.source.below(4) == 3 and self.fn.shell.config.allows(Feature.REFERENCE_TYPES):
            self.fn.f.body.append((OPS["select_t"], (type_,)))
        else:
            self.fn.f.body.append(BARE["select"])
        return nan

    def _decide(self, depth: int) -> None:
        """What a branch depends on: half of the time a comparison of integers that are equal or next to each other,
        where the opposite of a condition is told from its neighbours."""
        if self.source.below(2):
            self.condition(depth)
            return
        self.room -= 1
        type_ = self.source.pick(INTEGERS)
        self._close(type_)
        self.fn.f.body.append(self.source.pick(comparisons(type_)[1:]).bare)

    def if_(self, type_: NumType, depth: int, _family: str) -> Nan:
        self._decide(depth - 1)
        self.fn.f.open("if", (), (type_,))
        first = self.grow(type_, depth - 1)
        self.fn.f.else_()
        nan = self._second(type_, depth - 1, first)
        self.fn.f.end()
        return nan

    def block(self, type_: NumType, depth: int, _family: str) -> Nan:
        """A block that a conditional branch, or one of a table, leaves early with a value."""
        self.fn.f.open("block", (), (type_,))
        first = self.grow(type_, depth - 1)
        self._decide(depth - 1)
        self.fn.f.body += ((OPS["br_if"], 0), BARE["drop"])
        nan = self._second(type_, depth - 1, first)
        self.fn.f.end()
        return nan

    def loop(self, type_: NumType, depth: int, _family: str) -> Nan:
        """One to four rounds that compute a value from itself; how many is constant or depends on a value."""
        body, f = self.fn.f.body, self.fn.f
        self.clean(type_, depth - 2)
        value, count = f.local(type_), f.local(I32)
        body.append((SET, value))
        if self.source.below(2):
            self.grow(I32, 0)
            body += ((I32_CONST, 3), BARE["i32.and"], (I32_CONST, 1), BARE["i32.add"], (SET, count))
        else:
            body += ((I32_CONST, self.source.between(1, 4)), (SET, count))
        self.know(type_, value, Nan.NONE)
        f.open("loop")
        self.clean(type_, depth - 1)
        body += ((SET, value), (GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
        f.end()
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
        half = self.fn.f.local(I64)
        if self.source.below(2):
            t = self.fn.temp(I64)
            body += ((SET, half), (SET, t), (GET, half), (GET, t), (SET, half))
        else:
            body.append((SET, half))
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
