"""Any engine that has a command line: ``cmd:COMMAND``, or ``cmd@/path/to/FILE.toml`` with more said about it.

    --engine cmd:'mywasm run {wasm} --invoke {export}'
    --engine cmd@$PWD/mywasm.toml

docs/your-engine.md has the file's keys. By default calls go through exports that take nothing and give 64-bit integers,
so that how an engine prints floats does not matter. What a command line cannot show is not compared, and said.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

from oracles.command.description import of_command, read_file
from oracles.command.launching import command_engine
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError

CONTRACT: Final[tuple[str, ...]] = ()
"""Which commands there are is the user's business; ``tests/engines/test_command.py`` is about it."""
_PLAIN: Final = re.compile(r"[\w@%+=:,./{}-]+")
"""A word of a command that needs no quotes: holes are plain here."""


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
        data = read_file(id.path) if id.path else {"command": id.command}
        return command_engine(id, lambda _: data, limits, id.path)
    except UsageError as error:
        raise EngineUnavailable(str(error)) from None
