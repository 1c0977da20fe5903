"""The pieces under the adapters: module interfaces, crash texts, probes, bounded output, worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.engines.wasmtime import WORKER as WASMTIME_WORKER
from oracles.modules.probes import BASIC, PROBES
from oracles.modules.spectest import SPECTEST, SPECTEST_NO_TABLE64
from oracles.remote.confinement import LAUNCHER
from oracles.remote.crash import read_crash
from oracles.remote.interface import FUNC, Unreadable, read_interface
from oracles.remote.outer import known_tags
from oracles.remote.process import NOISE_LIMIT, Launch, Noise, WorkerProcess
from oracles.remote.shells import WORKER as SHELL_WORKER
from oracles.remote.wrapper import wrapper_for
from tests.engines.conftest import Wat
from wasm.decode import decode
from wasm.embedding import Crashed, OutOfMemory
from wasm.errors import WasmError
from wasm.features import ALL, Feature
from wasm.validate import validate


def test_interfaces_agree_with_the_decoder(spec_suite: Any) -> None:
    seen = 0
    for one in spec_suite.valid:
        try:
            module = decode(one.data)
        except WasmError:
            continue
        interface = read_interface(one.data)
        names = {"i32": "i", "i64": "l", "f32": "f", "f64": "d", "v128": "v"}
        assert list(interface.funcs) == module.func_type_indices(), one.where
        for index, type_ in enumerate(module.func_types()):
            signature = interface.signature(index)
            for kinds, types in ((signature.params, type_.params), (signature.results, type_.results)):
                assert len(kinds) == len(types), one.where
                assert all(kind == names.get(str(t), kind) for kind, t in zip(kinds, types, strict=True)), one.where
        assert [item.name for item in interface.exports] == [item.name for item in module.exports], one.where
        assert len(interface.globals) == len(module.global_types()), one.where
        assert interface.memories == len(module.memory_types()), one.where
        assert len(interface.tables) == len(module.table_types()), one.where
        assert len(known_tags(interface)) <= len(module.tag_types()), one.where
        seen += 1
    assert seen > 1000


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_an_interface_is_read_or_unreadable(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([SPECTEST, BASIC, *PROBES.values()])))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        interface = read_interface(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except Unreadable:
        return
    for item in interface.exports:
        if item.sort == FUNC:
            assert item.index < len(interface.funcs)


@pytest.mark.parametrize("feature", PROBES)
def test_each_probe_needs_its_feature(feature: Feature) -> None:
    module = decode(PROBES[feature])
    validate(module, ALL, PROBES[feature])
    with pytest.raises(WasmError):
        validate(decode(PROBES[feature]), frozenset(), PROBES[feature])


def test_the_modules_of_the_harness_are_valid() -> None:
    for data in (BASIC, SPECTEST, SPECTEST_NO_TABLE64):
        validate(decode(data), ALL, data)


def test_every_program_of_a_worker_is_there() -> None:
    """Where a shell is absent its engines are skipped, and nothing else would notice a path that leads nowhere."""
    programs = (LAUNCHER, SHELL_WORKER, WASMTIME_WORKER)
    assert [path for path in programs if not Path(path).is_file()] == []


def test_panics_of_all_ages_are_read() -> None:
    new = (
        "thread 'main' panicked at /home/ci/.cargo/registry/src/index-6f17/regalloc2-0.12.1/src/lib.rs:94:9:"
        "\nassertion failed: x < 256\nnote: run with `RUST_BACKTRACE=1`\n"
    )
    old = (
        "thread '<unnamed>' panicked at 'called `Option::unwrap()`', cranelift/codegen/src/isa/x64/lower.rs:12:34"
        "\nnote: run"
    )
    script = (
        "\n#\n# Fatal error in ../../src/wasm/baseline/liftoff-compiler.cc, line 321\n# Check failed: reg.is_valid().\n"
    )
    assert read_crash(-6, new) == Crashed(6, "assertion failed: x < 256", "regalloc2-0.12.1/src/lib.rs:94")
    assert read_crash(-6, old).location == "cranelift/codegen/src/isa/x64/lower.rs:12"  # type: ignore[union-attr]
    found = read_crash(-5, script)
    assert isinstance(found, Crashed)
    assert (found.text, found.location) == (
        "Check failed: reg.is_valid().",
        "src/wasm/baseline/liftoff-compiler.cc:321",
    )
    webkit = (
        "ASSERTION FAILED: !isEmpty()\n/home/me/WebKit/Source/JavaScriptCore/wasm/WasmBBQJIT.cpp(123) : "
        "void JSC::Wasm::BBQJITImpl::BBQJIT::consume(Value)\n1   0x7f0 WTFCrash\n"
    )
    assert read_crash(-6, webkit) == Crashed(6, "!isEmpty()", "Source/JavaScriptCore/wasm/WasmBBQJIT.cpp:123")
    checked = (
        "c0() => i64:1\nwasm-interp: /home/me/wabt/src/interp/interp.h:591: void wabt::interp::Value::CheckType("
        "wabt::interp::ValueType) const: Assertion `t == type || type == ValueType::Any' failed.\n"
    )
    assert read_crash(-6, checked) == Crashed(
        6, "Assertion `t == type || type == ValueType::Any' failed", "src/interp/interp.h:591"
    )
    assert isinstance(read_crash(-6, "memory allocation of 123 bytes failed"), OutOfMemory)
    assert read_crash(-9, "") == Crashed(9)


LINES = """
import os, struct, sys
requests, replies, progress = map(int, sys.argv[1:])
with open(requests, "rb") as file:
    for number in range(3):
        os.truncate(progress, 0)  # as a shell does that writes whole files
        size, = struct.unpack("<I", file.read(4))
        frame = file.read(size)
        after = file.read(1)
        sum(range(3_000_000))
        text = b'{"after":%d}' % after[0]
        os.write(replies, struct.pack("<II", 4 + len(text) + 40, len(text)) + text + struct.pack("<5d", 0, 1, 2, 1, 0))
file = os.read(requests, 1)
"""


def test_a_worker_by_lines_that_cannot_tell_its_cpu_time(tmp_path: Path) -> None:
    """A line's end follows each frame, and the CPU time that the system saw is divided as the worker's clock says."""
    program = tmp_path / "lines.py"
    program.write_text(LINES)
    argv = (sys.executable, "-I", "-S", str(program), "{in}", "{out}", "{progress}")
    worker = WorkerProcess(Launch(argv, lines=True))
    total = 0.0
    for _ in range(3):
        worker.send(b"\x04\0\0\0{}..", 10.0)
        while (reply := worker.receive()) is None:
            time.sleep(0.01)
        assert reply.parse()[0] == {"after": 10}
        assert worker.progress() == (0, 0)
        now, *parts = reply.times
        assert now == worker.cpu_before >= total
        assert sum(parts) == pytest.approx(now - total)
        assert parts == pytest.approx([sum(parts) / 4, sum(parts) / 2, sum(parts) / 4, 0])
        total = now
    assert total > 0
    worker.close()


def test_output_is_bounded_and_keeps_both_ends() -> None:
    noise = Noise()
    noise.add(b"first")
    for _ in range(100):
        noise.add(b"x" * 5000)
    noise.add(b"last")
    text = noise.take()
    assert len(text) <= NOISE_LIMIT
    assert text.startswith("first")
    assert text.endswith("last")
    assert noise.take() == ""


def test_a_worker_dies_with_the_harness(tmp_path: Path) -> None:
    code = f"""if True:
        import time
        from oracles.remote.process import Launch, WorkerProcess
        import sys
        process = WorkerProcess(Launch((sys.executable, "-c", "while True: pass")))
        with open({str(tmp_path / "pid")!r}, "w") as file:
            file.write(str(process.process.pid) + "\\n")
        time.sleep(60)
    """
    harness = subprocess.Popen([sys.executable, "-c", code], cwd=os.getcwd())
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        time.sleep(0.02)
    pid = int((tmp_path / "pid").read_text())
    harness.kill()
    harness.wait()
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.02)
    raise AssertionError("the worker is still alive")


def test_closing_a_worker_releases_everything() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        process = WorkerProcess(Launch((sys.executable, "-c", "import time; time.sleep(60)")))
        process.close()
        assert process.process.returncode is not None
    assert len(os.listdir("/proc/self/fd")) == before


def test_wrappers_are_shared_between_equal_types(wat: Wat) -> None:
    text = '(module (func (export "f") (param i32) (result f64) unreachable) (func (export "g")))'
    interface = read_interface(wat(text).content)
    assert wrapper_for(interface, 0, (), ()) is wrapper_for(interface, 0, (), ())
    module = decode(wrapper_for(interface, 0, (), ()))
    validate(module, ALL)
