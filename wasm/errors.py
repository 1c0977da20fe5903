"""The two ways in which bytes fail to be a module (spec 4, 5 and 7.1: malformed and invalid), and errors for users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class UserError(Exception):
    """What the user or the machine has to mend, not we: one line that says why and what to do.

    The command line prints that line and ends with ``exit_code``: 2 where the user wrote something that cannot be
    meant, 3 where something that is needed cannot be used. Any other exception is a fault of ours to it.
    """

    exit_code: ClassVar[int] = 2


def nearest(word: str, names: Iterable[str]) -> str:
    """`` (did you mean NAME?)`` with the name that looks most like a word; "" if none does.

    f"no target {word!r}{nearest(word, names)}: there are {', '.join(names)}"
    """
    from difflib import get_close_matches  # takes as long to load as all else here, and only an error needs it

    matches = get_close_matches(word, list(names), 1, 0.6)
    return f" (did you mean {matches[0]}?)" if matches else ""


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
