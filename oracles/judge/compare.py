"""The judge: the rules by which observations of one case agree or disagree (docs/judging.md).

Each engine is compared with the reference interpreter, under that engine's own relaxed-SIMD profile; from where the
reference gave up, with the engines that most independent families side with. An engine's first deviation is its
dissent: what comes after it in the same instance follows from it. When two values are the same is in
``oracles.judge.equality``; limits and growth are in ``oracles.judge.excuses``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from oracles.judge.equality import (
    Nans,
    differing_blocks,
    first_byte,
    first_difference,
    in_block,
    masked,
    same_ref,
    show,
)
from oracles.judge.excuses import beyond_limits, growth_is_free
from oracles.judge.verdict import Agree, Disagree, Dissent, Kind, Poison, Verdict
from oracles.judge.vote import ANSWERS, VALIDITY, VOTES, Voter, families, suspects
from oracles.reference import REFERENCE
from wasm.case import Case, CaseKind
from wasm.embedding import (
    Crashed,
    Exhausted,
    Observation,
    Outcome,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
)

MODEST_SHARE: Final = 100
MODEST_DEPTH: Final = 300
MODEST_PAGES: Final = 64
"""A case is modest if the reference took under a hundredth of its steps and at most this depth and memory."""


Blocks: TypeAlias = tuple[tuple[str, int], ...]
Fetch: TypeAlias = Callable[[Observation, Blocks], Mapping[tuple[str, int], bytes]]
"""Gives the contents of 64 KiB blocks, named (exported memory, index), as whoever made an observation left them
(``Engine.dump``); the reference does so by the relaxed-SIMD profile of that observation."""

References: TypeAlias = Observation | Mapping[str, Observation] | None
"""The reference's observation, or one per relaxed-SIMD profile; the key "" is the deterministic profile."""

_GAVE_UP: Final = (Exhausted, TimedOut, OutOfMemory, Unsupported, Crashed)
_EXCUSABLE: Final[dict[type, tuple[Kind, str]]] = {
    Exhausted: (Kind.EXHAUST, "exhausted"),
    TimedOut: (Kind.HANG, "timed out"),
    OutOfMemory: (Kind.MEMORY, "out of memory"),
}
_APART: Final = frozenset(("exceptions", "legacy_exceptions"))
"""Both in one module: the first replaced the second in 3.0 and no text says that they go together; V8 refuses it."""


def judge(
    case: Case, observations: Iterable[Observation], reference: References, voters: Mapping[str, Voter],
    steps: int = 50_000_000, fetch: Fetch | None = None,
) -> Verdict:  # fmt: skip
    """Judge a case by what the engines did with it.

    ``observations`` may contain the reference's own, which is not compared with itself. ``voters`` has every other
    engine's entry by ``Observation.engine``. ``steps`` is the reference's step budget. ``fetch`` is called only where
    memory blocks differ; without it, blocks that hold free NaN bits are not compared.
    """
    references = {"": reference} if isinstance(reference, Observation) else dict(reference or {})
    own = {item.engine for item in references.values()}
    others = [item for item in observations if item.engine not in own]
    court = _Court(case, references, voters, steps, fetch)
    results = {item.engine: court.compare(item) for item in others}
    start = court.reference_end()
    if start is not None:
        results = court.among_themselves(others, results, start)
    return court.verdict(others, results)


def _step(dissent: Dissent) -> float:
    """The number of the invocation at which an engine dissents: -1 for instantiation, infinity for state at the end."""
    word, _, number = dissent.where.partition(" ")
    return int(number) if word == "invoke" else -1 if word == "instantiate" else math.inf


@dataclass(frozen=True, slots=True)
class _Court:
    case: Case
    references: Mapping[str, Observation]
    voters: Mapping[str, Voter]
    steps: int
    fetch: Fetch | None

    # --- one engine against the reference ---------------------------------------------------------------------------

    def compare(self, seen: Observation) -> Dissent | Poison | None:
        """One engine against the reference under its profile (spec 4.3.7: one choice per execution environment).

        An engine whose answer fits another profile than its probe's contradicts itself; one whose probe did so already
        is not asked what the fault is.
        """
        voter = self.voters[seen.engine]
        expected = self.references.get(voter.profile) or self.main_reference()
        if expected is None:
            return self.unexcused(seen)
        result = self.against(expected, seen)
        if not isinstance(result, Dissent) or result.kind not in ANSWERS:
            return result
        if expected.notes is not None and expected.notes.relaxed_used:
            others = [item for item in self.references.values() if item is not expected]
            if voter.contradicts or any(self.against(item, seen) is None for item in others):
                return replace(result, kind=Kind.PROFILE)
        return result

    def main_reference(self) -> Observation | None:
        return self.references.get("") or next(iter(self.references.values()), None)

    def against(
        self, expected: Observation, seen: Observation, nans: Nans = Nans.FREE_ONLY, start: int = -1
    ) -> Dissent | Poison | None:
        """The first dissent or poison of one vote, step by step from ``start`` on, then in the state; None: agrees.

        Poison ends this engine's vote on this case from that step on; earlier steps were compared, and other engines
        are. A crash is never poison and is looked for to the end.
        """
        # A module that comes before and traps is a step of its own; what has no instance is not called.
        steps = [(-1, *pair) for pair in zip(expected.before, seen.before, strict=False)] if start < 0 else []
        steps.append((-1, expected.instantiation, seen.instantiation))
        if expected.instantiated and seen.instantiated:
            steps += [(i, *pair) for i, pair in enumerate(zip(expected.outcomes, seen.outcomes, strict=False))]
        nan_from = expected.notes.nan_observed_at if expected.notes else None
        for at, want, got in steps[start + 1 :]:
            if type(want) is Returned and want == got and (nan_from is None or at < nan_from):
                continue  # what nearly every step comes to; whatever ``step`` asks, this is its answer too
            result = self.step(expected, seen, at, want, got, nans)
            if isinstance(result, Dissent) and self.growth_explains(expected, seen, result):
                result = Poison(seen.engine, "grow", at)
            if isinstance(result, Poison):
                return self.unexcused(seen) or result
            if result is not None:
                return result
        if isinstance(expected.instantiation, Trapped | Threw) and isinstance(seen.instantiation, Trapped | Threw):
            # spec 4.7.2: a start function that ends so undoes nothing; what it told the host before is all that shows.
            return None if nans is Nans.ANY else self.host_calls(expected, seen)
        complete = len(expected.outcomes) == len(seen.outcomes) == len(self.case.invocations)
        if not (complete and expected.instantiated and seen.instantiated) or nans is Nans.ANY:
            return self.unexcused(seen)
        return self.state(expected, seen)

    def unexcused(self, seen: Observation) -> Dissent | None:
        """Crashing, and not ending or eating all memory in decode or compile, need no reference to be wrong."""
        for at, outcome in enumerate((seen.instantiation, *seen.outcomes), -1):
            dissent = self.breakdown(seen, at, outcome)
            if dissent is not None:
                return dissent
        return None

    def breakdown(self, seen: Observation, at: int, got: Outcome) -> Dissent | None:
        if isinstance(got, Crashed):
            return self.dissent(seen, Kind.CRASH, at, got)
        if isinstance(got, TimedOut | OutOfMemory) and at < 0 and seen.phase in (Phase.DECODE, Phase.COMPILE):
            return self.dissent(seen, _EXCUSABLE[type(got)][0], at, got)
        return None

    def step(
        self, expected: Observation, seen: Observation, at: int, want: Outcome, got: Outcome, nans: Nans
    ) -> Dissent | Poison | None:
        """One step of the embedding (spec, appendix A.1): instantiation (``at`` -1) or invocation ``at``."""
        broken = self.breakdown(seen, at, got)
        if broken is not None:
            return broken
        if isinstance(got, Unsupported):
            # The engine's own statement that it lacks something is never a finding.
            return Poison(seen.engine, "unsupported", at)
        if self.case.kind is CaseKind.MACHINE:
            # An allocation is held against its input by our checker, whose complaint is a crash; nobody else is asked.
            return None
        if isinstance(want, _GAVE_UP):
            # Nothing to hold this engine against: limits are the implementation's own (spec A.2.3).
            return Poison(seen.engine, "no reference", at)
        nan_from = expected.notes.nan_observed_at if expected.notes else None
        if nan_from is not None and at >= nan_from:
            # spec 4.3.3: which NaN an operation gives is open; once its bits decided something, so is all that follows.
            return Poison(seen.engine, "nan", at)
        if isinstance(got, Exhausted | TimedOut | OutOfMemory):
            # spec A.2.3 allows limits on execution; a modest case gives no reason to reach any.
            kind, reason = _EXCUSABLE[type(got)]
            return self.dissent(seen, kind, at, got, want) if self.modest(expected) else Poison(seen.engine, reason, at)
        if isinstance(got, Rejected) or isinstance(want, Rejected):
            return self.validity(seen, at, want, got)
        return self.completed(seen, at, want, got, nans)

    def validity(self, seen: Observation, at: int, want: Outcome, got: Outcome) -> Dissent | Poison | None:
        """Validity is no matter of taste (spec 3 and 5); what an engine may lack or limit is (spec A.2 and A.3)."""
        if isinstance(want, Rejected):
            if isinstance(got, Rejected):
                return None
            if beyond_limits(self.case):
                return Poison(seen.engine, "limits", at)
            return self.dissent(seen, Kind.ACCEPT, at, got, want)
        features = self.voters[seen.engine].features
        if features is not None and not self.case.features <= features:
            return Poison(seen.engine, "feature", at)
        if self.case.features >= _APART:
            return Poison(seen.engine, "feature", at)
        if beyond_limits(self.case):
            return Poison(seen.engine, "limits", at)
        return self.dissent(seen, Kind.REJECT, at, got, want)

    def completed(self, seen: Observation, at: int, want: Outcome, got: Outcome, nans: Nans) -> Dissent | None:
        """Both came to an end that the spec defines: returned, trapped or threw (spec 4.6.12 and A.1.5)."""
        match want, got:
            case Returned(), Returned():
                difference = first_difference(want, got, nans)
                return self.dissent(seen, Kind.VALUE, at, got, detail=difference) if difference else None
            case Trapped(), Trapped():
                # A trap carries no value (spec 4.2.1); its cause is compared as far as both name it.
                return None if want.kinds & got.kinds else self.dissent(seen, Kind.TRAP, at, got, want)
            case Threw(), Threw():
                # spec 4.6.11: an uncaught exception leaves with its tag and its payload.
                if "?" not in (want.tag, got.tag) and want.tag != got.tag:
                    return self.dissent(seen, Kind.EXCEPTION, at, got, want)
                if "?" in (want.tag, got.tag) and not (want.payload.types and got.payload.types):
                    # An embedder knows a tag's parameter types by the tag's export; without one it reads no payload.
                    return None
                difference = first_difference(want.payload, got.payload, nans)
                return self.dissent(seen, Kind.EXCEPTION, at, got, detail=difference) if difference else None
            case (Threw(), _) | (_, Threw()):
                return self.dissent(seen, Kind.EXCEPTION, at, got, want)
            case _:
                return self.dissent(seen, Kind.TRAP, at, got, want)

    def modest(self, expected: Observation) -> bool:
        """The reference came to its end with so little that no engine may run out of anything."""
        notes = expected.notes
        return (
            notes is not None
            and notes.steps * MODEST_SHARE < self.steps
            and notes.depth <= MODEST_DEPTH
            and notes.pages <= MODEST_PAGES
        )

    def growth_explains(self, expected: Observation, seen: Observation, dissent: Dissent) -> bool:
        """spec 4.6.8: growing may fail at any time; engines are held only to sizes that generators stay within."""
        return dissent.kind in ANSWERS and growth_is_free(self.case, expected, seen)

    # --- state -------------------------------------------------------------------------------------------------------

    def state(self, expected: Observation, seen: Observation) -> Dissent | Poison | None:
        """Host calls in order, then what exported items hold; after traps too (spec 4.2.1: a trap undoes nothing)."""
        for check in (self.host_calls, self.globals, self.tables, self.memories):
            result = check(expected, seen)
            if isinstance(result, Dissent) and self.growth_explains(expected, seen, result):
                return Poison(seen.engine, "grow", len(self.case.invocations))
            if result is not None:
                return result
        return None

    def host_calls(self, expected: Observation, seen: Observation) -> Dissent | None:
        """Imports are called in the same order with the same arguments (spec 4.6.12.6: calls are observable)."""
        if "host_calls" in seen.blind:
            return None
        for i, (want, got) in enumerate(zip(expected.host_calls, seen.host_calls, strict=False)):
            if (want.module, want.name) != (got.module, got.name):
                detail = f"expected {want.module}.{want.name}, got {got.module}.{got.name}"
                return self.holds(seen, Kind.HOST_CALLS, f"host call {i}", detail)
            difference = first_difference(want.args, got.args)
            if difference:
                return self.holds(seen, Kind.HOST_CALLS, f"host call {i}", difference.replace("result", "argument", 1))
        if len(expected.host_calls) != len(seen.host_calls):
            detail = f"expected {len(expected.host_calls)}, got {len(seen.host_calls)}"
            return self.holds(seen, Kind.HOST_CALLS, "number of host calls", detail)
        return None

    def globals(self, expected: Observation, seen: Observation) -> Dissent | None:
        """Exported globals by name (spec 4.2.10); one that an engine cannot read is not compared."""
        values = dict(seen.globals)
        free = expected.notes.free_globals if expected.notes else ()
        for position, (name, value) in enumerate(expected.globals):
            if name not in values:
                continue
            nans = tuple(replace(nan, index=0) for nan in free if nan.index == position)
            difference = first_difference(Returned.of([value], nans), Returned.of([values[name]]))
            if difference:
                return self.holds(seen, Kind.STATE, f"global {name}", difference.partition(": ")[2])
        return None

    def tables(self, expected: Observation, seen: Observation) -> Dissent | None:
        """Exported tables: size, and elements by identity (spec 4.2.7)."""
        by_name = {table.export: table for table in seen.tables}
        for want in expected.tables:
            got = by_name.get(want.export, want)
            if want.size != got.size:
                detail = f"expected {want.size} elements, got {got.size}"
                return self.holds(seen, Kind.STATE, f"table {want.export}", detail)
            for i, (a, b) in enumerate(zip(want.elements, got.elements, strict=False)):
                if not same_ref(a, b):
                    detail = f"element {i}: expected {a}, got {b}"
                    return self.holds(seen, Kind.STATE, f"table {want.export}", detail)
        return None

    def memories(self, expected: Observation, seen: Observation) -> Dissent | Poison | None:
        """Exported memories: size, then content by 64 KiB block (spec 4.2.8), free NaN bits left out."""
        tainted = expected.notes.tainted if expected.notes else ()
        by_name = {memory.export: memory for memory in seen.memories}
        for position, want in enumerate(expected.memories):
            got = by_name.get(want.export, want)
            if want.pages != got.pages:
                detail = f"expected {want.pages} pages, got {got.pages}"
                return self.holds(seen, Kind.STATE, f"memory {want.export}", detail)
            ranges = [(start, end) for memory, start, end in tainted if memory == position]
            for block in differing_blocks(want, got):
                verdict = self.block(expected, seen, (want.export, block), in_block(block, ranges))
                if verdict is not None:
                    return verdict
        return None

    def block(
        self, expected: Observation, seen: Observation, name: tuple[str, int], parts: list[tuple[int, int]]
    ) -> Dissent | Poison | None:
        """A block whose checksums differ: a finding unless all differing bytes may hold free NaN bits (4.3.3)."""
        memory, block = name
        if self.fetch is None:
            if parts:
                return Poison(seen.engine, "nan in memory", len(self.case.invocations))
            return self.holds(seen, Kind.STATE, f"memory {memory}", f"bytes from {block << 16:#x} on differ")
        want = masked(self.fetch(expected, (name,)).get(name, b""), parts)
        got = masked(self.fetch(seen, (name,)).get(name, b""), parts)
        if want == got:
            if parts:
                return None
            return self.holds(seen, Kind.STATE, f"memory {memory}", f"block {block:#x} differed, not when run again")
        at = first_byte(want, got)
        detail = f"byte {(block << 16) + at:#x}: expected {want[at : at + 8].hex()}, got {got[at : at + 8].hex()}"
        return self.holds(seen, Kind.STATE, f"memory {memory}", detail)

    # --- engines among themselves, and the vote ---------------------------------------------------------------------

    def reference_end(self) -> int | None:
        """The step at which the reference gave up (-1: there is none); None if it went all the way."""
        main = self.main_reference()
        if main is None:
            return -1
        steps = (main.instantiation, *main.outcomes)
        return next((at for at, outcome in enumerate(steps, -1) if isinstance(outcome, _GAVE_UP)), None)

    def among_themselves(
        self, others: list[Observation], results: dict[str, Dissent | Poison | None], start: int
    ) -> dict[str, Dissent | Poison | None]:
        """From ``start`` on, hold engines against the one that most families side with.

        Only outcomes are compared, and any NaN equals any other, since nobody knows which NaNs were free; not at all if
        a NaN was observed before, and only engines of one relaxed-SIMD profile without contradictions.
        """
        main = self.main_reference()
        if main is not None and main.notes is not None and main.notes.nan_observed_at is not None:
            return results
        open_ = [item for item in others if _undecided(results[item.engine])]
        if "relaxed_simd" in self.case.features:
            open_ = [item for item in open_ if not self.voters[item.engine].contradicts]
            profiles = [self.voters[item.engine].profile for item in open_]
            most = max(profiles, key=profiles.count, default="")
            open_ = [item for item in open_ if self.voters[item.engine].profile == most]
        if len(open_) < 2:
            return results
        basis = max(open_, key=lambda item: len(self.siding(item, open_, start)))
        anew = {item.engine: self.against(basis, item, Nans.ANY, start) for item in open_ if item is not basis}
        return results | {basis.engine: None} | anew

    def siding(self, basis: Observation, others: list[Observation], start: int) -> set[str]:
        """The families with an engine that answers as ``basis`` does."""
        same = [item for item in others if self.against(basis, item, Nans.ANY, start) is None]
        return {self.voters[item.engine].family for item in same}

    def verdict(self, others: list[Observation], results: Mapping[str, Dissent | Poison | None]) -> Verdict:
        dissents = [result for result in results.values() if isinstance(result, Dissent)]
        poisons = tuple(result for result in results.values() if isinstance(result, Poison))
        agreeing = [engine for engine, result in results.items() if result is None]
        main = self.main_reference()
        if main is not None:
            crash = next((o for o in (main.instantiation, *main.outcomes) if isinstance(o, Crashed)), None)
            if crash is not None:
                detail = show(crash)
                phase = main.phase.value
                dissents.append(
                    Dissent(main.engine, REFERENCE, Kind.CRASH, phase, phase, detail, crash.text, crash.location)
                )
            elif self.case.kind is not CaseKind.MACHINE:
                agreeing.insert(0, main.engine)
        if not dissents:
            return Agree(poisons)
        family = families(self.voters, dissents, agreeing)
        family |= {item.engine: REFERENCE for item in self.references.values()}
        dissents = [replace(d, family=family[d.engine]) if d.kind in VALIDITY else d for d in dissents]
        seen = {item.engine: item for item in others}
        same = partial(self.same_answer, seen)
        # Who was not counted only from a later step on did there as the rest did.
        latest = max((_step(d) for d in dissents if d.kind in VOTES), default=-1)
        there = {one.engine for one in poisons if one.start > latest and one.engine in family}
        wrong = suspects(dissents, {family[engine] for engine in {*agreeing, *there}}, same, bool(self.references))
        return Disagree(tuple(dissents), tuple(agreeing), wrong, poisons)

    def same_answer(self, seen: Mapping[str, Observation], x: Dissent, y: Dissent) -> bool:
        """Whether two engines that dissent from the rest agree with each other."""
        a, b = seen[x.engine], seen[y.engine]
        return (x.kind, x.where) == (y.kind, y.where) and not isinstance(self.against(a, b, Nans.ANY), Dissent)

    # --- words -------------------------------------------------------------------------------------------------------

    def dissent(
        self, seen: Observation, kind: Kind, at: int, got: Outcome, want: Outcome | None = None, detail: str = ""
    ) -> Dissent:
        last = at == len(seen.outcomes) - 1
        phase = seen.phase if last or not seen.instantiated else Phase.INVOKE if at >= 0 else Phase.INSTANTIATE
        where = "instantiate" if at < 0 else f"invoke {at}"
        line = detail or (f"expected: {show(want)}; got: {show(got)}" if want is not None else show(got))
        crash = got if isinstance(got, Crashed) else Crashed(0)
        # What an engine accepts and should not has no message of its own: the rule that it breaks tells it apart.
        refusal = want if kind is Kind.ACCEPT else got
        message = refusal.message if isinstance(refusal, Rejected) else crash.text
        family = self.voters[seen.engine].family
        return Dissent(seen.engine, family, kind, phase.value, where, line, message, crash.location)

    def holds(self, seen: Observation, kind: Kind, where: str, detail: str) -> Dissent:
        return Dissent(seen.engine, self.voters[seen.engine].family, kind, "state", where, detail)


def _undecided(result: Dissent | Poison | None) -> bool:
    """Whether an engine's vote is still open where the reference gave up."""
    return result is None or (isinstance(result, Poison) and result.reason == "no reference")
