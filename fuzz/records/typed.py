"""Whether a value that was read from a file is what its type says, all the way down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def need_type(value: object, hint: Any, name: str = "it") -> None:
    """Raise ``TypeError``, naming the field, where a value is not of a type: a dataclass (by its fields' annotations),
    a union, a tuple, list, set or mapping of such, or a plain class. A bool is no number."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return
    if origin in (Union, UnionType):
        _need_one(value, inner, name)
    elif origin is tuple:
        items = value if isinstance(value, tuple) else ()
        hints = inner[:1] * len(items) if inner[1:] == (...,) else inner
        if not isinstance(value, tuple) or len(items) != len(hints):
            raise TypeError(f"{name} is no list of the right length")
        for item, one in zip(items, hints, strict=True):
            need_type(item, one, name)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is no object")
        for key, item in value.items():
            need_type(key, inner[0], name)
            need_type(item, inner[1], f"{name}.{key}")
    elif isinstance(origin, type) and issubclass(origin, (Sequence, Set)):
        if not isinstance(value, origin):
            raise TypeError(f"{name} is no list")
        for item in value:
            need_type(item, inner[0], name)
    elif not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        if not (hint is float and type(value) is int):
            raise TypeError(f"{name} is no {hint.__name__}")
    elif is_dataclass(hint):
        for key, one in _hints(type(value)).items():  # type: ignore[arg-type]
            need_type(getattr(value, key), one, key)


def _need_one(value: object, hints: tuple[Any, ...], name: str) -> None:
    """Of a union's members the one whose class it is decides."""
    for hint in hints:
        plain = get_origin(hint) or hint
        if isinstance(value, plain) and not (isinstance(value, bool) and plain is int):
            need_type(value, hint, name)
            return
    raise TypeError(f"{name} is none of {', '.join(getattr(hint, '__name__', str(hint)) for hint in hints)}")


@lru_cache(maxsize=64)
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}
