"""Loops that end by construction: a local counts the rounds that are left.

Three rounds are

    fn += ROUNDS(count=count, rounds=3)            # i32.const 3  local.set $count
    with fn.block("loop"):
        ...
        fn += AGAIN(count=count)                   # local.get $count  i32.const 1  i32.sub  local.tee $count  br_if 0

``Function.repeat`` is the ``with`` statement and its end in one.
"""

from __future__ import annotations

from typing import Final

from wasm.fragment import template

ROUNDS: Final = template("i32.const $rounds  local.set $count")

ROUNDS_BY_VALUE: Final = template("i32.const 3  i32.and  i32.const 1  i32.add  local.set $count")
"""One to four rounds by the i32 on the stack: a compiler knows neither how many nor that there is more than one."""

ONE_LESS: Final = template("local.get $count  i32.const 1  i32.sub  local.tee $count")
"""One round less; how many are left is on the stack."""

AGAIN: Final = template("local.get $count  i32.const 1  i32.sub  local.tee $count  br_if 0")
"""One round less; the end of the loop's body, of which no value may be on the stack."""
