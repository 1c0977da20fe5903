"""Whether a finding is about calls with many results or parameters: what is wrong goes away where calls are narrow.

What a wrong call of this kind leaves behind is anything: a result from the wrong place, a crash far away, memory that
someone else wrote. Which instructions are needed to see it says nothing then, and each way to see it would be a cause
of its own. So the calls are asked about: where all of them pass their values through globals
(``wasm.rewrite.through_globals``) and nothing is wrong any more, they are what it is about.

Moving values about changes what an allocator does, too, and what is wrong there comes and goes with that. Hence the
control for modules that nobody made small: with the calls changed that are *not* wide it must still show. A reducer has
tried without each of the values already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Final

from fuzz.records.target_yield import measure
from fuzz.triage.readable import module_of
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import Invocation
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.hostmix import Behaviour, behaviour
from wasm.limits import PARAMS, RESULTS
from wasm.rewrite.through_globals import Parts, through_globals
from wasm.valtypes import F64, V128, NumType, ValType

LEAST: Final = {"results": 3, "params": 7}
"""Fewer are passed in registers, whatever their types are: nothing is asked about those."""
_TYPES: Final = 4
"""So many function types of a case are asked about by themselves, those with fewest results first."""
_MOST: Final = {"params": PARAMS, "results": RESULTS}


def passed(case: Case, params: range, results: range) -> Case | None:
    """The case with values of so many parameters or results passed through globals; None if nothing was changed."""
    module = module_of(case)
    if module is None:
        return None
    again = {item.name for item in module.imports if behaviour(item.module) is Behaviour.REENTER}
    parts = through_globals(module, params, results)
    if parts is None or again & parts.keys():
        # A host that calls an export back finds it by its type.
        return None
    calls: list[Invocation] = []
    for call in case.invocations:
        mine = parts.get(call.export, Parts())
        calls += [Invocation(name, (arg,), call.entry) for name, arg in zip(mine.params, call.args, strict=False)]
        calls.append(replace(call, args=() if mine.params else call.args))
        calls += [Invocation(name, (), call.entry) for name in mine.results]
    changed = case.with_content(encode(module), tuple(calls))
    features = frozenset(feature.value for feature in required_features(module))
    return changed if features <= case.features else None


def narrowed(case: Case, sizes: Mapping[str, int]) -> Case | None:
    """The case without calls of at least so many ``results`` or ``params``."""
    params, results = (
        range(sizes[side], _MOST[side] + 1) if side in sizes else range(0) for side in ("params", "results")
    )
    return passed(case, params, results)


def is_firm(case: Case, sizes: Mapping[str, int], wrong: Callable[[Case], bool]) -> bool:
    """The control: whether it still shows where the calls that are less wide pass their values through globals."""
    params, results = (range(1, sizes.get(side, 1)) for side in _MOST)
    control = passed(case, params, results)
    return control is None or wrong(control)


class About(Enum):
    """Whether what is wrong with a case is about wide calls: ``PERHAPS`` if it goes away without them, but with other
    calls changed as well; ``UNASKED`` where that cannot be asked."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"
    UNASKED = "unasked"


def is_about(case: Case, sizes: Mapping[str, int], wrong: Callable[[Case], bool], *, small: bool) -> About:
    """Whether what is wrong with a case is about calls of at least so many results or parameters: it goes away without
    them, and, if the case is not ``small``, does not with the others changed."""
    without = narrowed(case, sizes)
    if without is None:
        return About.UNASKED
    if wrong(without):
        return About.UNASKED if _is_wide(without, sizes) else About.NO
    return About.YES if small or is_firm(case, sizes, wrong) else About.PERHAPS


class Vectors(Enum):
    """Whether vectors are needed among results, as plain calls tell; ``UNASKED`` where these are right, or cannot be
    made."""

    NEEDED = "needed"
    NOT_NEEDED = "not needed"
    UNASKED = "unasked"


def vectors_in(
    case: Case, results: tuple[ValType, ...], wrong: Callable[[Case], bool], each: Iterable[int] = (1, 2)
) -> Vectors:
    """Whether a plain call with these results is wrong, and right with numbers in place of the vectors: as many, and
    twice as many, which take the same room in memory."""
    if not all(isinstance(type_, NumType) for type_ in results):
        return Vectors.UNASKED  # what the references refer to would have to be there as well
    if not wrong(plain_call(case, results)):
        return Vectors.UNASKED
    numbers = (plain_call(case, _numbers(results, many)) for many in each)
    return Vectors.NOT_NEEDED if any(map(wrong, numbers)) else Vectors.NEEDED


def needs_vectors(case: Case, least: int, wrong: Callable[[Case], bool]) -> bool:
    """Whether any call of at least so many results, as a case has, needs vectors among these. Three questions for each
    type of ``_TYPES`` at most. Of few results no more numbers are tried: those would be wide by themselves."""
    module = module_of(case)
    types = {type_.results for type_ in module.func_types() if V128 in type_.results} if module is not None else set()
    wide = sorted((one for one in types if len(one) >= least), key=len)
    each = (1, 2) if least > SMALL else (1,)
    return any(vectors_in(case, one, wrong, each) is Vectors.NEEDED for one in wide[:_TYPES])


def _numbers(results: tuple[ValType, ...], many: int) -> tuple[ValType, ...]:
    """The results with so many numbers for each vector."""
    numbers: list[ValType] = []
    for type_ in results:
        numbers += [F64] * many if type_ is V128 else [type_]
    return tuple(numbers)


def plain_call(case: Case, results: tuple[ValType, ...]) -> Case:
    """A function that gives a number of its own as each result, and one that is called from outside and gives on what
    it gets from that."""
    builder = ModuleBuilder()
    callee, caller = builder.func([], results), builder.func([], results, "f")
    for number, type_ in enumerate(results, 1):
        callee.emit(f"{type_}.const", number)
    caller.emit("call", callee.index)
    return Case(encode(builder.finish()), (Invocation("f", ()),), features=case.features, provenance=case.provenance)


def least_of(sizes: Mapping[str, int]) -> dict[str, int]:
    """From which size on a call may be of the same kind: how many values fit in registers depends on their types, so
    small sizes say no more than that they do not; of large ones a quarter more or less says as much."""
    return {side: LEAST[side] if size <= SMALL else size * 3 // 4 for side, size in sizes.items() if side in LEAST}


def _is_wide(case: Case, sizes: Mapping[str, int]) -> bool:
    """Whether such calls are left: of what the host gives only the callers are made narrow."""
    module = module_of(case)
    left = measure(module) if module is not None else {}
    return any(left.get(side, 0) >= size for side, size in sizes.items())


SMALL: Final = 16
"""Up to here it is a matter of types how many values have their places in registers."""
