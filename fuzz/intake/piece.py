"""The plain values of this folder: what is given, what is wished for, what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fuzz.records.finding import Finding
from wasm.case import Case
from wasm.embedding import Entry, Invocation


@dataclass(frozen=True, slots=True)
class Wish:
    """Which calls to make: none for every exported function with a few arguments (or what the piece itself says);
    ``entry`` is how those are made."""

    invocations: tuple[Invocation, ...] = ()
    entry: Entry = Entry.WRAPPER


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that can be run: a ``case``, or a ``script`` (``.wast`` text). ``what`` says in a few words what it
    was, ``notes`` what a reader must know of it (a line each). ``finding`` is there if it came with its history."""

    name: str
    what: str
    case: Case | None = None
    script: bytes | None = None
    finding: Finding | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """Bytes with a name for messages. ``inside`` reads what a format found within them; ``depth`` is how far within
    other files these bytes were."""

    name: str
    content: bytes
    wish: Wish
    inside: Callable[[Given], list[Piece]]
    depth: int = 0
    notes: tuple[str, ...] = field(default=())

    def within(self, name: str, content: bytes) -> Given:
        """A file in this file."""
        return replace(self, name=f"{self.name}/{name}" if name else self.name, content=content, depth=self.depth + 1)
