"""A script as one case: its modules before the last one, registered as it says, and the calls that it makes of that.

(module $a ...) (register "a" $a) (module (import "a" "m" (memory 1)) (func (export "f") ...)) (invoke "f")
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from oracles.engine import UsageError
from oracles.modules.spectest import SPECTEST
from oracles.suite.wast import BadScript, Command, load
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Entry, Invocation
from wasm.errors import WasmError
from wasm.feature_use import features_of_bytes

_CALLED = frozenset({"action", "assert_return", "assert_trap", "assert_exception", "assert_exhaustion"})
_JUDGED = frozenset({"assert_invalid", "assert_malformed", "assert_unlinkable"})
"""Modules that come to nothing, and change nothing."""


def case_of_script(name: str, text: bytes) -> Case:
    """The case. Raises ``UsageError`` for a script that is more than a case is, or that cannot be read."""
    with tempfile.TemporaryDirectory(prefix="script-") as folder:
        path = Path(folder, Path(name).with_suffix(".wast").name)
        path.write_bytes(text)
        try:
            commands = load(path)
        except BadScript as error:
            raise UsageError(str(error).replace(str(path), name)) from None
    read = _Reading(name)
    for command in commands:
        read.take(command)
    return read.case()


@dataclass(slots=True)
class _Made:
    """A module of the script: its own name, and the one that it is registered under."""

    content: bytes
    name: str | None
    registered: str | None = None


@dataclass(slots=True)
class _Reading:
    script: str
    modules: list[_Made] = field(default_factory=list)
    calls: list[Invocation] = field(default_factory=list)

    def take(self, command: Command) -> None:
        if command.kind == "module" or (command.kind == "assert_uninstantiable" and command.module):
            if self.calls:
                raise self._more("it calls a module before the last one", command)
            if command.module is None:
                raise self._more("a module in a form that cannot be read", command)
            self.modules.append(_Made(command.module, command.name))
        elif command.kind == "register":
            made = self._named(command)
            if made.registered is not None:
                raise self._more("one module is registered twice", command)
            made.registered = command.as_name
        elif command.kind in _CALLED and command.action is not None and command.action.kind == "invoke":
            called = next((one for one in self.modules if one.name == command.action.module), None)
            if not self.modules or (command.action.module is not None and called is not self.modules[-1]):
                raise self._more("it calls a module that is not the last one", command)
            self.calls.append(Invocation(command.action.field, command.action.args, Entry.WRAPPER))
        elif command.kind not in _JUDGED:
            raise self._more(f"{command.kind}", command)

    def _named(self, command: Command) -> _Made:
        found = [one for one in self.modules if command.name in (None, one.name)]
        if not found:
            raise self._more("it registers what is not there", command)
        return found[-1]

    def _more(self, why: str, command: Command) -> UsageError:
        return UsageError(f"{self.script}, line {command.line}: {why}, which one case cannot hold: give one module")

    def case(self) -> Case:
        if not self.modules:
            raise UsageError(f"{self.script} has no module")
        *earlier, last = self.modules
        before = tuple((one.registered or "", one.content) for one in earlier)
        if any(_imports_spectest(one.content) for one in self.modules):
            before = (("spectest", SPECTEST), *before)
        case = Case(last.content, tuple(self.calls), before=before)
        used = frozenset().union(*map(features_of_bytes, case.contents))
        return Case(last.content, tuple(self.calls), features=used, before=before)


def _imports_spectest(content: bytes) -> bool:
    try:
        return any(item.module == "spectest" for item in decode(content).imports)
    except WasmError:
        return False
