"""Numbers for what helpers are asked to do: one per distinct immediate of the SSA operation ``helper``."""

from __future__ import annotations

from typing import Any, Final

_NUMBERS: Final[dict[tuple[Any, ...], int]] = {}
_REQUESTS: Final[list[tuple[Any, ...]]] = []


def number(request: tuple[Any, ...]) -> int:
    """The number of a request ``(name, *indices)``: the same for the same request in this process."""
    known = _NUMBERS.get(request)
    if known is None:
        known = _NUMBERS[request] = len(_REQUESTS)
        _REQUESTS.append(request)
    return known


def request(number_: int) -> tuple[Any, ...]:
    """The request behind a number."""
    return _REQUESTS[number_]
