"""Minimizing begins with the instruction by itself, where that is all that is wrong in a case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mistaken_engine import open_mistaken

from fuzz.records.finding import Finding
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.minimize import _instruction_of, minimized, same_finding
from fuzz.trial.retry import confirm
from generators.registry import make_case
from oracles.judge.verdict import Disagree
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Value
from wasm.encode import encode
from wasm.fragment import code
from wasm.valtypes import I32, I64

BOTH = "local.get 0  i32.ctz  local.get 0  i32.const 5  i32.rotl  i32.add"


@pytest.fixture(params=["mistaken"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench([request.param], opener=open_mistaken)
    yield bench
    bench.close()


def found_in(bench: Bench, case: Case) -> Finding:
    trial = bench.run(case)
    assert isinstance(trial.verdict, Disagree)
    signature, dissents = split(trial.verdict)[0]
    finding = confirm(bench, trial, signature, dissents)
    assert finding is not None
    return finding


def rows_of(case: Case) -> list[str]:
    return [op.name for func in decode(case.content).funcs for op, _ in func.body]


@pytest.mark.parametrize("bench", ["mistaken:loud"], indirect=True)
def test_a_large_case_is_one_instruction_at_once(bench: Bench) -> None:
    """i64.mul is wrong alone; the reducer has nothing to take away but operands."""
    large = next(case for case in (make_case("arith", 9, index) for index in range(99))
                 if len(case.content) > 2000 and isinstance(bench.run(case).verdict, Disagree))  # fmt: skip
    finding, work = minimized(bench, found_in(bench, large), 60.0)
    assert work is not None
    assert work.finished
    assert finding.minimized is not None
    assert rows_of(finding.minimized).count("i64.mul") == 1
    assert len(finding.minimized.content) < 60
    assert work.runs < 60


def test_not_where_something_else_is_wrong_as_well(bench: Bench) -> None:
    """Without either of two mistakes the case is as wrong as before, so it is reduced as it stands."""
    builder = ModuleBuilder()
    builder.func([I32], [I32], export="f").body += code(
        "local.get 0  i32.ctz  local.get 0  i32.const 5  i32.rotl  i32.add"
    )
    case = Case(encode(builder.finish()), (Invocation("f", (Value("i32", 8),)),))
    found = found_in(bench, case)
    assert _instruction_of(bench, found, case, same_finding(bench, found)) is None
    finding, _ = minimized(bench, found, 60.0)
    assert finding.minimized is not None
    assert len(set(rows_of(finding.minimized)) & {"i32.ctz", "i32.rotl"}) == 1


@pytest.mark.parametrize("bench", ["mistaken:loud"], indirect=True)
def test_what_is_small_already_does_not_grow(bench: Bench) -> None:
    """A later run goes on from the smallest case, which may be smaller than an instruction with its operands."""
    builder = ModuleBuilder()
    builder.func([], [I64], export="f").body += code("i64.const 3  i64.const 3  i64.mul")
    case = Case(encode(builder.finish()), (Invocation("f"),))
    found = found_in(bench, case)
    start = _instruction_of(bench, found, case, same_finding(bench, found))
    assert start is None or len(start.content) < len(case.content)
    small, _ = minimized(bench, found, 60.0)
    again, _ = minimized(bench, small, 60.0)
    assert len(again.best.content) <= len(small.best.content) <= len(case.content)
