"""A finding about several modules: its files, its script, and an edit of a module before the case's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime
from archived import finding

from fuzz.archive import bundle
from fuzz.archive.wast import to_wast
from fuzz.intake.bundles import read_bundle_folder
from fuzz.intake.piece import Wish
from fuzz.intake.scripts import case_of_script
from fuzz.records.finding import Finding
from generators.registry import make_case
from oracles.engine import UsageError
from oracles.interpreter import run_case
from tests.archive.test_bundle import failures, of
from wasm.case import Case
from wasm.embedding import Invocation, Returned, Value
from wasm.feature_use import features_of_bytes

HOME = '(module (memory (export "m") 1) (global (export "g") i32 (i32.const 5)) (data (i32.const 8) "\\07"))'
HALF = '(module (import "home" "m" (memory 1)) (data (i32.const 9) "\\08") (data (i32.const 65536) "x"))'
SUBJECT = """(module (import "home" "m" (memory 1)) (import "home" "g" (global i32))
  (import "env" "t" (table 2 funcref))
  (func (export "f") (param i32) (result i32 i32 i32)
    (i32.load8_u (local.get 0)) (global.get 0) (table.size)))"""


def linked(home: str = HOME) -> Case:
    before = tuple((name, bytes(wasmtime.wat2wasm(text))) for name, text in (("home", home), ("half", HALF)))
    calls = tuple(Invocation("f", (Value("i32", at),)) for at in (8, 9, 65536))
    case = Case(bytes(wasmtime.wat2wasm(SUBJECT)), calls, before=before)
    return replace(case, features=frozenset().union(*map(features_of_bytes, case.contents)))


def about(case: Case) -> Finding:
    found = finding(3)
    return replace(found, case=replace(case, provenance=found.case.provenance))


def test_the_files_of_a_finding_about_several_modules(tmp_path: Path) -> None:
    case = linked()
    found = replace(about(make_case("linked", 1, 3)), minimized=case)
    bundle.write(tmp_path / "b", found)
    names = {path.name for path in (tmp_path / "b").iterdir()}
    assert {"case.wasm", "module-01.wasm", "module-01.wat", "module-02.wasm", "original-module-01.wasm"} <= names
    assert (tmp_path / "b" / "module-02.wasm").read_bytes() == case.before[1][1]
    assert "`module-01.wasm` as `home`" in (tmp_path / "b" / "README.md").read_text()
    piece = read_bundle_folder(tmp_path / "b", Wish())
    assert piece.case == found.best
    assert piece.notes == ()
    bundle.write(tmp_path / "b", replace(found, minimized=replace(case, before=case.before[:1])))
    assert not (tmp_path / "b" / "module-02.wasm").exists()


def test_an_edited_module_is_what_runs(tmp_path: Path) -> None:
    case = linked()
    bundle.write(tmp_path / "b", about(case))
    text = tmp_path / "b" / "module-01.wat"
    text.write_text(text.read_text().replace("i32.const 5", "i32.const 6"))
    piece = read_bundle_folder(tmp_path / "b", Wish())
    assert piece.notes == ("module-01.wat was edited: that is what is run, not the finding's own case",)
    assert piece.case is not None
    assert run_case(piece.case).outcomes[0] == Returned.of([Value("i32", 7), Value("i32", 6), Value("i32", 2)])
    (tmp_path / "b" / "module-01.wasm").write_bytes(b"\0asm\1\0\0\0")
    with pytest.raises(UsageError, match=r"both module-01\.wasm and module-01\.wat were edited"):
        read_bundle_folder(tmp_path / "b", Wish())


@pytest.mark.parametrize("engine", ["interpreter", "wasmtime"])
def test_the_script_of_several_modules_holds(engine: str, tmp_path: Path) -> None:
    case = linked()
    text = to_wast(case, of(case))
    assert "(assert_trap\n(module" in text
    assert failures(text, tmp_path, engine) == []
    other = linked(HOME.replace("\\07", "\\17"))
    assert len(failures(to_wast(other, of(case)), tmp_path, engine)) == 1


def test_a_script_of_several_modules_is_a_case() -> None:
    """Back from its script a case does what it did; the host's items are modules there."""
    case = linked()
    try:
        again = case_of_script("x.wast", to_wast(case, of(case)).encode())
    except UsageError as error:
        pytest.skip(str(error))
    assert again.invocations == tuple(replace(call, entry=again.invocations[0].entry) for call in case.invocations)
    assert run_case(again).outcomes == run_case(case).outcomes
    assert [name for name, _ in again.before if name in ("home", "env")] == ["home", "env"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('(module $a (func (export "f"))) (invoke "f") (module)', "calls a module before the last one"),
        ('(module $a (func (export "f"))) (module) (invoke $a "f")', "calls a module that is not the last one"),
        ('(module $a) (register "a" $a) (register "b" $a) (module)', "registered twice"),
        (
            '(module $a (global (export "g") i32 (i32.const 1))) (assert_return (get "g") (i32.const 1))',
            "assert_return",
        ),
    ],
)
def test_what_one_case_cannot_hold(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"{why}|install wasm-tools"):
        case_of_script("x.wast", text.encode())
