"""The two ways in which bytes fail to be a module (spec 4, 5 and 7.1: malformed and invalid)."""

from __future__ import annotations


class WasmError(Exception):
    """Why bytes are not a valid module: one line, and the byte offset where it shows.

    ``offset`` counts from the start of the module; for a module that was built and never encoded it is None, and the
    message names the function and the instruction instead. ``limit`` says that no rule is broken, only one of the
    limits that an implementation may set (spec A.2): an engine with a higher one is right to accept the module.
    """

    def __init__(self, message: str, offset: int | None = None, *, limit: bool = False) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset:#x})")
        self.message, self.offset, self.limit = message, offset, limit


class Malformed(WasmError):
    """The bytes do not follow the binary grammar (spec 5)."""


class Invalid(WasmError):
    """The module follows the grammar and breaks a validation rule (spec 3), or a limit that all engines share."""
