"""A finding as a folder that explains itself and replays in a year."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from fuzz.archive.disk import write_file, write_folder
from fuzz.archive.learned import strips
from fuzz.archive.repro import Shown, script
from fuzz.archive.wast import to_wast, to_wat
from fuzz.records.finding import Finding
from fuzz.records.markdown_text import code, markdown
from fuzz.records.printable import text_lines
from fuzz.records.strip import Strip
from fuzz.records.strip_text import words
from oracles.engines.mutant import behind, number_of
from oracles.judge.equality import show
from oracles.mutants import MutatorFault, mutant_of
from wasm.case import Case, CaseKind, Provenance

EXECUTABLE: Final = frozenset({"repro.sh"})
_OURS: Final = re.compile(
    r"(case|original|before-\d+|mutant-\d+|(original-)?module-\d+)\.(wasm|bin|mach|wat|wast)|finding\.json|README\.md|repro\.sh"
)
"""What ``files`` writes: no longer there is what a smaller case has no use for."""
_README: Final = "README.md"


def name(finding: Finding) -> str:
    """The bundle's folder name: the signature as first seen, and the case's origin."""
    return named(finding.signature.bucket.key, finding.case.provenance)


def named(bucket: str, origin: Provenance) -> str:
    """``name`` by a bucket's key and where a case comes from."""
    target = origin.target.replace(":", "-")  # no colons in names of files that other systems are to unpack
    part = f"-{origin.part}" if origin.part else ""
    part += f"-mutant{origin.mutant}" if origin.mutant else ""
    return f"{bucket}-{target}-{origin.seed}-{origin.index}{part}"


def write(path: Path, finding: Finding) -> None:
    """Store a finding as the folder ``path``. Of a bundle that is there already only our own files are exchanged: what
    was found out since (``fuzz.archive.learned``) and what a person has put there stays. Raises ``ArchiveError``."""
    try:
        others = [item.name for item in path.iterdir() if not _OURS.fullmatch(item.name)]
    except OSError:
        others = []
    write_folder(path, files(finding, strips(path)), EXECUTABLE, others)


def write_readme(path: Path, finding: Finding, before: Sequence[Strip]) -> None:
    """Bring a bundle's README.md up to date with its strips, of which it knew those ``before``, unless a person has
    changed it. Raises ``ArchiveError``."""
    try:
        as_written = (path / _README).read_bytes() == files(finding, before)[_README]
    except OSError:
        return
    if as_written:
        write_file(path / _README, files(finding, strips(path))[_README])


def files(finding: Finding, known: Sequence[Strip] = ()) -> dict[str, bytes]:
    """All files of the bundle by name. ``case.*`` is the minimized case if there is one, ``original.*`` as found;
    ``module-01.*`` and on are what is instantiated before it (``Case.before``).

    ``known`` is what releases did with its case, or with others."""
    case = finding.best
    content = f"case{case.kind.suffix}"
    found = {
        content: case.content,
        "finding.json": json.dumps(finding.to_json(), indent=1).encode() + b"\n",
        _README: _readme(finding, content, known).encode(),
        "repro.sh": script(case, _dissents(finding), finding.expected).encode(),
    }
    if case.kind is not CaseKind.MACHINE:
        found["case.wat"] = to_wat(case.content).encode()
        found["case.wast"] = to_wast(case, finding.expected, finding.before).encode()
    for number, (_, module) in enumerate(case.before, 1):
        found[module_file(number)] = module
        found[module_file(number, "wat")] = to_wat(module).encode()
    for number, earlier in enumerate(finding.before, 1):
        found[f"before-{number:02}{earlier.kind.suffix}"] = earlier.content
        found[f"before-{number:02}.wat"] = to_wat(earlier.content).encode()
    for number, mutant in _mutants(finding).items():
        found[f"mutant-{number:02}.wasm"] = mutant
        found[f"mutant-{number:02}.wat"] = to_wat(mutant).encode()
    if finding.minimized is not None:
        found[f"original{case.kind.suffix}"] = finding.case.content
        for number, (_, module) in enumerate(finding.case.before, 1):
            found[f"original-{module_file(number)}"] = module
    return found


def _mutants(finding: Finding) -> dict[int, bytes]:
    """What engines that run mutants of the case were given in its place, by the mutant's number."""
    numbers = {number_of(dissent.engine) for dissent in finding.verdict.dissents} - {0}
    made = {}
    for number in sorted(numbers):
        with suppress(MutatorFault):
            mutant = mutant_of(finding.best, number)
            if mutant is not None:
                made[number] = mutant.case.content
    return made


def module_file(number: int, suffix: str = "wasm") -> str:
    """The file of a bundle that has the module at a place, from 1, among those that come before the case's own."""
    return f"module-{number:02}.{suffix}"


def _dissents(finding: Finding) -> list[Shown]:
    runs = {run.engine: run for run in finding.runs}
    shown = []
    for dissent in finding.verdict.dissents:
        run = runs.get(dissent.engine)
        version, outcomes = (run.version, run.outcomes) if run is not None else ("", ())
        shown.append(Shown(dissent.engine, version, dissent.kind, outcomes))
    return shown


def _readme(finding: Finding, content: str, known: Sequence[Strip]) -> str:
    case, verdict = finding.best, finding.verdict
    origin = finding.case.provenance
    lines = [f"# {markdown(str(finding.signature))}", ""]
    lines += [f"Dissenting: **{_names(d.engine for d in verdict.dissents)}**. "
              f"Agreeing: {_names(verdict.agreeing) or 'nobody'}. Probably wrong: {_names(verdict.suspects)}.",
              ""]  # fmt: skip
    if finding.known:
        lines += [f"Known issue: {markdown(finding.known)}.", ""]
    if finding.before:
        count = len(finding.before)
        ran = f"`before-01` to `before-{count:02}` have" if count > 1 else "`before-01` has"
        lines += [f"**A sequence**: it shows only where {ran} run before it in the same process, with these calls:", ""]
        for number, earlier in enumerate(finding.before, 1):
            calls = ", ".join(code(str(invocation)[:200]) for invocation in earlier.invocations[:8]) or "none"
            more = f" and {len(earlier.invocations) - 8} more" if len(earlier.invocations) > 8 else ""
            lines.append(f"- `before-{number:02}`: {calls}{more}")
        lines.append("")
    if case.before:
        places = ", ".join(f"`{module_file(n)}` as {code(name)}" for n, (name, _) in enumerate(case.before, 1))
        lines += [f"**Several modules** in one store: {places}, and `{content}`, which imports from them.", ""]
    if not finding.stable:
        lines += [f"**Unstable**: repeated {finding.repeats} of {finding.tries} times alone in a fresh process.", ""]
    lines += ["| engine | release | where | what |", "|---|---|---|---|"]
    versions = {run.engine: run.version for run in finding.runs}
    for d in verdict.dissents:
        cells = (d.engine, versions.get(d.engine, ""), f"{d.where} ({d.phase})", d.detail)
        lines.append(f"| {' | '.join(map(markdown, cells))} |")
    lines += ["", "Calls, in order, on one instance:" if case.invocations else "It shows without any call.", ""]
    for number, invocation in enumerate(case.invocations):
        outcome = show(finding.expected[number + 1]) if number + 1 < len(finding.expected) else "not compared"
        call = code(str(invocation)[:400])
        lines.append(f"- {call} ({invocation.entry.value}); expected: {markdown(outcome[:400])}")
    lines += ["", *_releases(case, known), *_messages(finding), *_files(finding, content, case), ""]
    mutant = f", as neutral mutant {origin.mutant} of that case" if origin.mutant else ""
    lines += [f"Found by target {code(origin.target)}, seed {origin.seed}, index {origin.index}{mutant}"
              f" (generators {markdown(origin.version or 'unknown')}).", ""]  # fmt: skip
    lines += [f"- {markdown(key)}: {markdown(value)}" for key, value in sorted(finding.environment.items())]
    return "\n".join(lines) + "\n"


def _releases(case: Case, known: Sequence[Strip]) -> list[str]:
    """What releases of the engines did with this very case."""
    lines: list[str] = []
    for strip in known:
        if strip.case == case.content_hash:
            lines += [f"Releases of {markdown(strip.engine)}, of those that were asked:", ""]
            lines += [*(f"- {markdown(text)}" for text in words(strip)), ""]
    return lines


def _messages(finding: Finding) -> list[str]:
    lines: list[str] = []
    for dissent in finding.verdict.dissents:
        if dissent.message:
            text = dissent.message.strip()[:4000]
            said = (f"    {line}" for line in text_lines(text))
            lines += [f"What {markdown(dissent.engine)} said:", "", *said, ""]
    return lines


def _files(finding: Finding, content: str, case: Case) -> list[str]:
    size = f"{case.size} bytes"
    if finding.minimized is not None:
        size += f", minimized from {finding.case.size} (`original{case.kind.suffix}`)"
    engines = [behind(run.engine) for run in finding.runs]
    trust = " --trust" if any(id.unreleased or id.command for id in engines) else ""
    forms = "" if case.kind is CaseKind.MACHINE else "; `case.wat` its text; `case.wast` with assertions"
    mutants = [f"- `mutant-{n:02}.wasm`: what `mutant:{n} of ...` runs in the case's place" for n in _mutants(finding)]
    return [
        f"- `{content}`: the case ({size}){forms}",
        *mutants,
        "- `repro.sh`: the dissenting engines' own command lines",
        f"- `fuzz replay .{trust}`: every engine of this finding side by side",
    ]


def _names(engines: Iterable[str]) -> str:
    return markdown(", ".join(engines))
