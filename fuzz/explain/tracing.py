"""What a probed module's log should hold by the reference, what an engine's holds, and where they part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from fuzz.explain.probing import STRIDE, Probed
from oracles.interpreter import Budget, run_case
from wasm.case import Case
from wasm.embedding import MemoryState, Observation
from wasm.isa import Op
from wasm.semantics.relaxed import DETERMINISTIC, RelaxedProfile

STEPS: Final = 2_000_000
"""Longer runs are not followed."""
_KEPT: Final = 400_000
"""Instructions of a run that are remembered; a log cannot be held against more."""
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction of the module without probes that the reference executed, with its numeric operands' raw values
    (open bits above the value's own, ``oracles.interpreter.taint``); None for a reference."""

    func: int
    at: int
    operands: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the reference's log: the place's number, the raw value, and how many steps went before it."""

    place: int
    value: int
    steps: int


@dataclass(slots=True)
class Expected:
    """The reference's run of a probed module. ``whole`` says that all of it was remembered."""

    observation: Observation
    entries: list[Entry] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    whole: bool = True


class _Recorder:
    """``oracles.interpreter.Tracer`` for a probed module. ``takes`` is the number of operands by (function, position)
    in the module without probes."""

    def __init__(self, probed: Probed, takes: dict[tuple[int, int], int], into: Expected) -> None:
        self.marks, self.origins, self.takes, self.into = probed.marks, probed.origins, takes, into

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:  # noqa: ARG002
        into = self.into
        place = self.marks.get((func, at))
        if place is not None:
            into.entries.append(Entry(place, stack[-1], len(into.steps)))
            return
        origin = self.origins.get((func, at))
        if origin is None:
            return
        if len(into.steps) >= _KEPT:
            into.whole = False
            return
        count = self.takes.get((func, origin), 0)
        operands = tuple(one if isinstance(one, int) else None for one in stack[len(stack) - count :]) if count else ()
        into.steps.append(Step(func, origin, operands))


def expected(
    case: Case, probed: Probed, takes: dict[tuple[int, int], int], profile: RelaxedProfile = DETERMINISTIC
) -> Expected:
    """Run a case, whose content is the probed module, on the reference."""
    into = Expected(Observation("", None))  # type: ignore[arg-type]  # replaced as soon as there is one
    recorder = _Recorder(probed, takes, into)
    into.observation = run_case(case, None, Budget(steps=STEPS), profile, tracer=recorder, tiering=False)
    return into


def blocks_of(observation: Observation, export: str) -> tuple[tuple[str, int], ...]:
    """Which blocks of the log's memory hold anything."""
    states: list[MemoryState] = [state for state in observation.memories if state.export == export]
    return tuple((export, block) for state in states for block, _ in state.blocks)


def read_log(contents: dict[tuple[str, int], bytes], probed: Probed) -> list[tuple[int, int]]:
    """An engine's log from the blocks of the memory it is in: (place, bits) of each entry."""
    entries: list[tuple[int, int]] = []
    at = probed.base
    while True:
        block = contents.get((probed.export, at // _BLOCK), b"")
        piece = block[at % _BLOCK : at % _BLOCK + STRIDE]
        number = int.from_bytes(piece[:4], "little")
        if len(piece) < STRIDE or not 0 < number <= len(probed.places):
            return entries
        entries.append((number - 1, int.from_bytes(piece[16:], "little")))
        at += STRIDE


def repeated(wanted: Expected) -> frozenset[int]:
    """The places that are in the log more than once."""
    count = Counter(entry.place for entry in wanted.entries)
    return frozenset(place for place, times in count.items() if times > 1)


def read_globals(observation: Observation, probed: Probed, wanted: Expected) -> list[tuple[int, int]]:
    """The same of a module whose places have globals, each reached once at most: in the reference's order as far as the
    engine reached them, and then what else it reached."""
    values = {name: value.bits for name, value in observation.globals}
    reached = {number: sum(values.get(name, 0) << 64 * k for k, name in enumerate(names[1:]))
               for number, names in enumerate(probed.kept) if values.get(names[0])}  # fmt: skip
    entries: list[tuple[int, int]] = []
    for entry in wanted.entries:
        if entry.place in reached:
            entries.append((entry.place, reached.pop(entry.place)))
        elif reached:
            break
    return [*entries, *reached.items()]


def same_bits(raw: int, bits: int, width: int) -> bool:
    """Whether an engine's value is one that the reference's allows: open bits of NaNs may be either."""
    return not (raw ^ bits) & ((1 << width) - 1) & ~(raw >> width)


def first_difference(wanted: Expected, got: list[tuple[int, int]], probed: Probed) -> int | None:
    """The number of the first entry in which the logs differ, which may be behind the end of one of them."""
    for number, (entry, (place, bits)) in enumerate(zip(wanted.entries, got, strict=False)):
        if place != entry.place or not same_bits(entry.value, bits, probed.places[place].type.bits):
            return number
    return None if len(wanted.entries) == len(got) else min(len(wanted.entries), len(got))
