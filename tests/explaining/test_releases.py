"""Machine code beside that of a release in which it is right."""

from __future__ import annotations

import importlib.util
import platform

import pytest

from fuzz.explain.asking import subject_of
from fuzz.explain.explaining import Wish, explain
from fuzz.trial.bench import Bench
from oracles.engines import wasmtime as adapter
from tests.engines.conftest import open_or_skip
from tests.explaining.test_instruments import case_of
from wasm.embedding import Invocation

SWIZZLED = """(module (func (export "f") (result i64) (local v128 v128)
  v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.swizzle local.set 1
  local.get 0 local.get 1 v128.xor i64x2.extract_lane 0))"""


@pytest.mark.skipif(importlib.util.find_spec("capstone") is None, reason="capstone is not installed")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="machine code of x86-64")
def test_a_right_release_where_no_setting_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that are said to be right, the first that is at hand and is right: not one in which it is wrong."""
    for release in ("0.31.0", "0.32.0", "0.40.0"):
        open_or_skip(f"wasmtime@{release}").close()
    monkeypatch.setattr(adapter, "switches", lambda _id: ())
    engine = "wasmtime@0.31.0:opt=speed"
    bench = Bench([engine], None, True)
    subject = subject_of(bench.run(case_of(SWIZZLED, Invocation("f"))), engine)
    bench.close()
    assert subject is not None
    wish = Wish(frozenset({"fingerprint", "split"}), None, ("0.0.9", "0.31.0", "0.32.0", "0.40.0"))
    made = explain(subject, wish, None, True)
    assert made.fingerprint is None
    assert made.code.startswith("--- right: wasmtime@0.40.0:opt=speed\n+++ wrong: wasmtime@0.31.0:opt=speed\n")
    assert explain(subject, Wish(wish.only), None, True).code == ""
