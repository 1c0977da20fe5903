"""What ``refs`` reaches: every instruction on references, executed; types of every kind in every place; ends."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.registry import make_case
from oracles.interpreter.runner import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation, Returned
from wasm.features import Feature
from wasm.isa import OPS, ROWS, Op
from wasm.module import Module
from wasm.valtypes import RefType, ValType

COUNT = 250
Run = tuple[Case, Module, Observation, dict[Op, int]]


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    made = []
    for index in range(COUNT):
        case = make_case("refs", 1, index)
        counts: dict[Op, int] = {}
        observation = run_case(case, counts=counts)
        made.append((case, decode(case.content), observation, counts))
    return made


def test_every_reference_instruction_is_executed(runs: list[Run]) -> None:
    """Each in 4 of 250 cases or more; the rarest is expected in 10: missed by chance once in 100 seeds."""
    executed: Counter[Op] = Counter()
    for _, _, _, counts in runs:
        executed.update(counts.keys())
    wanted = [row for row in ROWS if row.feature in (Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES)]
    wanted += [OPS[name] for name in ("any.convert_extern", "extern.convert_any", "ref.eq", "table.copy", "table.init")]
    wanted += [OPS[name] for name in ("throw_ref", "call_indirect", "return_call", "return_call_indirect")]
    assert len(wanted) == 23
    assert not [(row.name, executed[row]) for row in wanted if executed[row] < 4]


def test_cases_end(runs: list[Run]) -> None:
    """Before the host's last call of what a case is about, at most a tenth of the cases trap; half of the others that
    are called after it do so on purpose, in up to 45% of the cases. No free NaN is observed. The longest of
    1,250 took 193,000 steps."""
    early = late = 0
    for case, _, observation, _ in runs:
        notes = observation.notes
        assert notes is not None
        assert notes.nan_observed_at is None
        assert notes.steps < 300_000
        assert len(observation.outcomes) == len(case.invocations)
        last = max(site.use_at for site in case.sites if site.kind == "host")
        ended = [isinstance(outcome, Returned) for outcome in observation.outcomes]
        early += not all(ended[: last + 1])
        late += not all(ended[last + 1 :])
        assert all(ended) or "traps" in case.labels
        if all(ended[: last + 1]):
            assert notes.executed_sites >= {i for i, site in enumerate(case.sites) if site.kind != "host"}
    assert early <= COUNT // 10
    assert COUNT // 6 < late < COUNT * 45 // 100


def test_features(runs: list[Run]) -> None:
    """Over a quarter of the cases without GC, some without typed references, most wide ones past their site."""
    plain = [case for case, _, _, _ in runs if "gc" not in case.features]
    assert COUNT // 4 < len(plain) < COUNT * 2 // 3
    assert sum("function_references" not in case.features for case in plain) > COUNT // 20
    wide = [case for case, _, _, _ in runs if any(site.wide for site in case.sites)]
    assert len(wide) > COUNT // 10


def test_types_in_every_place(runs: list[Run]) -> None:
    """Types with null and without it, of functions, of the host and of objects: as parameters, results, locals,
    globals and tables; each in 3 cases or more and expected in 8: missed by chance less than once in 70 seeds.

    A table or global of host tokens without null takes GC for its first value, and is rarer."""
    seen: Counter[tuple[str, str]] = Counter()
    for _, module, _, _ in runs:
        types = module.func_types()
        places: dict[str, set[ValType]] = {
            "param": {t for type_ in types for t in type_.params},
            "result": {t for type_ in types for t in type_.results},
            "local": {t for func in module.funcs for _, t in func.locals},
            "global": {item.type for item in module.global_types()},
            "table": {item.ref for item in module.table_types()},
        }
        for place, value_types in places.items():
            seen.update({(place, described(t)) for t in value_types if isinstance(t, RefType)})
    wanted = [
        (place, kind)
        for place in ("param", "result", "local", "global", "table")
        for kind in ("extern", "func", "type", "any", "(ref type)", "(ref extern)")
        if kind != "(ref extern)" or place not in ("global", "table")
    ]
    assert not [(key, seen[key]) for key in wanted if seen[key] < 3]


def described(type_: RefType) -> str:
    name = "type" if isinstance(type_.heap, int) else type_.heap
    return name if type_.nullable else f"(ref {name})"
