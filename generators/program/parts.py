"""Parts: what one target can put into any function of a program, so that ``mixed`` and others can draw from it.

A target's file exports ``PARTS``, a tuple of them; the folder listing is the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from generators.choices import ChoiceSource
from generators.module.function import Function
from generators.program.program import Program
from wasm.features import Feature

Emit = Callable[[Program, Function, ChoiceSource, int], None]
"""Adds to the function; the number is about how many instructions it may take.

It reads locals of the function (parameters, temps), folds every result into the function's hash or stores it in state
that is seen at the end, always terminates, and traps never or only when it adds the label ``traps``. It may add
functions, globals, tables, memories, tags, types and segments to ``program.shell``, but no imports: functions exist
already, and imports come before them (spec 2.5.1).
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Statements that a target can put into any function of a program, leaving the stack as it was.

    ``name`` is unique among all targets' parts, ``needs`` are the features without which ``emit`` must not be called.
    ``often``: wanted in most programs, since it is what compilers have most rules for.
    """

    name: str
    needs: frozenset[Feature]
    emit: Emit
    often: bool = False
