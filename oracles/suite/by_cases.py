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
from oracles.modules.spectest import SPECTEST_NO_TABLE64
from oracles.suite.wast import Action, Command, Instances
from wasm.canonical import Types, matches_extern
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation, Outcome, Rejected, Returned, Unsupported, Value
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import features_of_bytes
from wasm.isa import OPS
from wasm.module import Export, ExternKind, Func, ImportedFunc, Module
from wasm.rewrite.spaces import Space, space_sizes
from wasm.validate import validate
from wasm.valtypes import FuncType, SubType

SPECTEST: Final = "spectest"
_READS: Final = "get "
"""What the name of an export begins with that reads a global, as often as it takes to be a new one."""
_PRINTS: Final = decode(SPECTEST_NO_TABLE64)
_PRINT_TYPES: Final = {
    item.name: ImportedFunc(_PRINTS.func_type_indices()[item.index])
    for item in _PRINTS.exports
    if item.kind is ExternKind.FUNC
}
_MOST: Final = 256
"""A case has at most so many calls, where an instance keeps nothing from one to the next: an engine that compiles a
program of them takes far longer for thousands at once than for the same in parts."""
_STOPPED: Final = Unsupported("the engine stopped before it")


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
    """An instance of a script: the actions that come."""

    actions: list[Action] = field(default_factory=list)
    shared: bool = False
    """Another module has imported from it: what comes after that is not asked."""


class ByCases:
    """``Session`` by a case for each instance."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.planned: dict[str, _Planned] = {}
        self.outcomes: dict[str, deque[tuple[Action, Outcome | None]]] = {}
        self.spectest: str | None = None
        """The instance that the script has registered in the place of the host's."""

    def foresee(self, commands: Iterable[Command]) -> None:
        """Read the script ahead, before anything of it is asked."""
        names, registered = Instances(), dict[str, str]()
        for command in commands:
            if command.kind in ("module", "module_instance", "module_definition"):
                content = names.content(command)
                if content is not None and command.kind != "module_definition":
                    self._shares(content, registered)
                    self.planned[names.made(command.name)] = _Planned()
            elif command.kind == "register":
                registered[command.as_name] = names.named(command.name)
            elif command.module is not None:
                self._shares(command.module, registered)
            elif command.action is not None:
                planned = self.planned.get(names.named(command.action.module))
                if planned is not None and not planned.shared:
                    planned.actions.append(command.action)

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
        if not isinstance(validity, Returned | Unsupported):
            return validity
        if reason := self._imports(decoded):
            return Unsupported(reason)
        actions = self.planned[name].actions if name in self.planned else []
        readers = _readers(decoded, {action.field for action in actions if action.kind == "get"})
        content = _with_readers(decoded, readers) if readers else module
        calls = [_call(action, readers) for action in actions]
        asked = [call for call in calls if call is not None]
        instantiation, answers = self._run(content, asked, _MOST if _is_stateless(decoded) else max(1, len(asked)))
        if isinstance(instantiation, Returned):
            outcomes = iter(answers)
            self.outcomes[name] = deque(
                (action, next(outcomes) if call else None) for action, call in zip(actions, calls, strict=True)
            )
        return instantiation

    def _run(self, content: bytes, calls: list[Invocation], most: int) -> tuple[Outcome, list[Outcome]]:
        """How a module is instantiated, and an outcome for each call, in cases of at most so many of them."""
        features = features_of_bytes(content)
        first = self.engine.run(Case(content, tuple(calls[:most]), features=features))
        outcomes: list[Outcome] = []
        for start in range(0, len(calls), most):
            some = calls[start : start + most]
            seen = self.engine.run(Case(content, tuple(some), features=features)) if start else first
            answered = seen.outcomes if seen.instantiated else [seen.instantiation] * len(some)
            outcomes += [*answered, *[_STOPPED] * len(some)][: len(some)]
        return first.instantiation, outcomes

    def _validity(self, content: bytes) -> Outcome:
        if CaseKind.BYTES not in self.engine.capabilities.kinds:
            return Unsupported("whether a module is valid is not asked")
        return self.engine.run(Case(content, kind=CaseKind.BYTES)).instantiation

    def register(self, name: str, registered_as: str) -> None:
        """What imports from it is not run."""
        if registered_as == SPECTEST:
            self.spectest = name

    def invoke(self, name: str, invocation: Invocation) -> Outcome:
        outcome = self._next(name, ("invoke", invocation.export, invocation.args))
        assert outcome is not None, "only a global may be missing"
        return outcome

    def get(self, name: str, export: str) -> Value | Outcome | None:
        outcome = self._next(name, ("get", export, ()))
        return outcome.values[0] if isinstance(outcome, Returned) and outcome.types else outcome

    def _next(self, name: str, asked: tuple[str, str, tuple[Value, ...]]) -> Outcome | None:
        """What has come of the next action of an instance. None: what it reads is no exported global."""
        outcomes = self.outcomes.get(name)
        if not outcomes:
            return Unsupported("what is asked after another module has imported from an instance")
        action, outcome = outcomes.popleft()
        assert (action.kind, action.field, action.args) == asked, "commands are performed in order"
        return outcome

    def _imports(self, module: Module) -> str:
        """Why what a module imports cannot be had, "" where it can."""
        types = Types(module.types)
        for item in module.imports:
            given = None if item.module != SPECTEST or self.spectest is not None else _PRINT_TYPES.get(item.name)
            if given is None or not matches_extern(Types(_PRINTS.types), given, types, item.type):
                return f"an import of {item.module} {item.name}"
        return ""

    def close(self) -> None:
        self.planned.clear()
        self.outcomes.clear()


def _is_stateless(module: Module) -> bool:
    """Whether a call of a module finds what any other call finds: nothing is there that could be written."""
    globals_ = any(kind.mutable for kind in module.global_types())
    return not (globals_ or module.memories or module.tables or module.datas or module.elems)


def _call(action: Action, readers: dict[str, str]) -> Invocation | None:
    """The call that an action is; None for a global that is not there."""
    if action.kind != "get":
        return Invocation(action.field, action.args)
    return Invocation(readers[action.field]) if action.field in readers else None


def _readers(module: Module, names: set[str]) -> dict[str, str]:
    """What the functions are called that read these exported globals."""
    taken = {item.name for item in module.exports}
    reads = _READS
    while any(name.startswith(reads) for name in taken):
        reads += _READS
    found = (item.name for item in module.exports if item.kind is ExternKind.GLOBAL and item.name in names)
    return {name: reads + name for name in found}


def _with_readers(module: Module, readers: dict[str, str]) -> bytes:
    """The module with a function for each of these exported globals that gives what it holds."""
    made = replace(module, types=list(module.types), funcs=list(module.funcs), exports=list(module.exports))
    for item in module.exports:
        if item.name in readers:
            kind = module.global_types()[item.index].type
            made.types.append((SubType(FuncType((), (kind,))),))
            body = [(OPS["global.get"], item.index), OPS["end"].bare]
            made.funcs.append(Func(space_sizes(made)[Space.TYPE] - 1, [], body))
            made.exports.append(Export(readers[item.name], ExternKind.FUNC, space_sizes(made)[Space.FUNC] - 1))
    return encode(made)
