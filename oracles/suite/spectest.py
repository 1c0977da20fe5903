"""The official test suite through any engine: what passed, per file and per kind of command, and what did not.

Each command is a request to a ``Session`` and a check of its outcome. Not asked: text modules (no engine reads them),
custom sections (their interpretation is not an engine's), and actions in threads or after one was started. An engine
that says ``Unsupported`` is counted apart, as is what then has no instance to run on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oracles.engine import Limits, Session
from oracles.judge.equality import show
from oracles.suite.by_cases import ByCases
from oracles.suite.wast import Action, BadScript, Command, Instances, load, scripts
from wasm.embedding import (
    Exhausted,
    Invocation,
    Outcome,
    Rejected,
    Returned,
    Threw,
    Trapped,
    Unsupported,
    Value,
)
from wasm.traps import TrapKind

PASSED: Final = "passed"
FAILED: Final = "failed"
UNSUPPORTED: Final = "unsupported"
SKIPPED: Final = "skipped"

LIMITS: Final = Limits(cpu_seconds=180.0)
"""What a suite's scripts may use. One is a case on some engines (``oracles.suite.by_cases``), with hundreds of calls; a
million tail calls take Binaryen 50 s."""
_NOT_ASKED: Final = frozenset(("assert_malformed_custom", "assert_invalid_custom", "thread", "wait", "threaded"))
NEVER_ASKED: Final = _NOT_ASKED | {"register", "module_definition"}
"""Kinds of commands by which nothing is asked of an engine, though they may pass."""
_OF_A_MODULE: Final = frozenset(("assert_malformed", "assert_invalid", "assert_unlinkable", "assert_uninstantiable"))
_ALIASES: Final = {"null": TrapKind.NULL_REFERENCE, "cast": TrapKind.CAST_FAILURE}


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that did not do what the script says: expected against got, in one line."""

    line: int
    kind: str
    message: str


@dataclass(slots=True)
class FileResult:
    """One script: ``counts[kind, result]`` commands; ``error`` if it could not be read. ``reasons`` are why commands
    were unsupported, with how many there are of each; what then has no instance to run on has that instance's."""

    path: Path
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    error: str = ""

    def total(self, result: str) -> int:
        return sum(number for (_, outcome), number in self.counts.items() if outcome == result)


def run_suite(paths: Iterable[Path], open_session: Callable[[], Session]) -> Iterator[FileResult]:
    """Run the scripts at and under ``paths``, each in a new session; results come as they are ready."""
    for path in paths:
        for script in scripts(path):
            result = FileResult(script)
            try:
                commands = load(script)
            except BadScript as error:
                result.error = str(error)
            else:
                session = open_session()
                if isinstance(session, ByCases):
                    session.foresee(commands)
                try:
                    _Script(session, result).run(commands)
                finally:
                    session.close()
            yield result


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is counted of a command: its result, and why it is that."""

    result: str
    why: str = ""


_PASSED: Final = _Verdict(PASSED)
_SKIPPED: Final = _Verdict(SKIPPED)


class _Script:
    def __init__(self, session: Session, result: FileResult) -> None:
        self.session, self.result = session, result
        self.instances = Instances()
        self.lost: dict[str, str] = {}
        self.threaded = False

    def run(self, commands: list[Command]) -> None:
        for command in commands:
            verdict = self.verdict(command)
            self.result.counts[command.kind, verdict.result] += 1
            if verdict.result == FAILED:
                self.result.failures.append(Failure(command.line, command.kind, verdict.why))
            elif verdict.result == UNSUPPORTED:
                self.result.reasons[verdict.why] += 1

    def verdict(self, command: Command) -> _Verdict:
        self.threaded |= command.kind == "thread"
        if command.kind in _NOT_ASKED or (command.kind in _OF_A_MODULE and command.module is None):
            return _SKIPPED
        match command.kind:
            case "module" | "module_instance" | "module_definition":
                return self.module(command)
            case "register":
                self.session.register(self.instances.named(command.name), command.as_name)
                return _PASSED
            case "assert_malformed" | "assert_invalid" | "assert_unlinkable":
                outcome = self.refused(command)
                return _judge(outcome, isinstance(outcome, Rejected), f"rejected ({command.message})")
            case "assert_uninstantiable":
                outcome = self.refused(command)
                return _judge(outcome, _traps(outcome, command.message), f"a trap ({command.message})")
        if self.threaded:
            return _SKIPPED
        if command.action is None:
            return _Verdict(FAILED, f"unknown command {command.kind}")
        lost = self.lost.get(self.instances.named(command.action.module))
        if lost is not None:
            return _Verdict(UNSUPPORTED, lost)
        outcome = self.perform(command.action)
        match command.kind:
            case "action":
                return _judge(outcome, isinstance(outcome, Returned), "a result")
            case "assert_return":
                return _judge(outcome, _returns(outcome, command), f"({', '.join(map(str, command.expected))})")
            case "assert_trap":
                return _judge(outcome, _traps(outcome, command.message), f"a trap ({command.message})")
            case "assert_exhaustion":
                return _judge(outcome, outcome == Exhausted("stack"), "an exhausted stack")
            case "assert_exception":
                return _judge(outcome, isinstance(outcome, Threw), "an exception")
        return _SKIPPED

    def module(self, command: Command) -> _Verdict:
        module = self.instances.content(command)
        if module is None:
            return _Verdict(FAILED, "no binary module")
        if command.kind == "module_definition":
            return _PASSED
        name = self.instances.made(command.name)
        outcome = self.session.instantiate(name, module)
        if not isinstance(outcome, Returned):
            self.lost[name] = outcome.what if isinstance(outcome, Unsupported) else "an instance that failed"
        return _judge(outcome, isinstance(outcome, Returned), "an instance")

    def refused(self, command: Command) -> Outcome:
        return self.session.instantiate("refused", command.module or b"")

    def perform(self, action: Action) -> Outcome:
        name = self.instances.named(action.module)
        if action.kind == "get":
            value = self.session.get(name, action.field)
            if value is None:
                return Rejected(f"no exported global {action.field}")
            return Returned.of((value,)) if isinstance(value, Value) else value
        return self.session.invoke(name, Invocation(action.field, action.args))


def _judge(outcome: Outcome, right: bool, wanted: str) -> _Verdict:
    if right:
        return _PASSED
    if isinstance(outcome, Unsupported):
        return _Verdict(UNSUPPORTED, outcome.what)
    return _Verdict(FAILED, f"expected {wanted}, got: {show(outcome)}")


def _returns(outcome: Outcome, command: Command) -> bool:
    if not isinstance(outcome, Returned) or len(outcome.types) != len(command.expected):
        return False
    return all(want.matches(value) for want, value in zip(command.expected, outcome.values, strict=True))


def _traps(outcome: Outcome, message: str) -> bool:
    """Whether it trapped for the reason that the script gives; its texts may say more than the kinds' names."""
    if not isinstance(outcome, Trapped):
        return False
    wanted = [kind for kind in TrapKind if message.startswith(kind.value) or kind.value.startswith(message)]
    alias = _ALIASES.get(message.split(" ")[0])
    return bool(outcome.kinds & {*wanted, *([alias] if alias else [])})
