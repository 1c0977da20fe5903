"""A stored finding as a report shows it: its text with the guilty lines marked, what everybody did, call by call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from fuzz.archive.bundles import BundleError, read_bundle
from fuzz.archive.learned import explanations, strips
from fuzz.archive.repro import command
from fuzz.archive.wast import to_wast, to_wat
from fuzz.records.explanation import Explanation
from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Cause
from fuzz.records.morning import Example, Line, Side, Step
from oracles.judge.equality import show
from wasm.case import CaseKind
from wasm.decode import decode
from wasm.errors import WasmError
from wasm.isa import OPS
from wasm.module import Module
from wasm.text import print_wat_with_places

_MOST_LINES: Final = 120
_MOST_COLUMNS: Final = 400
_MOST_SCRIPT: Final = 16_000
_MOST_STEPS: Final = 12
_MOST_CALL: Final = 400


def example(bundle: Path, signature: Signature, cause: Cause) -> Example:
    """Read a bundle and all that was learned of it since. One that cannot be read is an example that says so."""
    try:
        finding = read_bundle(bundle)
    except BundleError as error:
        return Example(bundle.name, signature, trouble=str(error))
    case, origin = finding.best, finding.case.provenance
    told = explanations(bundle)
    lines, first, whole, marked = _text(finding, cause, told)
    script = "" if case.kind is CaseKind.MACHINE else to_wast(case, finding.expected, finding.before)
    releases = {run.engine: run.version for run in finding.runs}
    dissenting = dict.fromkeys(dissent.engine for dissent in finding.verdict.dissents)
    return Example(
        bundle=bundle.name,
        signature=signature,
        file=f"case{case.kind.suffix}" if case.kind is CaseKind.MACHINE else "case.wat",
        size=case.size,
        original_size=finding.case.size,
        minimized=finding.minimized is not None,
        repeats=finding.repeats,
        tries=finding.tries,
        origin=f"target {origin.target}, seed {origin.seed}, index {origin.index}"
        + (f", mutant {origin.mutant}" if origin.mutant else "")
        + (f", generators {origin.version}" if origin.version else ""),
        lines=lines,
        first=first,
        whole=whole,
        marked=marked,
        script=script if len(script) <= _MOST_SCRIPT else "",
        steps=_steps(finding),
        dissents=finding.verdict.dissents,
        agreeing=finding.verdict.agreeing,
        releases=tuple((run.engine, run.version) for run in finding.runs),
        commands=tuple(command(engine, releases.get(engine, ""), case, finding.expected) for engine in dissenting),
        before=len(finding.before),
        environment=tuple(sorted(finding.environment.items())),
        strips=strips(bundle),
        explanations=told,
    )


def _text(finding: Finding, cause: Cause, told: Iterable[Explanation]) -> tuple[tuple[Line, ...], int, int, str]:
    """The lines to show, the number of the first, how many there are, and what is marked."""
    case = finding.best
    guilty: set[int] = set()
    marked = ""
    if case.kind is CaseKind.MACHINE:
        text = case.content.decode("utf-8", "replace")
    else:
        try:
            module = decode(case.content)
            text, places = print_wat_with_places(module)
            guilty, marked = _guilty(module, places, cause, told)
        except WasmError:
            text = to_wat(case.content)
    lines = text.rstrip("\n").split("\n")
    start = max(0, min(min(guilty, default=0) - _MOST_LINES // 2, len(lines) - _MOST_LINES))
    shown = [
        Line(line if len(line) <= _MOST_COLUMNS else f"{line[: _MOST_COLUMNS - 3]}...", number in guilty)
        for number, line in enumerate(lines)
    ][start : start + _MOST_LINES]
    return tuple(shown), start + 1, len(lines), marked


def _guilty(
    module: Module, places: dict[tuple[int, int], int], cause: Cause, told: Iterable[Explanation]
) -> tuple[set[int], str]:
    """The lines to mark: of the operation that was found wrong, or else of the cause's essential instructions."""
    for one in told:
        if (
            one.operation is not None
            and (at := places.get((one.operation.function, one.operation.position))) is not None
        ):
            return {at}, "the first operation whose operands are right and whose result is wrong"
    plain = [word for word in cause.essentials if not word.startswith(("~", "?", "!"))]
    specific = {word for word in plain if not word.startswith("(")}
    names = specific or {word.strip("()") for word in plain}
    words = {OPS[name].mnemonic for name in names if name in OPS}  # one word may be several rows: select
    imported = len(module.func_type_indices()) - len(module.funcs)
    found = {
        places[imported + number, position]
        for number, func in enumerate(module.funcs)
        for position, (op, _) in enumerate(func.body)
        if op.mnemonic in words and (imported + number, position) in places
    }
    if not found:
        return set(), ""
    return found, "the instructions without which it goes away" if specific else "what the reducer could not remove"


def _steps(finding: Finding) -> tuple[Step, ...]:
    """The instantiation and the calls, those with a dissent first among what there is room for."""
    wrong = {(dissent.engine, dissent.where) for dissent in finding.verdict.dissents}
    calls = [f"{invocation} by {invocation.entry.value}" for invocation in finding.best.invocations]
    names = [("instantiate", "instantiation"), *((f"invoke {n}", call[:_MOST_CALL]) for n, call in enumerate(calls))]
    steps = [_step(number, where, call, finding, wrong) for number, (where, call) in enumerate(names)]
    steps = [step for step in steps if step.sides or step.expected]
    if len(steps) <= _MOST_STEPS:
        return tuple(steps)
    kept = {number for number, step in enumerate(steps) if step.wrong}
    room = [number for number in range(len(steps)) if number not in kept][: max(0, _MOST_STEPS - len(kept))]
    return tuple(steps[number] for number in sorted([*sorted(kept)[:_MOST_STEPS], *room]))


def _step(number: int, where: str, call: str, finding: Finding, wrong: set[tuple[str, str]]) -> Step:
    expected = show(finding.expected[number]) if number < len(finding.expected) else ""
    sides: dict[tuple[str, bool], list[str]] = {}
    for run in finding.runs:
        if number < len(run.outcomes):
            key = (show(run.outcomes[number]), (run.engine, where) in wrong)
            sides.setdefault(key, []).append(run.engine)
    return Step(call, expected, tuple(_sides(sides)))


def _sides(sides: dict[tuple[str, bool], list[str]]) -> Sequence[Side]:
    """Wrong ones first."""
    made = [Side(tuple(engines), outcome, bad) for (outcome, bad), engines in sides.items()]
    return sorted(made, key=lambda side: not side.wrong)
