"""An engine that is given a neutral mutant of each module: ``mutant:2 of wasmtime:opt=none`` (docs/mutants.md).

Behind ``of`` stands the engine, as it is written everywhere; before it the number of the mutant. Whatever is wrong here
is wrong with that engine: its votes are the same family's. A case without a mutant is one that this engine lacks.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from oracles.engine import Capabilities, Engine, EngineId, Immediate, Limits, Pending, Session, UsageError
from oracles.engine import open_engine as open_any
from oracles.judge.itself import unlimited
from oracles.mutants import mutant_of
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Phase, Unsupported

NAME: Final = "mutant"
CONTRACT: Final[tuple[str, ...]] = ()
"""The contract suite is about workers; ``tests/mutants`` is about this."""
_FORM: Final = re.compile(r"([1-9][0-9]{0,5}) of (\S.*)", re.S)


def id_of(engine: str, number: int) -> str:
    """The id of an engine that runs mutants of that number."""
    return f"{NAME}:{number} of {engine}"


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    number, inner = _parts(id)
    if inner.name == NAME:
        raise UsageError("a mutant of a mutant is no engine: write mutant:1 of ENGINE")
    return EngineId(NAME, settings=(("", f"{number} of {inner}"),))


def within(id: EngineId) -> EngineId:
    """The engine that runs the mutants. Raises ``UsageError``."""
    return _parts(id)[1]


def behind(engine: str) -> EngineId:
    """The engine of an id; of one that runs mutants, the one behind it. Neither need be here."""
    id = EngineId.read(engine)
    inner = id.command.partition(" of ")[2].strip() if id.name == NAME else ""
    return EngineId.read(inner) if inner else id


def number_of(engine: str) -> int:
    """The number of the mutants that an engine runs; 0 for an engine that runs none."""
    id = EngineId.read(engine)
    form = _FORM.fullmatch(id.command) if id.name == NAME else None
    return int(form[1]) if form is not None else 0


def _parts(id: EngineId) -> tuple[int, EngineId]:
    form = _FORM.fullmatch(id.command)
    if form is None:
        raise UsageError(f"{id} is no engine: write {NAME}:1 of ENGINE, as mutant:1 of wasmtime:opt=none")
    inner = EngineId.parse(form[2])
    if id.version and not inner.version:
        inner = EngineId.parse(str(replace(inner, version=id.version)))
    return int(form[1]), inner


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open the engine that runs the mutants."""
    number, inner = _parts(id)
    return MutantEngine(id, limits, number, open_any(str(inner), limits, offline))


class MutantEngine:
    """``Engine`` that runs mutant ``number`` of each case on another one."""

    def __init__(self, id: EngineId, limits: Limits, number: int, behind: Engine) -> None:
        self.id, self.limits, self.number, self.behind = id, limits, number, behind

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.behind.capabilities, kinds=frozenset({CaseKind.WASM}))

    def start(self, case: Case) -> Pending:
        mutant = mutant_of(case, self.number)
        if mutant is None:
            none = Observation(str(self.id), Unsupported("no mutant"), Phase.COMPILE)
            return Immediate(lambda _: none, case)
        return _Renamed(self.behind.start(mutant.case), str(self.id))

    def run(self, case: Case) -> Observation:
        return self.start(case).result()

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        mutant = mutant_of(case, self.number)
        return self.behind.dump(mutant.case, blocks) if mutant is not None else {}

    def open_script(self) -> Session:
        raise UsageError(f"{self.id} runs no scripts: choose another engine")

    def renew(self, from_scratch: bool = False) -> None:
        self.behind.renew(from_scratch)

    def close(self) -> None:
        self.behind.close()


class _Renamed:
    """A case under way on the engine behind, told under this one's name."""

    def __init__(self, pending: Pending, name: str) -> None:
        self._pending, self._name = pending, name

    def fileno(self) -> int | None:
        return self._pending.fileno()

    def poll(self) -> Observation | None:
        seen = self._pending.poll()
        return None if seen is None else self._told(seen)

    def result(self) -> Observation:
        return self._told(self._pending.result())

    def _told(self, seen: Observation) -> Observation:
        return replace(unlimited(seen), engine=self._name, notes=None)
