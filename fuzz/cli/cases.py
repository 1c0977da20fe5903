"""The case that a command names, generated or brought, and the engines to run it on."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fuzz.archive.bundles import read_bundle
from fuzz.cli.inputs import parse_invocation, read_case
from fuzz.records.finding import EngineRun, Finding
from fuzz.trial.bench import Bench, canonical, default_engines
from generators.registry import make_case, target_names
from oracles.engine import EngineId, EngineUnavailable, UsageError, adapter
from wasm.case import Case
from wasm.embedding import Entry


def generated(target: str, seed: int, index: int) -> Case:
    """A case of a target. Raises ``UsageError``."""
    if target not in target_names():
        raise UsageError(f"no target {target!r}: there are {', '.join(target_names())}")
    return make_case(target, seed, index)


def load(args: argparse.Namespace) -> tuple[Case, list[str]]:
    """The case that a command names and the engines to run it on: a bundle brings its own, at its own releases."""
    path: Path = args.case
    calls: list[str] = args.invoke or []
    entry = Entry(args.entry)
    if not path.exists():
        raise UsageError(f"there is no {path}")
    if not path.is_dir():
        case = read_case(path, calls, entry)
        return case, canonical(args.engine or default_engines((case.kind,)))
    if not (path / "finding.json").exists():
        raise UsageError(f"{path} is no bundle: there is no finding.json in it")
    finding = read_bundle(path)
    case = finding.best
    if calls:
        case = replace(case, invocations=tuple(parse_invocation(call, entry) for call in calls))
    return case, canonical(args.engine) if args.engine else pinned(finding)


def pinned(finding: Finding) -> list[str]:
    """A finding's engines at the releases that showed it: it can be seen again when the default has moved on."""
    return list(dict.fromkeys(_pinned(run) for run in finding.runs))


def _pinned(run: EngineRun) -> str:
    """Our own engines have no releases: what is replayed is the code that is here."""
    id = EngineId.parse(run.engine)
    if not id.version and not id.path and run.version[:1].isdigit():
        try:
            return str(adapter(id.name).check(replace(id, version=run.version)))
        except UsageError:
            return str(id)
    return str(id)


def need_engines(bench: Bench) -> None:
    """Raises ``EngineUnavailable`` if one of the engines cannot be used: what follows would ask another question."""
    for reason in bench.broken.values():
        raise EngineUnavailable(reason)
