"""What a CPU can do, as sightings remember it: code generators choose instructions by it."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


@cache
def cpu_flags() -> str:
    """The flags of this machine's CPU, sorted, with spaces between (Linux); elsewhere the kind of machine alone."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    for line in text.splitlines():
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return " ".join(sorted(set(words.split())))
    return platform.machine()
