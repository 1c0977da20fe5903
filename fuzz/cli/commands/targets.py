"""List what can be generated."""

from __future__ import annotations

import argparse
from typing import Final

from generators.registry import load_target, target_names

EXAMPLES: Final = ("targets",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """List the targets."""
    width = max(map(len, target_names()))
    for name in target_names():
        print(f"{name:{width}}  {load_target(name).summary}")
    return 0
