"""The targets that a user names, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.cli.names import listed
from generators.registry import kind_of, known_targets, target_names
from generators.schedule import turns
from oracles.engine import EngineId, UsageError, kinds_of
from wasm.case import CaseKind

ALL: Final = "all"


def chosen_targets(text: str, engines: Sequence[str]) -> tuple[str, ...]:
    """``all`` as turns by weight (``generators.schedule``), or the named targets in turn. Raises ``UsageError``.

    Of all, those are left out whose cases none of the engines takes; where none is named, the default ones do.
    """
    names = listed(text, "target", (ALL, *known_targets()))
    if ALL not in names:
        return names
    if len(names) > 1:
        raise UsageError("--target all is every target: name no others beside it")
    return turns([name for name in target_names() if _runs(kind_of(name), engines)])


def _runs(kind: CaseKind, engines: Sequence[str]) -> bool:
    return not engines or any(kind in kinds_of(EngineId.read(engine).name) for engine in engines)


def need_mutants(targets: Sequence[str]) -> None:
    """Raises ``UsageError`` if no target has cases of which there are neutral mutants."""
    if all(kind_of(name) is not CaseKind.WASM for name in targets):
        raise UsageError(
            f"only cases that are run have neutral mutants, and none of {', '.join(targets)} is: add mixed"
        )
