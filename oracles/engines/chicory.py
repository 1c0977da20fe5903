"""Chicory, the runtime for the JVM that became Endive: ``chicory@VERSION`` is that release from Maven; needs a JDK and
mvn.

Settings: ``interpreter``, in place of its compiler to the JVM's bytecode.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from oracles.built import WORKERS, BuiltReleases
from oracles.engine import Engine, EngineId, Limits
from oracles.engines import _two_tiers
from oracles.engines._endive import open_either
from oracles.maven import build, listed
from oracles.switches import Switch

GROUP: Final = "com.dylibso.chicory"
VALUES: Final = {"interpreter": ("on",)}
CONTRACT: Final = ("chicory", "chicory:interpreter")
_BASE: Final = WORKERS / "endive"
RELEASES: Final = BuiltReleases(
    "chicory",
    partial(listed, "chicory", "Chicory", GROUP, "compiler"),
    partial(build, "Chicory", based_on=_BASE),
    shared=(_BASE,),
)


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    return _two_tiers.check(id, "Chicory", "comes from Maven")


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    return _two_tiers.switches(id)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching and building what is missing if the release is asked for."""
    return open_either(id, "Chicory", RELEASES, limits, offline)
