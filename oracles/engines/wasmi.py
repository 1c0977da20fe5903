"""wasmi, an interpreter in Rust: ``wasmi@VERSION`` is built from the crate of that release; needs cargo."""

from __future__ import annotations

from typing import Final

from oracles.engines._crates import CrateEngine

CONTRACT: Final = ("wasmi",)
_CRATE: Final = CrateEngine("wasmi", "2.0.0", frozenset("ilfdvec"))
RELEASES: Final = _CRATE.releases
check = _CRATE.check
open_engine = _CRATE.open_engine
