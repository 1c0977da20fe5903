"""The worker of JavaScript engines as one text: in node, which has another form of it to be compared with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generators.registry import make_case
from oracles.engine import EngineId, EngineUnavailable, Limits, open_engine
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.scripted import program
from oracles.remote.shells import find_shell
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from wasm.embedding import Observation

DRIVER = """
const fs = require("fs"), zlib = require("zlib");
const [IN, OUT, PROGRESS] = process.argv.slice(2).map(Number);
const progress = Buffer.alloc(8);
const host = {
  facts: { library: process.execPath, shell: "node", engine: process.versions.v8, host: process.versions.node },
  fill(target) {
    for (let at = 0; at < target.length; ) {
      const count = fs.readSync(IN, target, at, target.length - at, null);
      if (!count) return false;
      at += count;
    }
    return true;
  },
  send(data) {
    for (let at = 0; at < data.length; ) at += fs.writeSync(OUT, data, at);
  },
  record(phase, invocation) {
    progress.writeUInt32LE(phase, 0);
    progress.writeInt32LE(invocation, 4);
    fs.writeSync(PROGRESS, progress, 0, 8, 0);
  },
  cpu: () => process.cpuUsage().user / 1e6,
  crc: (data) => zlib.crc32(data),
  sweep() {},
  tier: "", version: process.versions.node, library: process.execPath,
  prefer() {},
};
"""
"""What ``spidermonkey_worker.py`` gives in Python, and ``firefox.cfg`` by the C library. node's own Buffer is not to be
found by the program."""
TARGETS = ("mixed", "memory", "returns", "globals", "startup", "linked")


@pytest.fixture(params=["spidermonkey", "firefox"])
def scripted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerEngine]:
    try:
        node = find_shell("node", EngineId("v8"), offline=True)
    except EngineUnavailable as error:
        pytest.skip(str(error))
    driver = tmp_path / "driver.cjs"
    driver.write_text(DRIVER + f"(0, eval)({json.dumps(program(request.param))})(host);\n")

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return hello["host"], ()

    launch = Launch((node, "--single-threaded", str(driver), "{in}", "{out}", "{progress}"))
    engine = WorkerEngine(
        EngineId("v8"), Worker(launch, Flavour(SCRIPT_KINDS, False, links=True), "v8", loaded), Limits()
    )
    yield engine
    engine.close()


def seen(observation: Observation) -> tuple[Any, ...]:
    return (
        observation.instantiation, observation.outcomes, observation.host_calls, observation.globals,
        observation.memories, observation.tables,
    )  # fmt: skip


def test_it_does_what_the_worker_of_node_does(scripted: WorkerEngine) -> None:
    plain = open_engine("v8", Limits(), offline=True)
    assert scripted.capabilities.features == plain.capabilities.features
    for target in TARGETS:
        for index in range(3):
            case = make_case(target, 5, index)
            assert seen(scripted.run(case)) == seen(plain.run(case)), (target, index)
    plain.close()


def test_no_module_is_left_that_imports_or_exports() -> None:
    for name in ("spidermonkey", "firefox", "graalwasm", "webkit"):
        lines = program(name).splitlines()
        assert not [line for line in lines if line.startswith(("import ", "export "))]
