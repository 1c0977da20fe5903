"""x86-64 as lowering sees it. Importing this module registers all rules."""

from __future__ import annotations

from compiler.lower import Lowering
from compiler.machine import MachineInst, VReg, define
from compiler.registry import import_all
from compiler.x64 import rules
from compiler.x64.rules.control import entry
from wasm.valtypes import NumType

import_all(rules)


class X64:
    """The instruction set's part of lowering (``compiler.lower.Isa``)."""

    def constant(self, vreg: VReg, type_: NumType, bits: int) -> MachineInst:
        return MachineInst("constant", (define(vreg),), (type_, bits))

    def entry(self, lowering: Lowering) -> None:
        entry(lowering)
