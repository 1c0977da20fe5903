"""Endive (formerly Chicory), a runtime for the JVM: ``endive@VERSION`` is that release from Maven; needs a JDK and mvn.

Settings: ``interpreter``, in place of its compiler to the JVM's bytecode.
"""

from __future__ import annotations

import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Final

from oracles.built import WORKERS, BuiltReleases, tool
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, Switch
from oracles.engines import _two_tiers
from oracles.provision import run_client
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine

GROUP: Final = "run.endive"
VALUES: Final = {"interpreter": ("on",)}
CONTRACT: Final = ("endive", "endive:interpreter")
_KINDS: Final = frozenset("ilfdvec")
"""What its host functions can carry."""
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies"
_BESIDE_HEAP: Final = 256 << 20
"""Bytes of the JVM beside its heap: its own code and data, and the code that it compiles."""
_LEAST_HEAP: Final = 128 << 20
_NO_FILES: Final = ("-XX:-UsePerfData", "-XX:+ErrorFileToStderr")


def _maven(*words: str, what: str) -> str:
    """Maven as the user has configured it, on the worker's project."""
    return run_client([tool("mvn", "Endive"), "-B", "-q", *words], what)


def _copied(version: str, folder: Path, source: Path, what: str) -> None:
    """The jars of a release, and what they need, into a folder."""
    words = (f"-Drelease={version}", f"-DoutputDirectory={folder}", "-DincludeScope=runtime")
    _maven("-U", "-f", str(source / "pom.xml"), *words, _COPY, what=what)


def _listed() -> list[str]:
    """All versions. Maven prints no list, but keeps the one that it has read to choose the newest of a range."""
    what = "the list of Endive releases"
    with tempfile.TemporaryDirectory(prefix="fuzz-build-") as temporary:
        _copied("[0.0,)", Path(temporary), WORKERS / "endive", what)
    told = _maven("help:evaluate", "-DforceStdout", "-Dexpression=settings.localRepository", what=what)
    found = [line for line in told.splitlines() if line.startswith("/")]
    folder = Path(found[-1] if found else "/", *GROUP.split("."), "compiler")
    versions: set[str] = set()
    for path in folder.glob("maven-metadata-*.xml"):
        versions.update(one.text or "" for one in ElementTree.parse(path).iter("version"))
    if not versions:
        raise EngineUnavailable(f"{what}: Maven has left none in {folder}")
    return sorted(versions)


def _build(version: str, source: Path, target: Path) -> None:
    javac = tool("javac", "Endive")
    _copied(version, target / "lib", source, f"endive {version}")
    sources = map(str, sorted(source.glob("*.java")))
    run_client([javac, "-d", str(target / "classes"), "-cp", f"{target / 'lib'}/*", *sources], f"endive {version}")


RELEASES: Final = BuiltReleases("endive", _listed, _build)


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    return _two_tiers.check(id, "Endive", "comes from Maven")


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    return _two_tiers.switches(id)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching and building what is missing if the release is asked for."""
    java = shutil.which("java")
    if java is None:
        raise EngineUnavailable("Endive runs in a JVM: there is no java on the PATH")
    version, worker = RELEASES.chosen(id.version, offline)
    tier = "interpreter" if id.get("interpreter") else "compiler"
    argv = (
        java,
        *_jvm(limits),
        "-cp",
        f"{worker}/classes:{worker}/lib/*",
        "Worker",
        tier,
        "{in}",
        "{out}",
        "{progress}",
    )

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: Endive {hello['version']} was loaded instead")
        return version, ()

    # Both tiers call the same Java methods for arithmetic: that is one vote.
    return WorkerEngine(id, Worker(Launch(argv), Flavour(_KINDS, True, acts=False), "endive", loaded), limits)


def _jvm(limits: Limits) -> tuple[str, ...]:
    """Options of the JVM: a heap within the limits, few threads, and no files left anywhere.

    The JVM's own optimizing compiler is off: cases are short, and it is not what is tested.
    """
    heap = max(_LEAST_HEAP, limits.memory_bytes - _BESIDE_HEAP) >> 20
    return (f"-Xmx{heap}m", "-Xmn32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *_NO_FILES)
