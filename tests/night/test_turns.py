"""All targets in turns by weight: a plain list, in which every case has its place."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.cli.chosen import chosen_targets
from fuzz.cli.main import main
from fuzz.records.history import Series
from generators.registry import load_target, target_names
from generators.schedule import LENGTH, turns

NAMES = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40).map(tuple)


@settings(deadline=None, derandomize=True, max_examples=100, suppress_health_check=list(HealthCheck))
@given(NAMES)
def test_cases_of_a_target_are_numbered_without_a_gap(targets: tuple[str, ...]) -> None:
    series = Series(targets, 1, "1")
    seen: Counter[str] = Counter()
    for number in range(3 * len(targets)):
        target, index = series.case(number)
        assert index == seen[target]
        assert series.number(target, index) == number
        seen[target] += 1


def test_targets_named_once_are_numbered_as_ever() -> None:
    series = Series(("returns", "params", "calls"), 1, "1")
    assert [series.case(n) for n in (0, 1, 2, 3, 10)] == [
        ("returns", 0), ("params", 0), ("calls", 0), ("returns", 1), ("params", 3)
    ]  # fmt: skip


def test_turns_follow_weight_and_cost() -> None:
    order = turns(target_names())
    counts = Counter(order)
    assert set(order) == set(target_names())
    assert LENGTH * 0.9 < len(order) < LENGTH * 1.2
    wanted = {name: load_target(name).weight / load_target(name).cost for name in target_names()}
    share = LENGTH / sum(wanted.values())
    assert all(abs(counts[name] - max(1.0, share * wanted[name])) <= 0.5 for name in target_names())
    assert turns(target_names()) == order


def test_one_target_has_all_turns() -> None:
    assert turns(("arith",)) == ("arith",) * LENGTH


def test_machine_functions_are_made_where_somebody_takes_them() -> None:
    assert "regalloc" in chosen_targets("all", ())
    assert "regalloc" not in chosen_targets("all", ("wasmtime@33.0.0",))
    assert set(chosen_targets("all", ("allocators",))) == {"regalloc"}
    assert chosen_targets("simd,arith", ()) == ("simd", "arith")


def test_all_stands_alone() -> None:
    assert main(["run", "--target", "all,simd", "--cases", "1"]) == 2
