"""GraalWasm, a runtime on Truffle: ``graalwasm@VERSION`` is that release from Maven; needs a JDK and mvn.

It runs in a JVM of Java 21 or later, and is reached through GraalJS, whose WebAssembly it is, so that modules are
linked and called as in every JavaScript engine. By itself it is interpreted. Settings: ``compiled``, every function of
a module by Truffle's compiler (Graal), which is a part of GraalVM and for other JVMs comes from Maven; the worker
proves that it does, and that nothing else is compiled. A release's compiler asks for a JDK 25 that is as new as the
release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.maven import build, command, java, java_version, listed
from oracles.remote.interface import SORTS
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.scripted import program_file
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch
from oracles.versions import version_key

GROUP: Final = "org.graalvm.wasm"
COMPILED: Final = "compiled"
VALUES: Final[Mapping[str, tuple[str, ...]]] = {COMPILED: ("on",)}
CONTRACT: Final = ("graalwasm", f"graalwasm:{COMPILED}")
_SLOWER: Final = 4
"""How much more CPU time a case may have: the compiler takes some 30 ms for a function."""
_COMPILER_BYTES: Final = 256 << 20
"""What the compiler's own code takes beside the heap."""
_LEAST_JAVA: Final = {"": 21, COMPILED: 25}
_MODULES: Final = ("compiler", "truffle-compiler", "collections", "word")
"""The jars that have to be modules of the JVM, in place of those that a JDK may have under the same names."""
_JVMCI: Final = ("-XX:+UnlockExperimentalVMOptions", "-XX:+EnableJVMCI", "-XX:-UseJVMCICompiler")
RELEASES: Final = BuiltReleases(
    "graalwasm",
    partial(listed, "graalwasm", "GraalWasm", GROUP, "wasm-language"),
    partial(build, "GraalWasm"),
    "25.0.0",
)


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    for key, value in id.settings:
        if key != COMPILED or value != "on":
            raise UsageError(f"{key}={value} is no setting of graalwasm: it has {COMPILED}")
    if id.path:
        raise UsageError("GraalWasm comes from Maven: write graalwasm or graalwasm@VERSION")
    return id


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    if id.get(COMPILED):
        return (Switch("interpreter", COMPILED, ((COMPILED, ""),), plainer=True),)
    return (Switch(COMPILED, "interpreter", ((COMPILED, "on"),)),)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching and building what is missing if the release is asked for."""
    tier = COMPILED if id.get(COMPILED) else ""
    version, worker = RELEASES.chosen(id.version or (_newest_that_compiles() if tier else ""), offline)
    kept = replace(limits, memory_bytes=limits.memory_bytes - _COMPILER_BYTES) if tier else limits
    jvm, *options = command("GraalWasm", worker, kept, _LEAST_JAVA[tier])
    # What Truffle unpacks for itself would lie in the home folder of whoever runs the worker.
    own = f"-Dpolyglot.engine.userResourceCache={worker}/resources"
    compiler = (*_JVMCI, f"--upgrade-module-path={_modules(worker, version)}") if tier else ()
    words = ("{in}", "{out}", "{progress}", str(program_file(id.name)), tier or "interpreter")

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["host"] != version:
            raise EngineUnavailable(f"{id}: GraalWasm {hello['host']} was loaded instead")
        if tier and hello["doubt"]:
            hint = "set JAVA_HOME to a newer JDK 25, or name an older release"
            raise EngineUnavailable(f"{id}: GraalWasm {version} does not compile here ({hello['doubt']}): {hint}")
        return version, (f"in GraalJS, {tier or 'interpreted'}",)

    flavour = Flavour(SCRIPT_KINDS, False, links=True, one_by_name=frozenset(SORTS))
    # What is compiled is the interpreter's own source: that is one vote.
    engine = Worker(Launch((jvm, own, *compiler, *options, *words)), flavour, "graalwasm", loaded)
    return WorkerEngine(id, engine, replace(limits, cpu_seconds=limits.cpu_seconds * _SLOWER) if tier else limits)


def _newest_that_compiles() -> str:
    """The newest release at hand that is no newer than the JDK; "" if all are."""
    jdk = version_key(java_version(java("GraalWasm", _LEAST_JAVA[COMPILED])))
    return next((one for one in reversed(RELEASES.at_hand()) if version_key(one) <= jdk), "")


def _modules(worker: Path, version: str) -> str:
    return ":".join(f"{worker}/lib/{name}-{version}.jar" for name in _MODULES)
