"""What each mutator makes of a small module, as text (``tests.texts``)."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from tests.texts import cases, meets, words
from wasm.decode import decode
from wasm.encode import encode
from wasm.neutral.draws import Drawn
from wasm.neutral.facts import Bounds
from wasm.neutral.func_code import copied
from wasm.neutral.mutating import mutators
from wasm.text import print_wat
from wasm.validate import validate

CASES = cases(Path(__file__).parent, "wat")


def mutated(name: str, text: str) -> dict[str, str]:
    """The mutant by the choices that a case's ``draws`` line names; local 0 was 3 to 7 wherever somebody asks."""
    module = decode(bytes(wasmtime.wat2wasm("\n".join(line for line in text.splitlines() if line[:2] != "; "))))
    number = words(text, "draws")
    made = mutators()[name].mutate(
        copied(module), Drawn(number), lambda places: {place: Bounds(1, {0: (3, 7)}) for place in places}
    )
    if made is None:
        return {"mutant": "none\n"}
    again = decode(encode(made))
    validate(again)
    return {"mutant": print_wat(again)}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    meets(path, lambda text: mutated(path.stem, text), request)


def test_every_mutator_is_shown() -> None:
    assert [path.stem for path in CASES] == sorted(mutators())
