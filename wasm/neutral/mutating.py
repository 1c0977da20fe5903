"""A mutant of a module: a few mutators, one after the other."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

import wasm.neutral.mutators
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.module import Module
from wasm.neutral.draws import Draws
from wasm.neutral.facts import Facts, no_facts
from wasm.neutral.func_code import copied

MOST: Final = 4
"""So many mutators are tried for one mutant, at least one of them with success."""
TRIES: Final = 8


@lru_cache(maxsize=1)
def mutators() -> dict[str, Any]:
    """Every mutator by its file's name."""
    folder = wasm.neutral.mutators
    return {one.name: import_module(f"{folder.__name__}.{one.name}") for one in pkgutil.iter_modules(folder.__path__)}


def mutated(
    module: Module, draws: Draws, facts: Facts = no_facts, features: Collection[Feature] | None = None,
    among: Collection[str] | None = None,
) -> tuple[Module, tuple[str, ...]] | None:  # fmt: skip
    """A mutant of a valid module and the names of the mutators that made it; None where none of them could do anything.

    It needs no features but those of the module, or of ``features``. ``among`` has the names of the mutators to choose
    from, by default all.
    """
    known = {name: one for name, one in mutators().items() if among is None or name in among}
    allowed = required_features(module) if features is None else frozenset(features)
    wanted = 1 + draws.below(MOST)
    original, made = module, list[str]()
    for _ in range(TRIES):
        if len(made) == wanted or not known:
            break
        name = _drawn(known, draws)
        # What was seen was seen in the module as it was.
        changed: Module | None = known[name].mutate(copied(module), draws, no_facts if made else facts)
        # Two mutators can undo each other.
        if changed is not None and changed != original and required_features(changed) <= allowed:
            module = changed
            made.append(name)
    return (module, tuple(made)) if made else None


def _drawn(among: dict[str, Any], draws: Draws) -> str:
    left = draws.below(sum(one.WEIGHT for one in among.values()))
    for name, one in among.items():
        left -= one.WEIGHT
        if left < 0:
            return name
    raise AssertionError("weights are positive")
