"""Neutral mutants of cases (``wasm.neutral``), with what the reference saw in a run of the case.

Mutant ``number`` of a case is always the same: its choices come from the case's target, seed and index, and from the
number, and not from the content. So a smaller case has a mutant by the same choices, as far as they still fit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from oracles.interpreter import Budget, run_case
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Crashed, Exhausted, OutOfMemory, Rejected, TimedOut, Unsupported
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.features import ALL, Feature
from wasm.isa import Op
from wasm.module import ExternKind, Module
from wasm.neutral.draws import Drawn
from wasm.neutral.facts import Bounds, Place
from wasm.neutral.mutating import mutated
from wasm.validate import validate
from wasm.valtypes import I32, I64, FuncType

STEPS: Final = 100_000
"""In runs that take longer nothing is seen: tracing is slow."""
_ENDLESS: Final = (Exhausted, TimedOut, OutOfMemory, Unsupported, Crashed, Rejected)


class MutatorFault(Exception):
    """A mutator made a module that is not valid: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant and the names of the mutators that made it."""

    case: Case
    by: tuple[str, ...]


@lru_cache(maxsize=16)
def mutant_of(case: Case, number: int, among: frozenset[str] | None = None) -> Mutant | None:
    """Mutant ``number`` (from 1 on) of a case; None for what is no module, or where no mutator finds anything to do.

    ``among`` has the names of the mutators to choose from, by default all. Raises ``MutatorFault``.
    """
    if case.kind is not CaseKind.WASM or number < 1:
        return None
    try:
        module = decode(case.content)
        validate(module, ALL)
    except WasmError:
        return None
    origin = case.provenance
    draws = Drawn(origin.target, origin.seed, origin.index, number)
    features = frozenset(feature for feature in Feature if feature.value in case.features)
    made = mutated(module, draws, _Seeing(case, module), features, among)
    if made is None:
        return None
    changed, by = made
    content = encode(changed)
    try:
        validate(decode(content), ALL)
    except WasmError as error:
        raise MutatorFault(f"mutant {number} of {origin} by {', '.join(by)} is not valid: {error}") from None
    return Mutant(replace(case.with_content(content), provenance=replace(origin, mutant=number)), by)


@dataclass(frozen=True, slots=True)
class _Seeing:
    """``Facts`` of one case: it is run when it is asked about."""

    case: Case
    module: Module

    def __call__(self, places: Collection[Place]) -> Mapping[Place, Bounds] | None:
        if Feature.RELAXED_SIMD.value in self.case.features:
            return None  # an engine may see other values
        tracer = _Watching(self.module, places)
        seen = run_case(self.case, self.module, Budget(steps=STEPS), tracer=tracer)
        ended = not any(isinstance(outcome, _ENDLESS) for outcome in (seen.instantiation, *seen.outcomes))
        sure = seen.notes is not None and seen.notes.nan_observed_at is None
        return tracer.seen if ended and sure else None


@dataclass(slots=True)
class _Watching:
    """A tracer that takes down what locals hold at some places. Locals of other types than i32 and i64 are left out."""

    module: Module
    places: Collection[Place]
    seen: dict[Place, Bounds] = field(init=False)
    masks: dict[int, dict[int, int]] = field(init=False)
    first: int = field(init=False)

    def __post_init__(self) -> None:
        self.first = len(self.module.imported(ExternKind.FUNC))
        self.seen = {place: Bounds() for place in self.places}
        types = self.module.flat_types()
        self.masks = {}
        for number in {func for func, _ in self.places}:
            func = self.module.funcs[number]
            type_ = types[func.type_index].composite
            assert isinstance(type_, FuncType)
            own = [*type_.params, *(one for count, one in func.locals for _ in range(count))]
            masks = {k: (1 << one.bits) - 1 for k, one in enumerate(own) if one in (I32, I64)}
            self.masks[number] = dict(list(masks.items())[:_LOCALS])

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:  # noqa: ARG002
        """See ``oracles.interpreter.Tracer``."""
        bounds = self.seen.get((func - self.first, at))
        if bounds is None:
            return
        bounds.times += 1
        known = bounds.locals
        for local, mask in self.masks[func - self.first].items():
            value = locals_[local] & mask
            least, most = known.get(local, (value, value))
            known[local] = (min(least, value), max(most, value))


_LOCALS: Final = 32
"""So many locals of a function are looked at."""
