"""Implementation limits that the engines share (spec appendix A.2; numbers: WebAssembly JavaScript API, section 9).

A decoder needs them before it allocates, a generator to stay within what every engine must accept.
"""

from __future__ import annotations

from typing import Final

MODULE_BYTES: Final = 1 << 30
TYPES: Final = 1_000_000
FUNCTIONS: Final = 1_000_000
IMPORTS: Final = 1_000_000
EXPORTS: Final = 1_000_000
GLOBALS: Final = 1_000_000
TAGS: Final = 1_000_000
TABLES: Final = 100
MEMORIES: Final = 100
ELEM_SEGMENTS: Final = 100_000
DATA_SEGMENTS: Final = 100_000
ELEM_ITEMS: Final = 10_000_000
"""Entries of one element segment, and of one table."""

PARAMS: Final = 1_000
RESULTS: Final = 1_000
LOCALS: Final = 50_000
"""Locals of one function; its parameters count as well."""
STRUCT_FIELDS: Final = 10_000
ARRAY_NEW_FIXED: Final = 10_000
SUBTYPE_DEPTH: Final = 63
BODY_BYTES: Final = 7_654_321
CATCHES: Final = 10_000
BR_TABLE_TARGETS: Final = 65_520
NAME_BYTES: Final = 100_000
