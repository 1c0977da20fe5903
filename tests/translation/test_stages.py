"""Text in, text out: a function in WAT, and what translation and simplification make of it.

`pytest tests/translation --update-stages` rewrites what is expected; read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from compiler.ir_text import print_ir
from compiler.ir_verify import assert_valid
from compiler.simplify import simplify
from compiler.translate import translate
from wasm.context import ModuleContext
from wasm.decode import decode

CASES = sorted((Path(__file__).parent / "cases").glob("*.wat"))
MARK = ";; ---- "


def stages(wat: str) -> str:
    module = decode(wasmtime.wat2wasm(wat))
    context = ModuleContext.of(module)
    func = translate(module, context, len(context.funcs) - 1)
    assert_valid(func)
    found = [MARK + "translated", print_ir(func).rstrip()]
    simplify(func, verify=True)
    found += [MARK + "simplified", print_ir(func).rstrip()]
    return "\n".join(found) + "\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_stage(path: Path, request: pytest.FixtureRequest) -> None:
    text = path.read_text(encoding="utf-8")
    wat, _, expected = text.partition(MARK)
    commented = "\n".join(f";; {line}" if not line.startswith(MARK) else line for line in stages(wat).splitlines())
    if request.config.getoption("--update-stages"):
        path.write_text(wat + commented + "\n", encoding="utf-8")
        return
    assert commented + "\n" == MARK + expected
