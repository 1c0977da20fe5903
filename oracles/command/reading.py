"""From what a process printed, and how it ended, to an outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from oracles.command.description import TRAPS, USUAL, Description
from oracles.command.selfcontained import Asked
from oracles.remote.crash import read_crash
from oracles.remote.interface import TYPE_NAMES
from wasm.embedding import (
    SLOT,
    WIDTHS,
    Crashed,
    Exhausted,
    Outcome,
    OutOfMemory,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
)
from wasm.traps import TrapKind

_SHORT: Final = 300
"""Characters of what a command said that are told again."""


_CRASHED: Final = re.compile(
    r"panicked at|# Fatal error in|^Aborted\(|^RuntimeError: .*\n +at .*wasm-function\[\d+\]", re.M
)
"""Signs of a crash where the process ends itself: in Rust, in V8, in what emscripten compiled."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process: what it printed, its exit status as ``subprocess`` gives it, CPU seconds, and why it was stopped."""

    text: str
    status: int
    seconds: float = 0.0
    stopped: TimedOut | OutOfMemory | None = None


@lru_cache(maxsize=8)
def _compiled(texts: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((key, re.compile(text)) for key, patterns in texts for text in patterns)


_USUAL: Final = tuple((key, re.compile(text, re.I)) for key, text in USUAL.items())


def _named(description: Description, text: str, status: int) -> list[str]:
    """The endings and traps that an exit code or a text may stand for: all of the file's own that fit, else the first
    of the usual ones."""
    if status in description.exits:
        return [description.exits[status]]
    own = [key for key, pattern in _compiled(tuple(description.texts.items())) if pattern.search(text)]
    return own or [key for key, pattern in _USUAL if pattern.search(text)][:1]


def ending(description: Description, text: str, status: int, host_traps: bool = False) -> Outcome | None:
    """What a process, or what it said of one export, came to, where that is no result: None if it may be one."""
    if status < 0 or _CRASHED.search(text):
        return read_crash(status, text)
    said = text.strip()[:_SHORT]
    named = _named(description, text, status)
    kinds = {TRAPS[name] for name in named if name in TRAPS}
    if kinds:
        if host_traps and TrapKind.UNREACHABLE in kinds:
            kinds.add(TrapKind.HOST)
        return Trapped(frozenset(kinds), said)
    match named[0] if named else "returned":
        case "exhausted":
            return Exhausted("stack")
        case "out of memory":
            return OutOfMemory(said)
        case "rejected":
            return Rejected(said)
        case "unsupported":
            return Unsupported(said)
        case _:
            return None


def said_of(description: Description, text: str, export: str) -> str | None:
    """What belongs to an export in a process' output; None if it says nothing of it."""
    found = re.search(description.result.replace("{export}", re.escape(export)), text, re.M)
    return found["result"] if found else None


def unreadable(description: Description, said: str) -> Unsupported:
    """Output that is neither a result nor an ending."""
    shown = " ".join(said.split())[:_SHORT] or "nothing"
    return Unsupported(f"{description.name} said {shown!r}, which is no result: describe it in its file's [texts]")


def integers(description: Description, asked: Asked, parts: Sequence[str]) -> Outcome:
    """The outcome of a call from what was said of its export, and of those that give the rest of its integers."""
    found: list[int] = []
    for said, count in zip(parts, (asked.count, *(count for _, count in asked.more)), strict=True):
        numbers = [int(text, 0) & (1 << 64) - 1 for text in re.findall(description.value, said)]
        if len(numbers) != count:
            return unreadable(description, said)
        found += numbers
    status, words = (found[0], found[1:]) if asked.guarded else (0, found)
    if status > len(asked.tags):
        return Threw("?")
    values = _values(asked.kinds[status], words)
    return values if status == 0 else Threw(asked.tags[status - 1], values)


def _values(kinds: str, words: Sequence[int]) -> Returned:
    slots, refs, at = [], [], 0
    for kind in kinds:
        bits = words[at]
        at += 1
        if kind == "v":
            bits |= words[at] << 64
            at += 1
        elif kind not in TYPE_NAMES:
            refs.append(("exn" if kind in "xX" else "nonnull") if bits else "null")
            bits = 0
        width = WIDTHS.get(TYPE_NAMES.get(kind, ""), 128)
        slots.append((bits & (1 << width) - 1).to_bytes(SLOT, "little"))
    return Returned(tuple(TYPE_NAMES.get(kind, "ref") for kind in kinds), b"".join(slots), tuple(refs))


def direct(description: Description, kinds: str, said: str) -> Outcome:
    """The outcome of an export called as it is: each result is read by its type's pattern, in order."""
    slots, at = [], 0
    for kind in kinds:
        word = TYPE_NAMES.get(kind, "ref")
        pattern = description.results.get(word)
        if pattern is None:
            return Unsupported(f"results of type {word}: its file has no [results] for them")
        found = re.compile(pattern).search(said, at)
        if found is None:
            return unreadable(description, said)
        at = found.end()
        try:
            bits = int(found["bits"], 0)
        except ValueError:
            return Unsupported(f"{description.name} wrote {found['bits'][:40]!r}, which is no bit pattern")
        slots.append((bits & (1 << WIDTHS[word]) - 1).to_bytes(SLOT, "little"))
    return Returned(tuple(TYPE_NAMES[kind] for kind in kinds), b"".join(slots))


def is_end(outcome: Outcome) -> bool:
    """Whether nothing more can be asked of the process, or of another one that does the same first."""
    return isinstance(outcome, Exhausted | OutOfMemory | TimedOut | Crashed)
