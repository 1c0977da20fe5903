"""A campaign that is killed, locked out, interrupted (the long form: ``python tests/harness/kill_sweep.py 20``)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kill_sweep
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes through /proc")


def test_kill_9_loses_no_recorded_finding_and_a_new_run_goes_on(tmp_path: Path) -> None:
    told = kill_sweep.sweep(tmp_path, kills=4, seed=3, longest=3.0)
    assert told["kills"] >= 1
    assert told["findings"] > 0


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = kill_sweep.start(tmp_path, cases=1000)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "lock").exists() or not (tmp_path / "lock").read_text():
            assert first.poll() is None, "the first run did not start"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = subprocess.run(
            kill_sweep.command(tmp_path), capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONPATH": str(kill_sweep.HERE.parent.parent)},
        )  # fmt: skip
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 3
    assert f"another run (process {first.pid}) is writing" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("moment", "asked"),
    [("at once", signal.SIGINT), ("while it runs", signal.SIGINT), ("while it runs", signal.SIGTERM)],
)
def test_an_interrupt_ends_with_the_summary(tmp_path: Path, moment: str, asked: signal.Signals) -> None:
    process = kill_sweep.start(tmp_path, cases=10_000)
    assert process.stdout is not None
    first = process.stdout.readline()
    if moment == "while it runs":
        process.stdout.readline()
    children = kill_sweep.slots_of(process.pid)
    os.killpg(process.pid, asked)  # as a terminal does, or timeout and who ends a job: to the whole group
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert errors == b""
    rows = kill_sweep.rows(first + output)
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["interrupted"] is True
    assert not rows[-1]["errors"]
    assert kill_sweep.all_gone(children)


def test_a_request_to_end_that_slots_get_as_well_is_no_failure(tmp_path: Path) -> None:
    """What ends a job asks all of its processes, and a slot may be faster than the run."""
    process = kill_sweep.start(tmp_path, cases=10_000)
    assert process.stdout is not None
    first = process.stdout.readline() + process.stdout.readline()
    slots = kill_sweep.slots_of(process.pid)
    assert slots
    for slot in slots:
        os.kill(slot, signal.SIGTERM)
    first += process.stdout.readline() + process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert kill_sweep.rows(first + output)[-1]["errors"] == []
    assert kill_sweep.all_gone(slots)
