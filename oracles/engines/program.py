"""A program of yours that speaks the frame protocol: ``program:COMMAND`` or ``program@/path/to/PROGRAM``.

    --engine program:'python3 my_engine.py'

The program gets three more words, the numbers of its descriptors for requests, replies and progress, and is kept from
case to case. docs/protocol.md has the frames; examples/programs has one in each of five languages. What it says of
itself in its first reply stands: its name and version, the kinds of values that it carries, the features that it has.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any, Final

from oracles.command.description import absolute
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.sources import CALLBACK_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine

CONTRACT: Final[tuple[str, ...]] = ()
"""Which programs there are is the user's business; ``tests/engines/test_program.py`` runs those of the examples."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_PLAIN: Final = re.compile(r"[\w@%+=:,./-]+")


def check(id: EngineId) -> EngineId:
    """The canonical form: a path, or a command whose program and files are named by absolute paths."""
    if id.version or (not id.command and (id.settings or not id.path)):
        text = "an engine that is a program is program:'COMMAND' of two words or more, or program@/path/to/PROGRAM"
        raise UsageError(text)
    if id.path:
        return id
    try:
        words = absolute(shlex.split(id.command), "the command", Path.cwd())
    except ValueError as error:
        raise UsageError(f"{id.command} is no command: {error}") from None
    text = " ".join(word if _PLAIN.fullmatch(word) else shlex.quote(word) for word in words)
    return EngineId(id.name, settings=(("", text),))


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open it: the program is started when its capabilities are asked for."""
    words = [id.path] if id.path else shlex.split(id.command)
    if not os.access(words[0], os.X_OK):
        raise EngineUnavailable(f"{words[0]} is no program that can be run")
    files = [word for word in words if Path(word).is_file()]
    launch = Launch((*words, "{in}", "{out}", "{progress}"))

    def told(hello: dict[str, Any]) -> Worker:
        """What the program says of itself, and nothing that it does not."""
        hello.setdefault("library", files[-1])
        family = str(hello.get("name", "program"))
        if not _NAME.match(family):
            raise EngineUnavailable(f"{id}: {family!r} is no name")
        kinds = frozenset(str(hello.get("carries", ""))) & CALLBACK_KINDS
        exact, acts, links = (bool(hello.get(key, False)) for key in ("exact", "acts", "links"))
        flavour = Flavour(kinds, exact, acts=acts, links=links)
        return Worker(launch, flavour, family, _loaded, scripts=bool(hello.get("scripts", False)), told=told)

    return WorkerEngine(
        id, Worker(launch, Flavour(frozenset(), False, acts=False), "program", _loaded, told=told), limits
    )


def _loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(hello.get("version", "0")), ()
