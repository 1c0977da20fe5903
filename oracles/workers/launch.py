"""``python -I -S launch.py PARENT FOLDER DATA COMMAND...``: become a worker that can do little harm.

COMMAND runs in FOLDER, dies with its parent PARENT whatever it does, and may have DATA bytes of writable memory of its
own. What this kernel does not know, or does not let us do, is left out without a word (``fuzz engines doctor`` says
what holds). Nothing is imported that is not needed: this runs before every worker.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000

TASKS = 4096
"""Processes and threads, counted in a user namespace of the worker's own; an engine starts one per CPU or so."""
FILE_SIZE = 1 << 30
"""Of one file: engines keep a module's memory image in an anonymous file, which counts."""


def limit(what: int, most: int) -> None:
    """Lower a limit for good, unless it is lower already."""
    hard = resource.getrlimit(what)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(what, (least, least))


def alone(libc: ctypes.CDLL) -> None:
    """Leave the network, which takes a user namespace where we are nobody special; then tasks count there alone.

    In one root is nobody special either; where the project is somebody else's, it may need its powers to read it.
    """
    foreign = os.geteuid() == 0 and os.stat(__file__).st_uid != 0
    if not foreign and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:
        limit(resource.RLIMIT_NPROC, TASKS)
    else:
        libc.unshare(CLONE_NEWNET)


def first_to_go() -> None:
    """Where memory runs out, the kernel is to end a worker and not the harness, or whatever else the machine does."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"1000")


def main() -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        first_to_go()
        alone(libc)
        # After the namespaces: a change of credentials takes this back.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(sys.argv[1]):
            os._exit(1)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, FILE_SIZE)
    limit(resource.RLIMIT_DATA, int(sys.argv[3]))
    os.chdir(sys.argv[2])
    os.execv(sys.argv[4], sys.argv[4:])


main()
