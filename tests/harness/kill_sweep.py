"""``python tests/harness/kill_sweep.py [KILLS] [SEED]``: kill -9 of a campaign at random moments (default: 20).

Each time the harness is killed, and one time of three a slot before it. After each kill every finding that had been
announced must be whole and listed, and the archive must have at least what it had before; at the end a run that is left
alone must have done every case once, and found and seen what a campaign finds and sees that was never killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = 64


def command(out: Path, cases: int = CASES) -> list[str]:
    return [sys.executable, str(HERE / "faulty_campaign.py"), str(out), "1", str(cases), "2"]


def start(out: Path, cases: int = CASES) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    return subprocess.Popen(
        command(out, cases), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=environment
    )


def rows(output: bytes) -> list[dict[str, object]]:
    """The JSON lines of a run; a kill may have torn the last."""
    lines = output.split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def announced(output: bytes) -> list[Path]:
    return [Path(str(row["bundle"])) for row in rows(output) if row["type"] == "finding"]


def check_bundles(paths: list[Path]) -> None:
    """Every announced bundle is there with all its files, each whole."""
    from fuzz.archive import bundle
    from fuzz.archive.bundles import read_bundle

    for path in paths:
        finding = read_bundle(path)
        for name, content in bundle.files(finding).items():
            if name != "case.wast":  # which NaNs are free is known only when it is written
                assert (path / name).read_bytes() == content, f"{path / name} is not whole"
            assert (path / name).stat().st_size > 0


def slots_of(process: int) -> list[int]:
    """The children of a process (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found.append(int(status.parent.name))
    return found


def gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def all_gone(processes: list[int]) -> bool:
    """Whether all have ended, waiting up to ten seconds for it."""
    deadline = time.monotonic() + 10
    while not all(map(gone, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return all(map(gone, processes))


def kill_one(out: Path, moment: float, cases: int, slot: bool = False) -> tuple[list[Path], bool]:
    """Run, kill after ``moment`` seconds; gives what it had announced and whether it was over before.

    With ``slot`` one of the slots is killed at half the time, if there is one by then.
    """
    process = start(out, cases)
    time.sleep(moment / 2)
    if slot and (early := slots_of(process.pid)):
        os.kill(early[-1], signal.SIGKILL)
    time.sleep(moment / 2)
    children = slots_of(process.pid)
    over = process.poll() is not None
    if not over:
        os.kill(process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert all_gone(children), "a slot outlived its campaign"
    return announced(output), over


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an archive holds after a kill."""

    done: frozenset[int]
    seen: frozenset[tuple[str, int, str, str]]
    bundles: frozenset[str]


def recorded(folder: Path) -> Recorded:
    """Read it, as a report does; a folder without one holds nothing yet."""
    from fuzz.archive.archive import Reader

    if not (folder / "archive.sqlite").exists():
        return Recorded(frozenset(), frozenset(), frozenset())
    with Reader(folder) as reader:
        done = frozenset(
            number for one in reader.series() for a, b in reader.done(one).ranges for number in range(a, b + 1)
        )
        stats, counts = reader.stats(), reader.bucket_counts()
        assert stats.cases + stats.discarded["harness died"] == len(done), "cases done and counted differ"
        seen = frozenset(
            (at.target, at.index, at.bucket, at.engine) for key in counts for at in reader.sightings(bucket=key)
        )
        assert sum(counts.values()) == len({one[:3] for one in seen}), "sightings and their counts differ"
        return Recorded(done, seen, frozenset(row.bundle for row in reader.findings()))


def sweep(folder: Path, kills: int, seed: int, longest: float, cases: int = CASES) -> dict[str, int]:
    """Kill a campaign ``kills`` times, let it end, and compare it with one that was never killed."""
    moments = random.Random(seed)
    out, calm = folder / "killed", folder / "calm"
    known: list[Path] = []
    done = 0
    before = recorded(out)
    for _ in range(kills):
        found, over = kill_one(out, moments.uniform(0.3, longest), cases, not moments.randrange(3))
        known += found
        done += not over
        check_bundles(known)
        now = recorded(out)
        assert before.done <= now.done, "cases done were forgotten"
        assert before.seen <= now.seen, "sightings were forgotten"
        assert before.bundles | {path.name for path in known} <= now.bundles, "findings were forgotten"
        before = now
    last, undisturbed = (start(path, cases) for path in (out, calm))
    output, errors = last.communicate(timeout=1800)
    assert last.returncode == 1, errors.decode()
    summary = rows(output)[-1]
    quiet = rows(undisturbed.communicate(timeout=1800)[0])[-1]
    check_bundles(known)
    assert summary["cases"] == quiet["cases"] == cases
    assert summary["outcomes"] == quiet["outcomes"]
    names = [sorted(path.name for path in (folder / "findings").iterdir()) for folder in (out, calm)]
    assert names[0] == names[1]
    assert {Path(str(row["bundle"])).name: row["count"] for row in summary["findings"]} == {  # type: ignore[attr-defined]
        Path(str(row["bundle"])).name: row["count"]
        for row in quiet["findings"]  # type: ignore[attr-defined]
    }
    assert recorded(out) == recorded(calm)
    assert not list(out.glob(".tmp-*"))
    return {"kills": done, "announced before a kill": len(set(known)), "findings": len(names[0])}


def first_finding(out: Path) -> float:
    """Seconds until a campaign announces something on this machine, which may be busy."""
    begin = time.monotonic()
    process = start(out, 1500)
    assert process.stdout is not None
    for line in process.stdout:
        if b'"type":"finding"' in line:
            break
    process.kill()
    process.communicate()
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent.parent))
    with tempfile.TemporaryDirectory() as temporary:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20
        longest = 2 * first_finding(Path(temporary) / "trial") + 1.0
        print(
            sweep(
                Path(temporary), wanted, int(sys.argv[2]) if len(sys.argv) > 2 else 1, longest, max(1500, 30 * wanted)
            )
        )
