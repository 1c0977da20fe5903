"""From a path to the pieces in it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol, cast

from fuzz.intake import formats
from fuzz.intake.bundles import read_bundle_folder
from fuzz.intake.piece import Given, Piece, Wish
from fuzz.intake.texts import text_of
from fuzz.records.regular_file import LARGEST, TOO_LARGE, read_regular
from oracles.engine import UsageError

DEEPEST: Final = 3
"""A zip in a tar in a gzip file is still opened; what is packed deeper was not meant to be read."""


class Format(Protocol):
    """What a file in ``formats/`` has; ``fuzz.intake`` says it in words."""

    WHAT: str

    def fits(self, content: bytes) -> bool:
        """Whether bytes are of this format, by what is in them."""

    def read(self, given: Given) -> list[Piece]:
        """The pieces. Raises ``UsageError``."""


@lru_cache(maxsize=1)
def all_formats() -> tuple[Format, ...]:
    """Every format, in the order of the folder."""
    names = sorted(item.name for item in pkgutil.iter_modules(formats.__path__))
    modules: list[ModuleType] = [importlib.import_module(f"{formats.__name__}.{name}") for name in names]
    return cast(tuple[Format, ...], tuple(modules))


def bring(path: Path, wish: Wish) -> list[Piece]:
    """The pieces in a file, or in a bundle (a folder with a finding). At least one; raises ``UsageError``."""
    if path.is_dir():
        return [read_bundle_folder(path, wish)]
    return _pieces(Given(str(path), read_regular(path, LARGEST, TOO_LARGE), wish, _pieces))


def bring_one(path: Path, wish: Wish) -> Piece:
    """The only piece in a file or bundle. Raises ``UsageError``."""
    pieces = bring(path, wish)
    if len(pieces) > 1:
        names = ", ".join(piece.name.removeprefix(f"{path}/") for piece in pieces)
        raise UsageError(f"{path} has {len(pieces)} modules in it, and this takes one at a time: {names}")
    return pieces[0]


def _pieces(given: Given) -> list[Piece]:
    if not given.content:
        raise UsageError(f"{given.name} is empty")
    if given.depth > DEEPEST:
        raise UsageError(f"{given.name} is packed more than {DEEPEST} times: unpack it first")
    for form in all_formats():
        if form.fits(given.content):
            return form.read(given)
    raise UsageError(f"{given.name} is nothing that can be run: {_start(given)}. {_READABLE}{_hint(given)}")


_READABLE: Final = (
    "A module (binary or text), a .wast script, a script with a module's bytes in it, a case file, a machine function, "
    "or a bundle is read, packed or not"
)
_LIBFUZZER: Final = re.compile(r"(?:.*/)?(?:crash|oom|timeout|leak|slow-unit)-[0-9a-f]{40}\Z")


def _start(given: Given) -> str:
    text = text_of(given.content)
    if text is not None and text.strip():
        return f"it begins with {text.strip()[:16]!r}"
    return f"it begins with the bytes {' '.join(f'{byte:02x}' for byte in given.content[:8])}"


def _hint(given: Given) -> str:
    """What to do with a crash file whose bytes are choices, as those of a fuzz target with a generator are."""
    if not _LIBFUZZER.match(given.name):
        return ""
    return (
        "; bytes that a libFuzzer target makes a module of are that target's to read "
        "(ours: python -m fuzz.atheris_targets.inputs module INPUT OUT.wasm)"
    )
