"""Endive (formerly Chicory), a runtime for the JVM: ``endive@VERSION`` is that release from Maven; needs a JDK and mvn.

Settings: ``interpreter``, in place of its compiler to the JVM's bytecode.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits
from oracles.engines import _two_tiers
from oracles.maven import build, command, listed
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch

GROUP: Final = "run.endive"
VALUES: Final = {"interpreter": ("on",)}
CONTRACT: Final = ("endive", "endive:interpreter")
_KINDS: Final = frozenset("ilfdvec")
"""What its host functions can carry."""
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
    version, worker = RELEASES.chosen(id.version, offline)
    tier = "interpreter" if id.get("interpreter") else "compiler"
    argv = (*command("Endive", worker, limits), tier, "{in}", "{out}", "{progress}")

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: Endive {hello['version']} was loaded instead")
        return version, ()

    # Both tiers call the same Java methods for arithmetic: that is one vote.
    return WorkerEngine(id, Worker(Launch(argv), Flavour(_KINDS, True, acts=False), "endive", loaded), limits)
