"""What a wrong allocation of registers is about: the reason in the smallest case that has any.

An allocator knows no instructions, so none is essential to what it does wrong. What became of the value that an operand
should have read tells mistakes apart (``compiler.regalloc.checker_reason``), but one mistake has several of these: a
value that never came to its slot may be missed in another block, where it was to come as an argument of an edge. So
the minimized case is made smaller once more with any complaint about an allocation in place of its own. What is left
has no circumstances that the mistake does not need; its reason is what the finding is about.
"""

from __future__ import annotations

from typing import Final

from fuzz.records.finding import Finding
from fuzz.reduce import Budget, ReduceError, reduce_case
from fuzz.triage.essentials import Essentials, sizes_of
from fuzz.triage.signature import is_allocation, signature
from fuzz.trial.bench import Bench
from oracles.judge.verdict import Disagree, Dissent
from wasm.case import Case

MANY: Final = 100
"""A call with fewer results or parameters only needs registers; of more, how many there are is what a mistake is about:
numbers of operands are kept in a few bits."""
_OF_CALLS: Final = ("results", "params")


def reason_of(bench: Bench, finding: Finding, seconds: float) -> Essentials | None:
    """What a minimized finding is about, if it is about an allocation; None for any other."""
    engine = min(dissent.engine for dissent in finding.verdict.dissents)
    if _complaint(bench, finding, finding.best, engine) is None:
        return None

    def still_wrong(case: Case) -> bool:
        return _complaint(bench, finding, case, engine) is not None

    smallest, rough = finding.best, True
    try:
        work = reduce_case(finding.best, still_wrong, budget=Budget(seconds=seconds))
        smallest, rough = work.case, not work.finished
    except ReduceError:
        pass
    found = _complaint(bench, finding, smallest, engine)
    if found is None:
        return None
    shape = tuple((side, size) for side, size in sizes_of(smallest).items() if side in _OF_CALLS and size >= MANY)
    says = signature(found)
    return Essentials(shape=shape, rough=rough, reason=f"{says.message} at {says.place}")


def _complaint(bench: Bench, finding: Finding, case: Case, engine: str) -> Dissent | None:
    """What an engine shows of a wrong allocation on a case."""
    verdict = bench.run_after(finding.before, case, [engine]).verdict
    dissents = verdict.dissents if isinstance(verdict, Disagree) else ()
    return next((one for one in dissents if one.engine == engine and is_allocation(one)), None)
