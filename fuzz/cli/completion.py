"""Shell completion by argcomplete: commands, options, targets, engines and releases at hand, bundles, output folders.

    pip install 'wasm-codegen-fuzz[completion]'
    eval "$(register-python-argcomplete fuzz)"        # in ~/.bashrc or ~/.zshrc

Nothing here is loaded unless a shell asks.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from fuzz.cli.arguments import path
from fuzz.cli.parser import build_parser

Completer: TypeAlias = Callable[..., Iterable[str]]

_MOST: Final = 500
"""Bundles that are offered: a shell would ask before it shows more."""


def complete() -> None:
    """Answer the shell and end, if argcomplete is there; without it nothing is completed."""
    try:
        import argcomplete
    except ImportError:
        raise SystemExit(0) from None
    parser = build_parser(_words(os.environ.get("COMP_LINE", "")))
    attach(parser)
    argcomplete.autocomplete(parser, always_complete_options="long")


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)[1:]
    except ValueError:  # a quotation mark that is not closed yet
        return line.split()[1:]


def attach(parser: argparse.ArgumentParser) -> None:
    """Say of each argument how its values are completed, by its name; the others are files or free text."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                attach(command)
        elif (completer := _COMPLETERS.get(action.dest)) is not None and action.type in (None, path):
            action.completer = completer  # type: ignore[attr-defined]


def _targets(prefix: str, **_: Any) -> Iterator[str]:
    from generators.registry import known_targets

    yield from _listed(prefix, ("all", *known_targets()))


def _generators(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    from generators.peer import peer_names

    ours = ("ours",) if getattr(parsed_args, "command", "") == "selfcheck" else ()
    yield from _listed(prefix, (*ours, *peer_names()))


def _listed(prefix: str, names: Iterable[str]) -> Iterator[str]:
    """Names after the commas that are there already."""
    before, comma, _last = prefix.rpartition(",")
    done = before.split(",")
    return (f"{before}{comma}{name}" for name in names if name not in done)


def engines(prefix: str, **_: Any) -> Iterator[str]:
    """Engines, their releases at hand and their settings: as far as an id has been typed, and one step further."""
    from oracles.engine import adapter, aliases, engine_names, releases_of

    head, colon, tail = prefix.partition(":")
    name, at, _version = head.partition("@")
    if colon and (name in engine_names() or head in aliases()):
        name = name if name in engine_names() else aliases()[head].partition("@")[0]
        before, plus, _last = tail.rpartition("+")
        yield from (f"{head}:{before}{plus}{setting}" for setting in _settings(adapter(name)))
    elif at:
        releases = releases_of(name)
        yield from (f"{name}@{version}" for version in reversed(releases.at_hand() if releases is not None else ()))
    else:
        yield from (*engine_names(), *aliases())


def _releases(prefix: str, **_: Any) -> Iterator[str]:  # noqa: ARG001
    """The releases at hand of all engines, for ``--from`` and ``--to``."""
    from oracles.engine import released

    yield from (version for releases in released().values() for version in reversed(releases.at_hand()))


def _settings(module: Any) -> Iterator[str]:
    """What an adapter's tables say: settings with their values, and tiers."""
    tables = getattr(module, "VALUES", None) or getattr(module, "CHOICES", {})
    for key, values in tables.items():
        yield from ([key] if tuple(values) == ("on",) else [f"{key}={value}" for value in values])
    yield from getattr(module, "TIERS", ())


def _bundles(prefix: str, **_: Any) -> Iterator[str]:
    """Bundles below the folder that has been typed, or below reports/; and files, as ever."""
    from argcomplete.completers import FilesCompleter

    yield from FilesCompleter()(prefix)
    base = Path(prefix) if prefix.endswith("/") else Path(prefix).parent
    found = sorted({*base.glob("findings/*/finding.json"), *Path("reports").glob("*/findings/*/finding.json")})
    yield from (str(path.parent) for path in found[:_MOST])


def _folders(prefix: str, **_: Any) -> Iterator[str]:
    """Output folders of runs in reports/; and folders, as ever."""
    from argcomplete.completers import DirectoriesCompleter

    yield from DirectoriesCompleter()(prefix)
    yield from (str(path.parent) for path in sorted(Path("reports").glob("*/archive.sqlite"))[-_MOST:])


def _faults(prefix: str, **_: Any) -> Iterator[str]:  # noqa: ARG001
    from fuzz.faults.injection.catalogue import all_faults

    yield from all_faults()


def _formats(prefix: str, **_: Any) -> Iterator[str]:  # noqa: ARG001
    from wasm.plugins import names_in

    yield from names_in("fuzz.report.formats")


def _several_formats(prefix: str, **_: Any) -> Iterator[str]:
    yield from _listed(prefix, _formats(""))


def _causes(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:  # noqa: ARG001
    """The numbers of the causes of the folder that has been typed."""
    from fuzz.archive.archive import Reader
    from wasm.errors import UserError

    try:
        with Reader(parsed_args.dir) as reader:
            yield from (str(cause.id) for cause in reader.causes.all()[:_MOST])
    except (UserError, AttributeError, TypeError, OSError):
        return


_COMPLETERS: Final[dict[str, Completer]] = {
    "target": _targets,
    "generator": _generators,
    "engine": engines,
    "first": _releases,
    "last": _releases,
    "id": engines,
    "case": _bundles,
    "what": _bundles,
    "dir": _folders,
    "into": _folders,
    "fault": _faults,
    "format": _formats,
    "write": _several_formats,
    "upstream": _causes,
}
