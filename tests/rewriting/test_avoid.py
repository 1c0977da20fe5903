"""Modules without certain instructions: valid, and with the same values where loops and fuel depend on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generators.config import DEFAULT, Config
from generators.registry import avoided, make_case
from oracles.interpreter import Budget, run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Exhausted, Value
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS, ROWS
from wasm.rewrite.avoid import avoidable, without_rows
from wasm.validate import validate
from wasm.valtypes import I32, I64

WORDS = ("add", "sub", "eqz", "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u")
EXACT = [f"{t}.{word}" for t in ("i32", "i64") for word in WORDS]
VALUES = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF)


@pytest.mark.parametrize("name", EXACT)
def test_counting_and_comparing_keep_their_values(name: str) -> None:
    op = OPS[name]
    type_ = I32 if name.startswith("i32") else I64
    arity = len(op.params or ())
    builder = ModuleBuilder()
    function = builder.func([type_] * arity, op.results or (), export="f")
    function.body += code("  ".join([*(f"local.get {i}" for i in range(arity)), name]))
    module = builder.finish()
    mask = (1 << type_.bits) - 1
    calls = [
        Invocation("f", tuple(Value(str(type_), v & mask) for v in (a, b)[:arity])) for a in VALUES for b in VALUES
    ]
    before = run_case(Case(encode(module), tuple(calls)))
    assert without_rows(module, [name]) == {
        0: [*range(arity), *range(len(module.funcs[0].body) - 2, len(module.funcs[0].body))]
    }
    assert all(op.name != name for op, _ in module.funcs[0].body)
    assert run_case(Case(encode(module), tuple(calls))).outcomes == before.outcomes


def test_what_can_be_avoided() -> None:
    assert avoidable(["i32.rotl", "i32.and", "call", "i32.load", "i32.add", "f64.max"]) == {
        "i32.rotl",
        "i32.add",
        "f64.max",
    }
    # Each stands for the other, and both are to go: neither can.
    assert avoidable(["i32.add", "i32.sub"]) == set()
    pure = [row.name for row in ROWS if row.pure is not None]
    assert len(avoidable(pure[:0])) == 0
    assert sum(bool(avoidable([name])) for name in pure) > 0.85 * len(pure)


@pytest.mark.parametrize("target", ["arith", "simd", "calls", "control", "locals"])
def test_generated_cases_without_instructions(target: str) -> None:
    """Valid, ended as soon as before, without the instructions, with sites where they belong, and made again alike."""
    for index in range(4):
        case = make_case(target, 3, index)
        present = {op.name for func in decode(case.content).funcs for op, _ in func.body}
        avoid = tuple(sorted(name for name in sorted(present) if avoidable([name]))[1::7])
        gone = avoidable(avoid)
        steered = make_case(target, 3, index, _avoiding(avoid))
        module = decode(steered.content)
        validate(module)
        assert not gone & {op.name for func in module.funcs for op, _ in func.body}
        assert steered == make_case(target, 3, index, _avoiding(avoided(steered.provenance.version)[1]))
        seen = run_case(steered, None, Budget(steps=5_000_000))
        assert not any(isinstance(outcome, Exhausted) and outcome.what == "steps" for outcome in seen.outcomes)
        if gone:
            assert avoided(steered.provenance.version) == (case.provenance.version, avoid)
            _same_sites(case, steered)


def _avoiding(avoid: tuple[str, ...]) -> Config:
    return replace(DEFAULT, avoid=avoid)


def _same_sites(case: Case, steered: Case) -> None:
    """The instruction at which a site counts as passed is the same one, or what has taken its place."""
    before, after = decode(case.content), decode(steered.content)
    for old, new in zip(case.sites, steered.sites, strict=True):
        assert (old.kind, old.func) == (new.kind, new.func)
        if old.func >= 0:
            first = len(before.func_type_indices()) - len(before.funcs)
            old_op = before.funcs[old.func - first].body[old.use_at][0]
            new_op = after.funcs[new.func - first].body[new.use_at][0]
            assert old_op is new_op or avoidable([old_op.name])


def test_sizes_are_avoided_by_the_limits() -> None:
    def widest(avoid: tuple[str, ...]) -> int:
        modules = [decode(make_case("returns", 3, index, _avoiding(avoid)).content) for index in range(40)]
        return max(len(type_.results) for module in modules for type_ in module.func_types())

    assert widest(("results<100",)) < 100 <= widest(())
