"""What an engine said as it died: the panic's text and where in its source it happened."""

from __future__ import annotations

import re
import signal
from typing import Final

from wasm.embedding import Crashed, OutOfMemory, TimedOut, Unsupported

_PANIC_NEW: Final = re.compile(r"panicked at ([^\s']\S*?):(\d+):\d+:\n(.*?)(?:\nnote: |\nstack backtrace|\Z)", re.S)
_PANIC_OLD: Final = re.compile(r"panicked at '(.*?)', (\S+?):(\d+):\d+", re.S)
_FATAL_JS: Final = re.compile(r"# Fatal error in (\S+?), line (\d+)\s*\n#\s*(.*)")
_WEBKIT: Final = re.compile(r"^ASSERTION FAILED: (.*)\n(\S+?)\((\d+)\) : ", re.M)
_EMSCRIPTEN: Final = re.compile(r"^Aborted\(Assertion failed: (.*?), at: ([^,\s]+),(\d+),", re.M)
_LLVM: Final = re.compile(r"^(.*)\nUNREACHABLE executed at (\S+):(\d+)!", re.M)
_GO: Final = re.compile(r"^(?:panic|fatal error|unexpected fault address|SIG\w+): ?(.*)$", re.M)
_GO_PLACE: Final = re.compile(r"@v[^/\s]+/(\S+\.go):(\d+)")
_ASSERTION: Final = re.compile(r"^(?:[\w.-]+: )?(\S+?):(\d+): .*: Assertion [`'](.*)' failed\.", re.M)
"""Of a C library, and of libstdc++ for its own containers."""
_CHECKOUT: Final = re.compile(r"^.*/(?:registry/src/[^/]+|git/checkouts/[^/]+/[^/]+|rustc/[^/]+)/")
_TREE: Final = re.compile(r"(?:^|/)((?:crates|cranelift|winch|library|src|Source)/.*)")
_PASSED_ON: Final = re.compile(r"^qemu: uncaught target signal \d+ .*\n?", re.M)
"""An emulator's line about the end of what it ran, beside which there is what the program itself said."""
_EMULATOR: Final = re.compile(
    r"^(?:qemu-\w+: \S+\.c(?:\.inc)?:\d+: .*Assertion |ERROR:\S+\.c(?:\.inc)?:\d+:|qemu: unhandled CPU exception |"
    r"\S+tcg\.c:\d+: tcg fatal error).*",
    re.M,
)
"""It ended by a mistake of its own (qemu 7.2 does, in translating long runs of riscv64's vector instructions, and some
arithmetic of s390x)."""
_NO_MEMORY: Final = re.compile(r"out of memory|OOM error|memory allocation of \d+ bytes failed", re.I)


def source_place(path: str, line: str) -> str:
    """``crate-version/src/file.rs:LINE``, without what depends on where it was built."""
    shorter = _CHECKOUT.sub("", path)
    if shorter == path:
        match = _TREE.search(path)
        shorter = match[1] if match else path
    return f"{shorter}:{line}"


def read_crash(status: int, noise: str) -> Crashed | OutOfMemory | TimedOut | Unsupported:
    """The outcome of a worker's death: exit ``status`` as ``subprocess`` gives it, and the end of its output.

    An emulator that fails itself is nobody's finding: what it was to run is ``Unsupported``.
    """
    number = -status if status < 0 else 0
    noise = _PASSED_ON.sub("", noise)
    if number == signal.SIGXCPU:  # the limit behind ours, where nobody looked for long (``confinement.limit_cpu``)
        return TimedOut()
    if match := _PANIC_NEW.search(noise):
        return Crashed(number, match[3].strip()[:2000], source_place(match[1], match[2]))
    if match := _PANIC_OLD.search(noise):
        return Crashed(number, match[1].strip()[:2000], source_place(match[2], match[3]))
    if match := _FATAL_JS.search(noise):
        return Crashed(number, match[3].strip()[:2000], source_place(match[1], match[2]))
    for told in (_WEBKIT, _EMSCRIPTEN, _LLVM):
        if match := told.search(noise):
            return Crashed(number, match[1].strip()[:2000], source_place(match[2], match[3]))
    if (match := _GO.search(noise)) and "goroutine " in noise:
        place = _GO_PLACE.search(noise, match.end())
        return Crashed(number, match[0].strip()[:2000], f"{place[1]}:{place[2]}" if place else "")
    if _NO_MEMORY.search(noise):
        return OutOfMemory(noise.strip()[:500])
    if own := _EMULATOR.search(noise):
        return Unsupported(f"the emulator fails: {own[0][:300]}")
    if match := _ASSERTION.search(noise):
        return Crashed(number, f"Assertion `{match[3].strip()[:2000]}' failed", source_place(match[1], match[2]))
    text = noise.strip()[-2000:] or (_signal_name(number) if number else f"exit status {status}")
    return Crashed(number, text)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
