"""What programs that this process started have used."""

from __future__ import annotations

import resource


def children_cpu() -> float:
    """CPU seconds of the children that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
