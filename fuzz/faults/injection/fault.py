"""What a fault is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum

from fuzz.faults.injection.patches import Patch, applied


class Area(Enum):
    """The part of the project that a fault is in."""

    TRANSLATE = "translate"
    SIMPLIFY = "simplify"
    LOWER = "lower"
    ABI = "abi"
    ALLOCATE = "allocate"
    CHECK = "check"
    EMIT = "emit"
    INTERPRET = "interpret"


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault. ``what`` says in a line what goes wrong, ``reference`` which real bug it is modelled on.

    A fault of the checker has a ``partner``: the allocator's fault that it hides. It is found when the wrong code that
    the pair lets through is found by what it does.
    """

    name: str
    area: Area
    what: str
    reference: str
    patches: tuple[Patch, ...]
    partner: str = ""

    @contextmanager
    def inject(self) -> Iterator[None]:
        """The fault is in this process's code inside, and gone afterwards. Raises ``FaultError``."""
        with ExitStack() as stack:
            for patch in self.patches:
                stack.enter_context(applied(patch))
            yield
