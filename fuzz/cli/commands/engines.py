"""List, install or check engines."""

from __future__ import annotations

import argparse
import textwrap
from typing import Final

from fuzz.cli.asked import asked_engines
from fuzz.records.exit_code import ExitCode
from fuzz.trial.bench import DEFAULT_ENGINES, Bench, canonical
from oracles.engine import EngineId, UsageError, adapter, aliases, engine_names, open_engine, released, releases_of
from oracles.judge.equality import show
from oracles.judge.verdict import Disagree
from oracles.remote.confinement import describe
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.embedding import Entry, Invocation, Unsupported, Value
from wasm.encode import encode
from wasm.valtypes import I32

EXAMPLES: Final = (
    "engines",
    "engines install wasmtime@33",
    "engines install wasmtime@33.0.0:build=assertions",
    "engines install regalloc2@0.15.2",
    "engines doctor wasmtime:winch v8",
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
    doctor.add_argument("id", metavar="ID", nargs="*", help="default: the default engines")


def run(args: argparse.Namespace) -> int:
    """List, install or check."""
    match args.action:
        case "install":
            return _install(args.id)
        case "doctor":
            return _doctor(args.id)
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


def _doctor(ids: list[str]) -> int:
    """Start each engine, say what it is, and run one case on it."""
    bench = Bench(asked_engines(ids or DEFAULT_ENGINES, offline=False))
    try:
        for name, seat in bench.seats.items():
            capabilities = seat.capabilities
            print(f"{name}: release {capabilities.version}, family {capabilities.family}")
            if capabilities.library:
                print(f"    {capabilities.library} (sha256 {capabilities.sha256[:16]})")
            features = sorted(feature.value for feature in capabilities.features)
            if features:
                print(f"    features: {', '.join(features)}")
            for note in seat.notes:
                print(f"    {note}")
        good = True
        for case, asked in ((_smoke(), "19 + 23"), (_machine_smoke(), "a function of three instructions")):
            takers = [name for name, seat in bench.seats.items() if case.kind in seat.capabilities.kinds]
            if takers or not bench.seats:
                good &= _asked(bench, case, asked, takers)
        for reason in bench.broken.values():
            print(f"unusable: {reason}")
        print("what a worker may do on this machine:")
        for line in describe(bench.limits.memory_bytes):
            print(f"    {line}")
        good &= not bench.broken
    finally:
        bench.close()
    return ExitCode.CLEAN if good else ExitCode.UNUSABLE


def _asked(bench: Bench, case: Case, asked: str, takers: list[str]) -> bool:
    """Run a case on those that take it and print what they did; whether nobody was wrong."""
    trial = bench.run(case, takers)
    reference = () if isinstance(trial.reference.instantiation, Unsupported) else (trial.reference,)
    for seen in (*reference, *trial.observations):
        outcome = seen.outcomes[0] if seen.outcomes else seen.instantiation
        print(f"{seen.engine}: {asked} {show(outcome)}")
    return not isinstance(trial.verdict, Disagree)


def _machine_smoke() -> Case:
    text = """registers int:0 int:1 float:0
scratch int:15 float:15
function add
block 0
  args v0:i32>fixed(int:0) v1:i32>fixed(int:1)
  add v0<reg v1<any v2:i32>reuse(0)
  ret v2<fixed(int:0) => .
"""
    return Case(text.encode(), kind=CaseKind.MACHINE)


def _smoke() -> Case:
    m = ModuleBuilder()
    f = m.func([I32, I32], [I32], export="add")
    for name, imm in (("local.get", 0), ("local.get", 1), ("i32.add", None)):
        f.emit(name, imm)
    return Case(encode(m.finish()), (Invocation("add", (Value("i32", 19), Value("i32", 23)), Entry.WRAPPER),))
