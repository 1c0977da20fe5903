"""An engine that is a command, from its description: the worker that runs it, and what is not compared."""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from oracles.command.description import describe
from oracles.engine import Engine, EngineId, Limits
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine
from wasm.scratch import Scratch

_ROOT: Final = str(Path(__file__).parents[2])
_SHARE: Final = 0.4
"""Of the limit of CPU time, for one process: where several calls are made in one and it is stopped, it is run again."""
_ROOM: Final = 0.8
"""Of the limit of memory, for one process: the worker is to stop it before it is stopped itself."""

Described = Callable[[float], Mapping[str, Any]]
"""Of the CPU seconds that a process may take, what a TOML file would say (docs/your-engine.md)."""


def command_engine(
    id: EngineId,
    described: Described,
    limits: Limits,
    path: str = "",
    notes: tuple[str, ...] = (),
    patience: float = 3.0,
    library: Path | None = None,
) -> Engine:
    """Open it: the command is run for the first time when its capabilities are asked for. ``path`` is the file that
    the description comes from, if it comes from one; a process that does nothing is waited for so many times as long as
    it may compute (``patience``). ``library`` is the file that is the engine, where that is not the command's program.
    Raises ``UsageError``."""
    seconds = limits.cpu_seconds * _SHARE
    data = dict(described(seconds))
    description = describe(data, path)
    scratch = Scratch("command")
    library = library or Path(description.command[0])
    config = {"data": data, "library": str(library), "path": path, "seconds": seconds, "wall": patience * seconds,
              "memory": int(limits.memory_bytes * _ROOM), "folder": scratch.path}  # fmt: skip
    text = json.dumps(config)[:-1] + ', "fds": [{in}, {out}, {progress}]}'
    argv = (sys.executable, "-m", "oracles.command.worker_main", text)
    unseen = "memories, tables and calls of the host at the end are not compared"
    if description.calls == "one":
        notes = ("a process per call: globals are not compared, nor is what is called after a trap", *notes)

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return hello["version"], (unseen, *notes)

    launch = Launch(argv, {"PYTHONPATH": _ROOT})
    flavour = Flavour(frozenset(), False, acts=False)
    engine = WorkerEngine(id, Worker(launch, flavour, description.name, loaded, scripts=False), limits)
    weakref.finalize(engine, scratch.close)  # its workers are killed, and cannot
    return engine
