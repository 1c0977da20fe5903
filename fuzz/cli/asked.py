"""The engines that a command line asks for, and those that a bundle does."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from fuzz.records.printable import one_line
from oracles import provision, versions
from oracles.engine import EngineId, UsageError, adapter, prepare, releases_for, risk


def asked_engines(ids: Iterable[str], offline: bool) -> list[str]:
    """Engine ids in canonical form, each once, in order.

    Of an unfinished release (``wasmtime@33``) the newest at hand is taken, or else the newest that is offered, which a
    line on standard error says. What takes minutes to bring here is brought now. Raises ``UsageError`` or
    ``EngineUnavailable``.
    """
    asked = list(dict.fromkeys(_finished(EngineId.parse(id), offline) for id in ids))
    for id in asked:
        prepare(EngineId.parse(id), offline)
    return asked


def _finished(id: EngineId, offline: bool) -> str:
    releases = releases_for(id)
    if releases is None or not versions.unfinished(id.version):
        return str(id)
    version = provision.newest(releases, id.version, offline)
    whole: EngineId = adapter(id.name).check(replace(id, version=version))
    print(f"fuzz: {id.name}@{id.version} is {id.name}@{version} here", file=sys.stderr)
    return str(whole)


def need_trust(name: str, engines: Iterable[str], trust: bool) -> None:
    """Whoever made a bundle chose its engines. Raises ``UsageError`` where one would run something of theirs."""
    for engine in engines:
        what = "" if trust else risk(EngineId.read(engine))
        if what:
            text = f"{name} asks for {what} (engine {engine}): add --trust if you trust it, or name others by --engine"
            raise UsageError(one_line(text))
