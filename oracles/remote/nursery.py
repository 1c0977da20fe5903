"""Workers by forking: a process that has loaded an engine once makes new workers of it in milliseconds.

Findings are tried again in new processes, and a crash takes its worker along: where there is something to find,
starting workers was most of what a campaign did (CPU time of a start: 65 ms for Wasmtime's, 350 for our compiler's; of
a fork, with the greeting: 10). The child's side, and how it comes to have the harness as its parent, is
``oracles/workers/nursery.py``.

The workers of one nursery have one layout of addresses. A finding that depends on it would show each time, so the first
time that it is tried again a worker is started from scratch (``fuzz.trial.retry``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from oracles.remote.confinement import launcher
from oracles.workers.nursery import ORDER, PID

_PR_SET_CHILD_SUBREAPER: Final = 36
_START_SECONDS: Final = 60.0
_POLL: Final = 0.005


@lru_cache(maxsize=1)
def can_fork() -> bool:
    """Whether this process can be the parent of what a nursery forks: the kernel has to give it orphans among its
    descendants (Linux)."""
    return sys.platform == "linux" and _adopt(True) and _adopt(False)


def _adopt(orphans: bool) -> bool:
    """Take orphans among the descendants for children, or no more; whether the kernel does that."""
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0) == 0)


_ADOPTING: Final = threading.Lock()


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """While a worker comes to be. Not for longer: what others leave behind would be ours to wait for."""
    with _ADOPTING:
        _adopt(True)
        try:
            yield
        finally:
            _adopt(False)


class Forked:
    """A child that this process did not start itself, as ``subprocess.Popen`` has one: ``pid``, ``returncode``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative for a signal. Raises ``subprocess.TimeoutExpired``."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, 0 if end is None else os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif end is not None and time.monotonic() > end:
                assert timeout is not None
                raise subprocess.TimeoutExpired("worker", timeout)
            else:
                time.sleep(_POLL)
        return self.returncode


class Nursery:
    """A process that forks workers. It ends with this object, or with the thread that made it."""

    def __init__(self, argv: list[str], env: dict[str, str], memory_bytes: int) -> None:
        """``argv`` has ``{nursery}`` where the descriptor's number belongs, and others' places."""
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        words = {"nursery": theirs.fileno(), "in": -1, "out": -1, "progress": -1}
        with theirs:
            self.process = subprocess.Popen(
                [*launcher(memory_bytes), *filled(argv, words)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=env, pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        self._finalizer = weakref.finalize(self, _end, self.process, self.channel)

    def fork(self, requests: int, replies: int, progress: int, noise: int) -> Forked | None:
        """A new worker with these descriptors; None if the nursery is gone, or does not answer."""
        try:
            with _adopting():
                socket.send_fds(self.channel, [ORDER], [requests, replies, progress, noise])
                ready, _, _ = select.select([self.channel], [], [], _START_SECONDS)
                answer = self.channel.recv(PID.size, socket.MSG_WAITALL) if ready else b""
        except OSError:
            answer = b""
        return Forked(PID.unpack(answer)[0]) if len(answer) == PID.size else None

    def close(self) -> None:
        """End it; the workers that it made go on."""
        self._finalizer()


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    channel.close()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def filled(argv: list[str], numbers: dict[str, int]) -> list[str]:
    """The words of a command with descriptors' numbers in their places."""
    for word, number in numbers.items():
        argv = [part.replace("{" + word + "}", str(number)) for part in argv]
    return argv
