"""SpiderMonkey, through the Python package pythonmonkey: ``@VERSION`` of it from the Python package index,
else the installed release, or the newest at hand.

Settings: ``baseline`` (the baseline compiler alone), ``ion`` (the optimising one alone), neither for SpiderMonkey's own
tiering, in which a function that gets hot is compiled again on another thread. The worker proves that the compiler that
is asked for is the one that runs. Shared memories are off in this build.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.scripted import program_file
from oracles.remote.shells import FLAG, check_tiers, tier_of, tier_switches
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch

PACKAGE: Final = "pythonmonkey"
TIERS: Final = ("baseline", "ion")
CONTRACT: Final = ("spidermonkey", *(f"spidermonkey:{tier}" for tier in TIERS))
NOISE: Final = re.compile(
    r"CompileError: wasm validation error: at offset \d+: |wasm validation error: at offset \d+: "
)
"""What it says of every module that it refuses."""
WORKER: Final = str(Path(__file__).parents[1] / "workers" / "spidermonkey_worker.py")
_GET: Final = partial(provision.own_or_wheel, PACKAGE, PACKAGE)
RELEASES: Final = provision.Registry(PACKAGE, _GET, package=PACKAGE, listed=PACKAGE, since="1.1.0")


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    if id.path:
        raise UsageError("spidermonkey is a Python package: write spidermonkey or spidermonkey@VERSION")
    return check_compilers(id)


def check_compilers(id: EngineId) -> EngineId:
    """The canonical form of an id with one of SpiderMonkey's compilers, or none. Raises ``UsageError``."""
    for key, _ in id.settings:
        if key.startswith(FLAG):
            raise UsageError(f"{key} is no setting of {id.name}: it has {', '.join(TIERS)}")
    return check_tiers(id, TIERS)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers."""
    return tier_switches(id, TIERS)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching the release if it is asked for and missing."""
    version, folder = RELEASES.chosen(id.version, offline, "spidermonkey@VERSION")
    tier = tier_of(id, TIERS)
    argv = (
        sys.executable,
        "-I",
        "-S",
        WORKER,
        str(folder),
        tier,
        "{in}",
        "{out}",
        "{progress}",
        str(program_file(id.name)),
    )

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if doubt := hello["doubt"]:
            raise EngineUnavailable(f"{id}: {doubt}")
        if hello["host"] != version:
            raise EngineUnavailable(f"{id}: {PACKAGE} {hello['host']} ran instead")
        return version, (f"SpiderMonkey {hello['engine']}, in {PACKAGE}",)

    family = f"spidermonkey-{tier or 'baseline'}"
    return WorkerEngine(id, Worker(Launch(argv), Flavour(SCRIPT_KINDS, False, links=True), family, loaded), limits)
