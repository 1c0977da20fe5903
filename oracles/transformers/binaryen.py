"""Binaryen's optimizer (``wasm-opt``), from its npm package, in node: ``O1`` to ``O4``, ``Os``, ``Oz``, or passes.

It keeps that code traps and not for which cause: ``table.get`` and ``call_ref`` become ``call_indirect``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from oracles.built import BuiltReleases, tool
from oracles.clients import run_client
from oracles.engine import Limits, UsageError
from oracles.remote.process import Launch
from oracles.transforming import Transformer, WorkerTransformer

LEVELS: Final = {"O1": (1, 0), "O2": (2, 0), "O3": (3, 0), "O4": (4, 0), "Os": (2, 1), "Oz": (2, 2)}
"""By name as ``wasm-opt`` has it, how much for speed and for size."""
SETTINGS: Final = {"level": tuple(LEVELS), "passes": ()}
_PASSES: Final = re.compile(r"[a-z0-9-]+(,[a-z0-9-]+)*\Z")
_PACKAGE: Final = "binaryen"


def _listed() -> list[str]:
    what = "the list of binaryen releases"
    found = json.loads(run_client([tool("npm", "binaryen"), "view", _PACKAGE, "versions", "--json"], what))
    return [found] if isinstance(found, str) else [str(one) for one in found]


def _build(version: str, source: Path, target: Path) -> None:
    run_client(
        [tool("npm", "binaryen"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix",
         str(source), f"{_PACKAGE}@{version}"],
        f"binaryen {version}",
    )  # fmt: skip
    shutil.move(source, target)


RELEASES: Final = BuiltReleases("binaryen", _listed, _build, since="110.0.0")


def open_transformer(version: str, settings: Mapping[str, str], limits: Limits, offline: bool) -> Transformer:
    """Open it, fetching the release if it is asked for and missing. Raises ``EngineUnavailable``, ``UsageError``."""
    passes = settings.get("passes", "-")
    if passes != "-" and not _PASSES.match(passes):
        raise UsageError(f"passes={passes} is not possible: write passes of wasm-opt with commas between")
    chosen, folder = RELEASES.chosen(version, offline, "transformed@VERSION:by=binaryen")
    speed, size = LEVELS[settings.get("level", "O3")]
    argv = (tool("node", "binaryen"), str(folder / "worker.mjs"), passes, str(speed), str(size))
    launch = Launch((*argv, "{in}", "{out}", "{progress}"), {"NODE_OPTIONS": ""})
    return WorkerTransformer(launch, chosen, str(folder / "node_modules" / _PACKAGE / "index.js"), False, limits)
