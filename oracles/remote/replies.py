"""What comes back from a worker: frames, and the observation that a reply holds (``oracles.remote.protocol``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from oracles.remote.interface import (
    TYPE_NAMES,
)
from oracles.remote.protocol import PARTS, PHASES, TIMES, Request, type_words
from wasm.embedding import (
    SLOT,
    Crashed,
    Exhausted,
    HostCall,
    MemoryState,
    Observation,
    Outcome,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    TableState,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)
from wasm.traps import TrapKind

_COMPILE, _INVOKE = PHASES.index(Phase.COMPILE), PHASES.index(Phase.INVOKE)
_SHOWN: Final = {"host_calls": "log", "globals": "globals", "memories": "mems", "tables": "tables"}
"""What an observation may lack (``Observation.blind``), by the key of the reply that has it."""
_KINDS: Final = {kind.name: kind for kind in TrapKind}


MOST_REPLY: Final = 256 << 20
"""Bytes of a frame: what announces more is none, and nobody is to wait for it, or to keep it."""


class BadReply(Exception):
    """What a worker answered is no reply of this protocol; the message says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came: ``content`` (header size, header, body) and the CPU times in ``TIMES``' order."""

    content: bytes
    times: tuple[float, ...]

    @staticmethod
    def of(frame: bytes) -> Reply:
        """From a frame without its first four bytes. Raises ``BadReply``."""
        if len(frame) < 4 + TIMES.size:
            raise BadReply(f"a frame of {len(frame)} bytes: 4 for a size and {TIMES.size} of times are in each")
        return Reply(frame[: -TIMES.size], TIMES.unpack(frame[-TIMES.size :]))

    def counted(self, before: float, now: float) -> Reply:
        """The same of a worker that cannot tell its CPU time: it had used ``before`` seconds before the case and has
        used ``now``. What its clock said of the parts is how that is divided among them."""
        clock = sum(self.times[1:])
        share = max(0.0, now - before) / clock if clock else 0.0
        return Reply(self.content, (now, *(part * share for part in self.times[1:])))

    def parse(self) -> tuple[dict[str, Any], bytes]:
        """Header and body. Raises ``BadReply``."""
        size = int.from_bytes(self.content[:4], "little")
        try:
            header = json.loads(self.content[4 : 4 + size])
        except (ValueError, RecursionError) as error:
            raise BadReply(f"its header is no JSON: {error}") from None
        if not isinstance(header, dict):
            raise BadReply("its header is no JSON object")
        return header, self.content[4 + size :]

    @property
    def cpu(self) -> tuple[tuple[str, float], ...]:
        """CPU seconds by part, those that took any."""
        return tuple([(part, seconds) for part, seconds in zip(PARTS, self.times[1:], strict=True) if seconds])


class ReplyReader:
    """Reads the body of a reply front to back."""

    def __init__(self, body: bytes) -> None:
        self.body, self.pos = body, 0

    def take(self, size: int) -> bytes:
        self.pos += size
        if self.pos > len(self.body):
            raise BadReply(f"a body of {len(self.body)} bytes: its header asks for {self.pos}")
        return self.body[self.pos - size : self.pos]

    def returned(self, types: tuple[str, ...], refs: list[str]) -> Returned:
        return Returned(types, self.take(len(types) * SLOT), tuple(refs))

    def outcome(self, data: list[Any], results: tuple[str, ...]) -> Outcome:
        """One outcome from its short form; ``results`` are the type words of a return."""
        match data[0]:
            case "returned":
                return self.returned(results, data[1])
            case "trapped":
                return Trapped(frozenset(_KINDS[name] for name in data[1]), data[2])
            case "threw":
                return Threw(data[1], self.returned(type_words(data[2]), data[3]))
            case "exhausted":
                return Exhausted(data[1])
            case "out_of_memory":
                return OutOfMemory(data[1])
            case "rejected":
                return Rejected(data[1])
            case "crashed":
                return Crashed(data[1], data[2], data[3])
            case "timed_out":
                return TimedOut(data[1])
            case _:
                return Unsupported(data[1])


def decode_case(request: Request, engine: str, header: dict[str, Any], body: bytes) -> Observation:
    """The observation that a worker's reply to ``request`` holds, without the times. Raises ``BadReply``, or what
    reading a header gives that has other keys or values than it should (``worker_calls.understood``)."""
    reader = ReplyReader(body)
    before = tuple([reader.outcome(one, ()) for one in header.get("before", ())])
    instantiation = reader.outcome(header["inst"], ())
    outcomes = tuple(
        [
            reader.outcome(one, type_words(call.results))
            for one, call in zip(header.get("out", ()), request.calls, strict=False)
        ]
    )
    log: list[HostCall] = []
    for index, refs in header.get("log", ()):
        assert request.plan is not None
        item = request.plan.sources[index].item
        log.append(HostCall(item.module, item.name, reader.returned(request.mix_types[index], refs)))
    globals_: list[tuple[str, Value]] = []
    for (name, kind), ref in zip(request.globals, header.get("globals", ()), strict=False):
        bits = int.from_bytes(reader.take(SLOT), "little")
        word = TYPE_NAMES.get(kind, "ref")
        globals_.append((name, Value("ref", 0, ref) if word == "ref" else Value(word, bits)))
    return Observation(
        engine,
        instantiation,
        PHASES[header.get("phase", _INVOKE if "out" in header else _COMPILE)],
        outcomes,
        tuple(log),
        tuple(globals_),
        tuple(
            [MemoryState(n, pages, tuple([(i, c) for i, c in blocks])) for n, pages, blocks in header.get("mems", ())]
        ),
        tuple([TableState(n, size, tuple(elements)) for n, size, elements in header.get("tables", ())]),
        blind=frozenset([name for name, key in _SHOWN.items() if key not in header]),
        before=before,
    )


def decode_dumps(request: Request, header: dict[str, Any], body: bytes) -> dict[tuple[str, int], bytes]:
    """The dumped blocks, which end the body."""
    sizes = header.get("dumps", [])
    pos = len(body) - sum(sizes)
    contents: dict[tuple[str, int], bytes] = {}
    for key, size in zip(request.dumps, sizes, strict=False):
        contents[key] = body[pos : pos + size]
        pos += size
    return contents
