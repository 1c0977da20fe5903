"""What a wrong allocation of registers is about: the reason in the smallest case that has one of its kind.

An allocator knows no instructions, so none is essential to what it does wrong. What became of the value that an operand
should have read tells mistakes apart (``compiler.regalloc.checker_reason``), but one mistake has several of these: a
value that never came to its slot may be missed in another block, where it was to come as an argument of an edge. So
the minimized case is made smaller once more, where any complaint counts that is about the same kind of place: a slot
without its value stays one, however the value was lost. What is left has no circumstances that the mistake does not
need; its reason is what the finding is about, or its reasons, where several settings show it.

It begins with plain functions that are called from outside, if those show it: the code that enters functions is
allocated as well, and a mistake that shows in that needs nothing else.
"""

from __future__ import annotations

from typing import Final

from fuzz.records.finding import Finding, Signature
from fuzz.reduce import Budget, ReduceError, reduce_case
from fuzz.triage.essentials import Essentials, sizes_of
from fuzz.triage.signature import is_allocation, signature
from fuzz.trial.bench import Bench
from oracles.judge.verdict import Disagree, Dissent
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.features import Feature
from wasm.valtypes import I32

MANY: Final = 100
"""A call with fewer results or parameters only needs registers; of more, how many there are is what a mistake is about:
numbers of operands are kept in a few bits."""
_OF_CALLS: Final = ("results", "params")
_ENTERED: Final = ((0, 1), (1, 1), (0, 3), (3, 3))
"""How many parameters and results the plainest functions have."""
_MOVES: Final = "moves"
"""Who puts moves in order, for all allocators: by this word a complaint blames it, and its file has it as its name."""


def reason_of(bench: Bench, finding: Finding, seconds: float) -> Essentials | None:
    """What a minimized finding is about, if it is about an allocation; None for any other."""
    engine = min(dissent.engine for dissent in finding.verdict.dissents)
    wanted = subject(finding.signature)

    def still_wrong(case: Case) -> bool:
        return any(subject(one) == wanted for one in _complaints(bench, finding, case, engine))

    if not still_wrong(finding.best):
        return None
    plain = plainest(finding.case)
    smallest = plain if finding.case.kind is CaseKind.WASM and still_wrong(plain) else finding.best
    rough = True
    try:
        work = reduce_case(smallest, still_wrong, budget=Budget(seconds=seconds))
        smallest, rough = work.case, not work.finished
    except ReduceError:
        pass
    shape = tuple((side, size) for side, size in sizes_of(smallest).items() if side in _OF_CALLS and size >= MANY)
    said = (f"{one.message} at {one.place}" for one in _complaints(bench, finding, smallest))
    return Essentials(shape=shape, rough=rough, reasons=frozenset(said))


def subject(complaint: Signature) -> tuple[str, ...]:
    """What a complaint is about, however it came about: who is blamed, and which kind of place or which rule."""
    # Of a machine function it is said first that the answer is wrong.
    who, _, rest = (complaint.message.partition(": wrong: ")[2] or complaint.message).partition(": ")
    name = complaint.place.rsplit("/", 1)[-1].partition(".")[0]
    if _MOVES in (who, name):
        return (_MOVES,)
    return (name, who, rest.partition(": ")[0])


def _complaints(bench: Bench, finding: Finding, case: Case, engine: str | None = None) -> list[Signature]:
    """What the engines, or one of them, show of wrong allocations on a case."""
    verdict = bench.run_after(finding.before, case, engine and [engine]).verdict
    dissents = verdict.dissents if isinstance(verdict, Disagree) else ()
    return [signature(one) for one in dissents if _is_meant(one, finding)]


def _is_meant(dissent: Dissent, finding: Finding) -> bool:
    return dissent.family == finding.signature.family and is_allocation(dissent)


def plainest(case: Case) -> Case:
    """A case with nothing but functions of few parameters and results that are called from outside."""
    builder = ModuleBuilder()
    calls = []
    for number, (params, results) in enumerate(_ENTERED):
        builder.func([I32] * params, [I32] * results, export=f"f{number}").emit("unreachable")
        calls.append(Invocation(f"f{number}", (Value("i32", 0),) * params))
    features = case.features | {Feature.MULTI_VALUE.value}
    return Case(encode(builder.finish()), tuple(calls), features=features, provenance=case.provenance)
