"""Single machine instructions: any constraints on any number of operands, within a budget of registers.

In the text form of ``compiler.machine_text``:

    op v0<reg v1<fixed(int:2) v2:i64>reuse(0)            # a definition in the register of an input
    op v1<late:limit(4) v3:f64>early:reg                 # a late use, an early definition: everything at one moment
    call v2<any v4:i64>fixed(int:0) !int:0 !int:1 ...    # clobbers beside results

The budget makes every instruction satisfiable by itself: an allocator that refuses one is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from compiler.machine import (
    ANY,
    CLASS_OF,
    MAX_OPERANDS,
    REG,
    STACK,
    Constraint,
    ConstraintKind,
    Edge,
    MachineEnv,
    MachineFunc,
    MachineInst,
    Operand,
    PReg,
    RegClass,
    VReg,
    define,
    early_define,
    fixed,
    late_use,
    limit,
    reuse,
    use,
)
from generators.choices import ChoiceSource, weighted
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

TYPES: Final = weighted((I64, 110), (I32, 40), (F64, 50), (V128, 32), (F32, 24))
"""Of values that are defined or travel along edges."""

_SMALL: Final = weighted((1, 60), (2, 70), (0, 30), (3, 50), (5, 30), (9, 16))
_MEDIUM: Final = weighted((4, 50), (12, 50), (20, 40), (34, 16), (36, 60), (40, 40))
_WIDE: Final = weighted((60, 40), (100, 50), (130, 40), (200, 50), (300, 40), (450, 26), (600, 10))
_EDGE: Final = weighted((255, 40), (256, 60), (257, 60), (258, 40), (127, 10), (128, 10), (511, 10), (513, 26))
_HUGE: Final = weighted((MAX_OPERANDS, 128), (MAX_OPERANDS - 1, 128))
_EXTREMES: Final = {"medium": (_MEDIUM, 12), "wide": (_WIDE, 3), "edge": (_EDGE, 3), "huge": (_HUGE, 1)}
"""By ``size`` of a function: how many operands its large instructions have, and how many of those it may have."""

_ASKS: Final = weighted(("any", 110), ("reg", 90), ("fixed", 30), ("limit", 10), ("stack", 16))
_ASKS_OF_MANY: Final = weighted(("any", 230), ("stack", 8), ("reg", 6), ("fixed", 8), ("limit", 4))
_FIXED_ONLY: Final = weighted(("fixed", 200), ("any", 56))
"""What operands ask for: of any instruction, of one with very many, of the first definitions of a call."""

_SINGULAR: Final = weighted(("none", 176), ("reuse", 40), ("late", 14), ("early", 14), ("outside", 12))
_SINGULAR_OF_MANY: Final = weighted(("none", 70), ("reuse", 140), ("late", 16), ("early", 16), ("outside", 14))
"""Reuse of an input beyond the 32nd is a boundary of its own."""
_MANY: Final = 33
_VERY_MANY: Final = 64
_DEMANDING: Final = 6
"""So many of the first operands have demands even among many: it is they that an index which wraps around falls on."""

_ANY_BOUND: Final = 64
"""A bound above every register's encoding."""

_RECENT: Final = 8
_WINDOW: Final = 4096
"""The most alternatives that a draw of two bytes tells apart: what is further back is not drawn."""

_MOST_OF_BRANCH: Final = 300
_OUTSIDE: Final = 30
"""The encoding of a register that is neither allocatable nor scratch, as a stack pointer is."""


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers of an environment: allocatable ones, and the two kinds that are not."""

    allocatable: dict[RegClass, tuple[PReg, ...]]
    outside: dict[RegClass, tuple[PReg, ...]]

    @staticmethod
    def of(env: MachineEnv) -> Registers:
        """Those of an environment."""
        return Registers(env.regs, {cls: (env.scratch[cls], PReg(cls, _OUTSIDE)) for cls in RegClass})


@dataclass(slots=True)
class _Moment:
    """What is asked of one class of registers at one moment (early or late): fixed ones, and bounds on free ones."""

    hws: tuple[int, ...]
    lost: set[int] = field(default_factory=set)
    wants: list[int] = field(default_factory=list)

    def fits(self, want: int = 0, lost: int = -1) -> bool:
        """Whether one more bound or one more fixed register leaves everything satisfiable."""
        wants = [*self.wants, want] if want else self.wants
        kept = [hw for hw in self.hws if hw not in self.lost and hw != lost]
        return all(sum(w <= bound for w in wants) <= sum(hw < bound for hw in kept) for bound in set(wants))


class _Budget:
    """The registers that an instruction may still ask for.

    A plain instruction (early uses, late definitions) has the registers twice over; one with late uses, early
    definitions or reuse counts everything at one moment, clobbers too, which is more than it needs.
    """

    def __init__(self, registers: Registers, plain: bool) -> None:
        self.moments: dict[tuple[RegClass, bool], _Moment] = {}
        for cls in RegClass:
            hws = tuple(preg.hw for preg in registers.allocatable[cls])
            early = self.moments[cls, False] = _Moment(hws)
            self.moments[cls, True] = _Moment(hws) if plain else early

    def want(self, cls: RegClass, late: bool, bound: int) -> bool:
        """Ask for a register with an encoding below ``bound`` at a moment; False if there may be none."""
        moment = self.moments[cls, late]
        if not moment.fits(want=bound):
            return False
        moment.wants.append(bound)
        return True

    def lose(self, preg: PReg, late: bool) -> bool:
        """Take one register at a moment; False if it is taken, or the others would not do without it."""
        moment = self.moments[preg.cls, late]
        if preg.hw in moment.lost or not moment.fits(lost=preg.hw):
            return False
        moment.lost.add(preg.hw)
        return True


class InstMaker:
    """Makes instructions; ``size`` says how many operands they have: small, medium, wide, edge (of an index), huge."""

    def __init__(self, source: ChoiceSource, func: MachineFunc, registers: Registers, size: str) -> None:
        self.source = source
        self.func = func
        self.registers = registers
        self.size = size
        self.big = 0  # instructions of extreme size made so far

    def _count(self) -> int:
        """How many operands. Extreme sizes come a few times in a function, else it would take minutes."""
        source = self.source
        small = source.weighted(_SMALL)
        if self.size in _EXTREMES:
            table, most = _EXTREMES[self.size]
            if self.big < most and source.one_in(3):
                self.big += 1
                return source.weighted(table)
        return small

    def arguments(self, scope: list[VReg]) -> MachineInst:
        """The entry's first instruction: fixed registers, then anything."""
        budget = _Budget(self.registers, True)
        operands: list[Operand] = []
        self._define(operands, self.source.below(9), budget, scope, fixed_first=True)
        return MachineInst("args", tuple(operands))

    def constant(self, type_: NumType, scope: list[VReg]) -> MachineInst:
        """A definition of a type without uses, added to ``scope``."""
        vreg = self.func.new_vreg(type_)
        scope.append(vreg)
        return MachineInst("const", (define(vreg, REG if self.source.one_in(2) else ANY),))

    def plain(self, scope: list[VReg]) -> MachineInst:
        """An instruction that may define values, which are added to ``scope``."""
        source = self.source
        if scope and source.one_in(12):
            vreg = self._pick(scope)
            copy = self.func.new_vreg(self.func.vregs[vreg])
            scope.append(copy)
            return MachineInst("mov", (define(copy, ANY), use(vreg)), is_move=True)
        count = self._count()
        singular = source.weighted(_SINGULAR if count <= _MANY else _SINGULAR_OF_MANY)
        budget = _Budget(self.registers, singular in ("none", "outside"))
        clobbers = self._clobbers(budget, singular in ("late", "early")) if source.one_in(6) else ()
        operands: list[Operand] = []
        uses = count if not count or source.one_in(6) else source.below(count)
        if singular == "reuse" and count > _MANY and source.one_in(2):
            uses = count - 1
        born: list[VReg] = []
        if singular == "early":
            self._singular_definition(operands, budget, born)
        self._use(operands, uses, budget, scope, late=singular == "late")
        if singular == "reuse":
            self._reuse(operands, budget, born)
        if singular == "outside":
            self._outside(operands, scope, born)
        self._define(operands, max(0, count - len(operands)), budget, born, fixed_first=source.one_in(4))
        scope += born
        return MachineInst("op", tuple(operands), clobbers=clobbers)

    def branch(self, scope: list[VReg], edges: tuple[Edge, ...]) -> MachineInst:
        """A terminator with early uses, or none at all."""
        operands: list[Operand] = []
        if self.source.chance(2, 3):
            self._use(operands, min(self._count(), _MOST_OF_BRANCH), _Budget(self.registers, True), scope)
        return MachineInst("br", tuple(operands), edges=edges)

    def leave(self, scope: list[VReg]) -> MachineInst:
        """A terminator with early uses and no edges."""
        operands: list[Operand] = []
        self._use(operands, self._count(), _Budget(self.registers, True), scope)
        return MachineInst("ret", tuple(operands), edges=())

    def protected_call(self, scope: list[VReg]) -> tuple[MachineInst, list[VReg]]:
        """A terminator with arguments, results and clobbers; its edges are for the caller to set."""
        budget = _Budget(self.registers, True)
        clobbers = self._clobbers(budget, False)
        count = self._count()
        operands: list[Operand] = []
        born: list[VReg] = []
        self._use(operands, self.source.below(count + 1), budget, scope)
        if self.source.one_in(6):
            self._outside(operands, scope, born)
        self._define(operands, max(0, count - len(operands)), budget, born, fixed_first=True)
        return MachineInst("call", tuple(operands), clobbers=clobbers, edges=()), born

    def _pick(self, scope: list[VReg]) -> VReg:
        """A value; the last ones more often, so that some have short lives and a few long ones."""
        recent = min(len(scope), _RECENT if self.source.chance(2, 3) else _WINDOW)
        return scope[-1 - self.source.below(recent)]

    def _clobbers(self, budget: _Budget, counted: bool) -> tuple[PReg, ...]:
        """All registers, or some; ``counted`` if they are lost to operands that must survive the clobbers."""
        every = [preg for cls in RegClass for preg in self.registers.allocatable[cls]]
        kept = every if self.source.one_in(2) else [preg for preg in every if self.source.one_in(3)]
        return tuple(preg for preg in kept if not counted or budget.lose(preg, True))

    def _use(self, operands: list[Operand], count: int, budget: _Budget, scope: list[VReg], late: bool = False) -> None:
        if not scope:
            return
        for i in range(count):
            vreg = self._pick(scope)
            asks = _ASKS if count < _VERY_MANY or i < _DEMANDING else _ASKS_OF_MANY
            constraint = self._constraint(vreg, budget, False, asks)
            make = late_use if late and self.source.one_in(2) else use
            operands.append(make(vreg, constraint))

    def _define(
        self, operands: list[Operand], count: int, budget: _Budget, scope: list[VReg], fixed_first: bool = False
    ) -> None:
        for i in range(count):
            vreg = self.func.new_vreg(self.source.weighted(TYPES))
            scope.append(vreg)
            many = _ASKS if count < _VERY_MANY else _ASKS_OF_MANY
            asks = _FIXED_ONLY if fixed_first and i < _DEMANDING else many
            operands.append(define(vreg, self._constraint(vreg, budget, True, asks)))

    def _constraint(self, vreg: VReg, budget: _Budget, late: bool, asks: tuple[str, ...]) -> Constraint:
        """What is drawn, as long as the budget has it, else ANY."""
        source = self.source
        cls = CLASS_OF[self.func.vregs[vreg]]
        match source.weighted(asks):
            case "reg" if budget.want(cls, late, _ANY_BOUND):
                return REG
            case "fixed":
                preg = source.pick(self.registers.allocatable[cls])
                return fixed(preg) if budget.lose(preg, late) else ANY
            case "limit":
                bound = 1 << source.below(5)
                return limit(bound) if budget.want(cls, late, bound) else ANY
            case "stack":
                return STACK
            case _:
                return ANY

    def _singular_definition(self, operands: list[Operand], budget: _Budget, scope: list[VReg]) -> None:
        """One early definition, among the first operands."""
        vreg = self.func.new_vreg(self.source.weighted(TYPES))
        constraint = self._constraint(vreg, budget, True, _ASKS)
        operands.append(early_define(vreg, constraint))
        scope.append(vreg)

    def _reuse(self, operands: list[Operand], budget: _Budget, born: list[VReg]) -> None:
        """Definitions that take the registers of some inputs, wherever among the operands those stand."""
        able = [k for k, operand in enumerate(operands) if operand.constraint.kind is not ConstraintKind.STACK]
        for _ in range(self.source.between(1, 3)):
            if not able:
                return
            if len(able) > _MANY and self.source.one_in(2):
                # What an index of 5 bits takes for one of the first, which have demands of their own.
                k = able.pop(min(_MANY - 1 + self.source.below(4), len(able) - 1))
            else:
                k = able.pop(-1 - self.source.below(min(len(able), _WINDOW)))
            input_ = operands[k]
            type_ = self.func.vregs[input_.vreg]
            # An input with a constraint of its own is counted already, and its register serves both.
            counted = input_.constraint is not ANY or budget.want(CLASS_OF[type_], True, _ANY_BOUND)
            if counted:
                vreg = self.func.new_vreg(type_)
                born.append(vreg)
                operands.append(define(vreg, reuse(k)))

    def _outside(self, operands: list[Operand], scope: list[VReg], born: list[VReg]) -> None:
        """An input, an output, or both, in registers that are not allocatable."""
        source = self.source
        if scope and source.chance(2, 3):
            vreg = self._pick(scope)
            operands.append(use(vreg, fixed(source.pick(self.registers.outside[CLASS_OF[self.func.vregs[vreg]]]))))
        if source.chance(2, 3):
            vreg = self.func.new_vreg(source.weighted(TYPES))
            born.append(vreg)
            operands.append(define(vreg, fixed(source.pick(self.registers.outside[CLASS_OF[self.func.vregs[vreg]]]))))
