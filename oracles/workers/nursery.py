"""A worker that has loaded everything and runs nothing: it forks when asked, and each child is a worker.

Starting Python and loading an engine takes a hundred times as long as forking does. Whoever asks is to be the worker's
parent, as if it had started it itself: it waits for it, and its death ends it. So a child is made by a process in
between, which ends at once; the harness has asked the kernel to be given such orphans (``oracles/remote/nursery.py``).
Only the standard library is used, and nothing of it that starts a thread: threads do not survive a fork.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from typing import Any

PR_SET_PDEATHSIG = 1
PID = struct.Struct("<i")
ORDER = b"f"


def descriptors(config: dict[str, Any]) -> list[int]:
    """The worker's descriptors for requests, replies and progress: those that the configuration names, or, where it
    names a ``nursery`` to serve, those of the child that this returns in."""
    own: list[int] = config["fds"]
    return own if config["nursery"] < 0 else _children(config["nursery"])


def _children(number: int) -> list[int]:
    """Fork for each order that comes with four descriptors (the fourth for what is printed); returns in each child.
    The nursery itself ends when the harness closes its end."""
    harness = os.getppid()
    channel = socket.socket(fileno=number)
    while True:
        order, fds, _flags, _address = socket.recv_fds(channel, len(ORDER), 4)
        if not order:
            os._exit(0)
        pid = _grandchild()
        if pid == 0:
            channel.close()
            _become_worker(harness, fds.pop())
            return fds
        for fd in fds:
            os.close(fd)
        channel.sendall(PID.pack(pid))


def _grandchild() -> int:
    """Its id; in the process itself 0, as soon as the one between is gone. It leads a session when this returns."""
    wait_here, go = os.pipe()
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(go)
        if os.fork():
            os._exit(0)
        os.setsid()  # before anybody knows of it: whoever ends it ends its process group
        os.write(tell, PID.pack(os.getpid()))
        os.read(wait_here, 1)
        for fd in (wait_here, told, tell):
            os.close(fd)
        return 0
    os.close(tell)
    answer = os.read(told, PID.size)
    os.waitpid(between, 0)
    for fd in (go, wait_here, told):
        os.close(fd)
    if not answer:
        os._exit(1)  # no process was to be had
    return int(PID.unpack(answer)[0])


def _become_worker(harness: int, noise: int) -> None:
    """What a fork does not take over: where output goes, and that the harness' death ends it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != harness:
        os._exit(1)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    os.close(noise)
