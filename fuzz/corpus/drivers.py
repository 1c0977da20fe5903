"""Generated cases as programs for JavaScript shells, for farms that run any file and look for crashes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from fuzz.archive.disk import write_file
from fuzz.archive.repro import driver
from fuzz.corpus.entry import Outcomes, reference
from generators.registry import make_case, wasm_target_names
from generators.schedule import turns
from wasm.case import Case
from wasm.embedding import Returned, Threw, Trapped

_LARGEST: Final = 100_000
"""Larger modules are long to read as text."""


def drivers(seed: int) -> Iterator[tuple[str, str]]:
    """Programs without end, each with a name: of the cases of a seed, those that JavaScript can run and compare."""
    order = turns(wasm_target_names())
    indices = {name: count() for name in order}
    while True:
        for target in order:
            index = next(indices[target])
            case = make_case(target, seed, index)
            if case.size > _LARGEST or not case.invocations:
                continue
            expected = reference(case)
            text = driver(case, expected, f"{target}-{seed}-{index}") if expected and _complete(case, expected) else ""
            if text:
                yield f"{target}-{seed}-{index}", text


def _complete(case: Case, expected: Outcomes) -> bool:
    """Whether all ends as it would everywhere: how deep a stack is, or how much memory there is, differs."""
    return len(expected) == 1 + len(case.invocations) and all(
        isinstance(outcome, (Returned, Trapped, Threw)) for outcome in expected
    )


def write_drivers(folder: Path, how_many: int, seed: int) -> None:
    """Write programs as ``fuzz-0.js``, ``fuzz-1.js``, ..., the names that ClusterFuzz looks for."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, text) in zip(range(how_many), drivers(seed), strict=False):
        write_file(folder / f"fuzz-{number}.js", text.encode())
