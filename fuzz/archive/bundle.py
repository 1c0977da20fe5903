"""A finding as a folder that explains itself and replays in a year."""

from __future__ import annotations

import json
from typing import Final

from fuzz.archive.repro import script
from fuzz.archive.wast import to_wast, to_wat
from fuzz.records.finding import Finding
from oracles.judge.equality import show
from oracles.judge.verdict import Kind
from wasm.case import Case, CaseKind

EXECUTABLE: Final = frozenset({"repro.sh"})


def name(finding: Finding) -> str:
    """The bundle's folder name: the signature as first seen, and the case's origin."""
    origin = finding.case.provenance
    target = origin.target.replace(":", "-")  # no colons in names of files that other systems are to unpack
    return f"{finding.signature.bucket.key}-{target}-{origin.seed}-{origin.index}"


def files(finding: Finding) -> dict[str, bytes]:
    """All files of the bundle by name. ``case.*`` is the minimized case if there is one, ``original.*`` as found."""
    case = finding.best
    content = f"case{case.kind.suffix}"
    written = {
        content: case.content,
        "finding.json": json.dumps(finding.to_json(), indent=1).encode() + b"\n",
        "README.md": _readme(finding, content).encode(),
        "repro.sh": script(case, _dissents(finding)).encode(),
    }
    if case.kind is not CaseKind.MACHINE:
        written["case.wat"] = to_wat(case.content).encode()
        written["case.wast"] = to_wast(case, finding.expected).encode()
    if finding.minimized is not None:
        written[f"original{case.kind.suffix}"] = finding.case.content
    return written


def _dissents(finding: Finding) -> list[tuple[str, str, Kind]]:
    versions = {run.engine: run.version for run in finding.runs}
    return [(d.engine, versions.get(d.engine, ""), d.kind) for d in finding.verdict.dissents]


def _readme(finding: Finding, content: str) -> str:
    case, verdict = finding.best, finding.verdict
    origin = finding.case.provenance
    lines = [f"# {finding.signature}", ""]
    lines += [f"Dissenting: **{', '.join(d.engine for d in verdict.dissents)}**. "
              f"Agreeing: {', '.join(verdict.agreeing) or 'nobody'}. "
              f"Probably wrong: {', '.join(verdict.suspects)}.", ""]  # fmt: skip
    if finding.known:
        lines += [f"Known issue: {finding.known}.", ""]
    if not finding.stable:
        lines += [f"**Unstable**: repeated {finding.repeats} of {finding.tries} times alone in a fresh process.", ""]
    lines += ["| engine | release | where | what |", "|---|---|---|---|"]
    versions = {run.engine: run.version for run in finding.runs}
    for d in verdict.dissents:
        lines.append(f"| {d.engine} | {versions.get(d.engine, '')} | {d.where} ({d.phase}) | {_cell(d.detail)} |")
    lines += ["", "Calls, in order, on one instance:", ""]
    for number, invocation in enumerate(case.invocations):
        outcome = show(finding.expected[number + 1]) if number + 1 < len(finding.expected) else "not compared"
        lines.append(f"- `{str(invocation)[:400]}` ({invocation.entry.value}); expected: {_cell(outcome)[:400]}")
    lines += ["", *_messages(finding), *_files(finding, content, case), ""]
    lines += [f"Found by target `{origin.target}`, seed {origin.seed}, index {origin.index}"
              f" (generators {origin.version or 'unknown'}).", ""]  # fmt: skip
    lines += [f"- {key}: {value}" for key, value in sorted(finding.environment.items())]
    return "\n".join(lines) + "\n"


def _messages(finding: Finding) -> list[str]:
    lines: list[str] = []
    for dissent in finding.verdict.dissents:
        if dissent.message:
            text = dissent.message.strip()[:4000]
            lines += [f"What {dissent.engine} said:", "", *(f"    {line}" for line in text.splitlines()), ""]
    return lines


def _files(finding: Finding, content: str, case: Case) -> list[str]:
    size = f"{len(case.content)} bytes"
    if finding.minimized is not None:
        size += f", minimized from {len(finding.case.content)} (`original{case.kind.suffix}`)"
    forms = "" if case.kind is CaseKind.MACHINE else "; `case.wat` its text; `case.wast` with assertions"
    return [
        f"- `{content}`: the case ({size}){forms}",
        "- `repro.sh`: the dissenting engines' own command lines",
        "- `fuzz replay .`: every engine of this finding side by side",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
