"""Libraries for the JVM: releases from Maven as the user has configured it, and the JVM that runs a worker."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Final

from oracles.built import WORKERS, tool
from oracles.clients import run_client
from oracles.engine import EngineUnavailable, Limits

_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies"
_BESIDE_HEAP: Final = 256 << 20
"""Bytes of the JVM beside its heap: its own code and data, and the code that it compiles."""
_LEAST_HEAP: Final = 128 << 20
_JVMS: Final = Path("/usr/lib/jvm")
_NO_FILES: Final = ("-XX:-UsePerfData", "-XX:+ErrorFileToStderr")


def _maven(*words: str, who: str, what: str) -> str:
    """Maven on the worker's project."""
    return run_client([tool("mvn", who), "-B", "-q", *words], what)


def _copied(version: str, folder: Path, source: Path, who: str, what: str) -> None:
    """The jars of a release, and what they need, into a folder."""
    words = (f"-Drelease={version}", f"-DoutputDirectory={folder}", "-DincludeScope=runtime")
    _maven("-U", "-f", str(source / "pom.xml"), *words, _COPY, who=who, what=what)


def listed(name: str, who: str, group: str, artifact: str) -> list[str]:
    """All versions of what the worker ``name`` is built around. Raises ``EngineUnavailable``.

    Maven prints no list, but keeps the one that it has read to choose the newest of a range.
    """
    what = f"the list of {who} releases"
    with tempfile.TemporaryDirectory(prefix="fuzz-build-") as temporary:
        _copied("[0.0,)", Path(temporary), WORKERS / name, who, what)
    told = _maven("help:evaluate", "-DforceStdout", "-Dexpression=settings.localRepository", who=who, what=what)
    found = [line for line in told.splitlines() if line.startswith("/")]
    folder = Path(found[-1] if found else "/", *group.split("."), artifact)
    versions: set[str] = set()
    for path in folder.glob("maven-metadata-*.xml"):
        versions.update(one.text or "" for one in ElementTree.parse(path).iter("version"))
    if not versions:
        raise EngineUnavailable(f"{what}: Maven has left none in {folder}")
    return sorted(versions)


def build(who: str, version: str, source: Path, target: Path, based_on: Path | None = None) -> None:
    """The jars of a release into ``target/lib``, and the worker compiled into ``target/classes``. Raises
    ``EngineUnavailable``.

    A worker may be ``based_on`` another one: what is not in ``source`` is taken from there, and what is named after the
    other's group of artifacts is named after its own.
    """
    javac = tool("javac", who)
    what = f"{who} {version}"
    _copied(version, target / "lib", source, who, what)
    if based_on is not None:
        theirs, ours = (_group(folder) for folder in (based_on, source))
        for path in based_on.glob("*.java"):
            text = path.read_text(encoding="utf-8")
            if not (source / path.name).exists():
                (source / path.name).write_text(text.replace(theirs, ours), encoding="utf-8")
    sources = map(str, sorted(source.glob("*.java")))
    run_client([javac, "-d", str(target / "classes"), "-cp", f"{target / 'lib'}/*", *sources], what)


def _group(worker: Path) -> str:
    """The group of the library that a worker is built around: the first that its project depends on."""
    names = ElementTree.parse(worker / "pom.xml").iter("{http://maven.apache.org/POM/4.0.0}dependency")
    return str(next(iter(next(names))).text)


def command(who: str, worker: Path, limits: Limits, least: int = 11) -> tuple[str, ...]:
    """How the class ``Worker`` is run: a heap within the limits, few threads, and no files left anywhere. ``least`` is
    the oldest Java that will do. Raises ``EngineUnavailable``.

    The JVM's own optimizing compiler is off: cases are short, and it is not what is tested.
    """
    heap = max(_LEAST_HEAP, limits.memory_bytes - _BESIDE_HEAP) >> 20
    options = (f"-Xmx{heap}m", "-Xmn32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *_NO_FILES)
    return (java(who, least), *options, "-cp", f"{worker}/classes:{worker}/lib/*", "Worker")


def java(who: str, least: int) -> str:
    """The JVM that the user has chosen, or else any that is new enough. Raises ``EngineUnavailable``."""
    on_path = shutil.which("java")
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += [Path(on_path).resolve().parents[1]] if on_path else []
    homes += sorted(_JVMS.glob("*"))
    found = [(home / "bin" / "java", _release(home)) for home in homes if (home / "bin" / "java").is_file()]
    for path, release in found:
        if release >= least:
            return str(path)
    if not found:
        raise EngineUnavailable(f"{who} runs in a JVM: there is no java on the PATH, in JAVA_HOME or in {_JVMS}")
    newest = max(release for _, release in found)
    raise EngineUnavailable(f"{who} asks for Java {least} or later, and the newest here is {newest}: set JAVA_HOME")


def java_version(path: str) -> str:
    """The version of a JVM by its path: ``25.0.3``; 0 where it does not say."""
    return _version(Path(path).parents[1])


def _release(home: Path) -> int:
    """The Java that a JVM is."""
    return int(_version(home).partition(".")[0])


def _version(home: Path) -> str:
    """By the file ``release`` that each has."""
    try:
        told = re.search(r'^JAVA_VERSION="(\d[\d.]*)', (home / "release").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return "0"
    return told[1] if told else "0"
