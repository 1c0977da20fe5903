"""What a worker may do to the machine: the folder that it runs in, its kernel limits, and what of them holds here.

``workers/launch.py`` sets the limits in the new process, before it becomes the worker. The watch over CPU time and
memory while a case runs is not here (``worker_calls.over_limits``): it can tell one case from the next and says
``TimedOut`` or ``OutOfMemory``, while a kernel limit makes an engine fail in ways that look like bugs. So the kernel's
limits are set where no case comes to, and bind a worker that nobody watches any more.
"""

from __future__ import annotations

import json
import math
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from oracles.engine import EngineUnavailable
from oracles.provision import cache_root

LAUNCHER: Final = str(Path(__file__).parents[1] / "workers" / "launch.py")

_SPACE: Final = 32 << 30
"""Bytes of writable memory that engines reserve and do not touch: at their start V8 has 0.6 GiB and JavaScriptCore 6.0;
a memory of 65,536 pages that was grown and not written to is 4 GiB more in every engine, and a module may have some."""
_MOST: Final = 1 << 62
_CPU_FACTOR: Final = 4
_CPU_MORE: Final = 60
_CPU_STEP: Final = 10
_PROBE_SECONDS: Final = 10


def data_limit(memory_bytes: int) -> int:
    """Writable memory of a worker whose resident set may be ``memory_bytes``; the address space cannot be limited,
    since V8, JavaScriptCore and Wasmtime reserve tebibytes of it."""
    return min(4 * memory_bytes + _SPACE, _MOST)


@lru_cache(maxsize=1)
def empty_folder() -> str:
    """An empty folder in which nobody may make a file, for programs that read settings from where they are started
    (bun) or leave files there. It is in the cache, so that a harness that is killed leaves nothing behind; where that
    cannot be, the root folder."""
    with suppress(OSError, EngineUnavailable):
        folder = cache_root() / "empty"
        folder.mkdir(mode=0o555, parents=True, exist_ok=True)
        if stat.S_ISDIR(folder.lstat().st_mode) and not any(folder.iterdir()):
            return str(folder)
    return "/"


def launcher(memory_bytes: int) -> list[str]:
    """The words before a worker's own command."""
    words = [sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), empty_folder()]
    return [*words, str(data_limit(memory_bytes))]


def limit_cpu(pid: int, used: float, allowed: float, before: int = 0) -> int:
    """Let the kernel end a process that uses far more CPU time than ``allowed`` seconds beyond the ``used`` ones; the
    limit in seconds, to be given as ``before`` the next time.

    Limits on CPU time are for a process' whole life, so each case moves this one on, but not by less than a few
    seconds: two system calls a case and engine are felt. The hard limit stays.
    """
    needed = math.ceil(used + allowed * _CPU_FACTOR + _CPU_MORE)
    if needed <= before <= needed + _CPU_STEP:
        return before
    if sys.platform == "linux":
        with suppress(OSError, ValueError, OverflowError):
            hard = resource.prlimit(pid, resource.RLIMIT_CPU)[1]
            soft = needed + _CPU_STEP
            soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
            resource.prlimit(pid, resource.RLIMIT_CPU, (soft, hard))
    return needed + _CPU_STEP


_PROBE: Final = """
import json, os, resource, socket
def network():
    with open("/proc/net/dev") as file:
        return [line.partition(":")[0].strip() for line in file if ":" in line]
def writable():
    try:
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY))
        os.unlink("file")
        return True
    except OSError:
        return False
def attempt(what):
    try:
        return what()
    except OSError:
        return None
print(json.dumps({
    "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0] for name in LIMITS},
    "network": attempt(network),
    "first": attempt(lambda: int(open("/proc/self/oom_score_adj").read())),
    "folder": os.getcwd(), "files": len(os.listdir()), "writable": writable(),
}))
"""
_LIMITS: Final = ("DATA", "NPROC", "FSIZE", "CORE")


def probe(memory_bytes: int) -> dict[str, Any]:
    """What a process finds that is started as a worker is. Raises ``OSError`` or ``ValueError`` where none starts."""
    code = f"LIMITS = {_LIMITS!r}\n{_PROBE}"
    done = subprocess.run(
        [*launcher(memory_bytes), sys.executable, "-I", "-S", "-c", code], stdin=subprocess.DEVNULL,
        capture_output=True, check=False, timeout=_PROBE_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip().splitlines()[-1:] or f"exit {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def describe(memory_bytes: int) -> Iterator[str]:
    """What holds for workers on this machine, a line each."""
    try:
        seen = probe(memory_bytes)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield f"workers cannot be started here: {error}"
        return
    limits = seen["limits"]
    yield f"memory: {memory_bytes >> 20} MiB resident, watched; {_size(limits['DATA'])} writable, by the kernel"
    yield "CPU time: watched for each case; by the kernel too, far above"
    tasks = limits["NPROC"]
    root = os.geteuid() == 0  # whom this limit does not bind, in whatever namespace
    unlimited = "NOT LIMITED, for root is not" if root else "not limited"
    yield f"processes and threads: {unlimited if root or tasks == resource.RLIM_INFINITY else f'up to {tasks}'}"
    yield f"files: up to {_size(limits['FSIZE'])} each; core files: {'none' if limits['CORE'] == 0 else 'not limited'}"
    outside = None if seen["network"] is None else [name for name in seen["network"] if name != "lo"]
    if outside is None:
        yield "network: cannot be told"
    else:
        yield "network: none" if not outside else f"network: REACHABLE ({', '.join(outside)}): no namespace to be had"
    what = "empty" if not seen["files"] else "NOT EMPTY"
    yield f"folder: {seen['folder']}, {what}, {'writable' if seen['writable'] else 'nothing can be made in it'}"
    yield f"out of memory: {'workers go first' if seen['first'] == 1000 else 'workers are ended like other processes'}"


def _size(number: int) -> str:
    return "any size" if number == resource.RLIM_INFINITY else f"{number / (1 << 30):g} GiB"
