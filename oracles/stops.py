"""How a run stops without a result, beside ``Trap``, whatever runs it; ``oracles.linking.embedded`` makes outcomes."""

from __future__ import annotations


class Exhaustion(Exception):
    """A limit was reached: ``what`` is ``stack`` or ``fuel``."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class MemoryExhaustion(Exception):
    """There is no memory left, or none that the budget allows; becomes the outcome OutOfMemory."""


class Unlinkable(Exception):
    """An import that is missing or does not fit; the message is the official suite's."""


class BadArgument(Exception):
    """An argument that does not fit its parameter, in one line."""
