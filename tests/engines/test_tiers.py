"""Tiers are what their names say: each function is compiled by that tier before anything is called."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oracles.engine import EngineId, EngineUnavailable, adapter, open_engine
from oracles.engines import jsc, v8, webkit
from oracles.remote.shells import find_shell, open_shell
from oracles.remote.worker_engine import WorkerEngine
from tests.engines.conftest import LIMITS, Wat, open_or_skip
from wasm.embedding import Invocation, Value


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
    node = find_shell("node", EngineId("v8"), offline=True)
    command = [node, *v8.COMMON, *v8.TIERS[tier], "--trace-wasm-compilation-times", str(script)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.findall(r"#(\d+) using (\w+)", output)
    assert {int(index) for index, _ in found} == set(range(30))
    assert {name for _, name in found} == {compiler}


FUNCTIONS = 12
READERS = {
    "jsc": "process.getBuiltinModule('fs').readFileSync",
    "webkit": "(path) => new Uint8Array(readFile(path, 'binary'))",
}
"""How a JavaScriptCore reads a file, by engine."""
of_both = pytest.mark.parametrize("engine", READERS)


def _compiled(id: str, wat: Wat, tmp_path: Path) -> list[tuple[str, int]]:
    """(compiler, function) for each code that JavaScriptCore makes before the round of a case that counts."""
    open_or_skip(id).close()
    parsed = EngineId.parse(id)
    shell = adapter(parsed.name).shell(parsed, ())
    functions = " ".join(
        f'(func (export "f{i}") (param i32) (result i32) (i32.mul (local.get 0) (i32.const {i})))'
        for i in range(FUNCTIONS)
    )
    (tmp_path / "m.wasm").write_bytes(wat(f"(module {functions})").content)
    script = tmp_path / "call.mjs"
    script.write_text(
        f"const read = {READERS[parsed.name]}; const m = new WebAssembly.Module(read({str(tmp_path / 'm.wasm')!r}));"
        f"for (let round = 1; round < {max(2, shell.rounds)}; round++)"
        "  for (const f of Object.values(new WebAssembly.Instance(m).exports)) f(1);"
    )
    dumps = {"dumpBBQDisassembly": "1", "dumpOMGDisassembly": "1"}
    if parsed.name == "jsc":
        command = [find_shell("bun", EngineId("jsc"), offline=True)]
        env = {**shell.env, **{f"{jsc.PREFIX}{name}": value for name, value in dumps.items()}}
    else:
        found = webkit.find(parsed)
        flags = webkit.known(parsed, found, shell.flags)
        command = [found, *flags, *(f"--{name}={value}" for name, value in dumps.items())]
        env = None
    ran = subprocess.run([*command, str(script)], env=env, capture_output=True, text=True, check=True, timeout=60)
    made = re.findall(r"Generated (\w+) (?:functionIndexSpace:\(|code .*?-function\[)(\d+)", ran.stdout + ran.stderr)
    return [(compiler, int(index)) for compiler, index in made]


@of_both
def test_bbq_compiles_every_function_and_nothing_else_does(engine: str, wat: Wat, tmp_path: Path) -> None:
    assert set(_compiled(f"{engine}:bbq", wat, tmp_path)) == {("BBQ", index) for index in range(FUNCTIONS)}


@pytest.mark.parametrize("id", ["jsc:ipint", "webkit:ipint", "webkit:llint"])
def test_interpreters_compile_nothing(id: str, wat: Wat, tmp_path: Path) -> None:
    assert _compiled(id, wat, tmp_path) == []


@of_both
def test_omg_has_every_function_after_one_call(engine: str, wat: Wat, tmp_path: Path) -> None:
    """So that the second round of a case, which counts, runs OMG's code."""
    found = _compiled(f"{engine}:omg", wat, tmp_path)
    assert {index for compiler, index in found if compiler == "OMG"} == set(range(FUNCTIONS))


@of_both
@pytest.mark.parametrize("tier", ["bbq", "omg"])
@pytest.mark.parametrize("chosen", [{0}, {3, 4, 5}, set(range(FUNCTIONS)) - {7}, set(range(FUNCTIONS)), set()])
def test_some_functions_are_compiled_and_the_others_interpreted(
    engine: str, tier: str, chosen: set[int], wat: Wat, tmp_path: Path
) -> None:
    """What ``fuzz explain`` needs to find the function: which ones are compiled, JavaScriptCore says itself."""
    id = adapter(engine).split(EngineId.parse(f"{engine}:{tier}"), frozenset(chosen), FUNCTIONS)
    assert id is not None
    assert EngineId.parse(str(id)) == id
    found = _compiled(str(id), wat, tmp_path)
    assert {index for compiler, index in found if compiler == tier.upper()} == chosen
    assert {index for _, index in found} == chosen


def test_what_is_no_range_and_what_is_no_compiler() -> None:
    assert jsc.split(EngineId.parse("jsc:bbq"), frozenset({1, 3}), FUNCTIONS) is None
    assert jsc.split(EngineId.parse("jsc:ipint"), frozenset({1}), FUNCTIONS) is None


@of_both
def test_an_option_that_a_release_does_not_have_is_named(engine: str) -> None:
    open_or_skip(engine).close()
    with pytest.raises(EngineUnavailable, match="this release has no option noSuchOption") as caught:
        open_engine(f"{engine}:flag.noSuchOption=on", offline=True)
    assert "\n" not in str(caught.value)


def test_a_case_that_runs_several_rounds_is_observed_in_the_last_alone(wat: Wat) -> None:
    """State, calls of the host and results are those of one fresh instance, and the round before may have trapped."""
    open_or_skip("v8").close()
    case = wat(
        """(module
          (import "m" "host" (func $host (param i32)))
          (global $count (export "count") (mut i32) (i32.const 0))
          (memory (export "memory") 1)
          (func (export "step") (param i32) (result i32)
            (global.set $count (i32.add (global.get $count) (local.get 0)))
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
            (call $host (global.get $count))
            (global.get $count))
          (func (export "trap") unreachable))""",
        *(Invocation("step", (Value("i32", number),)) for number in (3, 4)),
        Invocation("trap"),
    )
    id = EngineId("v8")
    seen = []
    for rounds in (1, 3):
        shell = replace(v8.shell(id, ()), rounds=rounds)
        engine = open_shell(id, LIMITS, shell, find_shell("node", id, offline=True))
        seen.append(engine.run(case))
        engine.close()
    assert seen[0] == seen[1]
    assert [str(value) for value in seen[0].outcomes[1].values] == ["i32:0x7"]
    assert len(seen[0].host_calls) == 2


def _opened(id: str, changed: Callable[[tuple[str, ...]], tuple[str, ...]]) -> WorkerEngine:
    """An engine whose worker is started by another command."""
    engine = open_or_skip(id)
    assert isinstance(engine, WorkerEngine)
    engine.close()
    launch = replace(engine._worker.launch, argv=changed(engine._worker.launch.argv))
    return WorkerEngine(engine.id, replace(engine._worker, launch=launch), engine.limits)


def test_graal_compiles_every_function_that_is_called_and_nothing_else_at_all(wat: Wat, tmp_path: Path) -> None:
    """GraalJS and the worker's program run in the same engine, and could be compiled as well."""
    log = tmp_path / "log"
    traced = ("-Dpolyglot.engine.TraceCompilation=true", f"-Dpolyglot.log.file={log}")
    engine = _opened("graalwasm:compiled", lambda argv: (argv[0], *traced, *argv[1:]))
    functions = " ".join(
        f'(func (export "f{i}") (param i32) (result i32) (i32.mul (local.get 0) (i32.const {i})))'
        for i in range(FUNCTIONS)
    )
    begins = "(global $g (mut i32) (i32.const 0)) (func $start (global.set $g (i32.const 1))) (start $start)"
    calls = [Invocation(f"f{i}", (Value("i32", 3),)) for i in range(FUNCTIONS - 1)]
    observation = engine.run(wat(f"(module {functions} {begins})", *calls))
    assert len(observation.outcomes) == FUNCTIONS - 1
    engine.close()
    done = re.findall(r"opt done .*?id=\S+\s+(\S+)", log.read_text())
    others = {"a", "b", "start"}  # the first two are the probe
    assert set(done) == {f"f{i}" for i in range(FUNCTIONS - 1)} | others
    assert len(done) == len(set(done))


def test_a_jvm_that_does_not_compile_is_refused_in_one_line() -> None:
    engine = _opened("graalwasm:compiled", lambda argv: tuple(word for word in argv if word != "-XX:+EnableJVMCI"))
    with pytest.raises(EngineUnavailable) as caught:
        _ = engine.capabilities
    assert re.fullmatch(
        r"graalwasm:compiled: GraalWasm \S+ does not compile here \(.+\): "
        r"set JAVA_HOME to a newer JDK 25, or name an older release",
        str(caught.value),
    )
