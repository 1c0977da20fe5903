"""The reference interpreter as an engine, in this process. It has no settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from oracles.engine import Capabilities, Engine, EngineId, Immediate, Limits, UsageError
from oracles.interpreter import BLOCK, Budget, Instance, Store, instantiate, invoke, load, run_case
from oracles.interpreter.store import Extern
from oracles.interpreter.values import Global, to_value
from oracles.modules.spectest import with_shared_memory
from oracles.reference import REFERENCE
from wasm.case import Case
from wasm.embedding import Invocation, Observation, Outcome, OutOfMemory, Returned, Unsupported, Value
from wasm.features import DEFAULT
from wasm.module import ExternKind
from wasm.semantics.relaxed import DETERMINISTIC, RelaxedProfile

FAMILY: Final = REFERENCE
CONTRACT: Final[tuple[str, ...]] = ()
"""Others are compared with it; ``tests/interpreter`` is about it."""
CONFIGURATIONS: Final = ("interpreter",)


def check(id: EngineId) -> EngineId:
    """Only the bare name is an interpreter. Raises ``UsageError``."""
    if id.settings or id.version or id.path:
        raise UsageError("the interpreter has no settings, versions or paths: write interpreter")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open it: nothing is started."""
    return InterpreterEngine(id, limits)


def budget_of(limits: Limits) -> Budget:
    """The interpreter's budget under the limits that all engines get."""
    return Budget(steps=limits.steps, depth=limits.depth, pages=max(limits.pages, Budget().pages))


def left_in_memory(
    case: Case, blocks: tuple[tuple[str, int], ...], limits: Limits, profile: RelaxedProfile = DETERMINISTIC
) -> dict[tuple[str, int], bytes]:
    """The contents, at the end of a case, of the given (exported memory, 64 KiB block) pairs."""
    contents: dict[tuple[str, int], bytes] = {}

    def inspect(instance: Instance) -> None:
        for name, index in blocks:
            kind, memory = instance.exports.get(name, (None, None))
            if kind is ExternKind.MEMORY:
                start = index * BLOCK
                contents[name, index] = memory.read(start, max(0, min(BLOCK, memory.size - start)))  # type: ignore[union-attr]

    run_case(case, None, budget_of(limits), profile, inspect=inspect)
    return contents


@dataclass(slots=True)
class InterpreterEngine:
    """The reference interpreter under the deterministic profile of relaxed SIMD."""

    id: EngineId
    limits: Limits

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, FAMILY)

    def start(self, case: Case) -> Immediate:
        return Immediate(self.run, case)

    def run(self, case: Case) -> Observation:
        return run_case(case, budget=budget_of(self.limits))

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        """The contents at the end of the given (exported memory, 64 KiB block) pairs."""
        return left_in_memory(case, blocks, self.limits)

    def open_script(self) -> InterpreterSession:
        return InterpreterSession(budget_of(self.limits))

    def renew(self, from_scratch: bool = False) -> None:
        """There is nothing to end."""

    def close(self) -> None:
        """There is nothing to end."""


@dataclass(slots=True)
class InterpreterSession:
    """Instances in one store; the budget is renewed for each step."""

    budget: Budget
    tiering: bool = True
    store: Store = field(init=False)
    instances: dict[str, Instance] = field(default_factory=dict)
    registered: dict[tuple[str, str], Extern] = field(default_factory=dict)
    lost: bool = False

    def __post_init__(self) -> None:
        self.store = Store(self.budget, tiering=self.tiering)
        made = instantiate(with_shared_memory(), {}, self.store)
        assert isinstance(made, Instance)
        self.instances["spectest"] = made
        self.register("spectest", "spectest")

    def instantiate(self, name: str, module: bytes) -> Outcome:
        if self.lost:
            return Unsupported("the session ended when memory ran out")
        loaded = load(module)
        if isinstance(loaded, Observation):
            return loaded.instantiation
        self.store.meter.renew(self.budget)
        made = instantiate(loaded, self.registered, self.store)
        if isinstance(made, Instance):
            self.instances[name] = made
            return Returned()
        return self._checked(made)

    def register(self, name: str, registered_as: str) -> None:
        instance = self.instances.get(name)
        if instance is not None:
            for export, (_, item) in instance.exports.items():
                self.registered[registered_as, export] = item

    def invoke(self, name: str, invocation: Invocation) -> Outcome:
        instance = self.instances.get(name)
        if instance is None or self.lost:
            return Unsupported(f"no instance {name}")
        self.store.meter.renew(self.budget)
        return self._checked(invoke(instance, invocation.export, invocation.args))

    def _checked(self, outcome: Outcome) -> Outcome:
        self.lost |= isinstance(outcome, OutOfMemory)
        return outcome

    def get(self, name: str, export: str) -> Value | None:
        instance = self.instances.get(name)
        kind, item = instance.exports.get(export, (None, None)) if instance is not None else (None, None)
        if kind is not ExternKind.GLOBAL or instance is None:
            return None
        assert isinstance(item, Global)
        return to_value(item.type, item.value, instance.name_of)

    def close(self) -> None:
        self.instances.clear()
        self.registered.clear()
