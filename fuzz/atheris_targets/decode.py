"""Fuzz the decoder and the validator: ``python -m fuzz.atheris_targets.decode [-libFuzzer flags] [CORPUS...]``."""

from __future__ import annotations

import sys

# Nothing of the fuzzed code is imported here: the driver instruments it while it is imported.
from fuzz.atheris_targets.driver import main

if __name__ == "__main__":
    sys.exit(main("decode", sys.argv))
