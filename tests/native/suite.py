"""The official suite on compiled code: ``python -m tests.native.suite FILE...``, in a process that may be lost.

Prints a line per script: its name, how many commands passed, failed, were unsupported; then the failures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from compiler.pipeline import Settings
from oracles.compiled.session import CompiledSession
from oracles.suite.spectest import FAILED, PASSED, UNSUPPORTED, run_suite


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--opt", choices=("none", "speed"), default="speed")
    parser.add_argument("--regs", type=int, default=12)
    parser.add_argument("--order", choices=("rpo", "reverse", "random"), default="rpo")
    given = parser.parse_args(arguments)
    settings = Settings(opt=given.opt, regs=given.regs, order=given.order)
    failed = 0
    for result in run_suite(given.files, lambda: CompiledSession(settings)):
        counts = {PASSED: 0, FAILED: 0, UNSUPPORTED: 0}
        for (_, verdict), count in result.counts.items():
            if verdict in counts:
                counts[verdict] += count
        failed += counts[FAILED] + bool(result.error)
        print(result.path.name, *(f"{name} {count}" for name, count in counts.items()), result.error or "", flush=True)
        for failure in result.failures[:5]:
            print(f"  {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
