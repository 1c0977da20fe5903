"""``python faulty_campaign.py OUT SEED CASES JOBS [FAULT]``: a campaign against the faulty engine, to be killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from faulty_engine import open_faulty

from fuzz.archive.archive import Archive
from fuzz.archive.disk import ArchiveError
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.cli.stopping import stoppable
from fuzz.records.history import Series
from fuzz.report.live import observer
from fuzz.triage import known


def main() -> int:
    """Run it; the exit code is the summary's, 3 if the folder is in use."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
    out, seed, cases, jobs = sys.argv[1:5]
    fault = f":{sys.argv[5]}" if len(sys.argv) > 5 else ""
    try:
        archive = Archive(Path(out))
    except ArchiveError as error:
        print(error, file=sys.stderr)
        return 3
    series = Series(("returns",), int(seed), "1")
    plan = Plan((f"faulty{fault}",), series, opener=open_faulty)
    settings = Settings(None, int(cases), int(jobs), max_per_signature=1000, minimize_seconds=0)
    with stoppable():
        summary = Campaign(plan, settings, archive, known.none(), observer(json_lines=True)).run()
    archive.close()
    return int(summary.exit_code)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    sys.exit(main())
