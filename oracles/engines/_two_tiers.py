"""Ids of engines that have a compiler, the default, and an interpreter: ``NAME`` and ``NAME:interpreter``."""

from __future__ import annotations

from oracles.engine import EngineId, UsageError
from oracles.switches import Switch

INTERPRETER = "interpreter"


def check(id: EngineId, name: str, comes: str) -> EngineId:
    """The canonical form; ``comes`` says where the engine comes from if not by a path. Raises ``UsageError``."""
    for key, value in id.settings:
        if key != INTERPRETER or value != "on":
            raise UsageError(f"{key}={value} is no setting of {name}: it has {INTERPRETER}")
    if id.path:
        raise UsageError(f"{name} {comes}: write {id.name} or {id.name}@VERSION")
    return id


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    if id.get(INTERPRETER):
        return (Switch("compiler", INTERPRETER, ((INTERPRETER, ""),)),)
    return (Switch(INTERPRETER, "compiler", ((INTERPRETER, "on"),), plainer=True),)
