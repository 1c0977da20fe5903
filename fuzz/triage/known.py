"""Known issues as data: a TOML file of signature patterns, so that an old bug does not hide a new one.

    [[known]]
    id = "wasmtime-12318"
    link = "https://github.com/bytecodealliance/wasmtime/issues/12318"
    engine = "wasmtime"                 # an engine's name, with settings that it must have ("wasmtime:target=aarch64"),
                                        # or a list of such; without it, any
    versions = ">=31.0.0, <40.0.2"      # of the engine that dissents; without it, all
    expires = 2027-06-30                # from then on the entry no longer excuses anything
    family = "cranelift"                # the signature's fields; each left out matches anything
    phase = "invoke"
    kind = "value"
    message = "index out of bounds.*"   # regular expressions, matched against the whole template
    place = "regalloc2/src/.*"
    opcodes = ["i32.shr_u"]             # instructions that the minimized body must contain;
                                        # "*.atomic.*" is any of those

An entry has an id, a link, and at least one of family, kind, message, place, opcodes.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from fuzz.records.finding import Signature
from fuzz.records.regular_file import read_regular
from oracles.engine import EngineId, UsageError
from oracles.engines.mutant import behind
from wasm.errors import UserError

_FIELDS: Final = {
    "id", "link", "engine", "versions", "expires", "family", "phase", "kind", "message", "place", "opcodes",
}  # fmt: skip
_SPECIFIC: Final = {"family", "kind", "message", "place", "opcodes"}
_LARGEST: Final = 1 << 24
_CLAUSE: Final = re.compile(r"(>=|<=|==|>|<)\s*([0-9]+(?:\.[0-9]+)*)\Z")


class KnownFileError(UserError):
    """A known file that cannot be used: one line with the file, the entry and what to write."""


@dataclass(frozen=True, slots=True)
class Known:
    """One entry; ``versions`` are clauses (operator, release), all of which must hold. ``engines`` are a name and the
    settings that it must have at the least, one of which must hold."""

    id: str
    link: str
    engines: tuple[tuple[str, frozenset[tuple[str, str]]], ...] = ()
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    expires: datetime.date | None = None
    family: str = ""
    phase: str = ""
    kind: str = ""
    message: re.Pattern[str] | None = None
    place: re.Pattern[str] | None = None
    opcodes: frozenset[str] = frozenset()

    def covers(self, engine: str, version: str) -> bool:
        """Whether an engine (its canonical id) at a release is one that this entry speaks of."""
        id = behind(engine)  # whatever is wrong with mutants on an engine is wrong with that engine
        fits = any(name == id.name and wanted <= set(id.settings) for name, wanted in self.engines)
        return (fits or not self.engines) and all(_holds(clause, _release(version)) for clause in self.versions)

    def matches(self, signature: Signature) -> bool:
        return (
            self.family in ("", signature.family)
            and self.phase in ("", signature.phase)
            and self.kind in ("", signature.kind)
            and (self.message is None or self.message.fullmatch(signature.message) is not None)
            and (self.place is None or self.place.fullmatch(signature.place) is not None)
            and all(any(fnmatchcase(has, wanted) for has in signature.opcodes) for wanted in self.opcodes)
        )

    def expired(self, today: datetime.date) -> bool:
        return self.expires is not None and today >= self.expires


@dataclass(slots=True)
class KnownIssues:
    """The entries of a file. ``hits`` counts what each one excused in this run."""

    entries: tuple[Known, ...]
    today: datetime.date
    hits: dict[str, int]

    def match(self, signature: Signature, engines: Iterable[tuple[str, str]]) -> str:
        """The id of the entry that covers a finding; "" if it is new.

        ``engines`` are the dissenting engines (id, release): every one of them must be covered, by one entry or by
        several, of which the id is the first dissenter's. A provisional signature never matches an entry that asks for
        opcodes: it has to be minimized first.
        """
        found = self._explaining(signature, list(engines))
        for entry in found:
            self.seen(entry.id)
        return found[0].id if found else ""

    def explains(self, signature: Signature, engines: Iterable[tuple[str, str]]) -> str:
        """``match`` for a finding of an earlier run: that it was seen then says nothing of this one."""
        return next((entry.id for entry in self._explaining(signature, list(engines))), "")

    def _explaining(self, signature: Signature, engines: Sequence[tuple[str, str]]) -> list[Known]:
        """An entry that covers all engines, else one for each of them; none if there is an engine without."""
        fit = [entry for entry in self.entries if entry.matches(signature) and not entry.expired(self.today)]
        alone = next((entry for entry in fit if all(entry.covers(*engine) for engine in engines)), None)
        if alone is not None:
            return [alone]
        each = [next((entry for entry in fit if entry.covers(*engine)), None) for engine in engines]
        return list(dict.fromkeys(entry for entry in each if entry is not None)) if None not in each else []

    def seen(self, id: str) -> None:
        """Take note that an entry excused something in this run."""
        if any(entry.id == id for entry in self.entries):
            self.hits[id] = self.hits.get(id, 0) + 1

    def link(self, id: str) -> str:
        """Where an issue is reported; "" for one that is not among these."""
        return next((entry.link for entry in self.entries if entry.id == id), "")

    def unmatched(self, engines: Iterable[tuple[str, str]]) -> list[Known]:
        """Entries that speak of an engine of this run and excused nothing: fixed, or hidden by a change."""
        pairs = list(engines)
        return [
            entry
            for entry in self.entries
            if not self.hits.get(entry.id) and any(entry.covers(engine, version) for engine, version in pairs)
        ]

    def expired(self) -> list[Known]:
        return [entry for entry in self.entries if entry.expired(self.today)]


def load(path: Path, today: datetime.date | None = None) -> KnownIssues:
    """Read a known file. Raises ``KnownFileError``."""
    try:
        content = read_regular(path, _LARGEST, "that is no list of known issues")
    except UsageError as error:
        raise KnownFileError(str(error)) from None
    try:
        data = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise KnownFileError(f"cannot read {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise KnownFileError(f"{path} is not TOML: {error}") from None
    tables = data.get("known", [])
    if not isinstance(tables, list) or data.keys() - {"known"}:
        raise KnownFileError(f"{path}: write entries as [[known]] and nothing else")
    entries = tuple(_entry(path, number, table) for number, table in enumerate(tables, 1))
    ids = [entry.id for entry in entries]
    if len(set(ids)) < len(ids):
        raise KnownFileError(f"{path}: two entries have the same id")
    return KnownIssues(entries, today or datetime.date.today(), {})


def none() -> KnownIssues:
    """No known issues."""
    return KnownIssues((), datetime.date.today(), {})


def together(files: Iterable[KnownIssues]) -> KnownIssues:
    """The entries of several files. Raises ``KnownFileError`` where two have the same id."""
    parts = list(files)
    entries = tuple(entry for part in parts for entry in part.entries)
    ids = [entry.id for entry in entries]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None:
        raise KnownFileError(f"known issue {twice} is in two files: leave out one of them")
    return KnownIssues(entries, parts[0].today if parts else datetime.date.today(), {})


def _entry(path: Path, number: int, table: Any) -> Known:
    where = f"{path}, entry {number}"
    if not isinstance(table, dict) or not {"id", "link"} <= table.keys() or not table.keys() & _SPECIFIC:
        raise KnownFileError(f"{where}: needs id, link and at least one of {', '.join(sorted(_SPECIFIC))}")
    unknown = table.keys() - _FIELDS
    if unknown:
        raise KnownFileError(f"{where}: unknown field {sorted(unknown)[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    expires = table.get("expires")
    if expires is not None and type(expires) is not datetime.date:
        raise KnownFileError(f"{where}: expires must be a date, as 2027-06-30")
    ops = table.get("opcodes", [])
    engine = table.get("engine", [])
    engines = [engine] if isinstance(engine, str) else engine
    words = [value for key, value in table.items() if key not in ("expires", "opcodes", "engine")]
    if not all(isinstance(value, str) for value in words) or not all(
        isinstance(listed, list) and all(isinstance(one, str) for one in listed) for listed in (ops, engines)
    ):
        text = "every field is a string, but for expires (a date), opcodes (strings) and engine (one or several)"
        raise KnownFileError(f"{where}: {text}")
    if "engine" in table and not engines:
        raise KnownFileError(f"{where}: engine names none: leave it out for any")
    return Known(
        id=table["id"],
        link=table["link"],
        engines=tuple(_engine(where, text) for text in engines),
        versions=tuple(_clause(where, clause) for clause in table.get("versions", "").split(",") if clause.strip()),
        expires=expires,
        family=table.get("family", ""),
        phase=table.get("phase", ""),
        kind=table.get("kind", ""),
        message=_pattern(where, table.get("message")),
        place=_pattern(where, table.get("place")),
        opcodes=frozenset(ops),
    )


def _engine(where: str, text: str) -> tuple[str, frozenset[tuple[str, str]]]:
    try:
        id = EngineId.read(text.strip())
    except UsageError as error:
        raise KnownFileError(f"{where}: {error}") from None
    if id.version or id.path:
        raise KnownFileError(f"{where}: engine {text.strip()!r} names a release: that is what versions is for")
    return id.name, frozenset(id.settings)


def _pattern(where: str, text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise KnownFileError(f"{where}: {text!r} is no regular expression: {error}") from None


def _clause(where: str, text: str) -> tuple[str, tuple[int, ...]]:
    clause = _CLAUSE.match(text.strip())
    if clause is None:
        raise KnownFileError(f"{where}: {text.strip()!r} is no version clause; write as '>=31.0.0, <40.0.2'")
    return clause[1], _release(clause[2])


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a release, filled up with zeros to four; an unknown version is (0, 0, 0, 0)."""
    digits = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    numbers = [int(part) for part in digits[0].split(".")] if digits else []
    return tuple(([*numbers, 0, 0, 0, 0])[:4])


def _holds(clause: tuple[str, tuple[int, ...]], version: tuple[int, ...]) -> bool:
    operator, bound = clause
    match operator:
        case ">=":
            return version >= bound
        case "<=":
            return version <= bound
        case ">":
            return version > bound
        case "<":
            return version < bound
        case _:
            return version == bound
