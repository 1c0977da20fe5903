"""Write cases without running them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from fuzz.archive.bundle import module_file
from fuzz.archive.disk import explained, write_file
from fuzz.cli.arguments import add_without, natural, path
from fuzz.cli.cases import generated

EXAMPLES: Final = ("generate --target mixed --seed 1 --count 100 --out cases",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", required=True, metavar="T")
    parser.add_argument("--seed", type=natural, required=True, metavar="N")
    parser.add_argument("--count", type=natural, default=1, metavar="N")
    add_without(parser)
    parser.add_argument("--out", type=path, required=True, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Write cases: TARGET-SEED-INDEX.wasm (.mach for machine functions), and .json with calls and origin beside it.

    Modules that are instantiated before it are TARGET-SEED-INDEX-module-01.wasm and on; the .json has all of them.
    """
    folder: Path = args.out
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for index in range(args.count):
        case = generated(args.target, args.seed, index, args.without)
        name = f"{args.target}-{args.seed}-{index}"
        write_file(folder / f"{name}{case.kind.suffix}", case.content)
        for number, (_, module) in enumerate(case.before, 1):
            write_file(folder / f"{name}-{module_file(number)}", module)
        write_file(folder / f"{name}.json", json.dumps(case.to_json()).encode() + b"\n")
    print(f"{args.count} cases in {folder}")
    return 0
