"""What ``fuzz spectest`` prints: counts per file and per kind of command, and every failure."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import IO, Final

from fuzz.records.exit_code import ExitCode
from fuzz.records.printable import printable
from fuzz.report.live import emit
from oracles.suite.spectest import FAILED, NEVER_ASKED, PASSED, SKIPPED, UNSUPPORTED, FileResult

_RESULTS = (PASSED, FAILED, UNSUPPORTED, SKIPPED)
_MOST: Final = 12
"""So many reasons are printed."""


def print_suite(results: Iterable[FileResult], engine: str, json_lines: bool, stream: IO[str]) -> ExitCode:
    """Print results as they come, then the totals. ``FINDINGS`` if a command failed or a file could not be read,
    ``UNUSABLE`` if there was nothing that the engine could be asked."""
    counts: Counter[tuple[str, str]] = Counter()
    reasons: Counter[str] = Counter()
    bad = files = 0
    for result in results:
        files += 1
        counts.update(result.counts)
        reasons.update(result.reasons)
        bad += len(result.failures) + bool(result.error)
        if json_lines:
            emit(stream, _file_object(result))
        else:
            _print_file(result, stream)
    if json_lines:
        totals = {kind: {r: counts[kind, r] for r in _RESULTS} for kind in sorted({kind for kind, _ in counts})}
        emit(stream, {"type": "suite", "version": 1, "engine": engine, "files": files, "kinds": totals, "failed": bad,
                      "unsupported": dict(reasons.most_common())})  # fmt: skip
    else:
        _print_totals(engine, files, counts, stream)
        _print_reasons(reasons, stream)
    if bad:
        return ExitCode.FINDINGS
    if any(outcome == PASSED and kind not in NEVER_ASKED for kind, outcome in counts):
        return ExitCode.CLEAN
    print(f"fuzz: {engine} could be asked nothing of it: nothing was compared", file=sys.stderr)
    return ExitCode.UNUSABLE


def _file_object(result: FileResult) -> dict[str, object]:
    kinds: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in sorted(result.counts.items()):
        kinds.setdefault(kind, {})[outcome] = number
    failures = [{"line": f.line, "kind": f.kind, "message": f.message} for f in result.failures]
    return {"type": "file", "path": str(result.path), "kinds": kinds, "failures": failures,
            "unsupported": dict(result.reasons.most_common()), "error": result.error}  # fmt: skip


def _print_file(result: FileResult, stream: IO[str]) -> None:
    words = ", ".join(f"{result.total(word)} {word}" for word in _RESULTS if result.total(word))
    trouble = f"; {result.error}" if result.error else ""
    print(printable(f"{result.path}: {words or 'nothing'}{trouble}"), file=stream)
    for failure in result.failures:
        print(printable(f"  line {failure.line}, {failure.kind}: {failure.message[:500]}"), file=stream)


def _print_totals(engine: str, files: int, counts: Counter[tuple[str, str]], stream: IO[str]) -> None:
    print(f"\n{engine}, {files} files", file=stream)
    print(f"{'':24}" + "".join(f"{word:>12}" for word in _RESULTS), file=stream)
    for kind in sorted({kind for kind, _ in counts}):
        print(f"{kind:24}" + "".join(f"{counts[kind, word]:12}" for word in _RESULTS), file=stream)
    totals = [sum(number for (_, result), number in counts.items() if result == word) for word in _RESULTS]
    print(f"{'all':24}" + "".join(f"{total:12}" for total in totals), file=stream)


def _print_reasons(reasons: Counter[str], stream: IO[str]) -> None:
    """Why commands were unsupported: the most frequent reasons, a line each."""
    if reasons:
        print("\nunsupported for:", file=stream)
    for why, number in reasons.most_common(_MOST):
        print(printable(f"{number:12}  {why[:200]}"), file=stream)
    if (left := len(reasons) - _MOST) > 0:
        rest = reasons.total() - sum(number for _, number in reasons.most_common(_MOST))
        print(f"{rest:12}  {left} more reasons (--json has all)", file=stream)
