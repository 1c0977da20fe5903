"""Ids of engines that have a compiler, the default, and an interpreter: ``NAME`` and ``NAME:interpreter``; some run on
other kinds of machines too, ``NAME:target=aarch64+interpreter``."""

from __future__ import annotations

from collections.abc import Collection

from oracles.emulation import TARGET, check_target
from oracles.engine import EngineId, UsageError
from oracles.switches import Switch

INTERPRETER = "interpreter"


def check(id: EngineId, name: str, comes: str, targets: Collection[str] = ()) -> EngineId:
    """The canonical form, the machine first; ``comes`` says where the engine comes from if not by a path. Raises
    ``UsageError``."""
    for key, value in id.settings:
        if key == TARGET and targets:
            check_target(value, targets)
        elif key != INTERPRETER or value != "on":
            has = f"{INTERPRETER} and {TARGET}" if targets else INTERPRETER
            raise UsageError(f"{key}={value} is no setting of {name}: it has {has}")
    if id.path:
        raise UsageError(f"{name} {comes}: write {id.name} or {id.name}@VERSION")
    return EngineId(id.name, id.version, "", tuple(sorted(id.settings, key=lambda item: item[0] != TARGET)))


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    if id.get(INTERPRETER):
        return (Switch("compiler", INTERPRETER, ((INTERPRETER, ""),)),)
    return (Switch(INTERPRETER, "compiler", ((INTERPRETER, "on"),), plainer=True),)
