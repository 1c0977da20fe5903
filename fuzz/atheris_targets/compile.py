"""Fuzz the compiler: ``python -m fuzz.atheris_targets.compile [-libFuzzer flags] [CORPUS...]``."""

from __future__ import annotations

import sys

# Nothing of the fuzzed code is imported here: the driver instruments it while it is imported.
from fuzz.atheris_targets.driver import main

if __name__ == "__main__":
    sys.exit(main("compile", sys.argv))
