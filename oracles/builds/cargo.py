"""Cargo, run with the user's own configuration: what it knows of a package, and a build whose progress is told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from oracles.clients import is_quiet
from oracles.emulation import Target, cargo_settings
from oracles.engine import EngineUnavailable

_METADATA_SECONDS: Final = 900
_TELL_SECONDS: Final = 30.0
"""Where there is no terminal, a line this often."""
LOG: Final = "build.log"
_RUST: Final = "install Rust (https://rustup.rs), or name a library by wasmtime@/PATH/TO/libwasmtime.so"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What ``cargo metadata`` says of a package: the packages that would be built, by id."""

    packages: Mapping[str, Mapping[str, Any]]
    built: frozenset[str]

    def package(self, name: str) -> Mapping[str, Any] | None:
        """The package of that name."""
        return next((one for one in self.packages.values() if one["name"] == name), None)

    def source(self, name: str) -> Path:
        """The folder of a package's source. Raises ``EngineUnavailable``."""
        if (found := self.package(name)) is None:
            raise EngineUnavailable(f"cargo did not say where the source of {name} is")
        return Path(found["manifest_path"]).parent


def find_cargo(what: str) -> str:
    """The path of cargo. Raises ``EngineUnavailable``, which says that ``what`` needs it."""
    cargo = shutil.which("cargo")
    if cargo is None:
        raise EngineUnavailable(f"{what} is built by cargo, which is not installed: {_RUST}")
    return cargo


def metadata(cargo: str, folder: Path, what: str, triple: str = "") -> Metadata:
    """Resolve a package's dependencies for a target, "" for this machine, and fetch their sources; ``Cargo.lock`` is
    made or mended.

    Raises ``EngineUnavailable``.
    """
    host = re.search(r"(?m)^host: (\S+)$", _run([cargo, "--version", "--verbose"], folder, what))
    triple = triple or (host[1] if host else "")
    command = [cargo, "metadata", "--format-version", "1", "--quiet"]
    text = _run([*command, *(["--filter-platform", triple] if triple else [])], folder, what)
    try:
        data = json.loads(text)
        nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
        return Metadata({one["id"]: one for one in data["packages"]}, _reached(data["resolve"]["root"], nodes))
    except (ValueError, KeyError, TypeError):
        raise EngineUnavailable(f"{what}: cargo metadata gave something else than it documents") from None


def _reached(root: str, nodes: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The packages that the root needs to be built."""
    seen, left = {root}, [root]
    while left:
        for dep in nodes[left.pop()]["deps"]:
            needed = any(kind["kind"] != "dev" for kind in dep["dep_kinds"])
            if needed and dep["pkg"] not in seen:
                seen.add(dep["pkg"])
                left.append(dep["pkg"])
    return frozenset(seen)


def _run(command: list[str], folder: Path, what: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=_METADATA_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{what} cannot be built: {error}") from None
    if done.returncode:
        raise EngineUnavailable(f"{what} cannot be built: {first_error(done.stderr)}")
    return done.stdout


def build(cargo: str, folder: Path, total: int, what: str, target: Target | None = None) -> Path:
    """Build the package in ``folder``, which has ``total`` crates and a ``Cargo.lock``, for a target, None for this
    machine; the path of its library.

    What is built stays in ``target``, so that a build that was interrupted goes on. Cargo's words are in ``build.log``.
    ``--ignore-rust-version``: which compiler is enough is found out by trying. Raises ``EngineUnavailable``.
    """
    command = [cargo, "build", "--release", "--locked", "--ignore-rust-version", "--target-dir", "target"]
    command += ["--message-format", "json-render-diagnostics", *(["--target", target.triple] if target else [])]
    settings = cargo_settings(target, what) if target else {}
    library = ""
    built: set[str] = set()
    with (
        (folder / LOG).open("wb") as log,
        _telling(what, total) as tell,
        _started(command, folder, settings, log) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            message = _message(line)
            if message.get("reason") == "compiler-artifact":
                built.add(str(message.get("package_id")))
                names = [str(name) for name in message.get("filenames", ())]
                library = next((name for name in names if name.endswith((".so", ".dylib"))), library)
                tell(len(built))
        status = process.wait()
    if status or not library:
        said = (folder / LOG).read_text(encoding="utf-8", errors="replace")
        raise EngineUnavailable(f"{what} could not be built: {first_error(said)}; all that cargo said: {folder / LOG}")
    return Path(library)


@contextlib.contextmanager
def _started(
    command: list[str], folder: Path, settings: Mapping[str, str], log: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """The running command, which ends with this whatever happens."""
    environment = {**os.environ, **settings, "CARGO_TERM_PROGRESS_WHEN": "never", "CARGO_TERM_COLOR": "never"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


_NO_LINKER: Final = re.compile(r"linker `([^`]+)` not found|failed to find tool \"([^\"]+)\"")
_NO_VERSION: Final = re.compile(
    r"failed to select a version for the requirement `([^`]+)`.*?candidate versions found which didn't match: ([^\n]+)",
    re.S,
)


def first_error(said: str) -> str:
    """The line of cargo's output that says what is wrong, in words that say what to do where that is known."""
    if linker := _NO_LINKER.search(said):
        return f"the linker {linker[1] or linker[2]} is missing: install gcc or clang"
    if version := _NO_VERSION.search(said):
        return f"there is no {version[1].replace(' ', '')} in the registry: there are {version[2].strip()}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if line.startswith("error")), None)
    if first is None:
        return lines[-1][:300] if lines else "cargo said nothing"
    after = lines[first + 1 :]
    where = next((line for line in after[:2] if line.startswith("-->")), "")
    cause = after[after.index("Caused by:") + 1 :][:1] if "Caused by:" in after else []
    return " ".join(part[:300] for part in (lines[first], where, *cause) if part)


@contextlib.contextmanager
def _telling(what: str, total: int) -> Iterator[Any]:
    """A function that is told how many crates are built: a bar on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if is_quiet():
        yield lambda _done: None
    elif console.is_terminal:
        columns = (TextColumn("building {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("crates"))
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=min(done, total))
    else:
        with _Lines(what, total) as lines:
            yield lines.tell


class _Lines:
    """Progress in lines, which a thread prints: a large crate takes minutes in which cargo says nothing."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._print, daemon=True)

    def tell(self, done: int) -> None:
        self._done = min(done, self._total)

    def _print(self) -> None:
        start = time.monotonic()
        while not self._over.wait(_TELL_SECONDS):
            seconds = int(time.monotonic() - start)
            words = f"{self._done} of {self._total} crates after {seconds // 60}:{seconds % 60:02}"
            print(f"fuzz: building {self._what}: {words}", file=sys.stderr)

    def __enter__(self) -> _Lines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
