"""What JavaScript engines say when they trap, as kinds of traps: messages that differ from release to release."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from oracles.engine import EngineId
from oracles.engines import v8
from oracles.remote.shells import find_shell

VALUES = Path(v8.__file__).parents[1] / "workers" / "js_values.mjs"


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ("null function", ["UNINITIALIZED_ELEMENT"]),
        ("function signature mismatch", ["INDIRECT_TYPE_MISMATCH", "UNINITIALIZED_ELEMENT"]),
        ("null function or function signature mismatch", ["INDIRECT_TYPE_MISMATCH", "UNINITIALIZED_ELEMENT"]),
        ("dereferencing a null pointer", ["NULL_REFERENCE"]),
        ("call_indirect to a signature that does not match", ["INDIRECT_TYPE_MISMATCH", "UNINITIALIZED_ELEMENT"]),
        ("Out of bounds call_indirect", ["TABLE_OOB", "UNDEFINED_ELEMENT"]),
        ("access to a null reference (evaluating 'f()')", ["NULL_REFERENCE", "CAST_FAILURE"]),
        ("ref.as_non_null to a null reference", ["NULL_REFERENCE"]),
        ("Out of bounds or failed to allocate in array.new_data", ["MEMORY_OOB", "ARRAY_OOB", "ALLOCATION_TOO_LARGE"]),
        ("Out of bounds array.init_elem", ["TABLE_OOB", "ARRAY_OOB"]),
        ("Out of bounds array.get", ["ARRAY_OOB"]),
        ("Failed to allocate new array", ["ALLOCATION_TOO_LARGE"]),
        ("index out of bounds", ["MEMORY_OOB", "TABLE_OOB", "UNDEFINED_ELEMENT", "ARRAY_OOB"]),
        ("indirect call signature mismatch", ["INDIRECT_TYPE_MISMATCH"]),
        ("call_indirect to a null table entry", ["UNINITIALIZED_ELEMENT"]),
        ("too many array elements", ["MEMORY_OOB", "TABLE_OOB", "ARRAY_OOB", "ALLOCATION_TOO_LARGE"]),
        ("memory access of negative length -1.", ["MEMORY_OOB"]),
        ("Element index '9' out of table bounds.", ["UNDEFINED_ELEMENT"]),
        ("Table element at index 1 is uninitialized.", ["UNINITIALIZED_ELEMENT"]),
    ],
)
def test_messages(message: str, kinds: list[str], tmp_path: Path) -> None:
    """Node 26 tells a call of null through a table from a call of another type; earlier ones and bun do not."""
    assert outcome(message, tmp_path)[:2] == ["trapped", kinds]


def test_a_program_that_may_not_wait_lacks_that(tmp_path: Path) -> None:
    message = "wait instruction used by agent which cannot block"
    assert outcome(message, tmp_path) == ["unsupported", message]


def outcome(message: str, tmp_path: Path) -> list[Any]:
    """What the worker makes of an error with this message."""
    script = tmp_path / "told.mjs"
    script.write_text(
        f"import {{ ended }} from {json.dumps(VALUES.as_uri())};\n"
        f"const error = new WebAssembly.RuntimeError({json.dumps(message)});\n"
        "console.log(JSON.stringify(ended(error, [], {}).outcome));\n"
    )
    node = find_shell("node", EngineId("v8"), offline=True)
    result = subprocess.run([node, str(script)], capture_output=True, text=True, check=True)
    told: list[Any] = json.loads(result.stdout)
    return told
