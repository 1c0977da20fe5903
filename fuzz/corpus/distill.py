"""A small corpus with all that a large one executes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fuzz.campaign.feedback import words_of
from fuzz.corpus.entry import Entry

_OTHERS: Final = ("shape ", "outcome ", "machine ", "alloc ")


def kinds_of(entry: Entry) -> frozenset[str]:
    """What a case executes and is: instructions, ``shape ...`` by size, ``outcome ...`` of its calls, and what our
    compiler did with it (``machine ...``, ``alloc ...``). None for what is not run."""
    words = words_of(entry.case)
    return frozenset(word if word.startswith(_OTHERS) else word.split()[-1] for word in words)


def distilled(kinds: Mapping[str, frozenset[str]], sizes: Mapping[str, int]) -> list[str]:
    """Names of cases that have all words together, chosen greedily: always the one that adds most, of these the
    smallest. Cases without any word are kept all: nothing tells them apart."""
    chosen = [name for name, words in kinds.items() if not words]
    missing: set[str] = set().union(*kinds.values())
    left = {name: words for name, words in kinds.items() if words}
    while missing:
        name = min(left, key=lambda one: (-len(left[one] & missing), sizes[one], one))
        chosen.append(name)
        missing -= left.pop(name)
    return sorted(chosen)
