"""One worker process: its file descriptors, its limits, its end. Knows nothing of cases."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import signal
import subprocess
import tempfile
import time
import weakref
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from oracles.remote.confinement import launcher, limit_cpu
from oracles.remote.nursery import Forked, Nursery, can_fork, filled
from oracles.remote.protocol import PROGRESS
from oracles.remote.replies import MOST_REPLY, BadReply, Reply

NOISE_LIMIT: Final = 64 << 10
"""Bytes of a worker's stdout and stderr that are kept, half from the beginning and half from the end."""
TICK: Final = 0.05
"""Seconds between looks at a busy worker's CPU time and memory."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_ENDED: Final = frozenset({b"Z", b"X"})
"""States of what is no more, but for its number."""


@lru_cache(maxsize=64)
def _hash(path: str, _changed: int, _size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hash(path: str) -> str:
    """The SHA-256 of a file in hexadecimal; computed once as long as the file's time and size do not change."""
    status = os.stat(path)
    return _hash(path, status.st_mtime_ns, status.st_size)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker. ``argv`` may hold ``{in}``, ``{out}``, ``{progress}`` for descriptor numbers, and has
    ``{nursery}`` if the worker can be one (``oracles/workers/nursery.py``). ``lines``: it reads by lines, so that the
    end of one follows each frame."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    lines: bool = False

    def nursery(self, memory_bytes: int) -> Nursery | None:
        """A nursery of such workers, where there can be one."""
        if not any("{nursery}" in part for part in self.argv) or not can_fork():
            return None
        return Nursery(list(self.argv), {**os.environ, **self.env}, memory_bytes)


class Noise:
    """The bounded beginning and end of what a process printed."""

    def __init__(self) -> None:
        self.head, self.tail = b"", b""

    def add(self, data: bytes) -> None:
        room = NOISE_LIMIT // 2 - len(self.head)
        self.head += data[:room] if room > 0 else b""
        self.tail = (self.tail + (data[room:] if room > 0 else data))[-NOISE_LIMIT // 2 :]

    def take(self) -> str:
        text = (self.head + self.tail).decode("utf-8", "replace")
        self.head = self.tail = b""
        return text


class Died(Exception):
    """The process is gone; ``args`` are its exit status as ``subprocess`` gives it and the end of its output."""


class WorkerProcess:
    """A started worker. Every method is quick; waiting is done by ``wait_any`` over several of them.

    On Linux the worker is killed when the thread that started it ends. ``memory_bytes`` is what its resident set may be
    (whoever watches it sees to that): the kernel's limits are set by it. It is forked by ``nursery``, if there is one
    that is alive.
    """

    def __init__(self, launch: Launch, memory_bytes: int = 2 << 30, nursery: Nursery | None = None) -> None:
        requests, self.requests = os.pipe()
        self.replies, replies = os.pipe()
        self.noise_fd, noise = os.pipe()
        self.progress_fd = _shared_file()
        forked = nursery.fork(requests, replies, self.progress_fd, noise) if nursery else None
        try:
            self.process = forked or _started(launch, memory_bytes, requests, replies, self.progress_fd, noise)
        finally:
            for fd in (requests, replies, noise):
                os.close(fd)
        for fd in (self.requests, self.replies, self.noise_fd):
            os.set_blocking(fd, False)
        self.noise = Noise()
        self._after = b"\n" if launch.lines else b""
        self.outgoing = memoryview(b"")
        self.incoming = bytearray()
        self.cpu_before = 0.0
        self.cpu_limit = 0
        self.started = time.monotonic()
        self.next_look = 0.0
        self._moved, self._cpu = self.started, -1.0
        self._finalizer = weakref.finalize(
            self, _end, self.process, (self.requests, self.replies, self.noise_fd, self.progress_fd)
        )

    def send(self, frame: bytes, cpu_seconds: float) -> None:
        """Begin a request that may take so much CPU time. Raises ``Died``."""
        self.cpu_limit = limit_cpu(self.process.pid, self.cpu_before, cpu_seconds, self.cpu_limit)
        os.pwrite(self.progress_fd, bytes(PROGRESS.size), 0)
        self.started = time.monotonic()
        self.next_look = self.started + TICK
        self._moved, self._cpu = self.started, -1.0
        self.outgoing = memoryview(frame + self._after)
        self._write()

    def pump(self) -> None:
        """Write what fits and drain the output. Raises ``Died`` when the worker no longer reads."""
        self._write()
        self._drain()

    def _write(self) -> None:
        while self.outgoing:
            try:
                self.outgoing = self.outgoing[os.write(self.requests, self.outgoing) :]
            except BlockingIOError:
                break
            except BrokenPipeError:
                raise self.died() from None

    def pump_quietly(self) -> None:
        """``pump``; a death shows at the next ``receive``."""
        with contextlib.suppress(Died):
            self.pump()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.noise_fd, 65536):
                self.noise.add(data)

    def receive(self) -> Reply | None:
        """The reply if it is complete. Raises ``Died``, and ``BadReply`` for what cannot become one."""
        if self.outgoing:
            self.pump()
        while True:
            try:
                data = os.read(self.replies, 1 << 16)
            except BlockingIOError:
                return None
            if not data:
                raise self.died()
            self.incoming += data
            # Of fewer than four bytes the number is a part of the size, and 4 + size is more than there is. A reply has
            # four bytes at least, for the size of its header.
            size = int.from_bytes(self.incoming[:4], "little")
            if len(self.incoming) >= 4 and size > MOST_REPLY:
                raise BadReply(f"a frame that is to have {size:,} bytes: {MOST_REPLY:,} is the most")
            if len(self.incoming) >= 4 + size >= 8:
                reply = Reply.of(bytes(self.incoming[4 : 4 + size]))
                self.incoming.clear()
                if not reply.times[0]:  # it cannot tell
                    reply = reply.counted(self.cpu_before, family_usage(self.process.pid)[0])
                self.cpu_before = reply.times[0]
                return reply

    def died(self) -> Died:
        """Collect the exit status and the last words."""
        try:
            status = self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        self._drain()
        return Died(status, self.noise.take())

    def usage(self) -> tuple[float, int]:
        """CPU seconds since the last reply, and the resident set in bytes, of the worker and what it has started; zeros
        once the process is gone."""
        seconds, resident = family_usage(self.process.pid)
        return max(0.0, seconds - self.cpu_before), resident

    def resident(self) -> int:
        """Bytes of the worker's resident set; ``peak`` is its highest from now on. 0 where the system does not say."""
        return begin_peak(self.process.pid)

    def peak(self) -> int:
        """The most bytes of the worker's resident set since ``resident``; 0 where the system does not say."""
        return highest_resident(self.process.pid)

    def idle(self, cpu: float, seconds: float) -> bool:
        """Whether it has done nothing at all for so long, now that it has used ``cpu`` seconds: it waits for what does
        not come. One that gets no CPU because others have it is not idle, nor is one whose children may be busy."""
        now = time.monotonic()
        if cpu != self._cpu:
            self._moved, self._cpu = now, cpu
        if now - self._moved <= seconds:
            return False
        if _wants_cpu(self.process.pid):
            self._moved = now
            return False
        return True

    def progress(self) -> tuple[int, int]:
        """(phase index, invocation) that the worker announced last in this request; zeros if nothing yet."""
        # A shell that can write files but not into them empties this one first, and may have died in between.
        written = os.pread(self.progress_fd, PROGRESS.size, 0).ljust(PROGRESS.size, b"\0")
        phase, invocation = PROGRESS.unpack(written)
        return phase, invocation

    def kill(self) -> None:
        """End the worker and everything that it started."""
        _kill(self.process.pid)

    def close(self) -> None:
        """End the worker and release its descriptors."""
        self._finalizer()


def _started(
    launch: Launch, memory_bytes: int, requests: int, replies: int, progress: int, noise: int
) -> subprocess.Popen[bytes]:
    """A new process, from the program's beginning."""
    numbers = {"in": requests, "out": replies, "progress": progress, "nursery": -1}
    return subprocess.Popen(
        [*launcher(memory_bytes), *filled(list(launch.argv), numbers)],
        stdin=subprocess.DEVNULL,
        stdout=noise,
        stderr=noise,
        env={**os.environ, **launch.env},
        pass_fds=(requests, replies, progress),
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes] | Forked, fds: tuple[int, ...]) -> None:
    if process.returncode is None:
        _kill(process.pid)
        process.wait()
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _kill(worker: int) -> None:
    """End a worker that is not yet waited for, what it has started, and what is left in its process group."""
    end_family(worker)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)


def _wants_cpu(pid: int) -> bool:
    """Whether any thread of a process runs, waits for its turn or for the disk, or has children that have not ended;
    where the system does not say, it may."""
    try:
        states = {_state(task) for task in Path(f"/proc/{pid}/task").iterdir()}
        return bool(states & {b"R", b"D"}) or any(
            _state(Path(f"/proc/{child}")) not in _ENDED for child in children(pid)
        )
    except (OSError, IndexError):
        return True


def _state(process: Path) -> bytes:
    """The letter for what a process or thread does (proc_pid_stat(5)). Raises ``OSError``, ``IndexError``."""
    return (process / "stat").read_bytes().rpartition(b")")[2].split()[0]


def children(pid: int) -> list[int]:
    """The children of a process, whichever of its threads has started them. Raises ``OSError``, also where the system
    does not say."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_bytes().split()]


def family_usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident set of a process and its children, and what those that have ended took."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        resident = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
        started = children(pid)
    except (OSError, IndexError):
        return 0.0, 0
    seconds = sum(map(int, stat[11:15])) / _TICKS
    for child in started:
        more = family_usage(child)
        seconds, resident = seconds + more[0], resident + more[1]
    return seconds, resident


def begin_peak(pid: int) -> int:
    """Make the present resident set of a process its highest one (proc_pid_clear_refs(5), value 5), and give it."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_bytes(b"5")
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def highest_resident(pid: int) -> int:
    """The most bytes that a process had resident since ``begin_peak``."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    found = re.search(rb"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def end_family(pid: int) -> None:
    """Kill a process and all that it has started, which would go on without it."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGSTOP)
        _await_stop(pid)  # until then it may start more
        for child in children(pid):
            end_family(child)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _await_stop(pid: int) -> None:
    """Wait until a process that was told to stop has stopped, or is gone; not for long. Raises ``OSError``."""
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        if _state(Path(f"/proc/{pid}")) in {b"T", b"t", *_ENDED}:
            return
        time.sleep(0.001)


def _shared_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("progress")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def wait_any(processes: list[WorkerProcess], seconds: float) -> set[int]:
    """Sleep until one of the workers has something to say or can take more, or the time is over.

    Output is drained and requests are moved on; the descriptors that are ready for reading are given back.
    """
    reads = tuple([fd for one in processes for fd in (one.replies, one.noise_fd)])
    writes = tuple([one.requests for one in processes if one.outgoing])
    ready = {fd for fd, _ in _poller(reads, writes).poll(max(1, int(seconds * 1000)))}
    for one in processes:
        if one.noise_fd in ready or one.requests in ready:
            one.pump_quietly()
    return ready


@lru_cache(maxsize=64)
def _poller(reads: tuple[int, ...], writes: tuple[int, ...]) -> select.poll:
    """A poll object for these descriptors; it holds nothing but their numbers."""
    poller = select.poll()
    for fd in reads:
        poller.register(fd, select.POLLIN)
    for fd in writes:
        poller.register(fd, select.POLLOUT)
    return poller
