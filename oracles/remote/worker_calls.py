"""Questions to workers and their answers: what engines of one process share, and when a worker has gone too far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oracles.engine import EngineId, EngineUnavailable, Limits
from oracles.remote.crash import read_crash
from oracles.remote.process import TICK, Died, WorkerProcess, wait_any
from oracles.remote.protocol import Flavour, Request, encode_case
from oracles.remote.replies import BadReply, Reply, decode_case
from wasm.case import Case
from wasm.embedding import Observation, Outcome, OutOfMemory, TimedOut

_SHARED: list[tuple[Case, Flavour, tuple[tuple[str, int], ...], Request]] = []


def shared_request(case: Case, flavour: Flavour, dumps: tuple[tuple[str, int], ...]) -> Request:
    """``encode_case``, remembered for the last few cases: all settings of an engine get the same bytes."""
    # By identity, not equality: comparing two large modules would cost more than is saved.
    for known, its_flavour, its_dumps, request in _SHARED:
        if known is case and its_flavour == flavour and its_dumps == dumps:
            return request
    request = encode_case(case, flavour, dumps=dumps)
    _SHARED.insert(0, (case, flavour, dumps, request))
    del _SHARED[8:]
    return request


_READ: list[tuple[Request, bytes, Observation]] = []


def shared_reading(id: EngineId, request: Request, reply: Reply) -> Observation:
    """``decode_case``, remembered for the last few replies: most engines answer a request with the same bytes.

    Raises ``EngineUnavailable`` if the worker says that it failed itself, or something that is no reply.
    """
    for known, content, observation in _READ:
        if known is request and content == reply.content:
            return observation
    with understood(id):
        header, body = reply.parse()
        broken(id, header)
        observation = decode_case(request, str(id), header, body)
    _READ.insert(0, (request, reply.content, observation))
    del _READ[4:]
    return observation


def await_reply(process: WorkerProcess, seconds: float) -> tuple[dict[str, Any], bytes] | None:
    """The next reply, or None if there is none after so many wall-clock seconds. Raises ``Died`` and ``BadReply``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if reply := process.receive():
            return reply.parse()
        wait_any([process], TICK)
    return None


@contextmanager
def understood(id: EngineId | str) -> Iterator[None]:
    """While a reply is read: what is none makes the engine unusable, and is nobody's finding. Programs of users answer
    too, with whatever their authors made of the protocol. Raises ``EngineUnavailable``."""
    try:
        yield
    except BadReply as error:
        raise EngineUnavailable(f"{id}: what its worker answered is no reply: {error} (docs/protocol.md)") from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        said = f"{type(error).__name__}: {error}".replace("\n", " ")
        text = f"its worker's reply cannot be read ({said}): docs/protocol.md has the keys"
        raise EngineUnavailable(f"{id}: {text}") from None


class WorkerFault(EngineUnavailable):
    """A worker says that it failed itself: a mistake in its own program, which is no answer of the engine's."""


def broken(id: EngineId | str, header: dict[str, Any]) -> None:
    """Raise ``WorkerFault`` if the worker says that it failed itself, ``EngineUnavailable`` if that it cannot go on."""
    if line := header.get("unusable"):
        raise EngineUnavailable(f"{id}: {line}")
    if text := header.get("broken"):
        lines = [line.strip() for line in text.strip().splitlines()]
        # What went wrong stands first in Go and JavaScript, last in Python.
        told = lines if len(lines) <= 5 else [lines[0], *lines[-4:]]
        raise WorkerFault(f"{id}: its worker failed ({' | '.join(told)}): please report it")


def over_limits(process: WorkerProcess, limits: Limits) -> TimedOut | OutOfMemory | None:
    """Whether a busy worker has gone too far; looks at most every ``TICK`` seconds."""
    now = time.monotonic()
    if now < process.next_look:
        return None
    process.next_look = now + TICK
    cpu, resident = process.usage()
    idle = process.idle(cpu, limits.idle_seconds)
    if cpu > limits.cpu_seconds or idle or now - process.started > limits.wall_seconds:
        return TimedOut(round(cpu, 2))
    if resident > limits.memory_bytes:
        return OutOfMemory(f"the worker held {resident >> 20} MiB")
    return None


def answered(process: WorkerProcess, id: EngineId | str, limits: Limits) -> tuple[dict[str, Any], bytes] | Outcome:
    """Header and body of the answer to what a worker was sent; what it did instead, if it died or went too far: then it
    is to be ended. Raises ``EngineUnavailable`` as ``understood`` and ``broken`` do."""
    try:
        while True:
            with understood(id):
                if (reply := process.receive()) is not None:
                    header, body = reply.parse()
                    broken(id, header)
                    return header, body
            if (excess := over_limits(process, limits)) is not None:
                return excess
            wait_any([process], TICK)
    except Died as died:
        return read_crash(*died.args)
