"""Feedback: what is new is kept, what is not is left, and the next run's ``mutate`` and ``mixed`` draw from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fuzz.campaign.feedback import Feedback, begin, words_of
from generators.config import DEFAULT
from generators.mutation.bases import forget_seeds, seeds
from generators.registry import make_case
from oracles.interpreter.runner import run_case
from wasm.case import CaseKind
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.module import ExternKind
from wasm.validate import validate


def test_words_say_what_is_executed() -> None:
    words = words_of(make_case("arith", 1, 3))
    assert "outcome Returned" in words
    assert any(word.startswith("shape instructions ") for word in words)
    assert any(word.startswith("start ") for word in words)
    assert "local.get local.get" in words
    assert any(word.startswith("machine imul") for word in words)
    assert any(word.startswith("alloc spills ") for word in words)
    assert words_of(make_case("modules", 1, 0)) == frozenset()
    assert make_case("modules", 1, 0).kind is CaseKind.BYTES


def test_what_the_compiler_lacks_is_no_word_and_no_error() -> None:
    words = words_of(make_case("gc", 1, 0))
    assert "outcome Returned" in words
    assert not any(word.startswith("alloc ") for word in words)


def test_only_what_is_new_is_kept_and_only_for_the_next_run(tmp_path: Path) -> None:
    begin(tmp_path)
    feedback = Feedback.open(tmp_path)
    case = make_case("arith", 1, 3)
    assert feedback.consider(case) == len(words_of(case))
    assert feedback.consider(case) == 0
    config = replace(DEFAULT, seeds=tmp_path)
    before = [make_case("mutate", 1, index, config) for index in range(12)]
    assert Feedback.open(tmp_path).known == set()
    begin(tmp_path)
    assert Feedback.open(tmp_path).consider(case) == 0
    forget_seeds()
    assert [item.content for item in seeds(config, tmp_path)] == [case.content]
    after = [make_case("mutate", 1, index, config) for index in range(12)]
    assert after != before
    assert after == [make_case("mutate", 1, index, config) for index in range(12)]


def test_mixed_calls_functions_of_kept_cases(tmp_path: Path) -> None:
    """Of 48 cases about a dozen have a kept case beside them, all are valid and end, and some calls go across."""
    begin(tmp_path)
    feedback = Feedback.open(tmp_path)
    for index in range(6):
        feedback.consider(make_case("calls", 1, index))
    begin(tmp_path)
    forget_seeds()
    config = replace(DEFAULT, seeds=tmp_path)
    cases = [make_case("mixed", 1, index, config) for index in range(48)]
    both = [case for case in cases if "spliced" in case.labels]
    assert 4 <= len(both) <= 24
    across = 0
    for case in both:
        module = decode(case.content)
        validate(module, config.features)
        assert run_case(case).instantiation == Returned(())
        theirs = {item.index for item in module.exports if item.name.startswith("b_") and item.kind is ExternKind.FUNC}
        across += any(imm in theirs for func in module.funcs for row, imm in func.body if row.name == "call")
    assert across
    assert all("spliced" not in make_case("mixed", 1, index).labels for index in range(48))
