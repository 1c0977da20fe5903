"""Reports as files in the folder that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from fuzz.archive.disk import write_file
from fuzz.records.morning import Morning
from oracles.engine import UsageError
from wasm.plugins import entry, names_in

_FORMATS: Final = "fuzz.report.formats"
FOLDER: Final = "report"
"""Where they are put."""


def format_names() -> tuple[str, ...]:
    """Every format, by its file's name in ``fuzz/report/formats``, and those that other distributions add."""
    return names_in(_FORMATS)


def format_of(name: str) -> ModuleType:
    """The format's module: ``render`` and ``FILE``."""
    module: ModuleType = entry(_FORMATS, name)
    return module


def write_reports(told: Morning, names: Iterable[str], folder: Path) -> Iterator[Path]:
    """Write each format into ``folder`` and give its file. Raises ``UsageError``."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is in the way: move it, or use --format and --out")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder}: {error.strerror or error}: use --format and --out") from None
    for name in names:
        made = format_of(name)
        save(folder / made.FILE, made.render(told))
        yield folder / made.FILE


def save(file: Path, text: str) -> None:
    """Write a text to a file, whole or not at all; to a device or a pipe as it is. Raises ``UsageError``."""
    content = text.encode("utf-8", "backslashreplace")
    if file.exists() and not file.is_file():
        try:
            file.write_bytes(content)
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror or error}") from None
    else:
        write_file(file, content)
