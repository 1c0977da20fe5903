"""What campaigns find on old releases of Wasmtime in so many CPU minutes: the causes, by release and column.

    python benchmarks/power.py --folder FOLDER [--release V ...] [--column C ...] [--minutes 10] [--seed 14]
                               [--before TREE] [--table]

A column is a way to draw cases or a setting of the engine (``COLUMNS``); ``before`` is a campaign of another working
tree of this project, ``TREE``, on all of its targets. A cell is one campaign, ``fuzz run`` with one slot on the
interpreter and the release, ended by SIGTERM when all of its processes together have used its CPU minutes, minimizing
included. What is in ``--folder`` already is not run again, so that the table can be made over several days; ``--table``
runs nothing and prints what is there as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.trial.children import family_cpu
from oracles.engine import EngineId

HERE: Final = Path(__file__).resolve().parent.parent
RELEASES: Final = {
    "0.31.0": "", "0.40.0": "", "1.0.1": "", "6.0.0": "", "7.0.0": "", "8.0.1": "", "10.0.1": "", "14.0.0": "",
    "18.0.2": "", "31.0.0": "", "38.0.0": "", "40.0.0": "opt=none",
}  # fmt: skip
"""The settings of the engine by release."""
BEFORE: Final = "before"
MINIMIZE: Final = "30s"
PATIENCE: Final = 300.0
"""Seconds that a campaign has to end in, after it was asked to."""


@dataclass(frozen=True, slots=True)
class Column:
    """Options of ``fuzz run``, and settings of the engine besides the release's own."""

    options: tuple[str, ...] = ()
    settings: str = ""


COLUMNS: Final = {
    "now": Column(),
    "no-avx": Column(settings="cpu=ssse3"),
    "avx512": Column(settings="cpu=avx512"),
    BEFORE: Column(),
    "wasm-smith": Column(("--generator", "wasm-smith")),
    "ttf": Column(("--generator", "ttf")),
}


def engine(release: str, column: str) -> str:
    settings = "+".join(filter(None, (RELEASES.get(release, ""), COLUMNS[column].settings)))
    return str(EngineId.parse(f"wasmtime@{release}" + (f":{settings}" if settings else "")))


def fuzz(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "fuzz", *arguments]


def run_cell(release: str, column: str, tree: Path, folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """One campaign, whole, and what it found."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    out = folder / f"{release}-{column}"
    command = fuzz(
        "run", "--engine", "interpreter", "--engine", engine(release, column), "--jobs", "1", "--time", "24h",
        "--seed", str(seed), "--minimize-time", MINIMIZE, "--out", str(out), *COLUMNS[column].options,
    )  # fmt: skip
    start = family_cpu()
    with (folder / f"{release}-{column}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tree, env=environment)
        try:
            while process.poll() is None and family_cpu() - start < 60 * minutes:
                time.sleep(1)
            if process.poll() is None:
                # What a shell has started behind ignores SIGINT.
                process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        except BaseException:
            process.kill()
            process.wait()
            raise
    used = family_cpu() - start
    listed = subprocess.run(
        fuzz("causes", str(out), "list", "--json"), capture_output=True, text=True, cwd=tree, env=environment
    )
    lines = [json.loads(line) for line in listed.stdout.splitlines()]
    return {"release": release, "column": column, "code": process.returncode, "cpu": used, "causes": lines}


def table(folder: Path) -> None:
    cells = {(cell["release"], cell["column"]): cell for cell in map(read, sorted(folder.glob("*.json")))}
    columns = [name for name in COLUMNS if any(column == name for _, column in cells)]
    print("| release | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for release in dict.fromkeys((*RELEASES, *(release for release, _ in cells))):
        row = [cells.get((release, column)) for column in columns]
        if any(row):
            print(f"| {release} | " + " | ".join("" if cell is None else said(cell) for cell in row) + " |")


def read(path: Path) -> dict[str, Any]:
    cell: dict[str, Any] = json.loads(path.read_text())
    return cell


def said(cell: dict[str, Any]) -> str:
    causes = str(len(cell["causes"]))
    return causes if cell["code"] in (0, 1, 130) else f"{causes}, ended with {cell['code']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--release", nargs="+", default=list(RELEASES))
    parser.add_argument("--column", nargs="+", default=["now"], choices=COLUMNS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if BEFORE in options.column and options.before is None:
        parser.error("the column 'before' needs --before TREE: git worktree add TREE COMMIT")
    options.folder.mkdir(parents=True, exist_ok=True)
    for release in options.release if not options.table else ():
        for column in options.column:
            path = options.folder / f"{release}-{column}.json"
            if path.exists():
                continue
            tree = HERE if column != BEFORE else options.before.resolve()
            cell = run_cell(release, column, tree, options.folder.resolve(), options.minutes, options.seed)
            path.write_text(json.dumps(cell))
            print(f"{release} {column}: {said(cell)} causes, {cell['cpu'] / 60:.1f} CPU minutes", file=sys.stderr)
    table(options.folder)


if __name__ == "__main__":
    main()
