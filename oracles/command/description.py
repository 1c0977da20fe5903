"""The TOML file of an engine that is a command (docs/your-engine.md), and what holds where it says nothing."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oracles.engine import UsageError
from wasm.embedding import WIDTHS
from wasm.errors import nearest
from wasm.features import Feature
from wasm.traps import TrapKind

ENDINGS: Final = ("exhausted", "out of memory", "rejected", "unsupported", "returned")
"""What a process may have come to besides a trap, a crash and a time-out; the keys of ``[texts]`` and ``[exits]``."""
TRAPS: Final = {kind.value: kind for kind in TrapKind}
KEYS: Final = (
    "command", "name", "version", "validate", "features", "start", "nesting", "memory", "calls", "wrapper", "result",
    "value", "arguments", "results", "texts", "exits",
)  # fmt: skip

USUAL: Final[dict[str, str]] = {
    "unreachable": r"unreachable|wasm trap: wasm `unreachable`",
    "integer divide by zero": r"divi(?:de|sion|ded) by zero|integer divide|remainder by zero",
    "integer overflow": r"integer overflow|divide result unrepresentable",
    "invalid conversion to integer": r"invalid conversion|float unrepresentable|bad conversion|Out of bounds Trunc",
    "out of bounds memory access": r"out of bounds memory|memory access out of bounds|memory out of bounds",
    "out of bounds table access": r"out of bounds table|table access out of bounds|table out of bounds",
    "undefined element": r"undefined element|undefined table element",
    "uninitialized element": r"uninitialized (?:table )?element|uninitialized table",
    "indirect call type mismatch": r"indirect call (?:type|signature) mismatch|type mismatch in call_indirect",
    "null reference": r"null reference|null dereference",
    "cast failure": r"cast failure|illegal cast",
    "exhausted": r"stack (?:overflow|exhausted)|call stack|too much recursion",
    "out of memory": r"out of memory|cannot allocate memory",
}
"""What engines say, by the trap or other ending that it is: tried after the file's own ``[texts]``."""


@dataclass(frozen=True, slots=True)
class Description:
    """How a command is called and read.

    ``command`` and ``validate`` are words with the holes ``{wasm}``, ``{export}`` and ``{args}``. ``calls`` is ``one``
    (a process per call) or ``all`` (the command calls every export in order, in one process). ``wrapper``: calls go
    through exports that take nothing and give 64-bit integers. ``result`` finds in the output what belongs to one
    export; ``value`` finds the numbers in that. ``arguments`` and ``results`` are, by type, how a value is written
    (holes ``signed unsigned hex``) and read (a group ``bits``). ``texts`` are patterns by ending or trap; ``exits``
    endings or traps by exit code. ``features`` is None where the engine is to be asked. ``start``: it runs a module's
    start function. ``nesting`` is how deep expressions may be nested (``oracles.command.nesting``), ``memory`` how many
    bytes a memory may have from the beginning: it is not asked about what has more; None for no bound.
    """

    name: str
    command: tuple[str, ...]
    version: tuple[str, ...] = ()
    validate: tuple[str, ...] = ()
    features: frozenset[str] | None = None
    start: bool = True
    nesting: int | None = None
    memory: int | None = None
    calls: str = "one"
    wrapper: bool = True
    result: str = r"(?s)(?P<result>.*)"
    value: str = r"(?<![\w.])(?:i64:)?(-?(?:0x[0-9a-fA-F]+|\d+))(?![\w.])"
    arguments: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exits: Mapping[int, str] = field(default_factory=dict)
    path: str = ""


def of_command(text: str) -> Description:
    """The description of a command with nothing more said about it. Raises ``UsageError``."""
    return describe({"command": text}, "")


def read_description(path: str) -> Description:
    """Read a TOML file. Raises ``UsageError``: one line that names the key that is wrong."""
    return describe(read_file(path), path)


def read_file(path: str) -> dict[str, Any]:
    """What a TOML file says, whether its keys are right or not. Raises ``UsageError``."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}") from None


def describe(data: dict[str, Any], path: str) -> Description:
    """The description that a file's content is, "" for none. Raises ``UsageError``."""
    where = path or "the command"
    for key in data:
        if key not in KEYS:
            raise UsageError(f"{where}: there is no key {key!r}{nearest(key, KEYS)}: it has {', '.join(KEYS)}")
        _typed(key, data[key], where)
    command = _words(data, "command", where, path)
    if not command:
        raise UsageError(f"{where}: command is missing: write command = 'mywasm run {{wasm}} --invoke {{export}}'")
    if not any("{wasm}" in word for word in command):
        raise UsageError(f"{where}: the command has no {{wasm}}, which stands for the module's file")
    calls = data.get("calls", "one" if any("{export}" in word for word in command) else "all")
    if calls not in ("one", "all"):
        raise UsageError(f"{where}: calls is 'one' (a process per call) or 'all' (every export in one process)")
    wrapper = data.get("wrapper", True)
    start = data.get("start", True)
    if not isinstance(start, bool):
        raise UsageError(f"{where}: start is true, or false for an engine that runs no start functions")
    if not isinstance(wrapper, bool) or (not wrapper and calls == "all"):
        raise UsageError(f"{where}: wrapper is true, or false where calls = 'one'")
    for key in ("nesting", "memory"):
        most = data.get(key)
        if most is not None and (type(most) is not int or most < 1):
            raise UsageError(f"{where}: {key} is a number from 1 on, and not {most!r}")
    made: dict[str, Any] = {}
    if "features" in data:
        made["features"] = _features(data["features"], where)
    for key, group in (("result", "result"), ("value", "")):
        if key in data:
            made[key] = _pattern(data[key].replace("{export}", "export"), where, key, group) and data[key]
    return Description(
        name=str(data.get("name") or Path(path).stem or Path(command[0]).name), command=command,
        version=_words(data, "version", where, path), validate=_words(data, "validate", where, path),
        start=start, nesting=data.get("nesting"), memory=data.get("memory"), calls=calls, wrapper=wrapper,
        arguments=_by_type(data, "arguments", where),
        results={key: _pattern(text, where, f"results.{key}", "bits")
                 for key, text in _by_type(data, "results", where).items()},
        texts=_texts(data.get("texts", {}), where), exits=_exits(data.get("exits", {}), where),
        path=path, **made,
    )  # fmt: skip


def _typed(key: str, value: Any, where: str) -> None:
    """Raises ``UsageError`` where a key has a value of another kind than it takes."""
    text, texts = isinstance(value, str), isinstance(value, list) and all(isinstance(one, str) for one in value)
    match key:
        case "command" | "version" | "validate":
            right, what = text or texts, "a command: a text, or a list of its words"
        case "name" | "result" | "value":
            right, what = text, "a text"
        case "features":
            right, what = texts, "a list of names"
        case "texts":
            lists = isinstance(value, dict) and all(isinstance(part, str | list) for part in value.values())
            right = lists and all(isinstance(one, str) for part in value.values() for one in part)
            what = "a table of texts, or of lists of texts"
        case "arguments" | "results" | "exits":
            right = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
            what = "a table of texts"
        case _:  # told where it is read
            return
    if not right:
        raise UsageError(f"{where}: {key} is {what}, and not {value!r}")


def _words(data: dict[str, Any], key: str, where: str, path: str) -> tuple[str, ...]:
    """The words of a command; files are named from the TOML file's folder on, programs found on the PATH."""
    text = data.get(key, "")
    try:
        words = shlex.split(text) if isinstance(text, str) else [str(word) for word in text]
    except ValueError as error:
        raise UsageError(f"{where}{f': {key}' if path else ''} is no command: {error}") from None
    return absolute(words, where, Path(path).parent if path else Path.cwd()) if words else ()


def absolute(words: list[str], where: str, folder: Path) -> tuple[str, ...]:
    """A command whose words mean the same in any folder. Raises ``UsageError`` where there is no such program."""
    program = shutil.which(words[0]) or shutil.which(folder / words[0])
    if program is None:
        raise UsageError(f"{where}: there is no program {words[0]}")
    rest = [str((folder / word).resolve()) if "{" not in word and (folder / word).is_file() else word
            for word in words[1:]]  # fmt: skip
    return (os.path.abspath(program), *rest)


def _features(given: Any, where: str) -> frozenset[str]:
    names = {feature.value for feature in Feature}
    for name in given:
        if name not in names:
            raise UsageError(f"{where}: no feature {name!r}{nearest(str(name), names)}: there are {', '.join(names)}")
    return frozenset(given)


def _by_type(data: dict[str, Any], key: str, where: str) -> dict[str, str]:
    table = data.get(key, {})
    for name in table:
        if name not in WIDTHS:
            raise UsageError(f"{where}: [{key}] is by type, and {name} is none: there are {', '.join(WIDTHS)}")
    return dict(table)


def _pattern(text: str, where: str, key: str, group: str) -> str:
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise UsageError(f"{where}: {key} is no regular expression: {error}") from None
    if group and group not in compiled.groupindex:
        raise UsageError(f"{where}: {key} has no group (?P<{group}>...)")
    return text


def _texts(table: dict[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    _known(table, "texts", where)
    return {
        key: tuple(_pattern(text, where, f"texts.{key}", "") for text in ([value] if isinstance(value, str) else value))
        for key, value in table.items()
    }


def _exits(table: dict[str, Any], where: str) -> dict[int, str]:
    _known(table.values(), "exits", where)
    if bad := [key for key in table if not key.isdecimal()]:
        raise UsageError(f"{where}: [exits] is by exit code, and {bad[0]} is none")
    return {int(key): value for key, value in table.items()}


def _known(names: Any, key: str, where: str) -> None:
    known = (*TRAPS, *ENDINGS)
    for name in names:
        if name not in known:
            raise UsageError(f"{where}: [{key}] has {name!r}{nearest(str(name), known)}: there are {', '.join(known)}")
