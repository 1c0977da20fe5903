"""What ``mixed`` reaches: parts of all targets, most instructions soon, operands that are constants, loads and shifts.

Seeds are fixed. The stated probabilities are those of a count under the drawn distribution for a random seed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from generators.aims.finding import aims_in
from generators.aims.own import own_aims
from generators.choices import ChoiceSource
from generators.config import DEFAULT, EVERYTHING
from generators.draw.edges import SHIFTS
from generators.module.function import Function
from generators.module.shell import MULTIPLIER
from generators.program.parts import Emit, Part
from generators.program.program import Program
from generators.registry import load_target, make_case, source_of, target_names
from generators.targets import mixed
from oracles.interpreter import Budget, run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.features import Feature
from wasm.isa import ROWS, Instr, Op
from wasm.module import Module
from wasm.valtypes import F32, F64

COUNT = 300


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("mixed", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


@pytest.fixture(scope="module")
def cases_without_ends() -> list[tuple[Case, Module]]:
    """The same cases without the functions that go to a memory's end, which would label every second one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed._Swarm, "_ends", lambda *_: None)
        made = [make_case("mixed", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def test_parts_of_all_targets_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every target with parts in 1% of the cases at least, 4% being drawn of the rarest; the two most often in 60%."""
    drawn: Counter[str] = Counter()

    def counting(target: str, emit: Emit, program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
        seen.add(target)
        emit(program, fn, source, room)

    parts = [
        (name, tuple(replace(part, emit=partial(counting, name, part.emit)) for part in found))
        for name, found in mixed.all_parts()
    ]
    monkeypatch.setattr(mixed, "all_parts", lambda: parts)
    for index in range(COUNT):
        seen: set[str] = set()
        mixed.generate(source_of("mixed", 2, index), EVERYTHING)
        drawn.update(seen)
    assert {name for name, _ in parts} >= {"arith", "control", "memory", "mixed", "simd", "tries"}
    for name, _ in parts:
        assert drawn[name] >= COUNT // 100, name
    assert min(drawn["arith"], drawn["memory"]) >= COUNT * 0.5


def test_parts_name_themselves_and_their_needs() -> None:
    """The folder listing is the registry; a part needs no more than the target that lends it, or says so."""
    exporting = [name for name, _ in mixed.all_parts()]
    assert set(exporting) <= set(target_names())
    for name, parts in mixed.all_parts():
        assert all(isinstance(part, Part) for part in parts)
        assert len({part.name for part in parts}) == len(parts)
        assert load_target(name).summary


def test_cases_run_to_their_end(cases_without_ends: list[tuple[Case, Module]]) -> None:
    """Only labelled cases trap, at most a tenth; wide sites are passed; no open NaN is looked at."""
    labelled = wide = passed = 0
    for index, (case, module) in enumerate(cases_without_ends):
        observation = run_case(case, module)
        notes = observation.notes
        assert notes is not None
        assert observation.instantiated
        assert notes.nan_observed_at is None, index
        assert notes.steps < 500_000, index
        labelled += "traps" in case.labels
        if not case.labels & {"traps", "overflows"}:
            assert all(isinstance(outcome, Returned) for outcome in observation.outcomes), index
        sites = {i for i, site in enumerate(case.sites) if site.wide and site.kind != "host"}
        wide += bool(sites)
        passed += bool(sites & notes.executed_sites)
    assert labelled <= COUNT // 8
    assert wide >= COUNT // 25
    assert passed >= 0.9 * wide


def test_most_instructions_are_executed_soon() -> None:
    """Of all but legacy exceptions, with all features: more than half within 120 cases, and nearly all of 1.0."""
    executed: set[Op] = set()
    for index in range(120):
        counts: dict[Op, int] = {}
        run_case(make_case("mixed", 3, index, EVERYTHING), budget=Budget(steps=20_000), counts=counts)
        executed.update(counts)
    table = [row for row in ROWS if row.feature is not Feature.LEGACY_EXCEPTIONS]
    assert sum(row in executed for row in table) >= len(table) * 0.5
    core = [row for row in table if row.feature is None]
    assert sum(row in executed for row in core) >= len(core) * 0.9


def test_features_are_drawn_apart() -> None:
    """Each of them is in some cases and out of most; a third of the cases need none but those of scalars."""
    seen: Counter[str] = Counter()
    plain = 0
    young = {"gc", "exceptions", "function_references", "simd", "reference_types", "tail_call"}
    for index in range(COUNT):
        case = make_case("mixed", 4, index, EVERYTHING)
        seen.update(case.features)
        plain += not case.features & young
    for feature in EVERYTHING.features - {Feature.MULTI_VALUE, Feature.EXTENDED_CONST}:
        assert 0 < seen[feature.value] < COUNT * 0.6, feature
    assert plain >= COUNT // 5


def kinds(cases: list[tuple[Case, Module]]) -> Counter[str]:
    return Counter(kind for case, _ in cases for kind in {site.kind for site in case.sites})


def test_calls_of_every_kind(cases: list[tuple[Case, Module]]) -> None:
    found = kinds(cases)
    for kind in ("host", "direct", "indirect", "ref", "tail", "tail_indirect", "recursive", "loop", "import"):
        assert found[kind] >= 2, kind
    assert found["direct"] >= COUNT // 5
    several = sum(len({call.export for call in case.invocations}) < len(case.invocations) for case, _ in cases)
    assert several >= COUNT // 2


def loaded(instr: Instr) -> bool:
    access = instr[0].access
    return access is not None and access.kind == "load" and instr[0].feature is None


def test_loads_are_operands_of_everything(cases: list[tuple[Case, Module]]) -> None:
    """The last operand of at least 70 different scalar instructions is a load, without anything between."""
    consumers: Counter[str] = Counter()
    for _, module in cases:
        for func in module.funcs:
            for first, second in zip(func.body, func.body[1:], strict=False):
                if loaded(first) and second[0].params and second[0].feature is None:
                    consumers[second[0].name] += 1
    assert len(consumers) >= 70
    floats = [name for name in consumers if name[:4] in (f"{F32}.", f"{F64}.")]
    assert len(floats) >= 24


def shift_pairs(module: Module) -> list[tuple[int, int, int]]:
    """Two shifts by constants whose results meet in one instruction: both amounts and the width."""
    found = []
    for func in module.funcs:
        body = func.body
        for at in range(5, len(body)):
            op = body[at][0].name
            if not op.endswith((".or", ".xor", ".add", ".sub")) or not op.startswith(("i32.", "i64.")):
                continue
            second, amount = body[at - 1], body[at - 2]
            if second[0].name.partition(".")[2] not in SHIFTS or not amount[0].name.endswith(".const"):
                continue
            if body[at - 4][1] == MULTIPLIER:
                # The running hash, folded twice in a row.
                continue
            for back in range(at - 3, max(at - 9, 1), -1):
                first, other = body[back], body[back - 1]
                if first[0].name.partition(".")[2] in SHIFTS and other[0].name.endswith(".const"):
                    found.append((int(str(other[1])), int(str(amount[1])), int(op[1:3])))
                    break
    return found


def test_shifts_meet_shifts(cases: list[tuple[Case, Module]]) -> None:
    """In a tenth of the cases; half of the pairs, and a third in each width, by amounts that add up to the width."""
    pairs = [(case, pair) for case, module in cases for pair in shift_pairs(module)]
    assert len({id(case) for case, _ in pairs}) >= COUNT // 10
    for width in (32, 64):
        some = [pair for _, pair in pairs if pair[2] == width]
        assert len(some) >= 15
        whole = [pair for pair in some if (pair[0] + pair[1]) % width == 0]
        assert len(whole) >= len(some) // 3
        assert len({min(first % width, second % width) for first, second, _ in whole}) >= 5


def test_ends_of_memory_as_often_as_in_memory(cases: list[tuple[Case, Module]]) -> None:
    """Three in four of the cases with a memory and some room: 51% of all, where ``memory`` has them in 75%. Fewer than
    110 of 300 have a probability below 10^-5."""
    groups = [{call.export for call in case.invocations if call.export.startswith("ends")} for case, _ in cases]
    assert sum(bool(group) for group in groups) >= 110
    assert max(map(len, groups)) == 3


def test_ends_of_memory_trap_and_change_nothing_before(
    cases: list[tuple[Case, Module]], cases_without_ends: list[tuple[Case, Module]]
) -> None:
    """They are called when all else was seen but the memories. In 98% of the cases that have them one call traps at
    least: fewer than 90% of 110 have a probability below 10^-5."""
    having = trapping = 0
    for (case, module), (without, its_module) in zip(cases, cases_without_ends, strict=True):
        observation, before = run_case(case, module), run_case(without, its_module)
        assert observation.notes is not None
        assert observation.notes.nan_observed_at is None
        calls = [call.export for call in case.invocations]
        at_ends = [at for at, export in enumerate(calls) if export.startswith("ends")]
        first = at_ends[0] if at_ends else len(calls)
        assert observation.outcomes[:first] == before.outcomes[:first]
        assert set(calls[first + len(at_ends) :]) <= {"memories"}
        assert all(isinstance(outcome, Returned) for outcome in observation.outcomes[first + len(at_ends) :])
        having += bool(at_ends)
        trapping += any(not isinstance(observation.outcomes[at], Returned) for at in at_ends)
    assert trapping >= 0.9 * having


def test_aims_stand_in_most_cases(cases: list[tuple[Case, Module]]) -> None:
    """77% of the cases have one of our own list just as the list has it, 48% three different ones and more: of 300
    fewer than 190 and 105 have a probability below 10^-5. Of the 254, all but a few are met in 300 cases."""
    aims = own_aims()
    found = [aims_in(module, aims) for _, module in cases]
    counts = [len(numbers) for numbers in found]
    assert sum(count > 0 for count in counts) >= 190
    assert sum(count > 2 for count in counts) >= 105
    assert len(set().union(*found)) >= 215


def test_sizes() -> None:
    """The first choice is how much there is: a case's size grows with it."""
    sizes = []
    for share in range(0, 256, 5):
        data = bytes([share, 0]) + ChoiceSource.seeded("sizes", share).bytes(500)
        case = mixed.generate(ChoiceSource.replay(bytes([63]) + data), DEFAULT)
        sizes.append(sum(len(func.body) for func in decode(case.content).funcs))
    low, high = sizes[: len(sizes) // 3], sizes[-len(sizes) // 3 :]
    assert sum(low) / len(low) < sum(high) / len(high)
