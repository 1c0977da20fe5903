"""Stitch, an interpreter in Rust: ``stitch@VERSION`` is built from the crate ``makepad-stitch``; needs cargo."""

from __future__ import annotations

from typing import Final

from oracles.engines._crates import CrateEngine

CONTRACT: Final = ("stitch",)
# A memory that grows while a host function is on the stack ends the process (docs/found/stitch.md): cases whose hosts
# act would show that and nothing else.
_CRATE: Final = CrateEngine("stitch", "0.1.0", frozenset("ilfdec"), "makepad-stitch", acts=False)
RELEASES: Final = _CRATE.releases
check = _CRATE.check
open_engine = _CRATE.open_engine
