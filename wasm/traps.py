"""The ways in which WebAssembly code can trap, named by the texts of the official test suite."""

from __future__ import annotations

from enum import Enum


class TrapKind(Enum):
    """One cause of a trap; the value is the official suite's message (spec, 4.6 and the suite's ``assert_trap``)."""

    UNREACHABLE = "unreachable"
    DIV_BY_ZERO = "integer divide by zero"
    INT_OVERFLOW = "integer overflow"
    BAD_CONVERSION = "invalid conversion to integer"
    MEMORY_OOB = "out of bounds memory access"
    TABLE_OOB = "out of bounds table access"
    ARRAY_OOB = "out of bounds array access"
    UNDEFINED_ELEMENT = "undefined element"
    UNINITIALIZED_ELEMENT = "uninitialized element"
    INDIRECT_TYPE_MISMATCH = "indirect call type mismatch"
    NULL_REFERENCE = "null reference"
    CAST_FAILURE = "cast failure"
    UNALIGNED_ATOMIC = "unaligned atomic"
    EXPECTED_SHARED_MEMORY = "expected shared memory"
    ALLOCATION_TOO_LARGE = "allocation size too large"
    HOST = "host trap"


class Trap(Exception):
    """A trap on its way out of a semantic function or the interpreter; it never leaves the engine layer.

    What an engine did is a value (``Outcome``), so whoever runs code turns this into ``Trapped``. ``also``: what would
    have been a reason as well, where the specification does not say which is looked at first.
    """

    def __init__(self, kind: TrapKind, *also: TrapKind) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.kinds = frozenset((kind, *also))
