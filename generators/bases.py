"""Cases to start from: what another target makes of the same choices."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.registry import load_target, target_names
from wasm.case import Case, CaseKind

_DERIVED: Final = frozenset(("modules", "mutate"))
"""Targets that start from others."""


@lru_cache(maxsize=64)
def base_targets(config: Config) -> tuple[str, ...]:
    """The targets that make modules to run of these features, in order."""
    return tuple(
        name
        for name in target_names()
        if name not in _DERIVED
        and load_target(name).kind is CaseKind.WASM
        and load_target(name).needs <= config.features
    )


def drawn_case(source: ChoiceSource, config: Config) -> Case:
    """A case of one of the other targets."""
    return load_target(source.pick(base_targets(config))).generate(source.fork("case"), config)
