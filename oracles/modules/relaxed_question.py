"""The module that asks an engine for its relaxed-SIMD choices (``wasm.semantics.relaxed_probe``), as an ordinary case.

It loads each question's operands from memory, so that no engine can fold the instruction, and returns all answers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import SLOT, Entry, Invocation, Observation, Outcome, Returned, Unsupported
from wasm.encode import encode
from wasm.features import Feature
from wasm.fragment import template
from wasm.semantics.relaxed_probe import probe_cases
from wasm.valtypes import V128

_OPERAND: Final = template("i32.const 0  v128.load offset=$at")


@lru_cache(maxsize=1)
def relaxed_question() -> Case:
    """The case: one invocation of ``ask``, which gives one v128 per question."""
    builder = ModuleBuilder()
    ask = builder.func((), [V128] * len(probe_cases()), export="ask")
    data = b""
    for instruction, operands in probe_cases():
        for operand in operands:
            ask.body.extend(_OPERAND(at=len(data)))
            data += operand.to_bytes(SLOT, "little")
        ask.emit(instruction)
    builder.memory(1)
    builder.data(data, offset=0)
    content = encode(builder.finish())
    features = frozenset((Feature.SIMD.value, Feature.RELAXED_SIMD.value, Feature.MULTI_VALUE.value))
    return Case(content, (Invocation("ask", (), Entry.WRAPPER),), features=features)


def relaxed_answers(observation: Observation) -> tuple[tuple[str, Outcome], ...]:
    """One (instruction, outcome) per question, in order; the whole outcome at each where it did not return."""
    got = observation.outcomes[0] if observation.outcomes else observation.instantiation
    questions = probe_cases()
    if not isinstance(got, Returned) or len(got.types) != len(questions):
        return tuple((instruction, Unsupported("no answer")) for instruction, _ in questions)
    return tuple(
        (instruction, Returned(("v128",), got.slots[i * SLOT : i * SLOT + SLOT]))
        for i, (instruction, _) in enumerate(questions)
    )
