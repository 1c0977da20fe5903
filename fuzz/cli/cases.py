"""The case that a command names, generated or brought, and the engines to run it on."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

from fuzz.cli.asked import asked_engines, need_trust
from fuzz.cli.names import one_of
from fuzz.intake.calls import parse_invocation
from fuzz.intake.piece import Piece, Wish
from fuzz.intake.reading import bring, bring_one
from fuzz.intake.scripts import case_of_script
from fuzz.records.finding import EngineRun, Finding
from fuzz.records.printable import one_line
from fuzz.trial.bench import Bench, canonical, default_engines
from fuzz.trial.limits import limits_for
from generators.config import DEFAULT
from generators.registry import known_targets, load_target, make_case
from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, adapter
from wasm.case import Case, CaseKind
from wasm.embedding import Entry


def generated(target: str, seed: int, index: int, without: tuple[str, ...] = ()) -> Case:
    """A case of a target, made without what ``Config.avoid`` may name. Raises ``UsageError``."""
    name = one_of(target, "target", known_targets())
    lost = sorted({one.value for one in load_target(name).asks}.intersection(without))
    if lost:
        raise UsageError(f"there is no case of {name} without {', '.join(lost)}")
    return make_case(name, seed, index, replace(DEFAULT, avoid=without))


@dataclass(frozen=True, slots=True)
class Asked:
    """A piece with the engines to run it on and their limits."""

    piece: Piece
    engines: tuple[str, ...]
    limits: Limits

    @property
    def case(self) -> Case:
        """The piece's case; that of a script, if it is one. Raises ``UsageError``."""
        if self.piece.script is not None:
            return case_of_script(self.piece.name, self.piece.script)
        if self.piece.case is None:
            raise UsageError(f"{self.piece.name} is {self.piece.what}, with calls of its own: give one of its modules")
        return self.piece.case


def load_piece(args: argparse.Namespace) -> Piece:
    """The only piece, whatever engines are to run it. Raises ``UsageError`` for several."""
    piece = bring_one(args.case, _wish(args))
    _tell(piece)
    return piece


def load(args: argparse.Namespace) -> list[Asked]:
    """The pieces in the file or bundle that a command names, at least one; notes about them go to standard error."""
    return [_asked(args, piece) for piece in bring(args.case, _wish(args))]


def load_one(args: argparse.Namespace) -> Asked:
    """The only piece. Raises ``UsageError`` for several."""
    return _asked(args, bring_one(args.case, _wish(args)))


def _wish(args: argparse.Namespace) -> Wish:
    entry = Entry(args.entry)
    return Wish(tuple(parse_invocation(call, entry) for call in args.invoke or ()), entry)


def _asked(args: argparse.Namespace, piece: Piece) -> Asked:
    """A bundle brings its own engines, at its own releases; ``--engine`` asks others."""
    _tell(piece)
    if args.engine:
        engines = asked_engines(args.engine, args.offline)
    elif piece.finding is not None:
        need_trust(piece.name, [run.engine for run in piece.finding.runs], args.trust)
        engines = pinned(piece.finding)
    else:
        engines = canonical(default_engines((piece.case.kind if piece.case else CaseKind.WASM,)))
    size = piece.case.size if piece.case is not None else len(piece.script or b"")
    return Asked(piece, tuple(engines), limits_for(size, args.cpu, args.memory, args.wall))


def _tell(piece: Piece) -> None:
    for note in piece.notes:
        print(f"fuzz: {one_line(f'{piece.name}: {note}')}", file=sys.stderr)


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
