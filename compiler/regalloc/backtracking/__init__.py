"""The backtracking allocator, in the tradition of regalloc2's ``ion``.

Live ranges with their uses (``ranges``), bundles of them (``bundles``), their registers by priority, eviction and
splitting (``process``, ``carving``), and the answer: slots, operands and moves (``answer``, ``redundant``).
"""

from __future__ import annotations

from compiler.machine import Allocations, MachineEnv, MachineFunc
from compiler.regalloc.backtracking.answer import make_answer
from compiler.regalloc.backtracking.process import Process
from compiler.regalloc.backtracking.ranges import build_ranges
from compiler.regalloc.flow import analyse


def allocate(func: MachineFunc, env: MachineEnv) -> Allocations:
    """Allocate a valid function. Raises ``TooManyOperands`` or ``TooManyLiveRegs``."""
    flow = analyse(func)
    process = Process(flow, env, build_ranges(flow, env))
    process.run()
    return make_answer(flow, env, process)
