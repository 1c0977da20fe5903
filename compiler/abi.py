"""The internal calling convention: where parameters and results are, and which registers there are at all.

- The callee's context is the first integer argument; the address of the return area the second, if there is one.
- Parameters go to registers by class, in order, then to the stack: 8 bytes each, 16 (aligned) for v128. The callee
  pops them. Results likewise, the rest in the return area: memory of the last caller that is no tail call.
- There are no callee-saved registers: a call ends them all, so that the unwinder restores pc, sp and fp only.
- rsp and rbp are the stack's. One register of each class is the allocator's scratch, one emission's temporary.

With ``regs`` (allocatable registers per class) the numbers of argument and result registers shrink as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.machine import CLASS_OF, MachineEnv, PReg, RegClass
from wasm.valtypes import V128, NumType

INT, FLOAT = RegClass.INT, RegClass.FLOAT


def ireg(hw: int) -> PReg:
    return PReg(INT, hw)


def freg(hw: int) -> PReg:
    return PReg(FLOAT, hw)


RAX, RCX, RDX, RBX, RSI, RDI, R8, R9 = map(ireg, (0, 1, 2, 3, 6, 7, 8, 9))
TEMP: Final = ireg(10)
"""Emission's own: never allocated, never live between two instructions."""
SCRATCH: Final = ireg(11)
FTEMP: Final = freg(14)
FSCRATCH: Final = freg(15)

_INT_ORDER: Final = (RAX, RCX, RDX, RSI, RDI, R8, R9, RBX, ireg(12), ireg(13), ireg(14), ireg(15))
_FLOAT_ORDER: Final = tuple(map(freg, range(14)))
_INT_ARGS: Final = (RDX, RCX, R8, R9, RAX, RBX)
_INT_RESULTS: Final = (RAX, RCX, RDX, RSI, RDI, R8, R9, RBX)
CONTEXT: Final = RDI
AREA: Final = RSI
CALLEE: Final = ireg(12)
"""Where a call through a pointer has its target when arguments may take any other register."""

MIN_REGS: Final = 6
MAX_REGS: Final = 12


@dataclass(frozen=True, slots=True)
class Location:
    """A register, or an offset in bytes into the stack arguments or the return area."""

    preg: PReg | None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each value of a signature side is; ``size`` in bytes of what is in memory, a multiple of 16."""

    places: tuple[Location, ...]
    size: int


class Abi:
    """The convention for one number of registers (``MIN_REGS`` to ``MAX_REGS``; raises ``ValueError`` outside)."""

    def __init__(self, regs: int = MAX_REGS) -> None:
        if not MIN_REGS <= regs <= MAX_REGS:
            raise ValueError(f"regs={regs}: there are {MIN_REGS} to {MAX_REGS} allocatable registers per class")
        self.regs = regs
        self.env = MachineEnv(
            {INT: _INT_ORDER[:regs], FLOAT: _FLOAT_ORDER[: min(regs, len(_FLOAT_ORDER))]},
            {INT: SCRATCH, FLOAT: FSCRATCH},
        )
        spare = regs - 4
        self._args = {INT: _INT_ARGS[: min(spare, 4)], FLOAT: _FLOAT_ORDER[: min(regs - 2, 8)]}
        self._results = {INT: _INT_RESULTS[: min(spare + 2, 8)], FLOAT: _FLOAT_ORDER[: min(regs - 2, 8)]}
        self.all_regs: tuple[PReg, ...] = self.env.regs[INT] + self.env.regs[FLOAT]

    def params(self, types: Iterable[NumType]) -> Assignment:
        return _assign(types, self._args)

    def results(self, types: Iterable[NumType]) -> Assignment:
        return _assign(types, self._results)


def _assign(types: Iterable[NumType], registers: Mapping[RegClass, Sequence[PReg]]) -> Assignment:
    taken = {INT: 0, FLOAT: 0}
    places = []
    offset = 0
    for type_ in types:
        cls = CLASS_OF[type_]
        if taken[cls] < len(registers[cls]):
            places.append(Location(registers[cls][taken[cls]]))
            taken[cls] += 1
            continue
        if type_ is V128:
            offset = -(-offset // 16) * 16
        places.append(Location(None, offset))
        offset += 16 if type_ is V128 else 8
    return Assignment(tuple(places), -(-offset // 16) * 16)
