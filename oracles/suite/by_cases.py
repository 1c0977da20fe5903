"""Scripts on an engine that runs cases and nothing else: each instance is a case, with all calls that are to come.

An engine that is a command keeps no instance from one call to the next, and a transformer has no store of its own.
What they are asked is a case, an instance and its calls in order, so a script is read ahead (``foresee``), and its
commands are answered from the outcomes of its cases. That fits every module that imports nothing, or only functions of
``spectest``, which do nothing. Others are ``Unsupported``, as is what is asked of an instance after one of them has
imported from it, which may have changed it. An exported global is read by a function that is put into the module.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from oracles.engine import Engine, Session, UsageError
from oracles.modules.spectest import PRINTS
from oracles.suite.wast import Command, Instances
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation, Observation, Outcome, Rejected, Returned, Unsupported, Value
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import features_of_bytes
from wasm.isa import OPS
from wasm.module import Export, ExternKind, Func, Module
from wasm.rewrite.spaces import Space, kind_of_import, space_sizes
from wasm.validate import validate
from wasm.valtypes import FuncType, SubType

SPECTEST: Final = "spectest"
_READS: Final = "get "
"""What the name of an export begins with that reads a global."""


def open_session(engine: Engine) -> Session:
    """The engine's own session; by cases where it runs no scripts. Raises ``UsageError`` where it runs no modules."""
    try:
        return engine.open_script()
    except UsageError:
        if CaseKind.WASM not in engine.capabilities.kinds:
            raise
        return ByCases(engine)


@dataclass(slots=True)
class _Planned:
    """An instance of a script: the calls that come, and the globals that are read."""

    calls: list[Invocation] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    shared: bool = False
    """Another module has imported from it: what comes after that is not asked."""


class ByCases:
    """``Session`` by a case for each instance."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.planned: dict[str, _Planned] = {}
        self.outcomes: dict[str, deque[tuple[Invocation, Outcome]]] = {}

    def foresee(self, commands: Iterable[Command]) -> None:
        """Read the script ahead, before anything of it is asked."""
        names, registered = Instances(), dict[str, str]()
        definitions: dict[str | None, bytes | None] = {}
        for command in commands:
            if command.kind == "module_definition":
                definitions[command.name] = definitions[None] = command.module
            elif command.kind in ("module", "module_instance"):
                content = definitions.get(command.target) if command.kind == "module_instance" else command.module
                if content is not None:
                    self._shares(content, registered)
                    self.planned[names.made(command.name)] = _Planned()
                    definitions[None] = content
            elif command.kind == "register":
                registered[command.as_name] = names.named(command.name)
            elif command.module is not None:
                self._shares(command.module, registered)
            elif command.action is not None:
                planned = self.planned.get(names.named(command.action.module))
                if planned is not None and not planned.shared:
                    planned.calls.append(_call(command.action.kind, command.action.field, command.action.args))
                    if command.action.kind == "get":
                        planned.reads.add(command.action.field)

    def _shares(self, content: bytes, registered: dict[str, str]) -> None:
        try:
            imports = decode(content).imports
        except WasmError:
            return
        for item in imports:
            if item.module in registered and registered[item.module] in self.planned:
                self.planned[registered[item.module]].shared = True

    def instantiate(self, name: str, module: bytes) -> Outcome:
        has = {feature.value for feature in self.engine.capabilities.features}
        validity = self._validity(module)
        if isinstance(validity, Rejected) and (lacking := features_of_bytes(module) - has):
            return Unsupported(", ".join(sorted(lacking)))
        try:
            decoded = decode(module)
            validate(decoded, data=module)
        except WasmError:
            return validity
        if isinstance(validity, Rejected):
            return validity
        if lacking := features_of_bytes(module) - has:
            return Unsupported(", ".join(sorted(lacking)))
        if reason := _imports(decoded):
            return Unsupported(reason)
        planned = self.planned.get(name, _Planned())
        content = _with_readers(decoded, planned.reads) if planned.reads else module
        observed = self.engine.run(Case(content, tuple(planned.calls), features=features_of_bytes(content)))
        if observed.instantiated:
            self.outcomes[name] = deque(_in_order(planned.calls, observed))
        return observed.instantiation

    def _validity(self, content: bytes) -> Outcome:
        if CaseKind.BYTES not in self.engine.capabilities.kinds:
            return Unsupported("whether a module is valid is not asked")
        return self.engine.run(Case(content, kind=CaseKind.BYTES)).instantiation

    def register(self, name: str, registered_as: str) -> None:
        """Nothing: what imports from it is not run."""

    def invoke(self, name: str, invocation: Invocation) -> Outcome:
        outcomes = self.outcomes.get(name)
        if not outcomes:
            return Unsupported("what is asked after another module has imported from an instance")
        call, outcome = outcomes.popleft()
        assert (call.export, call.args) == (invocation.export, invocation.args), "commands are performed in order"
        return outcome

    def get(self, name: str, export: str) -> Value | Unsupported | None:
        outcome = self.invoke(name, _call("get", export, ()))
        if isinstance(outcome, Returned):
            return next(iter(outcome.values), None)
        return outcome if isinstance(outcome, Unsupported) else None

    def close(self) -> None:
        self.planned.clear()
        self.outcomes.clear()


def _call(kind: str, name: str, args: tuple[Value, ...]) -> Invocation:
    return Invocation(_READS + name) if kind == "get" else Invocation(name, args)


def _in_order(calls: list[Invocation], observed: Observation) -> Iterable[tuple[Invocation, Outcome]]:
    """Each call's outcome: where the engine stopped, it lacks the rest."""
    rest = [Unsupported("the engine stopped before it")] * (len(calls) - len(observed.outcomes))
    return zip(calls, [*observed.outcomes, *rest], strict=True)


def _imports(module: Module) -> str:
    """Why what a module imports cannot be had, "" where it can."""
    for item in module.imports:
        if item.module != SPECTEST or kind_of_import(item) is not ExternKind.FUNC or item.name not in PRINTS:
            return f"an import of {item.module} {item.name}"
    return ""


def _with_readers(module: Module, names: set[str]) -> bytes:
    """The module with a function for each of these exported globals that gives what it holds."""
    made = replace(module, types=list(module.types), funcs=list(module.funcs), exports=list(module.exports))
    for item in module.exports:
        if item.kind is ExternKind.GLOBAL and item.name in names:
            kind = module.global_types()[item.index].type
            made.types.append((SubType(FuncType((), (kind,))),))
            body = [(OPS["global.get"], item.index), OPS["end"].bare]
            made.funcs.append(Func(space_sizes(made)[Space.TYPE] - 1, [], body))
            made.exports.append(Export(_READS + item.name, ExternKind.FUNC, space_sizes(made)[Space.FUNC] - 1))
    return encode(made)
