"""Wasmer, a runtime in Rust: ``wasmer@VERSION`` is built from the crate of that release; needs cargo.

Settings: ``opt=none|speed|speed_and_size`` of Cranelift, its default compiler; ``singlepass``, its own. Its third,
LLVM, is not here: the crate links against one release of LLVM, which it wants to be installed.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from oracles import crates
from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch

VALUES: Final = {"opt": ("speed", "none", "speed_and_size"), "singlepass": ("on",)}
"""What each setting may be; the first of ``opt`` is the default."""
CONTRACT: Final = ("wasmer", "wasmer:opt=none", "wasmer:singlepass")
RELEASES: Final = BuiltReleases(
    "wasmer", partial(crates.listed, "wasmer"), partial(crates.build, "wasmer"), since="7.4.0", shared=(crates.SHARED,)
)
"""Older ones have not been tried."""
_KINDS: Final = frozenset("ilfdvec")
"""What its host functions can carry."""


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    settings = dict(id.settings)
    for key, value in id.settings:
        if value not in VALUES.get(key, ()):
            raise UsageError(
                f"{key}={value} is no setting of wasmer: it has opt={'|'.join(VALUES['opt'])} and singlepass"
            )
    if id.path:
        raise UsageError("wasmer is a crate: write wasmer or wasmer@VERSION")
    if "singlepass" in settings and "opt" in settings:
        raise UsageError("singlepass does not optimise: leave opt away")
    if settings.get("opt") == VALUES["opt"][0]:
        del settings["opt"]
    return id.with_settings(settings)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two compilers, and Cranelift without its optimisations."""
    if id.get("singlepass"):
        return (Switch("cranelift", "singlepass", (("singlepass", ""),)),)
    other = Switch("singlepass", "cranelift", (("singlepass", "on"), ("opt", "")), plainer=True)
    if id.get("opt") == "none":
        return (other,)
    return (Switch("opt=none", f"opt={id.get('opt', 'speed')}", (("opt", "none"),), plainer=True), other)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, building the worker if the release is asked for and missing."""
    version, worker = RELEASES.chosen(id.version, offline)
    tier = "singlepass" if id.get("singlepass") else id.get("opt", VALUES["opt"][0])

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: wasmer {hello['version']} was built instead")
        return version, ()

    # Its Cranelift is the same code as Wasmtime's, though of another release: they have one vote between them.
    family = "wasmer-singlepass" if tier == "singlepass" else "cranelift"
    launch = Launch((str(worker), tier, "{in}", "{out}", "{progress}"), {"RUST_BACKTRACE": "0"})
    # It validates by the same crate as Wasmtime does (wasmparser).
    # Singlepass loses float arguments from module to module (docs/found/wasmer.md): through a wrapper most cases would
    # show that and nothing else.
    # What changes a module for its hosts is a second instance, too.
    # What a function of its host returns as an error is caught by no try_table.
    flavour = Flavour(_KINDS, True, links=True, acts=tier != "singlepass", passes=False, direct=tier == "singlepass")
    return WorkerEngine(id, Worker(launch, flavour, family, loaded, validator="wasmtime"), limits)
