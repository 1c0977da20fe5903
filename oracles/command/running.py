"""Runs an engine's command on a module, a process at a time, within limits; what it leaves behind is ended with it."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from oracles.command.description import Description
from oracles.command.reading import Ended
from oracles.engine import UsageError
from oracles.remote.process import children, end_family, family_usage
from oracles.remote.serving import Channel
from wasm.embedding import OutOfMemory, TimedOut

_MOST_OUTPUT: Final = 8 << 20
_TICK: Final = 0.005
_PDEATHSIG: Final = 1
_CHILD_SUBREAPER: Final = 36
_libc: Final = ctypes.CDLL(None)
_CPU_MORE: Final = 5
"""Seconds of CPU time beyond the allowed ones after which the kernel ends a process that nobody watches any more."""


class Runner:
    """Runs the command on modules, a process at a time."""

    def __init__(
        self, description: Description, channel: Channel, seconds: float, wall: float, memory: int, folder: str
    ) -> None:
        self.description, self.channel = description, channel
        self.seconds, self.wall, self.memory = seconds, wall, memory
        self.folder = folder
        self.file = os.path.join(self.folder, "case.wasm")

    def _bounded(self) -> None:
        """What a process that is to become the command does first."""
        _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        most = math.ceil(self.seconds) + _CPU_MORE
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))

    def put(self, content: bytes) -> None:
        """The module that ``{wasm}`` stands for from now on."""
        Path(self.file).write_bytes(content)

    def run(self, words: tuple[str, ...], export: str = "", args: list[str] | None = None) -> Ended:
        """One process, until it ends or has gone too far."""
        argv: list[str] = []
        for word in words:
            if word == "{args}":
                argv += args or []
            else:
                word = word.replace("{wasm}", self.file).replace("{export}", export)
                argv.append(word.replace("{args}", " ".join(args or [])))
        with tempfile.TemporaryFile() as output:
            begun = resource.getrusage(resource.RUSAGE_CHILDREN)
            try:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder,
                    preexec_fn=self._bounded,
                )  # fmt: skip
            except OSError as error:
                raise UsageError(f"{argv[0]} cannot be run: {error.strerror}") from None
            stopped = self._watch(process)
            _end_orphans()
            done = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = done.ru_utime + done.ru_stime - begun.ru_utime - begun.ru_stime
            self.channel.children += seconds
            # A process does all that there is, so its time is that of the calls.
            self.channel.cpu["invoke"] = self.channel.cpu.get("invoke", 0.0) + seconds
            output.seek(0)
            text = output.read(_MOST_OUTPUT).decode("utf-8", "replace")
        return Ended(text, process.returncode, seconds, stopped)

    def _watch(self, process: subprocess.Popen[bytes]) -> TimedOut | OutOfMemory | None:
        end = time.monotonic() + self.wall
        wait = _TICK / 5
        while True:
            try:
                process.wait(wait)
                return None
            except subprocess.TimeoutExpired:
                wait = _TICK
            used, resident = family_usage(process.pid)
            stopped: TimedOut | OutOfMemory | None = None
            if used > self.seconds or time.monotonic() > end:
                stopped = TimedOut(round(used, 2))
            elif resident > self.memory:
                stopped = OutOfMemory(f"the command held {resident >> 20} MiB")
            if stopped is not None:
                end_family(process.pid)
                process.wait()
                return stopped


def _end_orphans() -> None:
    """End what is left of a command that has ended: it would go on beside the next ones."""
    with contextlib.suppress(OSError):  # another system than Linux
        while left := children(os.getpid()):
            for child in left:
                end_family(child)
                os.waitpid(child, 0)


def ends_with_its_parent() -> None:
    """This process is told (SIGTERM) when its parent ends, and gets what its children leave behind. Raises
    ``AttributeError`` on another system than Linux."""
    _libc.prctl(_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    _libc.prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
