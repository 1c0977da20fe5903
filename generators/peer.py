"""Modules from other projects' generators, for comparing: a program makes the bytes, we add the calls.

A file of ``generators/peers`` holds ``VARIANTS`` (words that may follow its name after a colon, "" for none) and
``open_peer(variant) -> Peer``, which raises ``PeerMissing`` where its program is not on this machine. Its name is the
file's with dashes. Case ``index`` depends on (the program's version, the name, the seed, the index) only.
"""

from __future__ import annotations

import math
import pkgutil
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final

from generators.config import Config
from wasm.case import Case, CaseKind, Provenance
from wasm.decode import decode
from wasm.default_calls import default_calls
from wasm.embedding import Invocation
from wasm.errors import UserError, WasmError
from wasm.feature_use import features_of_bytes, required_features
from wasm.features import Feature
from wasm.module import Module
from wasm.validate import validate

_FOLDER: Final = "generators.peers"
"""A name and no import: its files import this one."""

_SECONDS: Final = 60.0
"""Longer than any module that is worth having takes."""


class PeerMissing(UserError):
    """The program of a peer is not on this machine; the text says how to get it."""

    exit_code = 3


class NoModule(Exception):
    """A peer made nothing of these choices; the text is a few words for a histogram."""


Calls = Callable[[Module], tuple[Invocation, ...]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that can be asked: its program's version, what makes a module's bytes, and which calls to make of one.

    ``make`` may raise ``NoModule``.
    """

    version: str
    make: Callable[[random.Random, Config], bytes]
    calls: Calls = default_calls


@lru_cache(maxsize=1)
def peer_names() -> tuple[str, ...]:
    """All peers with their variants, whether they are on this machine or not."""
    names: list[str] = []
    for item in pkgutil.iter_modules(import_module(_FOLDER).__path__):
        if not item.name.startswith("_"):
            name = item.name.replace("_", "-")
            variants: tuple[str, ...] = import_module(f"{_FOLDER}.{item.name}").VARIANTS
            names += [f"{name}:{variant}" if variant else name for variant in variants]
    return tuple(names)


@lru_cache(maxsize=16)
def open_peer(name: str) -> Peer:
    """Make a peer ready. Raises ``ValueError`` for an unknown one and ``PeerMissing``."""
    if name not in peer_names():
        raise ValueError(f"no generator {name!r}: choose from {', '.join(peer_names())}")
    stem, _, variant = name.partition(":")
    opened: Peer = import_module(f"{_FOLDER}.{stem.replace('-', '_')}").open_peer(variant)
    return opened


def peer_case(name: str, seed: int, index: int, config: Config) -> Case:
    """A peer's module, and calls of all its exported functions. Raises ``NoModule`` and ``PeerMissing``.

    Bytes that our validator rejects become a case for judging validity.
    """
    peer = open_peer(name)
    # A string seeds by its bytes (SHA-512), so this is the same on every machine and hash seed.
    source = random.Random(f"{name}/{seed}/{index}")
    content = peer.make(source, source.choice(_narrowed(config)))
    origin = Provenance(name, seed, index, peer.version)
    try:
        module = decode(content)
        validate(module)
    except WasmError:
        return Case(content, kind=CaseKind.BYTES, features=features_of_bytes(content), provenance=origin)
    features = frozenset(feature.value for feature in required_features(module))
    return Case(content, peer.calls(module), features=features, provenance=origin)


def _narrowed(config: Config) -> tuple[Config, ...]:
    """All features, what most engines have, and what is oldest: engines that lack some get work too."""
    young = config.without(Feature.GC, Feature.FUNCTION_REFERENCES, Feature.EXCEPTIONS, Feature.MEMORY64)
    old = young.without(
        Feature.SIMD, Feature.RELAXED_SIMD, Feature.REFERENCE_TYPES, Feature.TAIL_CALL, Feature.MULTI_MEMORY,
        Feature.EXTENDED_CONST,
    )  # fmt: skip
    return config, young, old


def find_program(*candidates: Path | str) -> Path | None:
    """The first of these that is an executable file (``Path``) or a command on the PATH (``str``)."""
    for candidate in candidates:
        program = shutil.which(candidate)
        if program is not None:
            return Path(program)
    return None


def run_program(command: Sequence[str | Path], stdin: bytes = b"") -> bytes:
    """What a program printed. Raises ``NoModule`` if it fails or takes too long."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise NoModule("the generator took too long") from None
    except OSError as error:
        raise PeerMissing(f"{command[0]} does not start: {error.strerror}") from None
    if done.returncode:
        raise NoModule("the generator made no module")
    return done.stdout


def log_uniform(source: random.Random, low: int, high: int) -> int:
    """A size whose order of magnitude is uniform."""
    return round(math.exp(source.uniform(math.log(low), math.log(high))))
