"""Bundles: a finding's folder, as a run wrote it or as a person has edited it since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from fuzz.archive.wast import to_wat
from fuzz.intake.piece import Piece, Wish
from fuzz.intake.texts import assembled
from fuzz.records.finding import Finding
from fuzz.records.regular_file import LARGEST, TOO_LARGE, read_regular
from oracles.engine import UsageError
from wasm.case import Case, CaseKind

WHAT: Final = "a bundle"
FINDING: Final = "finding.json"
_READ: Final = (FINDING, "case.wasm", "case.bin", "case.wat", "case.mach")


def read_bundle_folder(path: Path, wish: Wish) -> Piece:
    """The piece of a bundle's folder. Raises ``UsageError``."""
    if not (path / FINDING).exists():
        raise UsageError(f"{path} is no bundle: there is no {FINDING} in it")
    files = {name: read_regular(path / name, LARGEST, TOO_LARGE) for name in _READ if (path / name).exists()}
    return piece_of_files(str(path), files, wish)


def piece_of_files(name: str, files: Mapping[str, bytes], wish: Wish) -> Piece:
    """The piece of a bundle from its files by name; only ``finding.json`` has to be there.

    What a person has changed in ``case.wasm`` or ``case.wat`` is what is run, and a note says so.
    """
    try:
        finding = Finding.from_json(json.loads(files[FINDING]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{name}/{FINDING} cannot be read: {error}") from None
    case, notes = _edited(name, finding.best, files)
    if wish.invocations:
        case = replace(case, invocations=wish.invocations)
    return Piece(name, WHAT, case, finding=finding, notes=notes)


def _edited(name: str, case: Case, files: Mapping[str, bytes]) -> tuple[Case, tuple[str, ...]]:
    """The case, or what a person made of it, with a note."""
    binary = f"case{case.kind.suffix}"
    new_binary = files.get(binary, case.content)
    changed = [binary] if new_binary != case.content else []
    text = files.get("case.wat")
    if case.kind is not CaseKind.MACHINE and text is not None and text != to_wat(case.content).encode():
        changed.append("case.wat")
    if not changed:
        return case, ()
    if len(changed) > 1:
        raise UsageError(f"{name}: both {binary} and case.wat were edited; which one is meant? Take the other one out")
    content = new_binary if changed == [binary] else assembled(f"{name}/case.wat", text or b"")
    return case.with_content(content), (f"{changed[0]} was edited: that is what is run, not the finding's own case",)
