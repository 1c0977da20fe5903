"""Package clients that the user already has, pip and npm and others, run under a progress bar."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from oracles.engine import EngineUnavailable
from oracles.versions import nearest_to

_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")
"""Some clients reset colours that they were told not to use."""
_STEP_SECONDS: Final = 900
_PARTING_SECONDS: Final = 5.0
"""For a client and what it has started to end by themselves, before they are killed."""
_quiet: Final = ContextVar("quiet", default=False)


def find_pip() -> list[str]:
    """A pip that runs: this Python's, one that ``ensurepip`` gives it, or one found on the PATH."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for command in ("pip3", "pip"):
        if (path := shutil.which(command)) and works([path, "--version"]):
            return [path, "--python", sys.executable]
    for command in ("python3", "python"):
        if (path := shutil.which(command)) and works([path, "-m", "pip", "--version"]):
            return [path, "-m", "pip", "--python", sys.executable]
    if works([sys.executable, "-m", "ensurepip", "--default-pip"]):
        return [sys.executable, "-m", "pip"]
    raise EngineUnavailable("no pip was found to fetch a release with: install pip, or use wasmtime@/PATH/TO/LIBRARY")


def works(command: list[str]) -> bool:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=120)
    return done.returncode == 0


def run_client(command: list[str], what: str, seconds: float = _STEP_SECONDS) -> str:
    """Run a package client for at most ``seconds`` under a progress bar; gives what it printed. Whatever ends it ends
    what it has started, too: compilers that go on write into the files of the next try.

    Raises ``EngineUnavailable``.
    """
    try:
        with _bar(what):
            status, printed = _run(command, seconds)
    except OSError as error:
        raise EngineUnavailable(f"{what} could not be fetched: {error}") from None
    except subprocess.TimeoutExpired:
        least = f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} s"
        raise EngineUnavailable(f"{what} was not there after {least}: try again, which goes on where it can") from None
    text = _COLOUR.sub("", printed)
    if status:
        lines = [line for line in text.splitlines() if line.strip() and "notice" not in line]
        signs = ("from versions", "No matching version", "Could not find artifact", "rror", "ERR", "")
        told = next((line for sign in signs for line in lines if sign in line), "")
        if known := re.search(r"\(from versions: ([^)]*\d[^)]*)\)", told):
            raise EngineUnavailable(f"there is no {what}: the nearest are {', '.join(nearest_to(what, known[1]))}")
        raise EngineUnavailable(f"{what} could not be fetched: {told.strip()[:300]}")
    return text


def _run(command: list[str], seconds: float) -> tuple[int, str]:
    """A command's exit status and output. It is in a group of its own, which is ended with it."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=seconds)
    except BaseException:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_PARTING_SECONDS)
        raise
    return process.returncode, printed


def is_quiet() -> bool:
    """Whether this thread is not to show what is fetched."""
    return _quiet.get()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """In this thread nothing is shown of what is fetched: somebody else tells of it."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


@contextlib.contextmanager
def _bar(what: str) -> Iterator[None]:
    """A moving bar on stderr while the client works, or one plain line where stderr is no terminal."""
    if is_quiet():
        yield
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"fetching {what}", file=sys.stderr)
        yield
        return
    columns = (TextColumn("fetching {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
