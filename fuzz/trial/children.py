"""What programs that this process started have used."""

from __future__ import annotations

import glob
import os
import resource


def children_cpu() -> float:
    """CPU seconds of the children that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family_cpu() -> float:
    """CPU seconds of this process and of all that it and its children started and that run now or were waited for
    (Linux; elsewhere only what ended counts)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    own = used.ru_utime + used.ru_stime + children_cpu()
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat, "rb") as file:
                pid, _, rest = file.read().partition(b" (")
        except OSError:
            continue  # it has ended meanwhile
        fields = rest.rpartition(b") ")[2].split()
        parents[int(pid)] = int(fields[1])
        spent[int(pid)] = sum(map(int, fields[11:15])) / tick
    me = os.getpid()
    return own + sum(seconds for pid, seconds in spent.items() if pid != me and _descends(pid, me, parents))


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    """Whether a process was started by another one, or by one that it started."""
    while pid in parents and pid != ancestor:
        pid = parents[pid]
    return pid == ancestor
