"""One function from Wasm to machine code, stage by stage.

    translate -> simplify -> lower -> allocate -> check -> emit

Every stage's result can be seen by a ``Watcher``; every intermediate form is verified where it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from compiler.abi import MAX_REGS, Abi
from compiler.emit import CompiledFunction
from compiler.ir import Function
from compiler.ir_verify import assert_valid as assert_valid_ssa
from compiler.layout import InstanceLayout
from compiler.lower import Lowering
from compiler.lower import Settings as LoweringSettings
from compiler.machine import Allocations, MachineEnv, MachineFunc
from compiler.machine_verify import assert_valid as assert_valid_machine
from compiler.regalloc.checker import assert_allocated
from compiler.regalloc.run import ALLOCATORS
from compiler.simplify import PASSES, Fuel, simplify
from compiler.spill_everywhere import spill_everywhere
from compiler.translate import translate
from compiler.x64.emission import emit_function
from compiler.x64.isa import X64
from wasm.context import ModuleContext
from wasm.module import Module

STAGES: Final = ("ssa", "simplified", "machine", "alloc", "asm")
"""What a watcher is told of, in order: two SSA functions, the machine function, its allocation, the code."""

Watcher = Callable[[str, Any], None]
"""Called with a stage's name and its result, which must not be changed."""

REGALLOCS: Final = tuple(ALLOCATORS)
OPTS: Final = ("none", "speed")
ORDERS: Final = ("rpo", "reverse", "random")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that changes the code or how sure we are of it.

    ``regs``: allocatable registers per class (``compiler.abi.MIN_REGS`` to ``MAX_REGS``). ``spill_all``: every value
    lives in memory between instructions. ``order``: of blocks; ``seed`` belongs to ``random``. ``fuel``: count steps at
    function entries and loop heads. ``checker``: prove each allocation; ``verify``: verify SSA (before and after
    simplification; ``simplify`` can do it after each pass) and machine functions.

    For explaining a wrong answer: ``opt_fuel`` is how many times a pass of simplification may change a function of the
    module, in the order in which they are compiled, ``skip`` a pass that is left out, and with ``only`` all functions
    but those (counted from 0 among the defined ones) are compiled plainly, by the allocator ``rest``.
    """

    regalloc: str = "backtracking"
    opt: str = "speed"
    regs: int = MAX_REGS
    spill_all: bool = False
    order: str = "rpo"
    seed: int = 0
    fuel: bool = True
    checker: bool = True
    verify: bool = True
    opt_fuel: int | None = None
    skip: str = ""
    only: tuple[int, ...] | None = None
    rest: str = "single_pass"

    def plain(self) -> Settings:
        """With the least done to a function: no simplification, the plainer allocator (or ``rest``), all
        registers."""
        return replace(self, regalloc=self.rest, opt="none", regs=MAX_REGS, spill_all=False, order="rpo", seed=0)


@lru_cache(maxsize=16)
def abi_of(regs: int) -> Abi:
    """The calling convention for a number of registers. Raises ``ValueError`` for one that is not possible."""
    return Abi(regs)


def compile_function(
    module: Module, context: ModuleContext, index: int, settings: Settings, watch: Watcher | None = None,
    fuel: Fuel | None = None,
) -> CompiledFunction:  # fmt: skip
    """Compile defined function ``index`` (counting imports) of a valid module.

    Raises ``Unsupported`` for what is not compiled yet; ``AllocationError`` where there are too few registers. Anything
    else that it raises (``InvalidFunction``, ``InvalidMachineFunc``, ``CheckFailed``) is a bug.
    """
    function = translate(module, context, index, settings.fuel)
    return compile_ssa(function, context, InstanceLayout.of(module), settings, watch, len(module.funcs), fuel)


def compile_ssa(
    function: Function,
    context: ModuleContext,
    layout: InstanceLayout,
    settings: Settings,
    watch: Watcher | None = None,
    defined: int = 0,
    fuel: Fuel | None = None,
) -> CompiledFunction:
    """Compile an SSA function, which is changed on the way. ``context`` and ``layout`` are of its module, which defines
    ``defined`` functions: only those are called directly. ``fuel`` is used up by simplification.
    """
    watch = watch or _nobody
    if settings.verify:
        assert_valid_ssa(function)
    watch("ssa", function)
    if settings.opt != "none":
        passes = [name for name in PASSES if name != settings.skip]
        simplify(function, passes, fuel=fuel or Fuel(settings.opt_fuel))
        if settings.verify:
            assert_valid_ssa(function)
        watch("simplified", function)
    abi = abi_of(settings.regs)
    lowering = Lowering(
        X64(), function, context, layout, abi, LoweringSettings(settings.opt, settings.order, settings.seed), defined
    )
    machine = lowering.run()
    if settings.spill_all:
        machine = spill_everywhere(machine)
    if settings.verify:
        assert_valid_machine(machine)
    watch("machine", machine)
    answer = allocate(machine, abi.env, settings)
    watch("alloc", answer)
    if settings.checker:
        assert_allocated(machine, abi.env, answer, settings.regalloc)
    code = emit_function(machine, answer, lowering.area, lowering.staging, _growth(machine))
    watch("asm", code)
    return code


def allocate(machine: MachineFunc, env: MachineEnv, settings: Settings) -> Allocations:
    """The chosen allocator's answer."""
    return ALLOCATORS[settings.regalloc](machine, env)


def _growth(machine: MachineFunc) -> int:
    """By how many bytes the longest argument list of a tail call exceeds the function's own."""
    tails = [block.terminator.imm for block in machine.blocks if block.terminator.name == "tail_call"]
    return max((imm.staged - imm.popped for imm in tails), default=0) if tails else 0


def _nobody(_stage: str, _result: Any) -> None:
    return
