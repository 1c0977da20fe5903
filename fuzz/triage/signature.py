"""From a verdict to signatures: what stays the same when one bug shows on another module."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Final

from fuzz.records.finding import Signature
from oracles.engine import EngineId, adapter, engine_names
from oracles.judge.verdict import Disagree, Dissent, Kind
from oracles.judge.vote import ANSWERS, VOTES
from oracles.reference import REFERENCE
from wasm.embedding import Phase
from wasm.module import Module

_WITHOUT_MESSAGE: Final = ANSWERS | {Kind.PROFILE}
"""Kinds that come with values instead of a message; what two of them have in common shows after minimizing only."""

ANSWERED: Final = frozenset(kind.value for kind in ANSWERS)
"""Kinds of signatures that are about a wrong answer, as words."""
RUNS_NOTHING: Final = frozenset({"decode", "compile"})
"""Phases in which an engine does not run anything yet: an instruction need not be executed to show a bug."""


_PANIC: Final = re.compile(r"thread '[^']*'(?: \(\d+\))? panicked at ")
_PLACE: Final = re.compile(
    r"(?P<path>[\w./@+~-]*[\w-]+\.(?:rs|cc|cpp|c|h|hpp|py|inc|go|java|kt|zig))(?:, line |:)(?P<line>\d+)(?::\d+)?"
)
_ENTITIES: Final = "v|p|vreg|inst|block|ss|dss|fn|sig|gv|mt|jt|dt|const|imm|func|bundle|spillset|progpoint"
"""What Cranelift and regalloc2 number (``cranelift-codegen/src/ir/entities.rs``)."""
_NOISE: Final = (
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "N"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "N"),
    (re.compile(r"(?<![\w/])(?:/|[A-Za-z]:\\)[^\s'\"]*[/\\]"), ""),
    (re.compile(rf"\b(?:{_ENTITIES}|%v)\d+[ifv]?\b"), "V"),
    (re.compile(r"%[a-z0-9]+\b"), "V"),
    (re.compile(r"\b[if](?:8|16|32|64|128)(?:x(?:2|4|8|16))?\b"), "T"),
    (re.compile(r"(?<![A-Za-z_0-9])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"), "N"),
)
_LISTS: Final = (re.compile(r"\[[^\[\]]*\]"), re.compile(r"\((?:[NVT][, ]*)+\)"))
_CUT: Final = re.compile(r"\[[^\[\]]*\Z")
"""A list whose end is beyond what is kept of a message: Cranelift names each of a thousand operands."""
_LENGTH: Final = 160


def template(message: str, noise: re.Pattern[str] | None = None) -> str:
    """A message without what differs from case to case: numbers, registers, types, folders, lists, line numbers.

    Only the first line that says something counts; a panic's ``thread ... panicked at PLACE:`` says nothing, and
    neither does a line, or the beginning of one, that matches ``noise``: what the engine says of whatever happened.
    """
    lines = [_PLACE.sub("", _PANIC.sub("", line)).strip(" :#\t") for line in message.splitlines()]
    if noise is not None:
        lines = [noise.sub("", line).strip(" :\t") for line in lines]
    said = [line for line in lines if line and not line.startswith(("note:", "stack backtrace", "fatal runtime"))]
    text = said[0] if said else ""
    for pattern, word in _NOISE:
        text = pattern.sub(word, text)
    for pattern in _LISTS:
        text = pattern.sub("(...)", text)
    text = _CUT.sub("(...)", text)
    text += " }" * (text.count("{") - text.count("}"))
    return re.sub(r"\s+", " ", text).strip()[:_LENGTH]


def place(location: str, message: str = "") -> str:
    """The source file without line, checkout folder and version: ``regalloc2/src/ion/moves.rs``; "" if unknown."""
    source = _PLACE.search(location) or _PLACE.search(message)
    if source is None:
        return ""
    path = source["path"].replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    if "src" in parts:
        at = len(parts) - 1 - parts[::-1].index("src")
        parts = parts[max(0, at - 1) :]
    else:
        parts = parts[-3:]
    return "/".join(re.sub(r"-\d+(?:\.\d+)+[\w.+-]*$", "", part) for part in parts)


def is_telling(found: Signature) -> bool:
    """Whether a bucket by itself says much of what is wrong: a crash with a message or place, a refusal with a reason.
    Wrong answers look alike, and so do deaths without a word and whatever takes too long."""
    kinds = (Kind.CRASH.value, Kind.REJECT.value, Kind.ACCEPT.value)
    return found.kind in kinds and not found.mute


def is_slow(found: Signature) -> bool:
    """Whether it is about time alone: running the case compares nothing of that."""
    return found.kind == Kind.SLOW.value


def is_allocation(dissent: Dissent) -> bool:
    """Whether an engine's allocator of registers failed, or its answer was found wrong. An allocator knows operands and
    what they ask for, and no instructions: those are chance."""
    return _is_at(dissent, "ALLOCATING")


def _is_at(dissent: Dissent, name: str) -> bool:
    """Whether a crash is at a place that the engine's adapter gives a name."""
    at = _of_adapter(dissent.engine, name) if dissent.kind is Kind.CRASH else None
    return at is not None and at.match(dissent.location) is not None


def signature(dissent: Dissent) -> Signature:
    """The signature of one engine's dissent."""
    if dissent.kind not in _WITHOUT_MESSAGE:
        message = template(dissent.message, _of_adapter(dissent.engine, "NOISE"))
        where = place(dissent.location, dissent.message) if dissent.kind is Kind.CRASH else ""
        phase = Phase.COMPILE.value if _is_at(dissent, "COMPILING") else dissent.phase
        made = Signature(dissent.family, phase, dissent.kind.value, message, where)
        return replace(made, provisional=made.mute)
    return Signature(
        dissent.family, dissent.phase, dissent.kind.value, _answer(dissent), provisional=True
    )  # fmt: skip


@cache
def _of_adapter(engine: str, pattern: str) -> re.Pattern[str] | None:
    """A pattern of an engine's adapter: its empty words (``NOISE``), the places where it makes code (``COMPILING``) and
    allocates (``ALLOCATING``); None for an engine that has none or is not here."""
    name = EngineId.read(engine).name
    return getattr(adapter(name), pattern, None) if name in engine_names() else None


def _answer(dissent: Dissent) -> str:
    """For a wrong trap: which trap or which kind of end was expected and which came. Values say nothing general."""
    if dissent.kind is not Kind.TRAP:
        return ""
    return re.sub(r"returned \(.*?\)(?=;|$)", "returned", dissent.detail)[:_LENGTH]


def split(verdict: Disagree) -> list[tuple[Signature, tuple[Dissent, ...]]]:
    """The different findings in one verdict, each with the engines that show it; in order of signature keys.

    Where the majority contradicts the reference, the finding is against the reference.
    """
    groups: dict[Signature, list[Dissent]] = {}
    for dissent in verdict.dissents:
        key = signature(dissent)
        outvoted = REFERENCE in verdict.suspects and dissent.family not in verdict.suspects
        if outvoted and dissent.kind in VOTES:
            key = replace(key, family=REFERENCE)
        groups.setdefault(key, []).append(dissent)
    return sorted(((key, tuple(group)) for key, group in groups.items()), key=lambda pair: pair[0].key)


_PLUMBING: Final = re.compile(
    r"(local|global)\..*|.*\.const|end|else|block|loop|drop|nop|return|unreachable|br|br_if|call|ref\.null|ref\.func"
)


def may_hold(verdict: Disagree, bucket: Signature) -> bool:
    """Whether a bucket is among the findings of a quick look by one engine.

    Who is probably wrong (``family``) is a vote of all engines, which were not asked, so it may be any."""
    return any(replace(key.bucket, family="") == replace(bucket, family="") for key, _ in split(verdict))


def is_plumbing(name: str) -> bool:
    """Whether a row's name says nothing of what a finding is about: it moves values, or ends blocks."""
    return _PLUMBING.fullmatch(name) is not None


def opcodes(module: Module) -> tuple[str, ...]:
    """The instructions that a minimized module is about: each once, sorted, without plumbing; at most 24."""
    names = {op.name for func in module.funcs for op, _ in func.body}
    about = sorted(name for name in names if not is_plumbing(name))
    return tuple(about[:24])


def settings(engines: Iterable[str]) -> tuple[str, ...]:
    """Engine ids without versions and paths: what has to be set to see a bug, whatever the release."""
    return tuple(sorted({re.sub(r"@(/.*?|[^:]*)(?=:[^/]*$|$)", "", engine) for engine in engines}))


def refined(signature: Signature, dissents: Iterable[Dissent], module: Module) -> Signature:
    """A provisional signature after minimizing: with the dissenting settings and the minimized body's instructions."""
    if not signature.provisional:
        return signature
    who = settings(dissent.engine for dissent in dissents)
    return replace(signature, settings=who, opcodes=opcodes(module), provisional=False)
