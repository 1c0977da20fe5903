"""x86-64 as lowering sees it. Importing this module registers all rules and pseudo instructions."""

from __future__ import annotations

import compiler.x64.pseudo
import compiler.x64.rules.floats
import compiler.x64.rules.ints
import compiler.x64.rules.memory
import compiler.x64.rules.simd_floats
import compiler.x64.rules.simd_ints
import compiler.x64.rules.simd_lanes
import compiler.x64.rules.simd_shifts  # noqa: F401  (each registers its rules)
from compiler.lower import Lowering
from compiler.machine import MachineInst, VReg, define
from compiler.x64.rules.control import entry
from wasm.valtypes import NumType


class X64:
    """The instruction set's part of lowering (``compiler.lower.Isa``)."""

    def constant(self, vreg: VReg, type_: NumType, bits: int) -> MachineInst:
        return MachineInst("constant", (define(vreg),), (type_, bits))

    def entry(self, lowering: Lowering) -> None:
        entry(lowering)
