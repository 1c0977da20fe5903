"""A small machine, and moves for it, for answers of allocators that are written by hand."""

from __future__ import annotations

from compiler.machine import Allocation, Edit, MachineEnv, Move, PReg, ProgPoint, RegClass, SpillSlot
from wasm.valtypes import I32, NumType

R = [PReg(RegClass.INT, hw) for hw in range(4)]
F = [PReg(RegClass.FLOAT, hw) for hw in range(4)]
S = [SpillSlot(word) for word in range(6)]
ENV = MachineEnv({RegClass.INT: tuple(R[:3]), RegClass.FLOAT: tuple(F[:3])}, {RegClass.INT: R[3], RegClass.FLOAT: F[3]})


def edit(inst: int, target: Allocation, source: Allocation, type_: NumType = I32, after: int = 0) -> Edit:
    return Edit(ProgPoint(inst, after), Move(source, target, type_))
