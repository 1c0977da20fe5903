"""Names that a user types, each of them one of those that there are."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.engine import UsageError
from wasm.errors import nearest


def one_of(name: str, what: str, known: Sequence[str]) -> str:
    """The name, if there is such a ``what``. Raises ``UsageError``, which says what there is."""
    if name not in known:
        raise UsageError(f"no {what} {name!r}{nearest(name, known)}: there are {', '.join(known)}")
    return name


def listed(text: str, what: str, known: Sequence[str], noun: str = "") -> tuple[str, ...]:
    """The names between commas in what was given to the option ``--what``, each once. Raises ``UsageError``, in which
    each is a ``noun`` (by default a ``what``)."""
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"--{what} names nothing: there are {', '.join(known)}")
    return tuple(one_of(name, noun or what, known) for name in names)
