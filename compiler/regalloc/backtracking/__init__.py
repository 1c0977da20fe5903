"""The backtracking allocator, in the tradition of regalloc2's ``ion``.

Live ranges (``intervals``), bundles in registers or in memory (``process``), then the answer: where each operand lives
and which moves join the pieces of a VReg. A spilled VReg is stored once, at its definition, since its value never
changes; its slot is its spill set's, and spill sets that are never alive together share slots.
"""

from __future__ import annotations

from compiler.machine import Allocations, MachineEnv, MachineFunc
from compiler.regalloc.backtracking.intervals import build
from compiler.regalloc.backtracking.process import Process
from compiler.regalloc.backtracking.writing import write
from compiler.regalloc.flow import analyse


def allocate(func: MachineFunc, env: MachineEnv) -> Allocations:
    """Allocate a valid function. Raises ``TooManyOperands`` or ``TooManyLiveRegs``."""
    flow = analyse(func)
    process = Process(flow, env, build(flow, env))
    process.run()
    return write(flow, env, process)
