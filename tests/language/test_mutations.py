"""A bounded sample of ``sweep_mutations.py``: decoder and validator are total and agree with wasm-tools."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.language.sweep_mutations import foreign, mutate, verdict


@pytest.mark.parametrize("seed", range(4))
def test_mutated_modules_give_one_of_three_verdicts(spec_suite: Any, seed: int) -> None:
    rng = random.Random(seed)
    modules = [item.data for item in spec_suite.modules]
    kinds = {verdict(mutate(rng, modules))[0] for _ in range(1_500)}
    assert kinds == {"Module", "Malformed", "Invalid"}


@pytest.mark.parametrize("seed", range(4))
def test_wasm_tools_agrees_on_mutated_modules(spec_suite: Any, wasm_tools: str, seed: int) -> None:
    rng = random.Random(100 + seed)
    modules = [item.data for item in spec_suite.modules]
    compared = {"Module": 0, "Invalid": 0, "Malformed": 0}
    while min(compared.values()) < 15:
        data = mutate(rng, modules)
        kind, message = verdict(data)
        if compared[kind] < 25:
            compared[kind] += 1
            theirs = foreign(wasm_tools, data)
            assert (kind == "Module") == (not theirs), (data.hex(), message, theirs)
