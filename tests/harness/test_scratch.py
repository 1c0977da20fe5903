"""Temporary folders: there while somebody holds them, and gone when the next one is made after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fuzz.campaign.crew import Processes
from wasm.scratch import Scratch

WAITS = "from wasm.scratch import Scratch\nmade = Scratch('trial')\nprint(made.path, flush=True)\ninput()\n"


def test_what_a_killed_process_leaves_the_next_one_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().decode().strip())
        (theirs / "case.wasm").write_bytes(b"\0asm")
        mine = Scratch("trial")
        assert theirs.is_dir(), "its process is there"
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert theirs.is_dir()
    next_one = Scratch("trial")
    assert not theirs.exists()
    assert Path(mine.path).is_dir()
    mine.close()
    next_one.close()
    assert not list(tmp_path.iterdir())


def test_a_campaign_takes_away_what_its_killed_slots_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "fuzz-scratch-command-abc").mkdir()
    (tmp_path / "fuzz-somebody-elses").mkdir()
    Processes(most=1).close()
    assert [path.name for path in tmp_path.iterdir()] == ["fuzz-somebody-elses"]
