"""Segments, initial values and declarations that are to blame, on an engine with known mistakes and on real ones."""

from __future__ import annotations

import pytest
from wasmtime import wat2wasm

from fuzz.explain.asking import subject_of
from fuzz.explain.explaining import Wish, explain
from fuzz.explain.words import lines, page
from fuzz.records.explanation import Explanation, Guilty
from fuzz.trial.bench import Bench, OpenEngine
from oracles.engine import open_engine
from tests.engines.conftest import open_or_skip
from tests.explaining.engine import ID, opener
from tests.triage.mistaken import Mistaken
from wasm.case import Case
from wasm.isa import OPS
from wasm.module import Data, Expr, Global, Module, SegmentMode
from wasm.valtypes import MemType

SEGMENTS = """(module
  (memory 65536) (table 2 funcref) (global i32 (i32.const 5)) (func)
  (elem (i32.const 1) func 0) (data (i32.const 8) "abc") (data (i32.const -64) "") (data (i32.const 9) "d"))"""
ADDED = """(module
  (global $plain (mut i32) (i32.const 3))
  (global (mut i32) i32.const 7 i32.const 2 i32.const 4 i32.mul i32.add i32.const 1 i32.mul)
  (data "x") (func (export "f") (result i32) global.get $plain))"""


class Strict(Mistaken):
    """An empty active segment whose offset is a negative number is out of bounds."""

    def compiled(self, module: Module) -> Module:
        for number, one in enumerate(module.datas):
            if one.mode is SegmentMode.ACTIVE and not one.init and one.offset[0][1] >= 1 << 31:
                module.datas[number] = Data(b"xx", SegmentMode.ACTIVE, one.memory, ((OPS["i32.const"], 0xFFFFFFFF),))
        return module


class Plain(Mistaken):
    """Initial values with a sum are refused."""

    def compiled(self, module: Module) -> Module:
        module.globals = [Global(one.type, self.changed(one.init)) for one in module.globals]
        return module

    def changed(self, expr: Expr) -> Expr:
        summed = any(op is OPS["i32.add"] for op, _ in expr)
        return ((OPS["f32.const"], 0),) if summed else expr


class Small(Mistaken):
    """Memories of more than 7 pages are refused: one has the limits the wrong way round."""

    def compiled(self, module: Module) -> Module:
        for number, one in enumerate(module.memories):
            if one.limits.minimum > 7:
                module.memories[number] = MemType(type(one.limits)(one.limits.minimum, 1))
        return module


def explained(wat: str, engine: str = ID, opened: OpenEngine = open_engine, *only: str) -> Explanation:
    case = Case(bytes(wat2wasm(wat)), ())
    bench = Bench([engine], None, True, opened)
    subject = subject_of(bench.run(case), next(iter(bench.seats)))
    bench.close()
    assert subject is not None
    return explain(subject, Wish(frozenset(only or ("split", "operation"))), None, True, opened)


@pytest.mark.parametrize("only", [("split", "operation"), ("operation",)])
def test_a_segment(only: tuple[str, ...]) -> None:
    made = explained(SEGMENTS, ID, opener(kind=Strict), *only)
    assert made.function is None
    assert made.item is not None
    assert (made.item.kind, made.item.index) == ("data", 1)
    assert made.item.text == '  (data (;1;) (i32.const -64) "")'
    assert made.item.how == "it shows with this one alone of 5 that instantiation executes, and not without it"
    assert made.operation is not None
    assert (made.operation.function, made.operation.position) == (-1, -1)
    assert (made.operation.text, made.operation.operands) == ("memory.init 1", ("i32:0xffffffc0", "i32:0x0", "i32:0x0"))
    assert made.silent == ()
    assert "data        1: it shows with this one alone" in "\n".join(lines(made))
    assert "operation   memory.init 1 of (i32:0xffffffc0" in "\n".join(lines(made))
    assert "## The data" in page([made])


def test_an_initial_value_and_its_instruction() -> None:
    made = explained(ADDED, ID, opener(kind=Plain))
    assert made.item is not None
    assert (made.item.kind, made.item.index) == ("global", 1)
    assert made.operation is not None
    assert (made.operation.text, made.operation.position, made.operation.execution) == ("i32.add", 4, 0)


def test_what_is_declared_alone() -> None:
    """The functions have nothing to do with it: it shows without their bodies."""
    made = explained('(module (memory 1) (memory 9) (func) (func) (export "m" (memory 0)))', ID, opener(kind=Small))
    assert made.item is not None
    assert (made.item.kind, made.item.index, made.item.text) == ("memory", 1, "  (memory (;1;) 9)")
    assert made.operation is None
    assert any(line.startswith("operation: ") for line in made.silent)


def test_a_start_function_is_a_function() -> None:
    """There is no guilty item. A module that traps in it leaves no log to be read."""
    wat = """(module (data "") (start $f)
      (func $f i32.const 1 i32.const 4 i32.const 4 i32.add i32.div_u drop))"""
    made = explained(wat, ID, opener((("i32.add",), "i32.sub")))
    assert made.item is None
    assert made.function is not None
    assert any("i32.add (0:3) is where it turns right" in line for line in made.silent)


@pytest.mark.parametrize(
    ("release", "wat", "item", "operation"),
    [
        ("7.0.0", '(module (memory 65536) (func) (data (i32.const 0) "a") (data (i32.const -64) ""))', ("data", 1),
         "memory.init 1"),
        ("31.0.0", "(module (table 1 anyref) (elem (table 0) (i32.const 0) anyref (item (ref.i31 (i32.const 1)))"
         " (item (any.convert_extern (extern.convert_any (ref.i31 (i32.const 1)))))))", ("elem", 0),
         "extern.convert_any"),
    ],
)  # fmt: skip
def test_old_releases(release: str, wat: str, item: tuple[str, int], operation: str) -> None:
    engine = f"wasmtime@{release}"
    open_or_skip(engine).close()
    made = explained(wat, engine)
    assert made.item is not None
    assert (made.item.kind, made.item.index) == item
    assert made.operation is not None
    assert made.operation.text == operation


def test_older_explanations_are_read() -> None:
    """Before there were items."""
    made = Explanation("compiler", function=Guilty(0, "f", "", "so"))
    data = made.to_json()
    del data["item"]
    assert Explanation.from_json(data) == made
    with_item = explained(SEGMENTS, ID, opener(kind=Strict))
    assert Explanation.from_json(with_item.to_json()) == with_item
