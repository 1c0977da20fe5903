"""The instruction table, complete and indexed. Importing it checks that names and codes are unique."""

from __future__ import annotations

from typing import Final

import wasm.isa.aggregate
import wasm.isa.control
import wasm.isa.memory
import wasm.isa.numeric
import wasm.isa.vector  # noqa: F401  (each import adds its rows)
from wasm.isa.row import ADDR, CATCH_CODES, ROWS, Access, Catch, Imm, Instr, MemArg, Op

OPS: Final[dict[str, Op]] = {row.name: row for row in ROWS}
"""Every row by its name."""

BY_CODE: Final[dict[tuple[int, int], Op]] = {(row.prefix, row.code): row for row in ROWS}
"""Every row by (prefix, code); prefix 0 is the single-byte space."""

__all__ = ["ADDR", "BY_CODE", "CATCH_CODES", "OPS", "ROWS", "Access", "Catch", "Imm", "Instr", "MemArg", "Op"]
