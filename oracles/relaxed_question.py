"""The module that asks an engine for its relaxed-SIMD choices (``wasm.semantics.relaxed_probe``), as an ordinary case.

It loads each question's operands from memory, so that no engine can fold the instruction, and returns all answers.
"""

from __future__ import annotations

from functools import lru_cache

from oracles.remote.wasmbytes import HEADER, LOAD, code, leb, name, section
from wasm.case import Case
from wasm.embedding import SLOT, Entry, Invocation, Observation, Outcome, Returned, Unsupported
from wasm.features import Feature
from wasm.isa import OPS
from wasm.semantics.relaxed_probe import probe_cases


@lru_cache(maxsize=1)
def relaxed_question() -> Case:
    """The case: one invocation of ``ask``, which gives one v128 per question."""
    body: list[bytes] = []
    data: list[bytes] = []
    for instruction, operands in probe_cases():
        for operand in operands:
            body.append(b"\x41\0" + LOAD["v"] + leb(len(data) * SLOT))
            data.append(operand.to_bytes(SLOT, "little"))
        op = OPS[instruction]
        body.append(b"\xfd" + leb(op.code))
    answers = len(probe_cases())
    segment = b"\0\x41\0\x0b" + leb(len(data) * SLOT) + b"".join(data)
    content = b"".join(
        (
            HEADER,
            section(1, [b"\x60\0" + leb(answers) + b"\x7b" * answers]),
            section(3, [b"\0"]),
            section(5, [b"\0\1"]),
            section(7, [name("ask") + b"\0\0"]),
            section(10, [code((), b"".join(body))]),
            section(11, [segment]),
        )
    )
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
