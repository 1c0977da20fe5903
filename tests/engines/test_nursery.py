"""Workers that are forked: they are the harness' own children, confined and new, and a nursery's end is not theirs."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracles.engine import EngineUnavailable, Limits, open_engine
from oracles.remote.confinement import data_limit
from oracles.remote.nursery import Forked, can_fork
from oracles.remote.process import WorkerProcess
from oracles.remote.worker_engine import WorkerEngine
from tests.engines.conftest import Wat
from wasm.case import Case
from wasm.embedding import Crashed, Invocation, Returned

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a harness")

NAMES = ("wasmtime", "compiler")


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[WorkerEngine]:
    engine = open_engine(request.param, Limits())
    assert isinstance(engine, WorkerEngine)
    yield engine
    engine.close()


@pytest.fixture
def seven(wat: Wat) -> Case:
    return wat('(module (func (export "f") (result i32) (i32.const 7)))', Invocation("f"))


@pytest.fixture
def endless(wat: Wat) -> Case:
    return wat('(module (func (export "f") (loop (br 0))))', Invocation("f"))


def forked(engine: WorkerEngine, case: Case) -> Forked:
    """The engine's second worker, which has run a case."""
    engine.run(case)
    engine.renew()
    assert engine.run(case).outcomes[0] == Returned(("i32",), (7).to_bytes(16, "little"))
    process = engine.process().process
    assert isinstance(process, Forked)
    return process


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def gone(pid: int) -> bool:
    """Whether a process has ended (it may still wait to be waited for)."""
    for _ in range(300):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_linux_can() -> None:
    assert can_fork()


def test_the_first_worker_is_started_and_those_after_it_are_forked(engine: WorkerEngine, seven: Case) -> None:
    engine.run(seven)
    assert isinstance(engine.process().process, subprocess.Popen)
    engine.renew()
    engine.run(seven)
    first = engine.process().process
    engine.renew()
    engine.run(seven)
    second = engine.process().process
    assert isinstance(first, Forked)
    assert isinstance(second, Forked)
    assert first.pid != second.pid
    assert first.returncode == -signal.SIGKILL
    engine.renew(from_scratch=True)
    engine.run(seven)
    assert isinstance(engine.process().process, subprocess.Popen)


def test_it_is_a_child_of_the_harness_in_a_session_of_its_own(engine: WorkerEngine, seven: Case) -> None:
    pid = forked(engine, seven).pid
    assert parent_of(pid) == os.getpid()
    assert os.getsid(pid) == os.getpgid(pid) == pid


def test_it_is_confined_as_one_that_was_started(engine: WorkerEngine, seven: Case) -> None:
    pid = forked(engine, seven).pid
    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    assert resource.prlimit(pid, resource.RLIMIT_DATA)[0] == data_limit(Limits().memory_bytes)
    assert resource.prlimit(pid, resource.RLIMIT_CPU)[0] < 1000
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
    assert os.listdir(f"/proc/{pid}/cwd") == []
    links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    assert not [link for link in links if link.startswith("socket:")], "it can ask for siblings"


def test_a_death_is_seen_with_its_signal_and_the_next_case_runs(
    engine: WorkerEngine, seven: Case, endless: Case
) -> None:
    forked(engine, seven)
    pending = engine.start(endless)
    process = engine.process()
    while process.progress() != (3, 0):
        time.sleep(0.01)
    os.kill(process.process.pid, signal.SIGTERM)
    assert pending.result().outcomes == (Crashed(signal.SIGTERM),)
    assert isinstance(engine.run(seven).outcomes[0], Returned)


def test_the_end_of_the_nursery_is_not_the_end_of_its_workers(engine: WorkerEngine, seven: Case) -> None:
    forked(engine, seven)
    pid = engine.process().process.pid
    assert engine._nursery is not None
    os.kill(engine._nursery.process.pid, signal.SIGKILL)
    engine._nursery.process.wait()
    assert isinstance(engine.run(seven).outcomes[0], Returned)
    assert engine.process().process.pid == pid
    engine.renew()
    assert isinstance(engine.run(seven).outcomes[0], Returned), "a worker is started where none can be forked"


def test_closing_ends_worker_and_nursery(engine: WorkerEngine, seven: Case) -> None:
    before = set(os.listdir("/proc/self/fd"))
    pid = forked(engine, seven).pid
    assert engine._nursery is not None
    nursery = engine._nursery.process.pid
    engine.close()
    assert gone(pid)
    assert gone(nursery)
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_one_worker_did_is_not_in_the_next(engine: WorkerEngine, wat: Wat) -> None:
    case = wat(
        """(module (memory (export "m") 1) (global $n (mut i32) (i32.const 0))
          (func (export "f") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 5)))
            (i32.add (global.get $n) (i32.load (i32.const 8)))))""",
        Invocation("f"), Invocation("f"),
    )  # fmt: skip
    seen = []
    for _ in range(3):
        seen.append(engine.run(case).outcomes)
        engine.renew()
    assert seen[0] == seen[1] == seen[2]
    assert [outcome.slots[0] for outcome in seen[0] if isinstance(outcome, Returned)] == [6, 12]


def test_the_harness_takes_worker_and_nursery_along() -> None:
    code = """if True:
        import time
        from oracles.engine import open_engine
        engine = open_engine("compiler")
        engine.process()
        engine.renew()
        print(engine.process().process.pid, engine._nursery.process.pid, flush=True)
        time.sleep(60)
    """
    harness = subprocess.Popen([sys.executable, "-c", code], cwd=os.getcwd(), stdout=subprocess.PIPE)
    assert harness.stdout is not None
    pids = [int(word) for word in harness.stdout.readline().split()]
    assert len(pids) == 2
    assert [parent_of(pid) for pid in pids] == [harness.pid, harness.pid]
    harness.kill()
    harness.wait()
    harness.stdout.close()
    assert all(map(gone, pids))


def test_orphans_of_others_are_not_ours_to_wait_for(engine: WorkerEngine, seven: Case) -> None:
    """Whoever is given orphans has to wait for them, or they stay as zombies until the end of the night."""
    forked(engine, seven)
    # Without our pipes, whose end we would wait for: all of the 60 seconds.
    code = """if True:
        import subprocess
        print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
    """
    orphan = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    try:
        assert parent_of(orphan) != os.getpid()
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_worker_that_is_killed_as_it_starts_is_started_again(
    engine: WorkerEngine, seven: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where memory is short: an engine that has worked is not given up for that."""
    engine.run(seven)
    engine.renew()
    killed = []

    def greet(process: WorkerProcess) -> None:
        if len(killed) < 2:
            killed.append(process.process.pid)
            process.kill()
        kept(process)

    kept = engine._greet
    monkeypatch.setattr(engine, "_greet", greet)
    assert isinstance(engine.run(seven).outcomes[0], Returned)
    assert len(killed) == 2
    engine.renew()
    killed.clear()
    monkeypatch.setattr(engine, "_greet", lambda process: (process.kill(), kept(process)))
    with pytest.raises(EngineUnavailable, match="the worker died at its start"):
        engine.run(seven)
