"""Whether feedback pays: words (executed pairs of instructions, shapes, endings) per CPU second, with it and without.

    python benchmarks/feedback.py [--seconds 60] [--rounds 6]

Both ways make cases of ``mutate`` with the same seeds and run them on the interpreter; with feedback, each case is
followed, the folder is taken in after every round, and what that costs counts. The words of the cases made without are
counted outside of the time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.campaign.feedback import Feedback, begin, words_of
from generators.config import DEFAULT
from generators.mutation.bases import forget_seeds
from generators.registry import make_case
from oracles.interpreter import Budget, run_case
from wasm.case import Case

_BUDGET = Budget(steps=2_000_000)


def without(seconds: float, seed: int) -> tuple[int, int]:
    """Cases and words of ``seconds`` of CPU time."""
    made: list[Case] = []
    start = time.process_time()
    while time.process_time() - start < seconds:
        case = make_case("mutate", seed, len(made))
        run_case(case, budget=_BUDGET)
        made.append(case)
    words: set[str] = set()
    for case in made:
        if len(case.content) <= 8_000:
            words |= words_of(case)
    return len(made), len(words)


def with_feedback(seconds: float, seed: int, rounds: int) -> tuple[int, int]:
    """The same with a folder that grows after each of ``rounds`` rounds."""
    count = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words: set[str] = set()
        for turn in range(rounds):
            begin(folder)
            forget_seeds()
            feedback = Feedback.open(folder)
            config = replace(DEFAULT, seeds=folder)
            start = time.process_time()
            while time.process_time() - start < seconds / rounds:
                case = make_case("mutate", seed, count, config if turn else DEFAULT)
                run_case(case, budget=_BUDGET)
                feedback.consider(case)
                count += 1
            words = feedback.known
        return count, len(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    print(f"{'seed':>4} {'without: cases':>15} {'words':>6} {'with: cases':>12} {'words':>6}")
    for seed in (1, 2, 3):
        plain, fed = without(args.seconds, seed), with_feedback(args.seconds, seed, args.rounds)
        print(f"{seed:>4} {plain[0]:>15} {plain[1]:>6} {fed[0]:>12} {fed[1]:>6}", flush=True)


if __name__ == "__main__":
    main()
