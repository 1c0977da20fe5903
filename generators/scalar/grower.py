"""What makes expressions, as the files see it that make parts of them: ``generators.scalar.trees`` is it."""

from __future__ import annotations

from typing import Protocol

from generators.choices import ChoiceSource
from generators.draw.edges import Constants
from generators.module.function import Function
from generators.scalar.candidates import Nan
from wasm.valtypes import NumType


class Grower(Protocol):
    """A maker of trees in one function. ``room`` is how many more nodes its expressions may have."""

    fn: Function
    source: ChoiceSource
    constants: Constants
    room: int

    def grow(self, type_: NumType, depth: int, family: str = "") -> Nan:
        """An expression on the stack; says which of its bits may be an open NaN."""

    def operation(self, type_: NumType, depth: int, family: str) -> Nan:
        """An expression that is an instruction, of ``family`` or one near it."""

    def condition(self, depth: int) -> None:
        """An i32 to decide on."""

    def know(self, type_: NumType, local: int, nan: Nan) -> None:
        """Let later expressions read a local."""
