"""Endive and Chicory: what is a refusal of theirs and what a crash, and what their worker cannot ask of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from tests.engines.conftest import Wat, open_or_skip
from wasm.case import Case, CaseKind
from wasm.embedding import Crashed, Rejected, Returned, Unsupported

FOUND = Path(__file__).parents[2] / "docs" / "found"
NO_LABEL = bytes.fromhex("0061736d01000000 0a08 01 06 00 0300 0c03 0b".replace(" ", ""))
"""A body without a function, which branches out of three blocks and has one: Java's own exception for it."""
TWO_MEMORIES = """(module (import "env" "m" (memory 1 2)) (import "env" "m" (memory {}))
  (func (export "f") (result i32) (memory.size 1)))"""
each_tier = pytest.mark.parametrize("tier", ["endive", "endive:interpreter", "chicory", "chicory:interpreter"])


@each_tier
def test_any_exception_of_the_parser_is_a_refusal(tier: str) -> None:
    engine = open_or_skip(tier)
    refused = engine.run(Case(NO_LABEL, kind=CaseKind.BYTES)).instantiation
    engine.close()
    assert isinstance(refused, Rejected)
    assert refused.message.startswith("java.lang.")


@pytest.mark.parametrize("tier", ["endive@1.0.0", "chicory@1.7.5"])
@pytest.mark.parametrize(
    ("module", "local", "type_"), [("endive-import", 255, "reference type"), ("endive-wide-locals", 257, "integer")]
)
def test_a_crash_says_why_the_jvm_refuses_code(tier: str, module: str, local: int, type_: str) -> None:
    """Two bugs that the first line does not tell apart (corpus/known/endive.toml)."""
    engine = open_or_skip(tier)
    content = bytes(wasmtime.wat2wasm((FOUND / f"{module}.wat").read_text(encoding="utf-8")))
    crash = engine.run(Case(content)).instantiation
    engine.close()
    assert isinstance(crash, Crashed)
    reason = f"Type top (current frame, locals[{local}]) is not assignable to {type_}"
    assert crash.text == f"java.lang.VerifyError: Bad local variable type: {reason}"


@each_tier
@pytest.mark.parametrize(("limits", "expected"), [("1 2", Returned), ("1 1", Unsupported)])
def test_two_memories_of_one_name_are_not_asked_for(tier: str, limits: str, expected: type, wat: Wat) -> None:
    engine = open_or_skip(tier)
    seen = engine.run(wat(TWO_MEMORIES.format(limits), needs=("multi_memory",)))
    engine.close()
    assert isinstance(seen.instantiation, expected), seen.instantiation
