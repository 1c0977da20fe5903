#!/usr/bin/env python3
"""A black-box fuzzer for ClusterFuzz: writes JavaScript programs that crash by themselves where a call is wrong.

    run.py --input_dir DIR --output_dir DIR --no_of_files N

The seed is random and stands in every program. What is in the input folder is not used.
"""

import argparse
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the bundle has the project's packages beside this file
sys.path.extend(map(str, Path(__file__).resolve().parents[2:3]))

from fuzz.corpus.drivers import write_drivers


def main() -> int:
    """Write the programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input_dir", help="not used")
    parser.add_argument("--output_dir", required=True, type=Path)
    parser.add_argument("--no_of_files", required=True, type=int)
    parser.add_argument("--seed", type=int, help="the same programs again")
    args = parser.parse_args()
    write_drivers(args.output_dir, args.no_of_files, secrets.randbelow(1 << 32) if args.seed is None else args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
