"""What a worker may do to the machine: its kernel limits, its folder, no network, and that none of it costs a case."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oracles.remote.confinement import data_limit, describe, empty_folder, launcher, limit_cpu, probe
from oracles.remote.crash import read_crash
from oracles.remote.process import Died, Launch, WorkerProcess, _wants_cpu
from wasm.embedding import TimedOut

MEMORY = 256 << 20


def confined(code: str, memory_bytes: int = MEMORY) -> subprocess.CompletedProcess[bytes]:
    """A program that is started as a worker is."""
    command = [*launcher(memory_bytes), sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def namespaces() -> bool:
    """Whether this kernel lets us leave the network."""
    code = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x5000_0000) != 0)"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_limits_are_set() -> None:
    seen = probe(MEMORY)
    assert seen["limits"]["DATA"] == data_limit(MEMORY)
    assert seen["limits"]["CORE"] == 0
    assert seen["limits"]["FSIZE"] == 1 << 30
    assert seen["first"] == 1000


def test_a_lower_limit_of_the_user_stays() -> None:
    code = f"""if True:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        from oracles.remote.confinement import probe
        print(probe({MEMORY})["limits"]["FSIZE"])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=os.getcwd())
    assert done.stdout == b"4096\n"


def test_more_memory_than_it_may_have_is_refused_by_the_kernel() -> None:
    code = f"import mmap\nfor size in (1 << 20, {data_limit(MEMORY)}): mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)"
    done = confined(code)
    assert b"Cannot allocate memory" in done.stderr
    assert b"line 2" in done.stderr


def test_address_space_may_be_reserved_as_engines_do() -> None:
    code = f"import mmap; mmap.mmap(-1, {4 * data_limit(MEMORY)}, flags=mmap.MAP_PRIVATE | 0x4000, prot=0)"
    assert confined(code).returncode == 0


def test_the_folder_is_empty_and_nothing_can_be_made_in_it() -> None:
    seen = probe(MEMORY)
    assert (seen["folder"], seen["files"]) == (empty_folder(), 0)
    if namespaces() or os.geteuid() != 0:
        assert seen["writable"] is False


def test_a_folder_that_somebody_filled_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "wasm-codegen-fuzz" / "empty"
    empty_folder.cache_clear()
    try:
        assert empty_folder() == str(folder)
        folder.chmod(0o755)
        (folder / "bunfig.toml").write_text('preload = ["./evil.js"]')
        empty_folder.cache_clear()
        assert empty_folder() == "/"
    finally:
        empty_folder.cache_clear()


def test_a_cache_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    empty_folder.cache_clear()
    try:
        assert empty_folder() == "/"
    finally:
        empty_folder.cache_clear()


def test_there_is_no_network() -> None:
    if not namespaces():
        pytest.skip("this kernel gives no network namespace to us")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = confined(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
    assert done.returncode == 1
    assert b"Network is unreachable" in done.stderr or b"refused" in done.stderr


def test_it_dies_with_its_parent_in_its_namespaces_too() -> None:
    """A change of credentials takes the death signal back, and a user namespace is one."""
    code = """if True:
        import sys, time
        from oracles.remote.process import Launch, WorkerProcess
        process = WorkerProcess(Launch((sys.executable, "-c", "import time; time.sleep(60)")))
        time.sleep(0.5)
        print(process.process.pid, flush=True)
        time.sleep(60)
    """
    harness = subprocess.Popen([sys.executable, "-c", code], cwd=os.getcwd(), stdout=subprocess.PIPE)
    assert harness.stdout is not None
    pid = int(harness.stdout.readline())
    harness.kill()
    harness.wait()
    harness.stdout.close()
    for _ in range(200):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    raise AssertionError("the worker is still alive")


def test_the_limit_on_cpu_time_moves_on_in_steps_and_is_never_too_near() -> None:
    process = WorkerProcess(Launch((sys.executable, "-c", "import time; time.sleep(60)")), MEMORY)
    try:
        before = resource.prlimit(process.process.pid, resource.RLIMIT_CPU)[0]
        assert before == resource.RLIM_INFINITY
        limit = 0
        for used, allowed, soft in ((0.0, 10.0, 110), (9.5, 10.0, 110), (10.5, 10.0, 121), (1000.5, 10.0, 1111),
                                    (1000.5, 100.0, 1471), (1000.5, 10.0, 1111)):  # fmt: skip
            limit = limit_cpu(process.process.pid, used, allowed, limit)
            assert resource.prlimit(process.process.pid, resource.RLIMIT_CPU)[0] == soft == limit
    finally:
        process.close()


def test_a_worker_that_the_kernel_ended_for_its_cpu_time_has_timed_out() -> None:
    process = WorkerProcess(Launch((sys.executable, "-c", "while True: pass")), MEMORY)
    try:
        resource.prlimit(process.process.pid, resource.RLIMIT_CPU, (1, resource.RLIM_INFINITY))
        status = process.process.wait(30)
        assert status == -signal.SIGXCPU
        died = process.died()
        assert isinstance(died, Died)
        assert read_crash(*died.args) == TimedOut()
    finally:
        process.close()


def test_a_limit_for_a_process_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    limit_cpu(gone.pid, 0.0, 1.0)


def test_what_holds_is_said_in_words() -> None:
    lines = list(describe(MEMORY))
    assert lines[0] == "memory: 256 MiB resident, watched; 33 GiB writable, by the kernel"
    assert [line.partition(":")[0] for line in lines] == [
        "memory", "CPU time", "processes and threads", "files", "network", "folder", "out of memory",
    ]  # fmt: skip
    assert ("NOT LIMITED" in lines[2]) is (os.geteuid() == 0)
    if namespaces():
        assert "network: none" in lines
        assert lines[5].endswith("empty, nothing can be made in it")


def test_nothing_is_loaded_that_takes_long() -> None:
    """Every worker waits for it: 1.1 ms more than without limits. What would make it slow is to import more."""
    command = launcher(MEMORY)
    command[1:1] = ["-X", "importtime"]
    done = subprocess.run([*command, "/bin/true"], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"ctypes", "resource"} <= loaded
    assert not loaded & {"re", "typing", "pathlib", "subprocess", "tempfile", "json", "dataclasses", "oracles", "site"}


@pytest.mark.parametrize(
    ("code", "wants"),
    [
        ("while True: pass", True),
        ("import time; time.sleep(60)", False),
        ("import os, time; os.fork() or time.sleep(60); time.sleep(60)", True),
        ("import os, time; os.fork() or os._exit(0); time.sleep(60)", False),
        (
            "import threading, time; threading.Thread(target=lambda: exec('while True: pass')).start(); time.sleep(60)",
            True,
        ),
    ],
    ids=["it runs", "it sleeps", "it has a child", "a child of it has ended", "a thread of it runs"],
)
def test_who_wants_no_cpu_time_does_nothing(code: str, wants: bool) -> None:
    """However little a worker gets on a busy machine, it is idle only if it asks for none."""
    process = WorkerProcess(Launch((sys.executable, "-c", code)))
    try:
        time.sleep(1.0)
        seen = [_wants_cpu(process.process.pid) for _ in range(20)]
        assert any(seen) == wants
        assert not process.idle(0.0, 0.0)
        time.sleep(0.01)
        assert process.idle(0.0, 0.0) == (not wants)
    finally:
        process.close()
