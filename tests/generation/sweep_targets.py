"""Every target at length: validity in three validators, the same cases in any process, and how many are cut short.

    python -m tests.generation.sweep_targets --count 1000 --seed 1 [--target T,...]

A case is *cut short* if an invocation traps, throws or ends by a limit and the case's last call site is not executed.
``modules`` makes modules that are invalid on purpose and is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import wasmtime

from generators.registry import make_case, wasm_target_names
from oracles.interpreter import Budget, run_case
from tests.language.sweep_generated import engine
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.validate import validate

_DIGEST = """
import hashlib, sys
from generators.registry import make_case
from tests.generation.sweep_targets import identity
target, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found = {index: identity(make_case(target, seed, index)) for index in reversed(range(count))}
print(hashlib.sha256(b"".join(found[index] for index in range(count))).hexdigest())
"""


def identity(case: Case) -> bytes:
    """All that a case says, in a few bytes."""
    said = repr((case.content, case.invocations, sorted(case.features), case.sites, sorted(case.labels)))
    return hashlib.sha256(said.encode()).digest()


def elsewhere(target: str, seed: int, count: int) -> str:
    """The digest of a target's cases as another process makes them: other hashes, and in reverse."""
    environment = {**os.environ, "PYTHONHASHSEED": "424242"}
    command = [sys.executable, "-c", _DIGEST, target, str(seed), str(count)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def cut_short(case: Case) -> tuple[bool, bool]:
    """Whether a case is cut short, and whether the bits of an open NaN were observed."""
    seen = run_case(case, budget=Budget())
    assert seen.notes is not None
    ended = seen.instantiated and all(isinstance(outcome, Returned) for outcome in seen.outcomes)
    last = len(case.sites) - 1
    return not ended and last not in seen.notes.executed_sites, seen.notes.nan_observed_at is not None


def sweep(target: str, seed: int, count: int, tools: str, judge: wasmtime.Engine) -> str:
    found = hashlib.sha256()
    short = observed = features_wrong = 0
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            case = make_case(target, seed, index)
            found.update(identity(case))
            module = decode(case.content)
            features = frozenset(Feature(name) for name in case.features)
            features_wrong += required_features(module) != features
            validate(module, features)
            wasmtime.Module.validate(judge, case.content)
            (Path(folder) / f"{index}.wasm").write_bytes(case.content)
            shortened, nan = cut_short(case)
            short += shortened
            observed += nan
        seconds = time.process_time() - start
        with ThreadPoolExecutor(2) as pool:
            commands = [[tools, "validate", "--features", "all", f"{folder}/{index}.wasm"] for index in range(count)]
            refused = sum(pool.map(lambda command: subprocess.run(command, check=False).returncode != 0, commands))
    same = elsewhere(target, seed, count) == found.hexdigest()
    return (
        f"{target:9} {count:6} valid, wasm-tools refuses {refused}, features wrong {features_wrong},"
        f" {'the same' if same else 'DIFFERENT'} elsewhere, cut short {100 * short / count:4.1f}%,"
        f" open NaN observed {observed}, {1000 * seconds / count:5.1f} ms a case"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Sweep over generated cases.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default=",".join(wasm_target_names()))
    options = parser.parse_args()
    judge, failed = engine(), False
    tools = str(Path(sys.executable).parent / "wasm-tools")
    for target in options.target.split(","):
        line = sweep(target, options.seed, options.count, tools, judge)
        failed = failed or "refuses 0, features wrong 0, the same" not in line
        print(line, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
