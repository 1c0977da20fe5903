"""Scripts on compiled code, in this process: an ``oracles.engine.Session`` over instances in one store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from compiler.pipeline import Settings
from oracles.compiled.link import Linker
from oracles.compiled.machine import machine
from oracles.compiled.program import Program, Programs, Refused, compile_module
from oracles.compiled.store import Extern, Global, Instance, Store
from oracles.compiled.trampolines import Trampolines
from oracles.compiled.values import to_value
from oracles.modules.spectest import with_shared_memory
from wasm.embedding import Invocation, Outcome, Returned, Unsupported, Value

STEPS: Final = 50_000_000


class CompiledSession:
    """Instances of compiled modules; each step gets ``steps`` steps, which count where ``Settings.fuel`` is on.

    ``seconds`` of CPU time is a step's deadline; 0 for none. A session that was hit by a fault goes on.
    """

    def __init__(self, settings: Settings, steps: int = STEPS, seconds: float = 0.0) -> None:
        self.steps, self.seconds = steps, seconds
        self.programs = Programs(settings)
        self.store = Store(machine(), settings)
        self.linker = Linker(self.store, Trampolines(self.store.machine))
        self.instances: dict[str, Instance] = {}
        self.registered: dict[tuple[str, str], Extern] = {}
        self._start("spectest", compile_module(with_shared_memory(), settings))
        self.register("spectest", "spectest")

    def _start(self, name: str, program: Program) -> Outcome:
        with self._limits():
            made = self.linker.instantiate(program, self.registered)
        if isinstance(made, Instance):
            self.instances[name] = made
            return Returned()
        return made

    @contextmanager
    def _limits(self) -> Iterator[None]:
        self.store.machine.refuel(self.steps)
        with self.store.machine.deadline(self.seconds):
            yield

    def instantiate(self, name: str, module: bytes) -> Outcome:
        try:
            program = self.programs.get(module)
        except Refused as refused:
            return refused.outcome
        return self._start(name, program)

    def register(self, name: str, registered_as: str) -> None:
        instance = self.instances.get(name)
        if instance is not None:
            for export, (_, item) in instance.exports.items():
                self.registered[registered_as, export] = item

    def invoke(self, name: str, invocation: Invocation) -> Outcome:
        instance = self.instances.get(name)
        if instance is None:
            return Unsupported(f"no instance {name}")
        with self._limits():
            return self.linker.invoke(instance, invocation.export, invocation.args)

    def get(self, name: str, export: str) -> Value | None:
        instance = self.instances.get(name)
        _, item = instance.exports.get(export, (None, None)) if instance is not None else (None, None)
        return to_value(item.type, item.bits, item.types, instance) if isinstance(item, Global) else None

    def close(self) -> None:
        """Free the store. Nothing of it may be running."""
        self.instances.clear()
        self.registered.clear()
        self.store.close()
