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


def simplify(func: Function, passes: Iterable[str] = PASSES, verify: bool = False) -> None:
    """Run the named passes until nothing changes, ``ROUNDS`` times at most.

    With ``verify``, the function is verified after each pass (tests and fuzzing do; it raises ``InvalidFunction``).
    Raises ``KeyError`` for a pass that does not exist.
    """
    chosen = set(passes)
    unknown = chosen - set(PASSES)
    if unknown:
        raise KeyError(f"no pass {sorted(unknown)}: there are {', '.join(PASSES)}")
    for _ in range(ROUNDS):
        changed = False
        for name, run in PASSES.items():
            if name in chosen:
                changed |= run(func)
                if verify:
                    assert_valid(func)
        if not changed:
            return
