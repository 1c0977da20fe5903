"""Any engine that has a command line: ``cmd:COMMAND``, or ``cmd@/path/to/FILE.toml`` with more said about it.

    --engine cmd:'mywasm run {wasm} --invoke {export}'
    --engine cmd@$PWD/mywasm.toml

docs/your-engine.md has the file's keys. By default calls go through exports that take nothing and give 64-bit integers,
so that how an engine prints floats does not matter. What a command line cannot show is not compared, and said.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import weakref
from pathlib import Path
from typing import Any, Final

from oracles.command.description import Description, of_command, read_description
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine
from wasm.scratch import Scratch

CONTRACT: Final[tuple[str, ...]] = ()
"""Which commands there are is the user's business; ``tests/engines/test_command.py`` is about it."""
_ROOT: Final = str(Path(__file__).parents[2])
_PLAIN: Final = re.compile(r"[\w@%+=:,./{}-]+")
"""A word of a command that needs no quotes: holes are plain here."""
_SHARE: Final = 0.4
"""Of the limit of CPU time, for one process: where several calls are made in one and it is stopped, it is run again."""
_ROOM: Final = 0.8
"""Of the limit of memory, for one process: the worker is to stop it before it is stopped itself."""


def check(id: EngineId) -> EngineId:
    """The canonical form: a file, or a command whose program and files are named by absolute paths."""
    if id.version or (not id.command and (id.settings or not id.path)):
        raise UsageError("an engine that is a command is cmd:'COMMAND {wasm} ...' or cmd@/path/to/FILE.toml")
    if id.path:
        return id
    words = of_command(id.command).command
    return EngineId(id.name, settings=(("", " ".join(map(_quoted, words))),))


def _quoted(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else shlex.quote(word)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open it: the command is run for the first time when its capabilities are asked for."""
    try:
        description = read_description(id.path) if id.path else of_command(id.command)
    except UsageError as error:
        raise EngineUnavailable(str(error)) from None
    scratch = Scratch("command")
    config = {"id": str(id), "seconds": limits.cpu_seconds * _SHARE, "memory": int(limits.memory_bytes * _ROOM),
              "folder": scratch.path}  # fmt: skip
    text = json.dumps(config)[:-1] + ', "fds": [{in}, {out}, {progress}]}'
    argv = (sys.executable, "-m", "oracles.command.worker_main", text)

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return hello["version"], _notes(description)

    launch = Launch(argv, {"PYTHONPATH": _ROOT})
    flavour = Flavour(frozenset(), False, acts=False)
    engine = WorkerEngine(id, Worker(launch, flavour, description.name, loaded, scripts=False), limits)
    weakref.finalize(engine, scratch.close)  # its workers are killed, and cannot
    return engine


def _notes(description: Description) -> tuple[str, ...]:
    """What is not compared, a line each."""
    unseen = "memories, tables and calls of the host at the end are not compared"
    if description.calls == "all":
        return (unseen,)
    return (unseen, "a process per call: globals are not compared, nor is what is called after a trap")
