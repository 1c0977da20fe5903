"""Memory that holds free NaN bits is compared byte by byte, by what the engine's own relaxed SIMD leaves there."""

from __future__ import annotations

import pytest
import wasmtime

from fuzz.trial.bench import Bench
from oracles.judge.verdict import Agree
from wasm.case import Case
from wasm.embedding import Invocation

TEXT = """
(module
  (memory (export "m") 1)
  (func (export "choose")
    (v128.store
      (i32.const 0)
      (i64x2.relaxed_laneselect
        (v128.const i64x2 0 0)
        (v128.const i64x2 0xffffffff 0xffffffff)
        (v128.const i64x2 0xffffffff 0xffffffff))))
  (func (export "nan")
    (local f32)
    (local.set 0 (f32.const 0))
    (f32.store (i32.const 64) (f32.div (local.get 0) (local.get 0)))))
"""
"""On x86-64 a lane is chosen by its top bit, and by the deterministic profile bit by bit."""


@pytest.mark.parametrize("calls", [("choose",), ("nan",), ("choose", "nan")])
def test_a_nan_beside_what_relaxed_simd_has_written(calls: tuple[str, ...]) -> None:
    features = frozenset(("simd", "relaxed_simd"))
    case = Case(bytes(wasmtime.wat2wasm(TEXT)), tuple(map(Invocation, calls)), features=features)
    bench = Bench(["wasmtime", "wasmtime:opt=none"])
    trial = bench.run(case)
    bench.close()
    assert isinstance(trial.verdict, Agree), trial.verdict
