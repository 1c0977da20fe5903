"""List, install or check engines."""

from __future__ import annotations

import argparse
import textwrap
from typing import Final

from fuzz.cli.asked import asked_engines
from fuzz.cli.doctor import doctor, survey
from fuzz.records.exit_code import ExitCode
from fuzz.trial.bench import DEFAULT_ENGINES, canonical
from oracles.engine import EngineId, UsageError, adapter, aliases, engine_names, open_engine, released, releases_of

EXAMPLES: Final = (
    "engines",
    "engines install wasmtime@33",
    "engines install wasmtime@33.0.0:build=assertions",
    "engines install regalloc2@0.15.2",
    "engines doctor wasmtime:winch v8",
    "engines doctor --all",
)

_INDENT: Final = "    "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="engines and installed releases (the default)")
    install = actions.add_parser("install", help="fetch a release, or make a build")
    install.add_argument(
        "id", metavar="ID", help="as wasmtime@34.0.0, v8@26.10.0, regalloc2@0.15.2; or a build (docs/engines.md)"
    )
    doctor = actions.add_parser("doctor", help="start engines and run a case on each")
    which = doctor.add_mutually_exclusive_group()
    which.add_argument("id", metavar="ID", nargs="*", default=[], help="default: the default engines")
    which.add_argument("--all", action="store_true", help="every configuration that is known here, a line each")


def run(args: argparse.Namespace) -> int:
    """List, install or check."""
    match args.action:
        case "install":
            return _install(args.id)
        case "doctor":
            return survey() if args.all else doctor(args.id)
        case _:
            return _list()


def _list() -> int:
    for name in engine_names():
        what, *more = (adapter(name).__doc__ or "").strip().replace("``", "`").split("\n\n")
        _print_wrapped(f"{name}: {what}")
        for paragraph in more:
            if paragraph.startswith(_INDENT):
                print(textwrap.indent(paragraph.rstrip(), _INDENT))
            else:
                _print_wrapped(paragraph, _INDENT)
    for engine, releases in released().items():
        said = engine if releases.name == engine else f"{releases.name} ({engine})"
        _print_wrapped(f"releases of {said} at hand: {', '.join(reversed(releases.at_hand())) or 'none'}")
    for name in engine_names():
        for line in getattr(adapter(name), "builds", tuple)():
            print(f"build of {name} at hand: {line}" if not line.startswith("not") else f"build of {name} {line}")
    for short, full in aliases().items():
        print(f"{short} is {full}")
    _print_wrapped(f"default engines: {', '.join(canonical(DEFAULT_ENGINES))}")
    return ExitCode.CLEAN


def _print_wrapped(paragraph: str, first: str = "") -> None:
    """Print words, in lines of at most 120 characters that are indented from the second one on."""
    wrapper = textwrap.TextWrapper(120, first, _INDENT, break_long_words=False, break_on_hyphens=False)
    print(wrapper.fill(" ".join(paragraph.split())))


def _install(text: str) -> int:
    named = EngineId.parse(text)
    if releases_of(named.name) is None:
        raise UsageError(f"{named.name} comes with this project: there is nothing to fetch")
    if not named.version:
        raise UsageError(f"{text} names no release: write {named.name}@VERSION")
    id = EngineId.parse(asked_engines([text], offline=False)[0])
    engine = open_engine(id)
    try:
        capabilities = engine.capabilities
    finally:
        engine.close()
    print(f"{id}: release {capabilities.version}, {capabilities.library}")
    return ExitCode.CLEAN
