"""wabt's interpreter and pywasm: what they take and do not run, and what is none of their traps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracles.engine import Engine, EngineId, UsageError
from oracles.engines import _wabt
from tests.engines.conftest import Wat, has, only, open_or_skip
from wasm.case import Case, CaseKind
from wasm.embedding import Crashed, Invocation, Rejected, Returned, Trapped, Unsupported, Value
from wasm.features import Feature
from wasm.traps import TrapKind


@pytest.fixture(scope="module")
def wabt() -> Iterator[Engine]:
    opened = open_or_skip("wabt")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pywasm() -> Iterator[Engine]:
    opened = open_or_skip("pywasm")
    yield opened
    opened.close()


@pytest.mark.parametrize("text", ["wabt:opt=1", "wabt@/usr/bin/wasm-interp", "pywasm:fast", "pywasm@/usr/lib/pywasm"])
def test_what_is_no_setting_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"write (?:wabt or wabt@VERSION|pywasm or pywasm@VERSION)"):
        EngineId.parse(text)


def test_wabt_has_what_it_runs_and_not_what_it_reads(wabt: Engine, wat: Wat) -> None:
    """Its reader lets wide arithmetic pass."""
    assert not has(wabt, Feature.WIDE_ARITHMETIC)
    text = """(module (memory 1 1 shared) (global $g (mut i32) (i32.const 1))
      (func (export "fence") (global.set $g (i32.const 2)) (atomic.fence))
      (func (export "get") (result i32) (global.get $g)))"""
    first, fence, _ = wabt.run(wat(text, *map(Invocation, ("get", "fence", "get")))).outcomes
    assert first == Returned.of((Value.parse("i32:1"),))
    assert isinstance(fence, Unsupported)
    assert "not implemented" in fence.what


@pytest.mark.parametrize(("address", "kind"), [(1, TrapKind.UNALIGNED_ATOMIC), (65536, TrapKind.MEMORY_OOB)])
def test_wabt_has_one_text_for_two_traps_of_atomics(wabt: Engine, wat: Wat, address: int, kind: TrapKind) -> None:
    text = f"""(module (memory 1 1 shared)
      (func (export "f") (result i32) (i32.atomic.load (i32.const {address}))))"""
    got = only(wabt.run(wat(text, Invocation("f"))))
    assert isinstance(got, Trapped)
    assert kind in got.kinds


def test_a_reason_of_wabts_reader_has_one_name(wabt: Engine) -> None:
    """Where in the module it stopped is no part of the reason."""
    invalid = b"\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\7\5\1\1f\0\7"
    refused = wabt.run(Case(invalid)).instantiation
    assert isinstance(refused, Rejected)
    first = refused.message.splitlines()[0]
    assert _wabt.NOISE.match(first)
    assert ".wasm" not in _wabt.NOISE.sub("", first)


def test_an_exception_of_pywasm_that_is_no_trap_is_a_crash_with_its_place(pywasm: Engine) -> None:
    """It validates nothing, so a function may read a local that it does not have."""
    body = b"\4\0\x20\7\x0b"
    invalid = b"\0asm\1\0\0\0\1\5\1\x60\0\1\x7f\3\2\1\0\7\5\1\1f\0\0\x0a\6\1" + body
    got = only(pywasm.run(Case(invalid, (Invocation("f"),))))
    assert isinstance(got, Crashed)
    assert got.text == "IndexError: list index out of range in local_get"
    assert got.location.startswith("pywasm/core.py:")


def test_whether_a_module_is_valid_pywasm_is_not_asked(pywasm: Engine, wat: Wat) -> None:
    seen = pywasm.run(Case(wat("(module)").content, kind=CaseKind.BYTES))
    assert isinstance(seen.instantiation, Unsupported)
    assert isinstance(pywasm.run(Case(b"\0asm\1\0\0\0\1", kind=CaseKind.BYTES)).instantiation, Rejected)


def test_references_reach_pywasm_and_come_back(pywasm: Engine, wat: Wat) -> None:
    """Through a wrapper too, whose tables hold them."""
    text = '(module (func (export "f") (param externref funcref) (result funcref externref) local.get 1 local.get 0))'
    given = (Value.parse("ref:extern:5"), Value.parse("ref:null"))
    got = only(pywasm.run(wat(text, Invocation("f", given), needs=("reference_types",))))
    assert isinstance(got, Returned)
    assert got.refs == ("null", "extern:5")
