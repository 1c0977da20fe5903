"""The engines that the contract suite meets, opened once per test process, and modules from text."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
import wasmtime

from oracles import provision
from oracles.engine import Engine, EngineUnavailable, Limits, open_engine
from wasm.case import Case
from wasm.embedding import Invocation

LIMITS = Limits(cpu_seconds=2.0, memory_bytes=3 << 30)
SLOW_LIMITS = Limits(cpu_seconds=6.0, memory_bytes=3 << 30)
"""For the project's own compiler, which is in Python and checks every allocation of a 1,000-value call."""
ADAPTERS = (
    "wasmtime",
    "wasmtime:opt=none+checker",
    "wasmtime:regalloc=single_pass",
    "wasmtime:winch",
    "wasmtime:pulley",
    "v8",
    "v8:liftoff",
    "v8:turbofan",
    "jsc",
    "jsc:ipint",
    "jsc:bbq",
    "jsc:omg",
    "compiler:fuel=off",
    "compiler:opt=none+regs=6+order=random-1+fuel=off",
)

Wat = Callable[..., Case]


def open_or_skip(name: str) -> Engine:
    """The engine, or a skipped test where this machine does not have it."""
    for engine, shell, release in (("v8", "node", "26.10.0"), ("jsc", "bun", "1.4.5")):
        if name.startswith(engine) and shutil.which(shell) is None and not provision.installed(shell):
            pytest.skip(f"no {shell} on the PATH and none provisioned (fuzz engines install {engine}@{release})")
    engine = open_engine(name, SLOW_LIMITS if name.startswith("compiler") else LIMITS, offline=True)
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


def lacks(engine: Engine, case: Case) -> set[str]:
    """The features that a case needs and the engine does not have."""
    return set(case.features) - {feature.value for feature in engine.capabilities.features}


def run(engine: Engine, case: Case):
    """Run a case, or skip the test where the engine lacks a feature."""
    if missing := lacks(engine, case):
        pytest.skip(f"{engine.id} has no {', '.join(sorted(missing))}")
    return engine.run(case)
