"""Machine functions for both register allocators: any constraint, 0 to 65,536 operands, terminators that define.

The content is the text form with its registers (``compiler.machine_text``); ``compiler.regalloc.run`` judges it.
"""

from __future__ import annotations

from typing import Final

from compiler.machine_text import print_env, print_machine
from generators.choices import ChoiceSource
from generators.config import Config
from generators.machine.funcs import make_function
from wasm.case import Case, CaseKind
from wasm.features import Feature

NEEDS: Final[frozenset[Feature]] = frozenset()
WEIGHT: Final = 6.0
COST: Final = 15.0
KIND: Final = CaseKind.MACHINE


def generate(source: ChoiceSource, config: Config) -> Case:
    """A function and its registers. ``config`` has no say: there is no module."""
    del config
    func, env = make_function(source)
    text = print_env(env) + print_machine(func)
    return Case(text.encode(), kind=CaseKind.MACHINE)
