"""Patches of loaded modules, made and undone from outside.

``Rewrite`` replaces a piece of one function's source and gives the function the code object of the result, so that
whoever holds the function (a table of rules, another module) runs the changed code. ``Entry`` replaces one entry of a
table. Both say where by ``module:name`` or ``module:Class.method``, and refuse what no longer fits.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, TypeAlias

from wasm.errors import UserError


class FaultError(UserError):
    """A patch that does not fit the code any more: the fault has to be written anew."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Rewrite:
    """In the function at ``place``, whose source has ``old`` exactly once, ``new`` stands instead."""

    place: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The table at ``place`` (a mapping that can be changed) has ``value`` under ``key``."""

    place: str
    key: Any
    value: Any


Patch: TypeAlias = Rewrite | Entry


@contextmanager
def applied(patch: Patch) -> Iterator[None]:
    """Apply a patch; it is gone at the end. Raises ``FaultError`` if it does not fit."""
    if isinstance(patch, Entry):
        with _entry(patch):
            yield
        return
    with running(function_at(patch.place), _rewritten(patch)):
        yield


@contextmanager
def running(function: FunctionType, code: CodeType) -> Iterator[None]:
    """The function runs other code inside, whoever holds it."""
    original = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = original


def target_of(place: str) -> Any:
    """What ``module:name`` or ``module:Class.method`` names. Raises ``FaultError``."""
    module, _, path = place.partition(":")
    thing: Any = importlib.import_module(module)
    for name in path.split("."):
        if not hasattr(thing, name):
            raise FaultError(f"there is no {place}: write the fault anew")
        thing = inspect.getattr_static(thing, name)
    return thing


def function_at(place: str) -> FunctionType:
    """The plain function behind a place: under decorators that keep it, a static method or a property."""
    target = target_of(place)
    target = getattr(target, "fget", None) or getattr(target, "__func__", target)
    target = inspect.unwrap(target)
    if not isinstance(target, FunctionType):
        raise FaultError(f"{place} is no function: write the fault anew")
    return target


@lru_cache(maxsize=256)
def _rewritten(patch: Rewrite) -> CodeType:
    """The code of the function with the patch in its source."""
    function = function_at(patch.place)
    path = inspect.getsourcefile(function) or ""
    lines, first = inspect.getsourcelines(function)
    own = "".join(lines)
    count = own.count(patch.old)
    if count != 1:
        raise FaultError(f"{patch.place} has {patch.old!r} {count} times, not once: write the fault anew")
    with open(path, encoding="utf-8") as file:
        whole = file.readlines()
    before, after = whole[: first - 1], whole[first - 1 + len(lines) :]
    text = "".join((*before, own.replace(patch.old, patch.new), *after))
    try:
        made = compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise FaultError(f"{patch.place}: {patch.new!r} is no Python: {error}") from None
    code = code_of(made, function.__qualname__)
    if code is None or code.co_freevars != function.__code__.co_freevars:
        raise FaultError(f"{patch.place} cannot be exchanged: write the fault anew")
    return code


def code_of(module: CodeType, qualname: str) -> CodeType | None:
    """The last code object of that qualified name in a module's code, as the last definition is what the name means."""
    last = None
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualname:
                last = constant
            else:
                last = code_of(constant, qualname) or last
    return last


@contextmanager
def _entry(patch: Entry) -> Iterator[None]:
    table = target_of(patch.place)
    if patch.key not in table or table[patch.key] == patch.value:
        raise FaultError(f"{patch.place} has no {patch.key!r} to change: write the fault anew")
    before = table[patch.key]
    table[patch.key] = patch.value
    try:
        yield
    finally:
        table[patch.key] = before
