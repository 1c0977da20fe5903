"""V8's tiers are what their names say: each function is compiled by that tier before anything is called."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from oracles.engine import EngineId
from oracles.engines import v8
from tests.engines.conftest import Wat, open_or_skip


@pytest.mark.parametrize(("tier", "compiler"), [("liftoff", "Liftoff"), ("turbofan", "TurboFan")])
def test_every_function_is_compiled_by_its_tier(tier: str, compiler: str, wat: Wat, tmp_path: Path) -> None:
    open_or_skip(f"v8:{tier}").close()
    functions = " ".join(
        f'(func (export "f{i}") (param i32) (result i32) (i32.add (local.get 0) (i32.const {i})))' for i in range(30)
    )
    (tmp_path / "m.wasm").write_bytes(wat(f"(module {functions})").content)
    script = tmp_path / "compile.mjs"
    script.write_text(
        f"import fs from 'node:fs'; new WebAssembly.Module(fs.readFileSync({str(tmp_path / 'm.wasm')!r}));"
    )
    node = v8.find_node(EngineId("v8"), offline=True)
    command = [node, *v8.COMMON, *v8.TIERS[tier], "--trace-wasm-compilation-times", str(script)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.findall(r"#(\d+) using (\w+)", output)
    assert {int(index) for index, _ in found} == set(range(30))
    assert {name for _, name in found} == {compiler}
