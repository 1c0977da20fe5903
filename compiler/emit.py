"""The code buffer: bytes with labels and fix-ups, and what the image and the unwinder need to know of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from compiler.errors import Unsupported

NO_INST: Final = -1
"""In ``CompiledFunction.lines``: the code belongs to no machine instruction."""


@dataclass(frozen=True, slots=True)
class Reloc:
    """A place to patch when the image is laid out: 4 bytes relative to their end (``call``: to function ``target``;
    ``thunk``: to the helper thunk; ``exit``: to the common exit), or 8 bytes absolute (``runtime``: the Runtime block).
    """

    offset: int
    kind: str
    target: int = 0


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call that may be left by an exception: its return address, and (tag or None, landing offset) in order."""

    offset: int
    handlers: tuple[tuple[int | None, int], ...]


@dataclass(slots=True)
class CompiledFunction:
    """Code with everything that depends on where it will stand.

    ``lines``: where the code of each machine instruction begins, with the moves around it; ``NO_INST`` for the exits
    behind the function. What stands before the first of them opens the frame.
    """

    name: str
    code: bytes
    relocs: list[Reloc] = field(default_factory=list)
    call_sites: list[CallSite] = field(default_factory=list)
    trap_sites: list[tuple[int, str]] = field(default_factory=list)
    frame: int = 0
    lines: list[tuple[int, int]] = field(default_factory=list)


class CodeBuffer:
    """Bytes under construction. A label is a number; it may be used before it is placed."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.relocs: list[Reloc] = []
        self.trap_sites: list[tuple[int, str]] = []
        self._labels: list[int] = []
        self._fixups: list[tuple[int, int, int]] = []
        self._sites: list[tuple[int, tuple[tuple[int | None, int], ...]]] = []

    def label(self) -> int:
        self._labels.append(-1)
        return len(self._labels) - 1

    def place(self, label: int) -> None:
        self._labels[label] = len(self.code)

    def rel32(self, label: int, base: int | None = None) -> None:
        """Four bytes that will hold a label's distance from their end, or from the offset ``base``."""
        offset = len(self.code)
        self._fixups.append((offset, label, offset + 4 if base is None else base))
        self.code += bytes(4)

    def reloc(self, kind: str, target: int = 0) -> None:
        """Bytes that the image fills in."""
        self.relocs.append(Reloc(len(self.code), kind, target))
        self.code += bytes(8 if kind == "runtime" else 4)

    def call_site(self, handlers: tuple[tuple[int | None, int], ...]) -> None:
        """A call has just been written; handlers name labels."""
        self._sites.append((len(self.code), handlers))

    def trap_site(self, kind: str) -> None:
        self.trap_sites.append((len(self.code), kind))

    def finish(self, name: str, frame: int, lines: list[tuple[int, int]]) -> CompiledFunction:
        """Resolve all labels. Raises ``Unsupported`` for code over 2 GiB."""
        if len(self.code) >= 1 << 31:
            raise Unsupported("a function of 2 GiB of code")
        for offset, label, base in self._fixups:
            self.code[offset : offset + 4] = (self._labels[label] - base).to_bytes(4, "little", signed=True)
        sites = [
            CallSite(offset, tuple((tag, self._labels[label]) for tag, label in handlers))
            for offset, handlers in self._sites
        ]
        return CompiledFunction(name, bytes(self.code), self.relocs, sites, self.trap_sites, frame, lines)
