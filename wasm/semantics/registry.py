"""Where the pure instructions' meanings are registered, by instruction name.

A semantic function takes the operands as unsigned bit patterns (``int``; v128 as a 128-bit ``int``, lane 0 in the
lowest bits), then the immediates, and returns the result's bit pattern, or a tuple of them where there are several.
It raises ``Trap`` where the instruction traps. Where the spec leaves a NaN's sign or payload open (spec 4.3.3, NaN
propagation), it returns the positive canonical NaN; the row's ``nan`` says that others are allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Pure = Callable[..., Any]
SEMANTICS: dict[str, Pure] = {}

_F = TypeVar("_F", bound=Pure)


def semantics(*names: str) -> Callable[[_F], _F]:
    """Register a function as the meaning of the named instructions; a name may be given once only."""

    def register(function: _F) -> _F:
        for name in names:
            if name in SEMANTICS:
                raise ValueError(f"{name} has two meanings")
            SEMANTICS[name] = function
        return function

    return register
