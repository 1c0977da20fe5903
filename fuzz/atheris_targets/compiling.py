"""One input of target ``compile``: settings and a generator's choices, then every function by both allocators.

The bytes: the generator's target; an upper bound of its signatures' sizes; registers; flags; then the choices, in the
form that ``ChoiceSource.replay`` reads. What is missing is zero, and zero is the simplest of everything.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Final

from compiler.abi import MAX_REGS, MIN_REGS
from compiler.errors import Unsupported
from compiler.pipeline import OPTS, REGALLOCS, Settings, compile_function
from generators.choices import ChoiceSource
from generators.config import DEFAULT
from generators.registry import load_target, wasm_target_names
from wasm.case import Case
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.validate import validate

TARGETS: Final = tuple(map(load_target, wasm_target_names()))
SIZES: Final = (4, 8, 2, 12, 4, 8, 2, 16, 4, 8, 2, 24, 4, 64, 300, 1000)
"""Parameters or results at most. Mostly few: coverage-guided search lives on runs per second."""
ORDERS: Final = ("rpo", "reverse", "random", "rpo")
HEADER: Final = 4

# Pipeline stages that are imported by name are imported now, while the driver instruments imports.
for _name in REGALLOCS:
    import_module(f"compiler.regalloc.{_name}")


def header(target: int = 0, size: int = 0, regs: int = MAX_REGS, flags: int = 0) -> bytes:
    """The head of an input: indices into ``TARGETS`` and ``SIZES``, registers per class, flags (``settings_of``)."""
    return bytes((target, size, MAX_REGS - regs, flags))


def case_of(data: bytes) -> Case:
    """The case that an input stands for."""
    head = data[:HEADER].ljust(HEADER, b"\0")
    limit = SIZES[head[1] % len(SIZES)]
    config = replace(DEFAULT, max_params=limit, max_results=limit)
    return TARGETS[head[0] % len(TARGETS)].generate(ChoiceSource.replay(data[HEADER:]), config)


def settings_of(data: bytes) -> Settings:
    """The settings that an input asks for, with the checker and all verifiers on.

    The third byte lowers the number of registers from the greatest to the least; bits of the fourth are: opt=none,
    spill=all, fuel=off, two for the order, three for a random order's seed.
    """
    head = data[:HEADER].ljust(HEADER, b"\0")
    flags = head[3]
    return Settings(
        opt=OPTS[0] if flags & 1 else OPTS[1],
        regs=MAX_REGS - head[2] % (MAX_REGS - MIN_REGS + 1),
        spill_all=bool(flags & 2),
        fuel=not flags & 4,
        order=ORDERS[flags >> 3 & 3],
        seed=flags >> 5,
    )


def test_one_input(data: bytes) -> None:
    """Generate a case, compile every function with both allocators. Whatever this raises is a finding."""
    module = decode(case_of(data).content)
    validate(module)
    context = ModuleContext.of(module)
    imports = len(context.funcs) - len(module.funcs)
    settings = settings_of(data)
    for index in range(imports, len(context.funcs)):
        for regalloc in REGALLOCS:
            chosen = replace(settings, regalloc=regalloc)
            try:
                compile_function(module, context, index, chosen)
            except Unsupported:
                break
            except Exception as error:
                error.add_note(f"function {index} at {chosen}")
                raise
