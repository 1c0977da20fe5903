"""Modules through a transformer and then on an engine: what is run is what it made, and what it does wrong shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, open_engine
from oracles.engines.transformed import TransformedEngine
from oracles.transformers import binaryen, wasm_tools
from tests.engines.conftest import Wat
from wasm.decode import decode
from wasm.embedding import Crashed, Invocation, Outcome, Rejected, Returned, Trapped, Unsupported, Value
from wasm.features import ALL, Feature
from wasm.traps import TrapKind

SUM = """(module (memory (export "m") 1) (global (export "g") (mut i32) (i32.const 0))
  (func $twice (param i32) (result i32) (i32.add (local.get 0) (local.get 0)))
  (func (export "f") (param i32) (result i32)
    (global.set 0 (i32.const 7)) (i32.store (i32.const 8) (local.get 0))
    (i32.add (call $twice (i32.const 20)) (local.get 0)))
  (func (export "t") unreachable))"""
CALLS = (Invocation("f", (Value("i32", 2),)), Invocation("t"))


class Fake:
    """A transformer of the tests: it gives what it is told to."""

    version, library, features = "1", __file__, ALL

    def __init__(self, makes: bytes | Outcome, keeps_causes: bool = True) -> None:
        self.makes, self.keeps_causes = makes, keeps_causes

    def transform(self, content: bytes) -> bytes | Outcome:  # noqa: ARG002
        return self.makes

    def close(self) -> None: ...


@pytest.mark.parametrize("made", [Rejected("no"), Crashed(6, "abort")])
def test_what_a_transformer_does_instead_is_the_outcome(made: Outcome, wat: Wat) -> None:
    engine = TransformedEngine(EngineId("transformed"), Limits(), Fake(made), open_engine("interpreter"))
    assert engine.run(wat(SUM, *CALLS)).instantiation == made


def test_what_is_run_is_what_it_made(wat: Wat) -> None:
    other = wat(SUM.replace("20", "21"))
    engine = TransformedEngine(EngineId("transformed"), Limits(), Fake(other.content), open_engine("interpreter"))
    seen = engine.run(wat(SUM, *CALLS))
    assert seen.outcomes[0] == Returned.of((Value("i32", 44),))
    assert isinstance(seen.outcomes[1], Trapped)
    assert engine.dump(wat(SUM, *CALLS), (("m", 0),))["m", 0][8] == 2


def test_a_transformer_may_change_why_it_traps(wat: Wat) -> None:
    case = wat(SUM, *CALLS)
    kinds = []
    for keeps in (True, False):
        engine = TransformedEngine(EngineId("x"), Limits(), Fake(case.content, keeps), open_engine("interpreter"))
        trapped = engine.run(case).outcomes[1]
        assert isinstance(trapped, Trapped)
        kinds.append(trapped.kinds)
    assert kinds == [{TrapKind.UNREACHABLE}, set(TrapKind)]


@pytest.mark.parametrize(("item", "twice"), [("global (mut i32)", True), ("global i32", False), ("memory 1", True)])
def test_what_is_imported_twice_is_not_asked(item: str, twice: bool, wat: Wat) -> None:
    """A tool takes two imports for two items; binaryen 132 moves a read of the one past a write of the other."""
    case = wat(f'(module (import "env" "a" ({item})) (import "env" "a" ({item})) (func (export "f")))', Invocation("f"))
    engine = TransformedEngine(EngineId("x"), Limits(), Fake(case.content), open_engine("interpreter"))
    seen = engine.run(case).instantiation
    assert (seen == Unsupported("env.a is imported twice")) is twice


def test_ids() -> None:
    assert str(EngineId.parse("transformed:on=interpreter+by=binaryen")) == "transformed:by=binaryen"
    written = "transformed@132.0.0:by=binaryen+level=Oz+on=wasmtime.winch"
    assert str(EngineId.parse(written)) == written
    for wrong in ("transformed", "transformed:by=binaryenn", "transformed:by=binaryen+level=O9",
                  "transformed:by=binaryen+on=nothing", "transformed:by=binaryen+on=wasmtime.wynch"):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            EngineId.parse(wrong)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", sorted(binaryen.LEVELS.keys() - {"O1"}))
def test_binaryen_makes_another_module_that_means_the_same(level: str, wat: Wat) -> None:
    try:
        engine = open_engine(f"transformed:by=binaryen+level={level}", offline=True)
        features = engine.capabilities.features
    except EngineUnavailable as error:
        pytest.skip(str(error))
    assert {Feature.SIMD, Feature.GC, Feature.EXCEPTIONS} <= features
    assert isinstance(engine, TransformedEngine)
    case = wat(SUM, *CALLS)
    seen, wanted = engine.run(case), open_engine("interpreter").run(case)
    assert (seen.outcomes[0], seen.globals, seen.memories) == (wanted.outcomes[0], wanted.globals, wanted.memories)
    assert isinstance(seen.outcomes[1], Trapped)
    made = engine.transformer.transform(case.content)
    assert isinstance(made, bytes)
    assert len(decode(made).funcs) < len(decode(case.content).funcs)  # one is inlined
    assert isinstance(engine.transformer.transform(b"\0asm\1\0\0\0\7\5"), Rejected)
    assert engine.transformer.transform(case.content) == made
    assert Path(engine.capabilities.library).name == "index.js"
    engine.close()


def opened(does: str) -> TransformedEngine:
    """wasm-tools as a transformer, or a skipped test where it is not installed."""
    try:
        engine = open_engine(f"transformed:by=wasm_tools+do={does}", offline=True)
        _ = engine.capabilities
    except EngineUnavailable as error:
        pytest.skip(str(error))
    assert isinstance(engine, TransformedEngine)
    return engine


@pytest.mark.parametrize("does", wasm_tools.SETTINGS["do"])
def test_wasm_tools_makes_a_module_that_means_the_same(does: str, wat: Wat) -> None:
    engine = opened(does)
    case = wat(SUM, *CALLS)
    seen, wanted = engine.run(case), open_engine("interpreter").run(case)
    assert (seen.outcomes, seen.globals, seen.memories) == (wanted.outcomes, wanted.globals, wanted.memories)
    assert engine.capabilities.version[0].isdigit()
    assert isinstance(engine.transformer.transform(b"\0asm\1\0\0\0\7\5"), Unsupported if does == "mutate" else Rejected)


def test_text_and_strip_keep_code_and_only_strip_takes_custom_sections_away(wat: Wat) -> None:
    plain = wat(SUM).content
    named = plain + b"\0\7\4note\1\2"
    kept = [decode(made) for does in ("text", "strip")
            if isinstance(made := opened(does).transformer.transform(named), bytes)]  # fmt: skip
    assert [func.body for module in kept for func in module.funcs] == [func.body for func in decode(plain).funcs] * 2
    assert [any(custom.name == "note" for custom in module.customs) for module in kept] == [True, False]


def test_mutations_are_others_by_another_seed_and_the_same_by_the_same(wat: Wat) -> None:
    content = wat(SUM).content
    made = [opened(f"mutate+seed={seed}").transformer.transform(content) for seed in (0, 0, 9000)]
    assert made[0] == made[1] != made[2]
    assert content not in made


def test_what_wasm_mutate_does_not_know_is_unsupported_and_a_seed_is_for_it_alone(wat: Wat) -> None:
    case = wat("(module (type $s (struct (field i32))) (func (param (ref null $s))))")
    assert isinstance(opened("mutate").run(case).instantiation, Unsupported)
    for wrong in ("do=strip+seed=1", "do=mutate+seed=x"):
        with pytest.raises(UsageError, match="write do=mutate"):
            open_engine(f"transformed:by=wasm_tools+{wrong}", offline=True)


def test_binaryen_says_why_it_reads_no_module_and_where_it_aborts(wat: Wat) -> None:
    """The library keeps the reason to itself; after an abort it is of no use (docs/found/binaryen.md)."""
    try:
        engine = open_engine("transformed@132.0.0:by=binaryen", offline=True)
        assert isinstance(engine, TransformedEngine)
        assert engine.capabilities.features
    except EngineUnavailable as error:
        pytest.skip(str(error))
    transform = engine.transformer.transform
    text = "(module (table 1 funcref) (elem declare func 0) (func i32.const 0 i32.const 0 i32.const 0 table.init 0))"
    for _ in range(2):
        refused = transform(wat(text).content)
        assert isinstance(refused, Rejected)
        assert refused.message.startswith("invalid element segment index (at 0:")
    text = "(module (memory i64 1) (memory 1) (func i32.const 0 i64.const 0 i32.const 0 memory.copy 1 0))"
    crashed = transform(wat(text).content)
    assert isinstance(crashed, Crashed)
    assert crashed.location == "src/ir/child-typer.h:294"
    case = wat(SUM, *CALLS)
    assert isinstance(transform(case.content), bytes)
