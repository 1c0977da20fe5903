"""Images: compiled functions laid out behind each other, with their calls patched and their tables by offset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from compiler.emit import CompiledFunction
from compiler.errors import Unsupported

ALIGNMENT: Final = 16
_FILL: Final = b"\xcc"
"""int3: whoever runs between functions is found out."""

Handlers = tuple[tuple[int | None, int], ...]
"""The handlers of a protected call: (tag index or None for all, offset of the landing in the image), in order."""


@dataclass(slots=True)
class Image:
    """Code that runs wherever it is mapped. All offsets are from its start.

    ``entries`` has the offset of each function by the index that ``call`` relocations name, ``handlers`` the protected
    calls by the offset of their return address.
    """

    code: bytes
    entries: dict[int, int]
    handlers: dict[int, Handlers]
    trap_sites: dict[int, str]
    functions: dict[int, CompiledFunction]
    _starts: list[tuple[int, str]] = field(default_factory=list)

    def locate(self, offset: int) -> str:
        """``name+0x12`` for an offset into the image; ``?`` outside of it."""
        at = bisect_right(self._starts, offset, key=lambda start: start[0]) - 1
        if at < 0 or offset >= len(self.code):
            return "?"
        start, name = self._starts[at]
        return f"{name}+{offset - start:#x}"


def lay_out(functions: Mapping[int, CompiledFunction], stubs: Sequence[CompiledFunction], runtime: int) -> Image:
    """Place functions (by index) and the stubs that every image has (the thunk, then the common exit).

    ``runtime`` is the address of the Runtime block that the code will find. Raises ``Unsupported`` for an image over
    2 GiB, ``KeyError`` for a call of a function that is not there.
    """
    thunk, leave = stubs
    places: list[tuple[int | None, int, CompiledFunction]] = []
    size = 0
    for index, function in _in_order(functions, stubs):
        places.append((index, size, function))
        size += -(-len(function.code) // ALIGNMENT) * ALIGNMENT
    if size >= 1 << 31:
        raise Unsupported("a module with 2 GiB of code")
    starts = {id(function): start for _, start, function in places}
    entries = {index: start for index, start, _ in places if index is not None}
    fixed = {"thunk": starts[id(thunk)], "exit": starts[id(leave)]}
    code = bytearray()
    for _, start, function in places:
        code += _FILL * (start - len(code))
        code += _patched(function, start, entries, fixed, runtime)
    return Image(
        bytes(code),
        entries,
        {start + site.offset: _moved(site.handlers, start) for _, start, f in places for site in f.call_sites},
        {start + offset: kind for _, start, f in places for offset, kind in f.trap_sites},
        dict(functions),
        [(start, function.name) for _, start, function in places],
    )


def _in_order(
    functions: Mapping[int, CompiledFunction], stubs: Sequence[CompiledFunction]
) -> Iterable[tuple[int | None, CompiledFunction]]:
    for stub in stubs:
        yield None, stub
    yield from functions.items()


def _moved(handlers: Handlers, start: int) -> Handlers:
    return tuple((tag, start + landing) for tag, landing in handlers)


def _patched(
    function: CompiledFunction, start: int, entries: Mapping[int, int], fixed: Mapping[str, int], runtime: int
) -> bytearray:
    code = bytearray(function.code)
    for reloc in function.relocs:
        at = reloc.offset
        if reloc.kind == "runtime":
            code[at : at + 8] = runtime.to_bytes(8, "little")
            continue
        target = entries[reloc.target] if reloc.kind == "call" else fixed[reloc.kind]
        code[at : at + 4] = (target - (start + at + 4)).to_bytes(4, "little", signed=True)
    return code
