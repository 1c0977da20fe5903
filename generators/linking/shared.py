"""Memories that become shared ones: plain and atomic instructions on memories that several threads could have."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource
from wasm.module import Module
from wasm.valtypes import Limits

_LARGE: Final = 65_536 - 3


def share(module: Module, source: ChoiceSource) -> None:
    """Make some of the memories that a module defines shared. Whether one can grow is decided by its type alone."""
    for index, memory in enumerate(module.memories):
        if memory.page_log2 == 16 and source.one_in(2):
            most = memory.limits.maximum
            least = memory.limits.minimum
            if most is None:
                most = least + source.below(3) if least < _LARGE else least
            limits = Limits(least, most)
            module.memories[index] = replace(memory, limits=limits, shared=True)
