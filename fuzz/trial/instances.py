"""A case run to the end of its calls: where one of them ends an instance, the others are made on a fresh one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fuzz.trial.bench import Bench, Trial
from wasm.case import Case, CaseKind


def trials(bench: Bench, case: Case, fresh: bool = False, before: Sequence[Case] = ()) -> Iterator[tuple[int, Trial]]:
    """Trials that together make all calls of a case, each with the number of its first one.

    One instance serves all calls, as the case says. Where an engine's instance ends before the last (a crash, a
    time-out), the calls behind that one are made on a fresh instance, in which the earlier ones did not happen. With
    ``fresh`` each call has an instance of its own. Cases ``before`` it run first, in new processes.
    """
    calls = case.invocations
    if case.kind is not CaseKind.WASM or not calls:
        yield 0, bench.run_after(before, case)
        return
    first = 0
    while first < len(calls):
        end = first + 1 if fresh else len(calls)
        part = replace(case, invocations=calls[first:end], sites=()) if end - first < len(calls) else case
        trial = bench.run_after(before, part)
        yield first, trial
        begun = [len(item.outcomes) for item in (trial.reference, *trial.observations) if item.instantiated]
        if not begun:
            return
        # Whoever ended first; a call that ended an instance was made, so at least one call is done each time.
        first = end if fresh else first + max(1, min(begun))
