"""Simplification of SSA: passes that each keep the function valid, in a fixed order, each of which can be left out.

A pass is one file of this package with ``run(func) -> bool`` (whether anything changed); its name here is the file's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from compiler.ir import Function
from compiler.ir_verify import assert_valid
from compiler.simplify import dead, fold, forward, gvn, thread

Pass = Callable[[Function], bool]

PASSES: Final[dict[str, Pass]] = {
    "fold": fold.run,
    "thread": thread.run,
    "gvn": gvn.run,
    "forward": forward.run,
    "dead": dead.run,
}
"""The passes in the order in which a round runs them."""

ROUNDS: Final = 3
"""Rounds at most: each pass may give the others something to do, and gains fall off quickly."""


class Fuel:
    """How many times a pass may still change a function; None for any number."""

    __slots__ = ("left",)

    def __init__(self, left: int | None = None) -> None:
        self.left = left

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1


def simplify(
    func: Function, passes: Iterable[str] = PASSES, verify: bool = False, fuel: Fuel | None = None
) -> None:  # fmt: skip
    """Run the named passes until nothing changes, ``ROUNDS`` times at most.

    With ``verify``, the function is verified after each pass (tests and fuzzing do; it raises ``InvalidFunction``).
    It ends early where ``fuel`` does. Raises ``KeyError`` for a pass that does not exist.
    """
    chosen = set(passes)
    unknown = chosen - set(PASSES)
    if unknown:
        raise KeyError(f"no pass {sorted(unknown)}: there are {', '.join(PASSES)}")
    for _ in range(ROUNDS):
        changed = False
        for name, run in PASSES.items():
            if name in chosen:
                if fuel is not None and fuel.left == 0:
                    return
                if run(func):
                    changed = True
                    if fuel is not None:
                        fuel.burn()
                if verify:
                    assert_valid(func)
        if not changed:
            return
