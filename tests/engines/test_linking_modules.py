"""Text in, text out: a module, and the modules that the harness makes to link it, to call it and to read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracles.remote.imports import plan_imports
from oracles.remote.interface import FUNC, read_interface
from oracles.remote.outer import known_tags
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.wrapper import EXACT_READ, global_reader, wrapper_for
from tests.engines.conftest import Wat
from tests.texts import cases, meets
from wasm.decode import decode
from wasm.features import ALL
from wasm.text import print_wat
from wasm.validate import validate


def _text(content: bytes) -> str:
    module = decode(content)
    validate(module, ALL, content)
    return print_wat(module)


@pytest.mark.parametrize("path", cases(Path(__file__).parent, "wat"), ids=lambda path: path.stem)
def test_the_modules_around_a_module(path: Path, wat: Wat, request: pytest.FixtureRequest) -> None:
    def make(text: str) -> dict[str, str]:
        content = wat("\n".join(line for line in text.splitlines() if not line.startswith("; "))).content
        interface = read_interface(content)
        plan = plan_imports(interface, SCRIPT_KINDS)
        made = {
            f"peer of {name}": _text(peer) for name, peer in (("functions", plan.funcs), ("others", plan.store)) if peer
        }
        tags = tuple(tag.tag_index for tag in known_tags(interface))
        for item in interface.exports:
            if item.sort == FUNC:
                references = ("extern:1",) * interface.signature(item.index).params.count("e")
                made[f"wrapper of {item.name}"] = _text(wrapper_for(interface, item.index, tags, references))
        inexact = tuple(i for i, (kind, _) in enumerate(interface.globals) if kind in EXACT_READ)
        if inexact and not interface.imports:
            made["reader"] = _text(global_reader(interface, inexact))
        return made

    meets(path, make, request)
