"""The target ``linked``: a split program means what it meant, every origin of every item occurs, and mistakes show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from generators.config import DEFAULT
from generators.registry import load_target, make_case, source_of
from generators.targets.linked import linked
from oracles.interpreter import run_case
from oracles.interpreter.values import Global
from oracles.linking import Registered
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation, Rejected, Returned, Threw, Trapped
from wasm.features import Feature
from wasm.module import ExternKind, ImportedFunc
from wasm.valtypes import MemType, TableType

COUNT = 300
RUN = 120


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [make_case("linked", 1, index) for index in range(COUNT)]


@pytest.fixture(scope="module")
def seen(cases: list[Case]) -> list[Observation]:
    return [run_case(case) for case in cases[:RUN]]


@pytest.mark.parametrize("base", ["memory", "tables", "mixed", "globals", "tries", "refs", "calls", "startup"])
def test_a_split_program_means_what_it_meant(base: str) -> None:
    """Calls, calls of the host, and what the program exported; a memory that is shared has another type."""
    config = DEFAULT.without(Feature.THREADS)
    for index in range(8):
        source = source_of("linked", 77, index)
        whole = load_target(base).generate(source.fork("case"), config)
        split = linked(whole, source.fork("links"), config)
        if "half_way" in split.labels:
            continue
        one, other = run_case(whole), run_case(split)
        assert [_told(outcome) for outcome in one.outcomes] == [_told(outcome) for outcome in other.outcomes]
        assert one.host_calls == other.host_calls
        assert set(one.globals) <= set(other.globals)
        assert set(one.memories) <= set(other.memories)
        assert set(one.tables) <= set(other.tables)


@pytest.mark.parametrize(("seed", "index"), [(21, 69), (21, 442), (21, 968)])
def test_what_was_not_linkable_is(seed: int, index: int) -> None:
    """A global that names a function of a later module, and maxima that became more than a memory may have."""
    assert not isinstance(run_case(make_case("linked", seed, index)).instantiation, Rejected)


def _told(outcome: object) -> object:
    """A tag that an import brings in has a name there."""
    return replace(outcome, tag="?") if isinstance(outcome, Threw) else outcome


def test_every_origin_of_every_item(cases: list[Case]) -> None:
    """The rarest is expected sixteen times: five or fewer have a probability below 1e-3."""
    labels = Counter(label for case in cases for label in case.labels)
    for word in ("function", "memory", "table", "global", "tag"):
        assert labels[f"{word}_imported"] >= 20, word
        assert labels[f"{word}_again"] >= 5, word
    for word in ("memory", "table", "tag"):
        assert labels[f"{word}_of_host"] >= 5, word
    for word in ("shared_imported", "calls_later", "half_way", "modules2", "modules3", "modules4"):
        assert labels[word] >= 10, word


def test_imports_at_other_types_than_their_items_have(cases: list[Case]) -> None:
    """Wider limits in a tenth of the cases; functions and constant globals at a supertype now and then."""
    wider = above = nullable = 0
    for case in cases:
        modules = {name: decode(content) for name, content in case.before}
        for module in (*modules.values(), decode(case.content)):
            for item in module.imports:
                if item.module not in modules:
                    continue
                home = modules[item.module]
                export = next(one for one in home.exports if one.name == item.name)
                if isinstance(item.type, MemType):
                    wider += home.memory_types()[export.index] != item.type
                elif isinstance(item.type, TableType):
                    wider += home.table_types()[export.index] != item.type
                elif isinstance(item.type, ImportedFunc):
                    above += home.func_type_indices()[export.index] != item.type.type_index
                elif export.kind is ExternKind.GLOBAL:
                    nullable += home.global_types()[export.index] != item.type
    assert wider >= COUNT // 10
    assert above + nullable >= 3


def test_what_runs(cases: list[Case], seen: list[Observation]) -> None:
    """All modules can be linked; those that trap are labelled so, and so is a start function's end."""
    grown = 0
    for case, observation in zip(cases, seen, strict=False):
        ends = [outcome for outcome in observation.before if not isinstance(outcome, Returned)]
        assert len(ends) == ("half_way" in case.labels)
        assert all(isinstance(outcome, Trapped) for outcome in ends)
        if not isinstance(observation.instantiation, Returned):
            assert case.labels & {"segment_traps", "start_traps", "start_throws"}
        types = dict(_memories(case))
        grown += any(memory.pages > types[memory.export] for memory in observation.memories)
    assert grown >= 3


def _memories(case: Case) -> list[tuple[str, int]]:
    """The exported memories with the sizes that they are declared at where they are made, or at least at."""
    module = decode(case.content)
    types = module.memory_types()
    return [(one.name, types[one.index].limits.minimum) for one in module.exports if one.kind is ExternKind.MEMORY]


def test_a_copy_in_place_of_a_shared_global_shows(
    cases: list[Case], seen: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the cases in which modules share a mutable global come to another end where each has its own."""
    shares = [i for i, case in enumerate(cases[:RUN]) if _shares_a_global(case)]
    assert len(shares) >= 30
    real = Registered.or_else

    def copying(self: Registered[Any, Any], host: Any) -> Callable[[Any, Any], Any]:
        find = real(self, host)

        def found(wanted: Any, instance: Any) -> Any:
            item = find(wanted, instance) if callable(find) else None
            if isinstance(item, Global) and item.mutable:
                return Global(item.type, True, item.types, item.value)
            return item

        return found

    monkeypatch.setattr(Registered, "or_else", copying)
    shown = 0
    for i in shares:
        wrong = run_case(cases[i])
        shown += (wrong.outcomes, wrong.globals) != (seen[i].outcomes, seen[i].globals)
    assert shown >= len(shares) // 2


def _shares_a_global(case: Case) -> bool:
    """Whether two modules have the same mutable global, of which one is a function's own that is called."""
    places = {name for name, _ in case.before}
    mutable = [
        item
        for content in case.contents
        for item in decode(content).imports
        if item.module in places and getattr(item.type, "mutable", False)
    ]
    return len(mutable) >= 1 and "function_imported" in case.labels


def test_what_a_half_way_module_wrote_shows(cases: list[Case]) -> None:
    """Without the module that traps a third of its cases come to another end."""
    halves = [case for case in cases if "half_way" in case.labels][:40]
    shown = 0
    for case in halves:
        without = replace(case, before=tuple(pair for pair in case.before if pair[0] != "half"))
        one, other = run_case(case), run_case(without)
        shown += (one.outcomes, one.memories, one.tables) != (other.outcomes, other.memories, other.tables)
    assert shown >= len(halves) // 3
