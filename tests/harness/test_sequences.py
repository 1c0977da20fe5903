"""Bugs that need a history are found again, made short and small, and kept as sequences."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from stateful_engine import open_stateful

from fuzz.archive import bundle
from fuzz.records.finding import Finding
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.ddmin import fewest
from fuzz.trial.minimize import minimized
from fuzz.trial.retry import TRIES, confirm
from generators.registry import make_case
from oracles.engine import open_engine
from oracles.judge.verdict import Disagree
from oracles.suite.spectest import run_suite
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.decode import decode
from wasm.default_calls import default_calls
from wasm.embedding import Entry
from wasm.encode import encode
from wasm.fragment import code
from wasm.valtypes import I32


def named(name: str, text: str) -> Case:
    """A module of some instructions that exports one function by a name."""
    builder = ModuleBuilder()
    builder.func([], [I32], export=name).body += code(text)
    module = builder.finish()
    return Case(encode(module), default_calls(module, Entry.HOST))


FIRST = named("first", "i32.const 1  i32.const 2  i32.add")
SECOND = named("second", "i32.const 3  i32.const 4  i32.mul  drop  i32.const 0  i32.const 0  i32.div_s")
VICTIM = named("victim", "i32.const 5  i32.const 6  i32.sub  i32.popcnt")


@pytest.fixture(scope="module")
def found() -> Finding:
    """The finding of a worker's long life: two of its many cases matter."""
    bench = Bench(["stateful"], opener=open_stateful)
    others = [make_case("arith", 5, index) for index in range(9)]
    for case in (*others[:4], FIRST, *others[4:7], SECOND, *others[7:]):
        assert not isinstance(bench.run(case).verdict, Disagree)
    trial = bench.run(VICTIM)
    assert isinstance(trial.verdict, Disagree)
    ((signature, dissents),) = split(trial.verdict)
    finding = confirm(bench, trial, signature, dissents, tuple(bench.history)[:-1])
    assert finding is not None
    return finding


def test_the_cases_that_it_needs_are_found(found: Finding) -> None:
    assert found.before == (FIRST, SECOND)
    assert found.repeats == found.tries == TRIES


def test_a_sequence_is_made_small(found: Finding) -> None:
    bench = Bench(["stateful"], opener=open_stateful)
    smaller, _ = minimized(bench, found, 60)
    assert smaller.minimized is not None
    assert [op.name for op, _ in decode(smaller.minimized.content).funcs[0].body] == ["i32.const", "end"]
    assert len(smaller.before) == 2
    assert all(len(new.content) < len(old.content) for new, old in zip(smaller.before, found.before, strict=True))
    again = bench.run_after(smaller.before, smaller.best)
    assert isinstance(again.verdict, Disagree)
    assert not isinstance(bench.run_after(smaller.before[1:], smaller.best).verdict, Disagree)


def test_a_bundle_holds_the_sequence(found: Finding, tmp_path: Path) -> None:
    files = bundle.files(found)
    assert files["before-01.wasm"] == FIRST.content
    assert files["before-02.wasm"] == SECOND.content
    assert b"**A sequence**: it shows only where `before-01` to `before-02` have run" in files["README.md"]
    assert Finding.from_json(json.loads(files["finding.json"])) == found
    script = tmp_path / "case.wast"
    script.write_bytes(files["case.wast"])
    assert re.findall(rb"\(module|assert_trap|assert_return", files["case.wast"]) == [
        b"(module", b"(module", b"assert_trap", b"(module", b"assert_return",
    ]  # fmt: skip
    engine = open_engine("interpreter")
    (result,) = run_suite([script], engine.open_script)
    if "wasm-tools" in result.error:
        pytest.skip(result.error)
    assert not result.error
    assert not result.failures


def test_fewest_is_the_fewest() -> None:
    asked = 0

    def holds(some: list[int]) -> bool:
        nonlocal asked
        asked += 1
        return {17, 40, 41} <= set(some)

    assert fewest(list(range(100)), holds, float("inf")) == [17, 40, 41]  # type: ignore[arg-type]
    assert asked < 100
