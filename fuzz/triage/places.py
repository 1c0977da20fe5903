"""Whether what is wrong comes and goes with where values lie.

An address that is encoded wrongly if its index is in one of eight registers, a slot of the frame that two values share:
which instruction of a case meets it is chance, and each change of the case moves the values, so that it may go away
with whatever is taken out. So the same case is asked for with values elsewhere: by other allocators, with fewer
registers, in another order of blocks, as far as the engine has such settings. Where it is right with one of them, only
what is right with *all* of them once a row is neutralized tells that the row is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from wasm.case import Case

Question: TypeAlias = Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An engine that dissents, asked with its values in other places: whether a case is ``right`` with one of the
    settings that there are, and whether it is ``wrong`` with one of them."""

    right: Question
    wrong: Question


NOWHERE = Elsewhere(lambda _: False, lambda _: False)
"""An engine without such settings."""
