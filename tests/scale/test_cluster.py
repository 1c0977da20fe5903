"""Slots on a Dask cluster: the same results as here, whatever becomes of its workers."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mistaken_engine import MISTAKES
from mistaken_night import CASES, SERIES, about, night

from fuzz.archive.archive import Reader
from fuzz.campaign import cluster as clusters
from fuzz.campaign.cluster import Cluster, open_cluster
from fuzz.campaign.cluster_worker import Refused, carry_out, code_version
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Batch, Plan, Report
from fuzz.cli.main import main
from fuzz.records.history import Ending

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not here: pip install 'wasm-codegen-fuzz[cluster]'"
)


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    opened = open_cluster(f"local:{workers}", workers)
    opened.batch = 4
    try:
        yield opened
    finally:
        opened.close()


def pids(opened: Cluster) -> list[int]:
    """The processes of the workers."""
    return [worker["pid"] for worker in opened.client.run(lambda: {"pid": __import__("os").getpid()}).values()]


@needs_dask
def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two is killed in the middle of its cases: they are run again, and the causes are what they always are."""
    take = Campaign._take
    killed: list[int] = []
    with cluster(2) as opened:
        known = pids(opened)

        def killing(campaign: Campaign, slot: Any, report: Report) -> None:
            take(campaign, slot, report)
            if isinstance(report, Batch) and not killed and len(campaign.slots) == 2:
                killed.append(known[0])
                os.kill(known[0], signal.SIGKILL)

        monkeypatch.setattr(Campaign, "_take", killing)
        summary = night(tmp_path / "out", by=opened)
    assert killed
    assert not summary.errors
    assert summary.stats.cases == CASES
    assert set(about(tmp_path / "out")) == {frozenset(rows) for rows, _ in MISTAKES}
    with Reader(tmp_path / "out") as reader:
        assert reader.done(SERIES).ranges == [(0, CASES - 1)]
        assert not reader.pending()


@needs_dask
def test_a_scheduler_that_goes_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a line, and with what was done until then."""
    take = Campaign._take
    with cluster(1) as opened:

        def leaving(campaign: Campaign, slot: Any, report: Report) -> None:
            take(campaign, slot, report)
            if isinstance(report, Batch):
                opened.client.close()

        monkeypatch.setattr(Campaign, "_take", leaving)
        summary = night(tmp_path / "out", by=opened, engines=("mistaken:loud",))
    assert summary.errors == [f"the scheduler at {opened.address} does not answer any more"]
    assert 0 < summary.stats.cases < CASES
    assert summary.exit_code == 1


@needs_dask
def test_an_interrupt_keeps_what_minimizing_on_a_worker_has_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is told to end what it has under way, and tells how far it came."""
    step = Campaign._step

    def impatient(campaign: Campaign) -> None:
        step(campaign)
        if any(slot.bundle and time.monotonic() > slot.since + 0.3 for slot in campaign.slots):
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(Campaign, "_step", impatient)
    with cluster(1) as opened:
        summary = night(tmp_path / "out", by=opened)
    assert summary.interrupted
    assert not summary.errors
    with Reader(tmp_path / "out") as reader:
        assert Ending.INTERRUPTED in [tried.ending for tried in reader.minimizations()]


def test_another_version_of_the_project_is_refused() -> None:
    answer = carry_out("run", "0.0.1 (000000000000)", Plan((), SERIES), None, None)
    assert isinstance(answer, Refused)
    assert answer.reason == (
        f"has this project in version {code_version()}, the run is of 0.0.1 (000000000000): install the same"
    )


@needs_dask
def test_a_run_whose_workers_are_all_refused_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "code_version", lambda: "0.0.1 (000000000000)")
    with cluster(1) as opened:
        summary = night(tmp_path / "out", by=opened)
    (line,) = summary.errors
    assert line.startswith("worker tcp://")
    assert line.endswith("the run is of 0.0.1 (000000000000): install the same in cases none")
    assert summary.exit_code == 3


@needs_dask
def test_engines_that_a_worker_has_not_are_its_trouble(tmp_path: Path) -> None:
    """They are named, and the others go on; a worker that has none of them is left out."""
    with cluster(1) as opened:
        summary = night(tmp_path / "one", by=opened, cases=2, engines=("mistaken:loud", "missing"))
    assert summary.broken == {"missing": "missing is not here"}
    assert summary.stats.cases == 2
    with cluster(1) as opened:
        summary = night(tmp_path / "none", by=opened, cases=2, engines=("missing",))
    assert summary.broken == {"missing": "missing is not here"}
    assert summary.stats.cases == 0
    assert not summary.errors


@pytest.mark.parametrize(
    ("address", "said"),
    [
        pytest.param("tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9", marks=needs_dask),
        pytest.param("nowhere", "write the scheduler's address as tcp://HOST:8786", marks=needs_dask),
        pytest.param("local:0", "write the scheduler's address as tcp://HOST:8786", marks=needs_dask),
    ],
)
def test_a_scheduler_that_is_not_there(
    address: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clusters, "CONNECT", 1.0)
    out = tmp_path / "out"
    assert main(["run", "--target", "arith", "--cases", "1", "--cluster", address, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_dask_is_not_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["run", "--target", "arith", "--cluster", "local"]) == 2
    assert "--cluster needs Dask: pip install 'wasm-codegen-fuzz[cluster]'" in capsys.readouterr().err
