"""Inputs to begin with, and the module behind an input.

    python -m fuzz.atheris_targets.inputs seeds decode|compile FOLDER [COUNT]
    python -m fuzz.atheris_targets.inputs module INPUT OUT.wasm

Seeds are COUNT generated cases per target (8), for ``decode`` also the project's corpus; names are content hashes, as
libFuzzer's. The module of a ``compile`` input is the one that the compiler was given.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import Final

from fuzz.atheris_targets.compiling import SIZES, TARGETS, case_of, header
from fuzz.intake.piece import Wish
from fuzz.intake.reading import bring_one
from generators.config import DEFAULT
from generators.registry import source_of
from oracles.engine import UsageError

_USAGE: Final = "usage: inputs seeds decode|compile FOLDER [COUNT], or inputs module INPUT OUT.wasm"
_CORPUS: Final = Path(__file__).resolve().parents[2] / "corpus"
_SMALL: Final = (2, 4, 8)


def compile_seeds(count: int) -> Iterator[bytes]:
    """The choices of the first ``count`` cases of each target, at small sizes."""
    for number, target in enumerate(TARGETS):
        for index in range(count):
            size = _SMALL[index % len(_SMALL)]
            config = replace(DEFAULT, max_params=size, max_results=size)
            source = source_of(target.name, 0, index)
            target.generate(source, config)
            yield header(number, SIZES.index(size)) + source.recorded()


def decode_seeds(count: int) -> Iterator[bytes]:
    """The modules of ``compile_seeds``, and every module of the corpus."""
    for seed in compile_seeds(count):
        yield case_of(seed).content
    for path in sorted(_CORPUS.rglob("*")):
        if path.suffix in (".wasm", ".wat"):
            case = bring_one(path, Wish()).case
            assert case is not None, path
            yield case.content


def main(argv: list[str]) -> int:
    """Write seeds or a module; 2 for a usage error."""
    try:
        match argv:
            case ["seeds", "decode" | "compile" as name, folder, *rest] if len(rest) < 2:
                count = int(rest[0]) if rest else 8
                seeds = {"decode": decode_seeds, "compile": compile_seeds}[name](count)
                Path(folder).mkdir(parents=True, exist_ok=True)
                written = {_write(Path(folder), seed) for seed in seeds}
                print(f"{len(written)} seeds in {folder}")
            case ["module", source, out]:
                Path(out).write_bytes(case_of(Path(source).read_bytes()).content)
            case _:
                raise UsageError(_USAGE)
    except ValueError:
        print(_USAGE, file=sys.stderr)
        return 2
    except (UsageError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _write(folder: Path, seed: bytes) -> str:
    name = sha1(seed, usedforsecurity=False).hexdigest()
    (folder / name).write_bytes(seed)
    return name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
