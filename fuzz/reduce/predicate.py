"""A command as predicate: it gets a file and exits with 0 where the file is interesting."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fuzz.reduce.engine import Predicate
from fuzz.reduce.errors import ReduceError
from wasm.case import Case, CaseKind

SUFFIXES = {CaseKind.WASM: ".wasm", CaseKind.BYTES: ".wasm", CaseKind.MACHINE: ".mach"}


class NoCommand(ReduceError):
    """The predicate's command cannot be started."""

    def __init__(self, command: str, why: str) -> None:
        super().__init__(f"cannot run the command {command!r}: {why}")


def command_predicate(command: str | Sequence[str], timeout: float | None = None) -> Predicate:
    """``is_interesting`` from a command line, split as a shell would, or given as words.

    The case's content is written to a temporary file, whose path is the last word, or stands where a word is
    ``{}``. A case of several modules is written as a case file in JSON.
    Exit status 0 means interesting; any other, a signal, or more than ``timeout`` seconds means not. The command's
    output goes nowhere; what it leaves running in its process group is killed. Safe to call from several threads.

    Raises ``NoCommand`` at once if there is no such program, and later if it cannot be started.
    """
    words = command_words(command)

    def is_interesting(case: Case) -> bool:
        with tempfile.TemporaryDirectory(prefix="reduce-") as folder:
            path = str(Path(folder, "case.json" if case.before else f"case{SUFFIXES[case.kind]}"))
            Path(path).write_bytes(json.dumps(case.to_json()).encode() if case.before else case.content)
            line = [path if word == "{}" else word for word in words]
            return exit_status(line if "{}" in words else [*line, path], timeout) == 0

    return is_interesting


def command_words(command: str | Sequence[str]) -> list[str]:
    """A command line's words, the first the absolute path of its program. Raises ``NoCommand``."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise NoCommand(str(command), str(error)) from None
    text = shlex.join(words)
    if not words:
        raise NoCommand(text, "it is empty")
    program = shutil.which(words[0])
    if program is None:
        raise NoCommand(text, f"there is no program {words[0]}; give a path or put it on the PATH")
    words[0] = os.path.abspath(program)
    return words


def exit_status(line: Sequence[str], timeout: float | None) -> int | None:
    """Run words as a command: its exit status, below zero for a signal's number; None where the time was not enough.

    Its output goes nowhere, and what it leaves running in its process group is killed. Raises ``NoCommand``.
    """
    try:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise NoCommand(line[0], error.strerror or str(error)) from None
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
