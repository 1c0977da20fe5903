"""The Hypothesis strategies: valid modules, and failures that shrink to their cause."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, find, given, settings

from generators.choices import ChoiceSource
from generators.hypothesis import cases, modules, sources
from wasm.case import Case
from wasm.decode import decode
from wasm.validate import validate
from wasm.valtypes import I32

RELAXED = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@settings(RELAXED, max_examples=60)
@given(modules())
def test_modules_are_valid(wasm: bytes) -> None:
    validate(decode(wasm))


@settings(RELAXED, max_examples=30)
@given(sources())
def test_sources_draw(source: ChoiceSource) -> None:
    assert 0 <= source.below(10) < 10


def test_a_failure_at_254_results_shrinks_to_254() -> None:
    """The seed bug's own threshold: exactly 254 i32 results, and at most three functions around them."""

    def fails(case: Case) -> bool:
        return any(len(type_.results) >= 254 for type_ in decode(case.content).func_types())

    quick = settings(RELAXED, max_examples=2000, phases=(Phase.generate, Phase.shrink))
    found = decode(find(cases("returns"), fails, settings=quick).content)
    widest = max(found.func_types(), key=lambda type_: len(type_.results))
    assert widest.results == (I32,) * 254
    assert widest.params == ()
    assert len(found.funcs) <= 3
