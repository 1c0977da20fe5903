"""The guilty function's machine code, as the wrong setting makes it beside a right one: only what differs."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import platform
import re
from typing import Final

from fuzz.explain.followed import Hidden
from oracles.engine import EngineId, EngineUnavailable, adapter

_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]+\b")
_MOST: Final = 400
"""Lines of difference that are kept."""


def difference(wrong: str, right: str, content: bytes, number: int, offline: bool) -> str:
    """A unified diff of the ``number``-th defined function's code on two engine ids. Raises ``Hidden``."""
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Hidden(f"machine code of {platform.machine()} is not read here")
    if importlib.util.find_spec("capstone") is None:
        raise Hidden("machine code needs capstone: pip install 'wasm-codegen-fuzz[explain]'")
    one, other = (_lines(id, content, number, offline) for id in (right, wrong))
    made = list(difflib.unified_diff(one, other, f"right: {right}", f"wrong: {wrong}", n=2, lineterm=""))
    if not made:
        raise Hidden(f"the function's machine code is the same with {right}")
    more = [f"... {len(made) - _MOST} lines more"] if len(made) > _MOST else []
    return "\n".join([*made[:_MOST], *more]) + "\n"


def _lines(id: str, content: bytes, number: int, offline: bool) -> list[str]:
    parsed = EngineId.parse(id)
    machine_code = getattr(adapter(parsed.name), "machine_code", None)
    if machine_code is None:
        raise Hidden(f"{parsed.name} gives no machine code")
    try:
        code = machine_code(parsed, content, offline).get(number)
    except EngineUnavailable as error:
        raise Hidden(str(error)) from None
    if code is None:
        raise Hidden(f"{id} has no code of that function")
    return disassembled(code)


def disassembled(code: bytes) -> list[str]:
    """x86-64 instructions, a line each. Targets of jumps have numbers in their order: moved code is the same."""
    capstone = importlib.import_module("capstone")
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    instructions = list(engine.disasm(code, 0))
    jumps = [one for one in instructions if one.mnemonic.startswith("j")]
    targets: dict[str, str] = {}
    for one in jumps:
        targets.setdefault(one.op_str, f"L{len(targets)}")
    lines = []
    for one in instructions:
        label = targets.get(hex(one.address)) or targets.get(str(one.address))
        if label is not None:
            lines.append(f"{label}:")
        operands = targets.get(one.op_str, one.op_str) if one.mnemonic.startswith("j") else one.op_str
        if one.mnemonic == "call":
            operands = _ADDRESS.sub("...", operands)
        lines.append(f"  {one.mnemonic} {operands}".rstrip())
    return lines
