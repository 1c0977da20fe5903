"""Cases of independent functions taken apart: every bad one is found, none of the good ones is."""

from __future__ import annotations

from fuzz.trial.parts import cut_out, only, wrong_parts
from generators.registry import make_case
from oracles.interpreter import run_case
from tests.triage.mistaken import Mistaken
from wasm.case import INDEPENDENT
from wasm.decode import decode
from wasm.validate import validate


def test_every_bad_function_is_cut_out_alone() -> None:
    mistaken = Mistaken(((("i32.rotl",), "i32.rotr"), (("f64.sqrt",), "f64.neg")))
    case = next(case for index in range(200) if mistaken.wrong(case := make_case("pairs", 1, index)))
    names = sorted({call.export for call in case.invocations})
    bad = [name for name in names if mistaken.wrong(cut_out(only(case, [name])))]
    found = list(wrong_parts(case, mistaken.wrong))
    assert sorted(part.provenance.part for part in found) == bad
    for part in found:
        module = decode(part.content)
        validate(module)
        assert len(module.funcs) <= 4
        assert INDEPENDENT not in part.labels


def test_a_part_does_what_it_did_in_the_whole() -> None:
    case = make_case("pairs", 1, 5)
    name = case.invocations[0].export
    part = cut_out(only(case, [name]))
    assert run_case(part).outcomes == run_case(case).outcomes[: len(part.invocations)]


def test_other_cases_have_no_parts() -> None:
    assert list(wrong_parts(make_case("arith", 1, 1), lambda _: True)) == []
