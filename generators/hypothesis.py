"""Hypothesis strategies over the same generators, each from one binary draw: fast, and made to shrink.

For tests of anything that reads, checks, transforms or runs WebAssembly::

    from hypothesis import given
    from generators.hypothesis import modules

    @given(modules())
    def test_my_validator_accepts(wasm: bytes) -> None:
        assert my_validator(wasm)

A draw is the choice source's byte form, whose smaller bytes are simpler programs; what Hypothesis cuts off reads as
zero, the simplest choice. This module needs the package ``hypothesis``, the rest of the project does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from generators.choices import ChoiceSource
from generators.config import DEFAULT, Config
from generators.registry import load_target, wasm_target_names
from wasm.case import Case

_MIN_BYTES: Final = 256
_MAX_BYTES: Final = 2048


def sources() -> st.SearchStrategy[ChoiceSource]:
    """Choice sources, for generators of one's own."""
    return st.binary(min_size=_MIN_BYTES, max_size=_MAX_BYTES).map(ChoiceSource.replay)


def cases(target: str, config: Config = DEFAULT) -> st.SearchStrategy[Case]:
    """Cases of one target: a module, calls of its exports, the call sites it is about. The name must be known."""
    generate = load_target(target).generate
    return sources().map(lambda source: generate(source, config))


def modules(targets: Sequence[str] = (), config: Config = DEFAULT) -> st.SearchStrategy[bytes]:
    """Valid binary modules of any of the targets (all if none is named)."""
    return st.one_of([cases(target, config) for target in targets or wasm_target_names()]).map(
        lambda case: case.content
    )
