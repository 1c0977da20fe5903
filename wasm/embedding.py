"""What goes into an engine and what comes out, after the spec's embedding appendix: values, invocations, outcomes.

Everything here is a plain value that knows no engine. Numbers are unsigned bit patterns. Results of a call are kept
packed (``Returned.slots``) since a case with 1,000 results on seven engines is compared by one ``bytes`` equality.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias, assert_never

from wasm.traps import TrapKind

SLOT: Final = 16
"""Bytes per packed value: little-endian, zero above the type's width."""

WIDTHS: Final = {"i32": 32, "i64": 64, "f32": 32, "f64": 64, "v128": 128}
"""Bits per number type; every other type is written ``ref``."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the embedding: a number's bit pattern, or a reference by identity.

    ``type`` is ``i32 i64 f32 f64 v128 ref``. For ``ref``, ``bits`` is 0 and ``ref`` is one of: ``null``; ``extern:N``
    (host token N); ``i31:N`` (unsigned 31 bits); ``func:NAME`` (exported as NAME) or ``func`` (not exported);
    ``struct(...)`` and ``array(...)`` (contents, to depth 2); ``exn``; ``nonnull`` where an engine cannot tell more,
    which matches any reference that is not null.
    Text form: ``i32:24``, ``f64:0x7ff8000000000001``, ``ref:null``.
    """

    type: str
    bits: int = 0
    ref: str = ""

    def __str__(self) -> str:
        if self.type == "ref":
            return f"ref:{self.ref}"
        return f"{self.type}:{self.bits:#x}"

    @staticmethod
    def parse(text: str) -> Value:
        """Read the text form; numbers are decimal (a minus sign allowed) or 0x-hexadecimal bit patterns.

        Raises ``ValueError`` with one line on what is wrong.
        """
        kind, _, rest = text.strip().partition(":")
        if kind == "ref" and rest:
            return Value("ref", 0, rest)
        if kind not in WIDTHS:
            raise ValueError(f"{text!r} is not a value: write TYPE:BITS, as i32:24, f64:0x7ff8000000000001 or ref:null")
        try:
            bits = int(rest, 0)
        except ValueError:
            raise ValueError(f"{rest!r} is not a bit pattern: write a decimal or a 0x number") from None
        width = WIDTHS[kind]
        if not -(1 << width - 1) <= bits < 1 << width:
            raise ValueError(f"{rest} does not fit in {kind}")
        return Value(kind, bits & (1 << width) - 1)


class Entry(Enum):
    """How an export is called: through a second wasm module that stores the results, or by the host directly."""

    WRAPPER = "wrapper"
    HOST = "host"


class Phase(Enum):
    """The step of the embedding in which something happened."""

    DECODE = "decode"
    COMPILE = "compile"
    INSTANTIATE = "instantiate"
    INVOKE = "invoke"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of an exported function."""

    export: str
    args: tuple[Value, ...] = ()
    entry: Entry = Entry.HOST

    def __str__(self) -> str:
        return f"{self.export}({', '.join(map(str, self.args))})"

    def to_json(self) -> dict[str, Any]:
        return {"export": self.export, "args": [str(arg) for arg in self.args], "entry": self.entry.value}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Invocation:
        return Invocation(data["export"], tuple(map(Value.parse, data["args"])), Entry(data["entry"]))


@dataclass(frozen=True, slots=True)
class FreeNan:
    """A NaN in a result whose sign or payload the spec leaves open (spec 4.3.3); only the reference reports these.

    ``index`` is the result's position, ``offset`` and ``width`` its lane in bits; ``canonical`` says that only the two
    canonical NaNs are allowed, else any arithmetic NaN is.
    """

    index: int
    offset: int
    width: int
    canonical: bool


@dataclass(frozen=True, slots=True)
class Returned:
    """The call gave results: ``types[i]`` of each, numbers packed in ``slots`` (SLOT bytes each), references in order.

    A reference's slot is zero and its identity is the next entry of ``refs``.
    """

    types: tuple[str, ...] = ()
    slots: bytes = b""
    refs: tuple[str, ...] = ()
    free_nans: tuple[FreeNan, ...] = field(default=(), compare=False)

    @property
    def values(self) -> tuple[Value, ...]:
        refs = iter(self.refs)
        return tuple(
            Value("ref", 0, next(refs))
            if kind == "ref"
            else Value(kind, int.from_bytes(self.slots[i * SLOT : i * SLOT + SLOT], "little"))
            for i, kind in enumerate(self.types)
        )

    @staticmethod
    def of(values: Iterable[Value], free_nans: tuple[FreeNan, ...] = ()) -> Returned:
        values = tuple(values)
        slots = b"".join(value.bits.to_bytes(SLOT, "little") for value in values)
        refs = tuple(value.ref for value in values if value.type == "ref")
        return Returned(tuple(value.type for value in values), slots, refs, free_nans)


@dataclass(frozen=True, slots=True)
class Trapped:
    """A trap. An engine that is coarse names every kind it may have been; two traps agree if their sets meet."""

    kinds: frozenset[TrapKind]
    message: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Threw:
    """An uncaught exception: the tag's export or import name (``?`` if unknown) and its payload."""

    tag: str
    payload: Returned = Returned()


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit of the engine was reached: ``stack`` or ``fuel`` (steps)."""

    what: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The engine could not get memory, or went over the worker's memory limit."""

    message: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The engine refused the module or an import: its own message."""

    message: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The engine says that it lacks something (``what``: feature or instruction); never a finding by itself."""

    what: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """The engine died or panicked: signal number (0 if none), the panic's text, and its source location if given."""

    signal: int
    text: str = field(default="", compare=False)
    location: str = ""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The CPU-time limit was reached; ``seconds`` of it."""

    seconds: float = field(default=0.0, compare=False)


Outcome: TypeAlias = Returned | Trapped | Threw | Exhausted | OutOfMemory | Rejected | Unsupported | Crashed | TimedOut


@dataclass(frozen=True, slots=True)
class HostCall:
    """One call of an imported function: its module and name, and the arguments packed as in ``Returned``."""

    module: str
    name: str
    args: Returned


@dataclass(frozen=True, slots=True)
class MemoryState:
    """An exported memory at the end: size in pages, and (index, CRC-32) of each 64 KiB block that is not all zero."""

    export: str
    pages: int
    blocks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TableState:
    """An exported table at the end: its size and the first 1,000 elements by identity (as ``Value.ref``)."""

    export: str
    size: int
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReferenceNotes:
    """What only the reference interpreter knows about a run; the judge reads it (docs/judging.md).

    ``steps``, ``depth`` and ``pages`` are the most that was used; ``nan_observed_at`` is the first invocation (-1: the
    instantiation) in which a bit of a free NaN decided something else than a NaN result; ``tainted`` lists bytes of
    exported memories that hold free NaN bits as (memory's position among the exported ones, start, end);
    ``free_globals`` gives free NaNs in exported globals by position; ``executed_sites`` indexes ``Case.sites``.
    """

    steps: int = 0
    depth: int = 0
    pages: int = 0
    nan_observed_at: int | None = None
    tainted: tuple[tuple[int, int, int], ...] = ()
    free_globals: tuple[FreeNan, ...] = ()
    executed_sites: frozenset[int] = frozenset()
    relaxed_used: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """All that one engine did with one case. ``instantiation`` is an empty ``Returned`` when it succeeded.

    There is one outcome per invocation, all on one instance, fewer if the engine stopped (after Exhausted, a crash or
    a time-out). ``phase`` is where the last step happened. State is what exported items held at the end; ``cpu`` has
    CPU seconds by phase name, and ``peak`` by how many bytes the resident set of its worker rose at most; None where
    nobody looked. ``blind`` names what this engine cannot show (``host_calls``, ``globals``,
    ``memories``, ``tables``): it is not compared. ``before`` has what became of each module that is instantiated before
    the case's own; one that is given up, or refused, is the end, and its outcome is ``instantiation``, too.
    """

    engine: str
    instantiation: Outcome
    phase: Phase = Phase.INSTANTIATE
    outcomes: tuple[Outcome, ...] = ()
    host_calls: tuple[HostCall, ...] = ()
    globals: tuple[tuple[str, Value], ...] = ()
    memories: tuple[MemoryState, ...] = ()
    tables: tuple[TableState, ...] = ()
    notes: ReferenceNotes | None = field(default=None, compare=False)
    cpu: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    peak: int | None = field(default=None, compare=False)
    blind: frozenset[str] = frozenset()
    before: tuple[Outcome, ...] = ()

    @property
    def instantiated(self) -> bool:
        return isinstance(self.instantiation, Returned)


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """A JSON object with ``kind`` and that kind's fields; ``outcome_from_json`` reads it back."""
    match outcome:
        case Returned():
            return {"kind": "returned", "values": [str(value) for value in outcome.values]}
        case Trapped():
            return {
                "kind": "trapped",
                "kinds": sorted(kind.value for kind in outcome.kinds),
                "message": outcome.message,
            }
        case Threw():
            return {"kind": "threw", "tag": outcome.tag, "values": [str(value) for value in outcome.payload.values]}
        case Exhausted():
            return {"kind": "exhausted", "what": outcome.what}
        case OutOfMemory():
            return {"kind": "out_of_memory", "message": outcome.message}
        case Rejected():
            return {"kind": "rejected", "message": outcome.message}
        case Unsupported():
            return {"kind": "unsupported", "what": outcome.what}
        case Crashed():
            return {"kind": "crashed", "signal": outcome.signal, "text": outcome.text, "location": outcome.location}
        case TimedOut():
            return {"kind": "timed_out", "seconds": outcome.seconds}
        case _:
            assert_never(outcome)


def outcome_from_json(data: dict[str, Any]) -> Outcome:
    """The inverse of ``outcome_to_json``. Raises ``ValueError`` for an unknown kind."""
    match data["kind"]:
        case "returned":
            return Returned.of(map(Value.parse, data["values"]))
        case "trapped":
            return Trapped(frozenset(map(TrapKind, data["kinds"])), data.get("message", ""))
        case "threw":
            return Threw(data["tag"], Returned.of(map(Value.parse, data["values"])))
        case "exhausted":
            return Exhausted(data["what"])
        case "out_of_memory":
            return OutOfMemory(data.get("message", ""))
        case "rejected":
            return Rejected(data["message"])
        case "unsupported":
            return Unsupported(data["what"])
        case "crashed":
            return Crashed(data["signal"], data.get("text", ""), data.get("location", ""))
        case "timed_out":
            return TimedOut(data["seconds"])
        case kind:
            raise ValueError(f"unknown outcome kind {kind!r}")
