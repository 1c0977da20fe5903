"""Limits that grow with the module: a real program of 15 MB takes an optimizing compiler half a minute, and no bug."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from oracles.engine import Limits

_CPU_PER_MIB: Final = 12.0
"""CPU seconds for each MiB of a module beyond the first: six times what Cranelift took for the largest programs that
users brought (18 MB in 32 s on the slowest machine that was tried)."""

_MEMORY_PER_MIB: Final = 256 << 20
_SHARE: Final = 0.75
"""No worker gets more than this share of the machine's memory, however large the module is."""


def limits_for(
    size: int, cpu: float | None = None, memory: int | None = None, wall: float | None = None
) -> Limits:  # fmt: skip
    """The limits for a module of ``size`` bytes; what a user gave (seconds, bytes) stands as it is."""
    limits = Limits()
    mib = max(0.0, size / (1 << 20) - 1)
    seconds = cpu if cpu is not None else limits.cpu_seconds + _CPU_PER_MIB * mib
    most = max(limits.memory_bytes, int(_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    grown = min(most, limits.memory_bytes + int(_MEMORY_PER_MIB * mib))
    limits = replace(limits, cpu_seconds=seconds, memory_bytes=memory if memory is not None else grown)
    return limits if wall is None else replace(limits, wall_factor=wall / seconds, least_wall=0.0)
