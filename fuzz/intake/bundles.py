"""Bundles: a finding's folder, as a run wrote it or as a person has edited it since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from fuzz.archive.bundle import module_file
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
_MOST: Final = 64
"""Modules of one case whose files are read."""


def read_bundle_folder(path: Path, wish: Wish) -> Piece:
    """The piece of a bundle's folder. Raises ``UsageError``."""
    if not (path / FINDING).exists():
        raise UsageError(f"{path} is no bundle: there is no {FINDING} in it")
    numbers = range(1, _MOST)
    names = (*_READ, *map(module_file, numbers), *(module_file(number, "wat") for number in numbers))
    files = {name: read_regular(path / name, LARGEST, TOO_LARGE) for name in names if (path / name).exists()}
    return piece_of_files(str(path), files, wish)


def piece_of_files(name: str, files: Mapping[str, bytes], wish: Wish) -> Piece:
    """The piece of a bundle from its files by name; only ``finding.json`` has to be there.

    What a person has changed in ``case.wasm`` or ``case.wat``, or in a module before it, is what is run, and a note
    says so.
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
    """The case, or what a person made of it, with notes."""
    text = None if case.kind is CaseKind.MACHINE else "case.wat"
    content, changed = _changed(name, case.content, files, f"case{case.kind.suffix}", text)
    before = []
    for number, (place, module) in enumerate(case.before, 1):
        new, also = _changed(name, module, files, module_file(number), module_file(number, "wat"))
        before.append((place, new))
        changed += also
    if not changed:
        return case, ()
    notes = tuple(f"{file} was edited: that is what is run, not the finding's own case" for file in changed)
    return replace(case.with_content(content), before=tuple(before)), notes


def _changed(
    name: str, content: bytes, files: Mapping[str, bytes], binary: str, text: str | None
) -> tuple[bytes, list[str]]:
    """What a module's files in a bundle say, and which of them was edited. Raises ``UsageError`` for both."""
    changed = [binary] if files.get(binary, content) != content else []
    words = files.get(text) if text is not None else None
    if text is not None and words is not None and words != to_wat(content).encode():
        changed.append(text)
    if len(changed) > 1:
        raise UsageError(f"{name}: both {binary} and {text} were edited; which one is meant? Take the other one out")
    if not changed:
        return content, []
    return files[binary] if changed == [binary] else assembled(f"{name}/{text}", words or b""), changed
