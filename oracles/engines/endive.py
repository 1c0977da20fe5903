"""Endive (formerly Chicory), a runtime for the JVM: ``endive@VERSION`` is that release from Maven; needs a JDK and mvn.

Settings: ``interpreter``, in place of its compiler to the JVM's bytecode.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, Limits
from oracles.engines import _two_tiers
from oracles.engines._endive import open_either
from oracles.maven import build, listed
from oracles.switches import Switch

GROUP: Final = "run.endive"
VALUES: Final = {"interpreter": ("on",)}
CONTRACT: Final = ("endive", "endive:interpreter")
RELEASES: Final = BuiltReleases(
    "endive", partial(listed, "endive", "Endive", GROUP, "compiler"), partial(build, "Endive")
)


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    return _two_tiers.check(id, "Endive", "comes from Maven")


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    return _two_tiers.switches(id)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching and building what is missing if the release is asked for."""
    return open_either(id, "Endive", RELEASES, limits, offline)
