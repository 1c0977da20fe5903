"""How a run of compiled code can stop without a result, beside ``Trap`` and ``oracles.stops``.

These are exceptions on the way out of host code. A helper may raise any of them; compiled code around it is left in an
orderly way, and the host function that entered it sees the same exception.
"""

from __future__ import annotations

import signal


class Thrown(Exception):
    """A WebAssembly exception that no compiled frame caught; ``address`` is its block's."""

    def __init__(self, address: int) -> None:
        super().__init__("exception")
        self.address = address


class Fault(Exception):
    """A signal in compiled code, which has all its traps by explicit checks: a bug of the compiler."""

    def __init__(self, number: int, place: str, address: int) -> None:
        self.number, self.place = number, place
        super().__init__(f"{signal.Signals(number).name} at {place} (address {address:#x})")


class Corrupted(Exception):
    """Compiled code did what none may do, as asking for a helper in a context that there is not: a compiler bug."""


class TimeUp(Exception):
    """The deadline passed."""
