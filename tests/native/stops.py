"""How calls of compiled code stop: run as ``python -m tests.native.stops``, prints one JSON object of outcomes."""

from __future__ import annotations

import json
import sys

import wasmtime

from compiler.pipeline import Settings
from oracles.compiled.session import CompiledSession
from wasm.embedding import Invocation, Returned, Value, outcome_to_json

MODULE = """(module
  (tag $t (export "tag") (param i32 v128))
  (memory (export "m") 1 2)
  (global $g (export "g") (mut i32) (i32.const 0))
  (func (export "endless") (loop (br 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (local.get 0)) (i32.const 1)))
  (func (export "thrower") (throw $t (i32.const 7) (v128.const i64x2 1 2)))
  (func (export "divide") (param i32) (result i32)
    (global.set $g (i32.const 5))
    (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "outside") (result i32) (i32.load (i32.const 65533)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size)))"""


def main() -> int:
    session = CompiledSession(Settings(), 3_000_000)
    assert session.instantiate("m", bytes(wasmtime.wat2wasm(MODULE))) == Returned()
    found: dict[str, list[object]] = {}
    for name, *args in (
        ("endless",), ("deep", 1), ("thrower",), ("divide", 0), ("divide", 1), ("outside",), ("grow", 1), ("grow", 1),
        ("size",), ("endless",), ("divide", 1), ("absent",), ("grow",),
    ):  # fmt: skip
        invocation = Invocation(str(name), tuple(Value("i32", int(arg)) for arg in args))
        outcome = outcome_to_json(session.invoke("m", invocation))
        found.setdefault(str(invocation), []).append(outcome)
    found["g"] = [str(session.get("m", "g"))]
    session.close()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
