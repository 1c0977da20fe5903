"""One case from beginning to end on the reference interpreter, and what it observed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from oracles.interpreter.budget import Budget
from oracles.interpreter.hosting import Hosting
from oracles.interpreter.link import instantiate, invoke
from oracles.interpreter.memory import Memory
from oracles.interpreter.store import Extern, Hook, Instance, Store, Tracer
from oracles.interpreter.table import Table
from oracles.interpreter.taint import free_nans
from oracles.interpreter.values import Global, identity, to_value
from oracles.linking import Registered
from oracles.reference import REFERENCE
from wasm.at_hand import at_hand
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import (
    Exhausted,
    FreeNan,
    MemoryState,
    Observation,
    Outcome,
    OutOfMemory,
    Phase,
    ReferenceNotes,
    Rejected,
    Returned,
    TableState,
    Threw,
    Trapped,
    Unsupported,
    Value,
)
from wasm.errors import Malformed, WasmError
from wasm.features import ALL, DEFAULT
from wasm.isa import Op
from wasm.module import Module
from wasm.semantics.relaxed import DETERMINISTIC, RelaxedProfile
from wasm.validate import validate
from wasm.valtypes import NumType

_ELEMENTS: Final = 1000
"""Elements of a table that an observation names (``TableState``)."""


def run_case(
    case: Case, module: Module | None = None, budget: Budget | None = None, profile: RelaxedProfile = DETERMINISTIC, *,
    tracer: Tracer | None = None, counts: dict[Op, int] | None = None, tiering: bool = True,
    inspect: Callable[[Instance], None] | None = None,
) -> Observation:  # fmt: skip
    """Run a case: instantiate with the imports of ``wasm.hostmix``, make its calls on one instance, read the state.

    ``module`` is the decoded and validated content, if it is at hand already; else both are done here, and a module
    that is not valid is an outcome. Raw bytes (``BYTES``) are judged and not run. ``counts`` is filled with the number
    of executions of each row, ``tracer`` sees each instruction of the case's own module. ``inspect`` is given the
    instance at the end. The modules before it (``Case.before``) are instantiated in turn, in the same store.
    """
    started = time.process_time()
    if case.kind is CaseKind.BYTES:
        return _validity(case.content)
    if module is None:
        loaded = load(case.content)
        if not isinstance(loaded, Module):
            return loaded
        module = loaded
    before = []
    for name, content in case.before:
        earlier = load(content)
        if not isinstance(earlier, Module):
            return earlier
        before.append((name, earlier))
    run = _Run(case, Store(budget, profile, tiering=tiering, tracer=tracer, counts=counts))
    try:
        observation = run.observe(module, before, started)
        if inspect is not None and run.instance is not None:
            inspect(run.instance)
    finally:
        run.store.release()
    return observation


def load(content: bytes) -> Module | Observation:
    """Decode, where that is needed, and validate; the observation of the rejection if the bytes are no valid module."""
    try:
        module = at_hand(content) or decode(content)
        validate(module, DEFAULT, content)
    except WasmError as error:
        phase = Phase.DECODE if isinstance(error, Malformed) else Phase.COMPILE
        return Observation(REFERENCE, Rejected(str(error)), phase)
    return module


def _validity(content: bytes) -> Observation:
    """Whether raw bytes are a valid module under all features that there are: nothing is run.

    An engine is asked only if it has the features that the bytes need. Where only a limit of ours is passed (spec A.2),
    the interpreter has no answer.
    """
    try:
        validate(decode(content), ALL, content)
    except WasmError as error:
        phase = Phase.DECODE if isinstance(error, Malformed) else Phase.COMPILE
        return Observation(REFERENCE, Unsupported(str(error)) if error.limit else Rejected(str(error)), phase)
    return Observation(REFERENCE, Returned(), Phase.COMPILE)


class _Run:
    def __init__(self, case: Case, store: Store) -> None:
        self.case, self.store, self.meter = case, store, store.meter
        self.instance: Instance | None = None
        self.hosting = Hosting()
        self.registered: Registered[Extern, Instance] = Registered()
        self.before: list[Outcome] = []
        self.sites: set[int] = set()
        self.nan_at: int | None = None

    def observe(self, module: Module, before: list[tuple[str, Module]], started: float) -> Observation:
        begun = time.process_time()
        instantiation = self._instantiate_before(before) or self._instantiate(module)
        done = time.process_time()
        outcomes: list[Outcome] = []
        if isinstance(instantiation, Returned):
            outcomes = self._invoke_all()
        ended = time.process_time()
        return Observation(
            REFERENCE,
            instantiation,
            Phase.INVOKE if outcomes else Phase.INSTANTIATE,
            tuple(outcomes),
            tuple(self.hosting.log),
            *self._state(),
            notes=self._notes(),
            cpu=(("compile", begun - started), ("instantiate", done - begun), ("invoke", ended - done)),
            before=tuple(self.before),
        )

    def _instantiate_before(self, before: list[tuple[str, Module]]) -> Outcome | None:
        """Instantiate what comes before the case's own module; an outcome where that is the end of the case."""
        for name, module in before:
            imports = self.registered.or_else(Hosting(self.hosting.log))
            made = instantiate(module, imports, self.store, watched=False)
            self._note_observed(-1)
            instance = made if isinstance(made, Instance) else None
            outcome = Returned() if isinstance(made, Instance) else made
            self.before.append(outcome)
            if not isinstance(outcome, Returned | Trapped | Threw):
                return outcome
            self.registered.add(name, module, instance)
        return None

    def _instantiate(self, module: Module) -> Outcome:
        made = self._with_sites(module)
        self._note_observed(-1)
        if isinstance(made, Instance):
            self.instance = made
            return Returned()
        return made

    def _with_sites(self, module: Module) -> Instance | Outcome:
        """Hooks go in before the first function runs, which may be the start function."""
        places: dict[tuple[int, int], list[int]] = {}
        for number, site in enumerate(self.case.sites):
            if site.func >= 0:
                places.setdefault((site.func, site.use_at), []).append(number)
        hooks: dict[int, dict[int, Hook]] = {}
        for (func, at), numbers in places.items():
            hooks.setdefault(func, {})[at] = _marker(self.sites, numbers, hooks, func, at)
        return instantiate(module, self.registered.or_else(self.hosting), self.store, hooks)

    def _invoke_all(self) -> list[Outcome]:
        assert self.instance is not None
        outcomes: list[Outcome] = []
        for number, invocation in enumerate(self.case.invocations):
            outcome = invoke(self.instance, invocation.export, invocation.args)
            self._note_observed(number)
            outcomes.append(outcome)
            if isinstance(outcome, Exhausted | OutOfMemory | Unsupported):
                break
        for number, site in enumerate(self.case.sites):
            if site.func < 0 and site.use_at < len(outcomes) and isinstance(outcomes[site.use_at], Returned):
                self.sites.add(number)
        return outcomes

    def _note_observed(self, invocation: int) -> None:
        if self.meter.observed and self.nan_at is None:
            self.nan_at = invocation

    def _exported(self, kind: type) -> list[tuple[str, Any]]:
        items = self.instance.exports.items() if self.instance is not None else ()
        return [(name, item) for name, (_, item) in items if isinstance(item, kind)]

    def _state(
        self,
    ) -> tuple[tuple[tuple[str, Value], ...], tuple[MemoryState, ...], tuple[TableState, ...]]:
        if self.instance is None:
            return (), (), ()
        naming = self.instance.name_of
        globals_ = [(name, to_value(item.type, item.value, naming)) for name, item in self._exported(Global)]
        memories = [MemoryState(name, item.pages, item.nonzero_blocks()) for name, item in self._exported(Memory)]
        tables = []
        for name, item in self._exported(Table):
            elements = tuple(identity(item.get(i), naming) for i in range(min(item.size, _ELEMENTS)))
            tables.append(TableState(name, item.size, elements))
        return tuple(globals_), tuple(memories), tuple(tables)

    def _notes(self) -> ReferenceNotes:
        free: list[FreeNan] = []
        for position, (_, item) in enumerate(self._exported(Global)):
            if isinstance(item.type, NumType) and item.value >> item.type.bits:
                nans = free_nans(position, item.type, item.value)
                if nans is None:
                    self._observed_in_state()
                free += nans or ()
        tainted = [
            (position, start, end)
            for position, (_, item) in enumerate(self._exported(Memory))
            for start, end in item.open_ranges()
        ]
        meter = self.meter
        return ReferenceNotes(
            meter.steps, meter.deepest, meter.pages, self.nan_at, tuple(tainted), tuple(free), frozenset(self.sites),
            meter.relaxed,
        )  # fmt: skip

    def _observed_in_state(self) -> None:
        """A global holds a vector cut to pieces: as far as comparing goes, its bits decided the last invocation."""
        if self.nan_at is None:
            self.nan_at = len(self.case.invocations) - 1


def _marker(sites: set[int], numbers: list[int], hooks: dict[int, dict[int, Hook]], func: int, at: int) -> Hook:
    """Notes that sites were passed. Once is enough: a function whose sites are all passed may be compiled."""

    def mark(_stack: list[Any], _locals: list[Any]) -> None:
        sites.update(numbers)
        left = hooks.get(func)
        if left is not None:
            left.pop(at, None)
            if not left:
                del hooks[func]

    return mark
