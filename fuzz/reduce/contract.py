"""What a pass is: the contract for ``fuzz/reduce/passes/*.py``. Put a file there and it takes part.

A pass lists edits that make a subject smaller, and applies any set of them at once:

    TIER      BULK: whole items and bodies. CODE: instructions and types. POLISH: same size, simpler; only when nothing
              else gets further.
    STRATEGY  CHUNKS (the default) or ENDS: see ``fuzz.reduce.schedule``.
    SCOPE     VALID (the default): for valid modules only, which stay valid. ANY: also for modules that are not valid,
              as an engine may take them for valid all the same. INVALID: for these only, with no regard to types.
    edits(subject) -> list[Edit]
              every edit that is possible now, in an order in which neighbours are likely to go together. ``what`` is
              for the pass itself; ``weight`` roughly how many bytes the edit saves; ``group`` for ENDS: edits of one
              group are tried from its end and from its beginning.
    apply(subject, edits) -> Subject | None
              a new subject with these edits made, or None where that is not possible. Of edits that do not go together
              the first ones are made: ``inline`` makes one at a time. Never changes the old subject.

Rules for a new pass:

* Ask nobody: the scheduler tries candidates, counts them, and learns what the pass is worth. No loops to a fixed point
  in a pass; the scheduler comes back as long as it yields.
* Every edit must be downhill by ``sort_key``, at least after what it makes superfluous is gone. Candidates that are not
  smaller cost no predicate run, and no progress either.
* Candidates of a valid module should be valid by construction (``fuzz.reduce.operation`` and ``fuzz.reduce.surgery``
  see to it). What is not valid is thrown away before the predicate sees it.
* A pass that made no progress must list the same edits if it is called again on the same subject; nothing random, no
  order that comes from hashing.
* Meaning need not be kept: the predicate decides. But candidates that keep what the code computes are accepted more
  often.
* The file's docstring has an example: a module, what has to stay, and what the pass alone makes of it. Its form is
  that of the other passes; tests/reducing/test_examples.py runs it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Strategy(Enum):
    CHUNKS = "chunks"
    ENDS = "ends"


class Scope(Enum):
    VALID = "valid"
    ANY = "any"
    INVALID = "invalid"


CHUNKS: Final = Strategy.CHUNKS
ENDS: Final = Strategy.ENDS
BULK: Final = 1
CODE: Final = 2
POLISH: Final = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """One possible edit; see the module's text."""

    what: tuple[Any, ...]
    weight: int = 1
    group: Hashable = None
