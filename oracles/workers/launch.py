"""``python -I -S launch.py COMMAND...``: become a worker that dies with the harness (Linux), whatever it is doing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
os.execv(sys.argv[1], sys.argv[1:])
