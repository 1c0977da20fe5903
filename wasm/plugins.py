"""What stands in a folder, and what other distributions add to it: the registry of every kind of entry.

A kind of entry (engines, targets, report formats, transformers) is a folder of the project with a module per entry. A
distribution adds one by an entry point in the group ``wasm_codegen_fuzz.KIND`` whose name is the entry's and whose
object is a module, or anything else, with the same attributes:

    [project.entry-points."wasm_codegen_fuzz.engines"]
    myengine = "my_package.engine"
"""

from __future__ import annotations

import pkgutil
import re
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from wasm.errors import UserError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\Z")


class PluginError(UserError):
    """What another distribution adds cannot be used: one line that names it. Exit code 3."""

    exit_code = 3


def group_of(folder: str) -> str:
    """The entry points' group that adds to a folder: ``oracles.engines`` is ``wasm_codegen_fuzz.engines``."""
    return f"wasm_codegen_fuzz.{_KINDS[folder]}"


_KINDS: Final = {
    "oracles.engines": "engines", "oracles.transformers": "transformers", "generators.targets": "targets",
    "fuzz.report.formats": "report_formats",
}  # fmt: skip


@lru_cache(maxsize=8)
def _listing(folder: str) -> tuple[str, ...]:
    """A folder's own modules; names that begin with ``_`` are none."""
    files = pkgutil.iter_modules(import_module(folder).__path__)
    return tuple(sorted(item.name for item in files if not item.name.startswith("_")))


@lru_cache(maxsize=8)
def _added(folder: str) -> dict[str, EntryPoint]:
    """What distributions add, by name. Raises ``PluginError`` for a name that is taken or is none."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group_of(folder)):
        kind = _KINDS[folder].replace("_", " ").removesuffix("s")
        if not _NAME.match(point.name):
            raise PluginError(f"{_source(point)} adds the {kind} {point.name!r}: a name is a-z, 0-9 and _")
        if point.name in _listing(folder):
            raise PluginError(f"{_source(point)} adds the {kind} {point.name}, which the project has itself: rename it")
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            text = f"both {_source(other)} and {_source(point)} add the {kind} {point.name}: uninstall one of them"
            raise PluginError(text)
    return found


def names_in(folder: str) -> tuple[str, ...]:
    """Every entry of a folder, those of other distributions among them, in alphabetical order.

    Raises ``PluginError``.
    """
    return tuple(sorted((*_listing(folder), *_added(folder))))


def entry(folder: str, name: str) -> Any:
    """The module behind a name that ``names_in`` lists. Raises ``PluginError`` if another distribution's fails."""
    point = _added(folder).get(name)
    if point is None:
        return import_module(f"{folder}.{name}")
    try:
        return point.load()
    except Exception as error:  # whatever somebody else's code does as it is imported
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PluginError(f"{_source(point)} adds {name}, which cannot be loaded ({text})") from None


def forget() -> None:
    """Look anew: what is installed has changed."""
    _listing.cache_clear()
    _added.cache_clear()


def _source(point: EntryPoint) -> str:
    return f"distribution {point.dist.name}" if point.dist else f"{point.value}"
