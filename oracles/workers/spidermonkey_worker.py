"""The worker for SpiderMonkey: ``python -I spidermonkey_worker.py FOLDER TIER IN OUT PROGRESS PROGRAM``.

FOLDER has the package ``pythonmonkey``, of which nothing is used but the extension module: JavaScript in this process.
In it runs the same worker as in other shells (PROGRAM, ``oracles.remote.scripted``), which reads and writes by
functions of Python.

SpiderMonkey has two compilers of WebAssembly. TIER is ``baseline`` or ``ion`` for one of them, or "" for both, where a
function that gets hot is compiled again. No option of pythonmonkey switches them, but the library's own function does
(``JS_SetGlobalJitCompilerOption``); that it did is proved before anything else is done (``prove``).
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIERS = {"baseline": 30, "ion": 31}
"""Numbers of SpiderMonkey's enumeration ``JSJitCompilerOption``, of this release and those near it."""
SETTER = "_Z29JS_SetGlobalJitCompilerOptionP9JSContext19JSJitCompilerOptionj"
DEAD_LOCALS = 100
"""In the function that ``prove`` calls: locals that hold something for no one."""


class Compilers:
    """Which compilers SpiderMonkey may use: ``set("ion")``, ``set("")`` for both, ``set(None)`` for none."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self.context = ctypes.c_void_p.in_dll(library, "GLOBAL_CX")
        self.setter = getattr(library, SETTER)
        self.setter.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint)

    def set(self, tier: str | None) -> None:
        for name, option in TIERS.items():
            self.setter(self.context, option, int(tier in ("", name)))


def recursive() -> bytes:
    """A module whose export ``r`` calls itself without end, counting in global ``n``, with locals that nobody reads.

    The baseline compiler keeps each local in the frame; the other one keeps none of them.
    """
    body = bytes((1, DEAD_LOCALS, 0x7E)) + bytes((0x23, 0, 0x41, 1, 0x6A, 0x24, 0))
    for local in range(DEAD_LOCALS):
        body += bytes((0x23, 0, 0xAD, 0x21, local))
    body += bytes((0x10, 0, 0x0B))
    code = sized(bytes((1,)) + sized(body))
    sections = (
        (1, bytes((1, 0x60, 0, 0))),
        (3, bytes((1, 0))),
        (6, bytes((1, 0x7F, 1, 0x41, 0, 0x0B))),
        (7, bytes((2, 1)) + b"r" + bytes((0, 0, 1)) + b"n" + bytes((3, 0))),
    )
    return b"\0asm\1\0\0\0" + b"".join(bytes((at,)) + sized(text) for at, text in sections) + bytes((10,)) + code


def sized(data: bytes) -> bytes:
    """With the length before it, in LEB128."""
    length, head = len(data), b""
    while length > 0x7F:
        head += bytes((length & 0x7F | 0x80,))
        length >>= 7
    return head + bytes((length,)) + data


DEPTH = """(bytes) => {
  let instance;
  try { instance = new WebAssembly.Instance(new WebAssembly.Module(bytes)); } catch (error) { return -1; }
  try { instance.exports.r(); } catch (error) { return instance.exports.n.value; }
}"""


def prove(compilers: Compilers, evaluate: Callable[[str], Any]) -> str:
    """Why the switches are not what they are taken for, "" if they are: with both off nothing compiles, and one
    compiler's frames are much larger than the other's."""
    depths = {}
    for tier in (None, *TIERS):
        compilers.set(tier)
        depths[tier] = int(evaluate(DEPTH)(bytearray(recursive())))
    if depths[None] != -1:
        return "WebAssembly is compiled with both of its compilers off"
    if not 0 < 3 * depths["baseline"] < depths["ion"]:
        return f"the same calls went {depths['baseline']} and {depths['ion']} deep: these are not its two compilers"
    return ""


def about(folder: Path, library: str) -> dict[str, str]:
    """Who runs: the release of the package, and of SpiderMonkey by its library's name."""
    host = next(iter(folder.glob("pythonmonkey-*.dist-info"))).stem.partition("-")[2]
    engine = next((path.stem.partition("-")[2] for path in (folder / "pythonmonkey").glob("libmozjs-*")), "?")
    return {"library": library, "shell": "pythonmonkey", "engine": engine, "host": host}


def fill(source: int, target: memoryview) -> bool:
    """Read as many bytes as ``target`` has; False at the end."""
    while target:
        count = os.readv(source, [target])
        if not count:
            return False
        target = target[count:]
    return True


def write(target: int, data: memoryview) -> None:
    while data:
        data = data[os.write(target, data) :]


def main() -> None:
    folder, tier, *fds, program = sys.argv[1:]
    requests, replies, progress = map(int, fds)
    path = str(Path(folder) / "pythonmonkey" / "pythonmonkey.so")
    spec = importlib.util.spec_from_file_location("pythonmonkey", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    compilers = Compilers(path)
    facts: dict[str, Any] = {**about(Path(folder), path), "doubt": prove(compilers, module.eval)}
    compilers.set(tier)

    def at(phase: float, invocation: float) -> None:
        os.pwrite(progress, struct.pack("<Ii", int(phase), int(invocation)), 0)

    host = {
        "fill": lambda target: fill(requests, target),
        "send": lambda data: write(replies, data),
        "record": at,
        "cpu": time.process_time,
        "crc": zlib.crc32,
        "sweep": module.collect,
        "facts": facts,
    }
    module.eval(Path(program).read_text(encoding="utf-8"))(host)


main()
