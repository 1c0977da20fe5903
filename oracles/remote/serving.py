"""The worker's end of the frame protocol (``oracles.remote.protocol``), for workers that import the project."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from oracles.remote.protocol import FRAME, PARTS, PHASES, PROGRESS, TIMES
from wasm.embedding import (
    Crashed,
    Exhausted,
    Outcome,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
)
from wasm.errors import UserError

Answer: TypeAlias = tuple[dict[str, Any], bytes]
"""The header and the body of a reply."""
Action: TypeAlias = Callable[[dict[str, Any], list[bytes]], Answer]
"""From a request's header and blobs to the answer."""

_KINDS = {"i32": "i", "i64": "l", "f32": "f", "f64": "d", "v128": "v", "ref": "e"}
"""A kind that stands for each word of the embedding: all that the reader of a reply has to know."""


class Channel:
    """Frames over a worker's three descriptors: requests, replies, and the file that says what comes next."""

    def __init__(self, descriptors: list[int]) -> None:
        self.input, self.output, self.progress = descriptors
        self.cpu: dict[str, float] = {}
        """CPU seconds of the case by part, told with the next reply."""
        self.children = 0.0
        """CPU seconds of processes that have ended."""

    def serve(self, actions: Mapping[str, Action]) -> None:
        """Answer requests until the harness closes its end."""
        while (request := self._receive()) is not None:
            header, blobs = request
            try:
                answer, body = actions[header["do"]](header, blobs)
            except UserError as error:
                answer, body = {"unusable": str(error)}, b""
            except Exception:  # a fault of ours must not pass for one of the engine's
                answer, body = {"broken": traceback.format_exc(limit=-3)}, b""
            self._reply(answer, body)

    def at(self, phase: Phase, invocation: int = -1) -> None:
        """Say what comes next, where the harness looks when this process is gone."""
        os.pwrite(self.progress, PROGRESS.pack(PHASES.index(phase), invocation), 0)

    def _receive(self) -> tuple[dict[str, Any], list[bytes]] | None:
        size = self._read(4)
        if not size:
            return None
        frame = self._read(int.from_bytes(size, "little"))
        at = 4 + int.from_bytes(frame[:4], "little")
        header: dict[str, Any] = json.loads(frame[4:at])
        blobs = []
        for length in header.get("blobs", ()):
            blobs.append(frame[at : at + length])
            at += length
        return header, blobs

    def _read(self, size: int) -> bytes:
        chunks = []
        while size:
            chunk = os.read(self.input, size)
            if not chunk:
                return b""
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)

    def _reply(self, header: dict[str, Any], body: bytes) -> None:
        text = json.dumps(header, separators=(",", ":")).encode("ascii")
        times = TIMES.pack(time.process_time() + self.children, *(self.cpu.get(part, 0.0) for part in PARTS))
        self.cpu = {}
        size = 4 + len(text) + len(body) + len(times)
        view = memoryview(b"".join((FRAME.pack(size, len(text)), text, body, times)))
        while view:
            view = view[os.write(self.output, view) :]


def short(outcome: Outcome) -> tuple[list[Any], bytes]:
    """An outcome in the protocol's short form, and its slots."""
    match outcome:
        case Returned(_, slots, refs):
            return ["returned", list(refs)], slots
        case Trapped(kinds, message):
            return ["trapped", sorted(kind.name for kind in kinds), message], b""
        case Threw(tag, payload):
            kinds_ = "".join(_KINDS[word] for word in payload.types)
            return ["threw", tag, kinds_, list(payload.refs)], payload.slots
        case Exhausted(what):
            return ["exhausted", what], b""
        case OutOfMemory(message):
            return ["out_of_memory", message], b""
        case Rejected(message):
            return ["rejected", message], b""
        case Crashed(signal, text, location):
            return ["crashed", signal, text, location], b""
        case TimedOut(seconds):
            return ["timed_out", seconds], b""
        case Unsupported(what):
            return ["unsupported", what], b""
