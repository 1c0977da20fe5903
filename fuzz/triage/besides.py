"""Whether a finding is about memories, or tables, besides the first: it goes away where what was another comes first.

    (memory 0) (memory 1) ... (i32.load 1)      ->      (memory 1) (memory 0) ... (i32.load 0)

Which instructions such a case has says little: whatever reads and writes a memory is wrong alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fuzz.triage.readable import module_of
from wasm.case import Case
from wasm.encode import encode
from wasm.module import ExternKind
from wasm.rewrite.exchange import Plural, exchanged
from wasm.rewrite.spaces import SPACE_OF, space_sizes

KINDS: Final[tuple[Plural, ...]] = (ExternKind.MEMORY, ExternKind.TABLE)
MOST: Final = 4
"""Memories, or tables, that are tried in the first one's place; a reducer leaves two as a rule."""


def besides(case: Case, wrong: Callable[[Case], bool]) -> str:
    """``memory`` or ``table`` if nothing is wrong with the case where another one comes first, else nothing."""
    module = module_of(case)
    if module is None:
        return ""
    for kind in KINDS:
        for other in range(1, min(space_sizes(module)[SPACE_OF[kind]], MOST)):
            made = exchanged(module, kind, 0, other)
            if made is not None and not wrong(case.with_content(encode(made))):
                return SPACE_OF[kind].value
    return ""
