"""Parallel moves made sequential.

A set of moves that happen at once (an edge's arguments, a call's fixed registers) is a graph in which every place is
written at most once: trees that hang on simple cycles. A move whose target nobody still reads can run at once; when
none is left, what remains is cycles, and one value of each is kept aside to open it.

One scratch register per class is all that is free. It carries memory-to-memory moves, and it keeps the value that
opens a cycle, unless that same cycle has a memory-to-memory move that needs it: then a spare slot keeps the value.

Places are the integers of ``compiler.regalloc.places``: below 64 INT registers, below 128 FLOAT registers, then slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from wasm.valtypes import I32, I64, NumType

PlacedMove: TypeAlias = tuple[int, int, NumType]
"""(source place, target place, type of the value)."""

_SLOT_BASE: Final = 128


def resolve(
    moves: Sequence[PlacedMove], scratch: tuple[int, int], spare_slot: Callable[[NumType], int]
) -> list[PlacedMove]:
    """Sequential moves with the effect of ``moves`` at once.

    ``scratch`` are the INT and the FLOAT scratch register, neither a source nor a target of two or more moves given
    together. ``spare_slot(type)`` gives a slot that is free at any time. Equal moves may be given twice. Raises
    ``ValueError`` if two different values have one target.
    """
    if len(moves) == 1:
        source, target, type_ = moves[0]
        if source == target:
            return []
        if source < _SLOT_BASE or target < _SLOT_BASE:
            return [moves[0]]
    pending: dict[int, tuple[int, NumType]] = {}
    readers: dict[int, int] = {}
    for source, target, type_ in moves:
        known = pending.get(target)
        if known is not None:
            if known[0] != source:
                raise ValueError(f"two values for place {target}")
            continue
        pending[target] = (source, type_)
        if source != target:
            readers[source] = readers.get(source, 0) + 1
    out: list[PlacedMove] = []
    ready = [target for target, (source, _) in pending.items() if not readers.get(target) and source != target]
    while ready:
        target = ready.pop()
        source, type_ = pending.pop(target)
        _step(source, target, type_, scratch, out)
        readers[source] -= 1
        if not readers[source] and source in pending and pending[source][0] != source:
            ready.append(source)
    for start in list(pending):
        if start in pending:
            _cycle(start, pending, scratch, spare_slot, out)
    return out


def _step(source: int, target: int, type_: NumType, scratch: tuple[int, int], out: list[PlacedMove]) -> None:
    if source >= _SLOT_BASE and target >= _SLOT_BASE:
        middle = _scratch_of(type_, scratch)
        out.append((source, middle, type_))
        out.append((middle, target, type_))
    else:
        out.append((source, target, type_))


def _scratch_of(type_: NumType, scratch: tuple[int, int]) -> int:
    return scratch[0] if type_ is I32 or type_ is I64 else scratch[1]


def _cycle(
    start: int,
    pending: dict[int, tuple[int, NumType]],
    scratch: tuple[int, int],
    spare_slot: Callable[[NumType], int],
    out: list[PlacedMove],
) -> None:
    """Run the simple cycle through ``start`` (a move from a place to itself is one of length 1: nothing to do)."""
    ring = [start]  # each place is overwritten with the value of the next
    while pending[ring[-1]][0] != start:
        ring.append(pending[ring[-1]][0])
    if len(ring) == 1:
        del pending[start]
        return
    # The last of the ring reads ``start``'s old value, so the type there is that of the value kept aside.
    in_memory = any(a >= _SLOT_BASE and b >= _SLOT_BASE for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
    kept_type = pending[ring[-1]][1]
    keeper = spare_slot(kept_type) if in_memory else _scratch_of(kept_type, scratch)
    _step(start, keeper, kept_type, scratch, out)
    for target in ring:
        source, type_ = pending.pop(target)
        _step(keeper if source == start else source, target, type_, scratch, out)
