"""Simplify the arguments of the case's calls: zero, null, 1, half.

    (module (func (export "f") (param i32 i64)))
    (invoke "f" (i32.const 77) (i64.const 0x1234567))

becomes, with ``i64.const > 0`` to stay,

    (module (func (export "f") (param i32 i64)))
    (invoke "f" (i32.const 0) (i64.const 1))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.subject import Subject
from wasm.embedding import Value

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    """Edits (call, argument, new value); all zeros stand first, so that they go together."""
    zeros, others = [], []
    for c, call in enumerate(subject.invocations):
        for a, arg in enumerate(call.args):
            if arg.type == "ref":
                zeros += [Edit((c, a, Value("ref", 0, "null")))] if arg.ref != "null" else []
                continue
            zeros += [Edit((c, a, Value(arg.type)), 1 + arg.bits.bit_length() // 8)] if arg.bits else []
            tries = (1, arg.bits >> (arg.bits.bit_length() // 2), arg.bits >> 1)
            others += [Edit((c, a, Value(arg.type, bits))) for bits in dict.fromkeys(tries) if 0 < bits < arg.bits]
    return zeros + others


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    calls = [list(call.args) for call in subject.invocations]
    for edit in reversed(edits):
        c, a, value = edit.what
        calls[c][a] = value
    changed = (replace(call, args=tuple(args)) for call, args in zip(subject.invocations, calls, strict=True))
    return Subject(subject.module, tuple(changed))
