"""One entry per pass: before, what must stay, after. And what every pass owes (fuzz/reduce/contract.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fuzz.reduce import reduce_case
from fuzz.reduce.cache import Answers
from fuzz.reduce.contract import Edit
from fuzz.reduce.engine import Budget, Meter, Search
from fuzz.reduce.schedule import all_passes, run_passes
from fuzz.reduce.subject import Subject, subject_key
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.features import ALL
from wasm.isa import Imm
from wasm.module import Custom, Module
from wasm.rewrite.index_map import Dangling
from wasm.validate import validate

Wanted = Callable[[Module], bool]


def has(*ops: str) -> Wanted:
    return lambda module: {op.name for func in module.funcs for op, _ in func.body}.issuperset(ops)


def imports(name: str) -> Wanted:
    return lambda module: any(item.name == name for item in module.imports)


def exports(name: str) -> Wanted:
    return lambda module: any(item.name == name for item in module.exports)


def holds(name: str, test: Callable[[Any], bool]) -> Wanted:
    """Some instruction with this name has an immediate that passes the test."""
    return lambda module: any(op.name == name and test(imm) for func in module.funcs for op, imm in func.body)


def calls_with(results: int) -> Wanted:
    """Some function with so many results is called, or called in a table."""

    def wanted(module: Module) -> bool:
        types, flat = module.func_type_indices(), module.flat_types()
        for func in module.funcs:
            for op, imm in func.body:
                if op.name in ("call", "return_call"):
                    index = types[imm]
                elif op.imms and op.imms[0] is Imm.TYPE and "call" in op.name:
                    index = imm if len(op.imms) == 1 else imm[0]
                else:
                    continue
                if len(getattr(flat[index].composite, "results", ())) >= results:
                    return True
        return False

    return wanted


TABLE: list[tuple[str, str, Wanted, str]] = [
    ("unused",
     '(module (func (export "a")) (func) (global i32 i32.const 1) (memory 1))', exports("a"),
     '(module (func (export "a")))'),
    ("unused",
     """(module (rec (type (struct)) (type $b (array i8)) (type (sub (func (result (ref null $b))))))
       (func (export "a") (local (ref null $b))))""", exports("a"),
     '(module (type $b (array i8)) (type $f (func)) (func (export "a") (type $f) (local (ref null $b))))'),
    ("exports",
     '(module (func (export "a")) (func (export "b")) (func $s) (start $s))', exports("b"),
     '(module (func) (func (export "b")) (func $s))'),
    ("items",
     "(module (memory 1) (global $g (mut i32) i32.const 1) (func nop i32.const 0 i32.load global.set $g))", has("nop"),
     "(module (func nop))"),
    ("merge_types",
     "(module (type $a (func)) (type $b (func)) (func (type $b) nop))", has("nop"),
     "(module (type $a (func)) (func (type $a) nop))"),
    ("merge_funcs",
     "(module (func $f) (func call $f))", has("call"),
     "(module (func $f call $f))"),
    ("unreachable_bodies",
     "(module (func nop) (func i32.const 7 drop))", has("nop"),
     "(module (func nop) (func unreachable))"),
    ("constant_bodies",
     "(module (func nop) (func (result i64) i64.const 1 i64.const 2 i64.add))", has("nop"),
     "(module (func nop) (func (result i64) i64.const 0))"),
    ("delete_code",
     "(module (func (result i32) i32.const 1 drop i32.const 2 i32.const 3 i32.add nop))", has("nop"),
     "(module (func (result i32) i32.const 0 nop))"),
    ("detach",
     "(module (func (param i32) local.get 0 local.get 0 i32.div_s i32.const 5 i32.add local.set 0))", has("i32.div_s"),
     "(module (func (param i32) local.get 0 local.get 0 i32.div_s drop))"),
    ("truncate",
     "(module (func nop i32.const 1 drop i32.const 2 drop block i32.const 3 drop end))", has("nop"),
     "(module (func nop unreachable))"),
    ("dead_code",
     "(module (func (result i32) nop unreachable i32.const 1 drop f32.add drop))", has("nop"),
     "(module (func (result i32) nop unreachable))"),
    ("operands",
     "(module (func (param f64) (result f64) local.get 0 f64.sqrt f64.const 1 f64.add))", has("local.get"),
     "(module (func (param f64) (result f64) local.get 0))"),
    ("unwrap",
     "(module (func (param i32) local.get 0 if nop else i32.const 1 drop end block br 0 end))", has("nop"),
     "(module (func (param i32) nop))"),
    ("narrow_ends",
     '(module (func $f (export "f") (result i32 i32 f64) i32.const 1 i32.const 2 f64.const 3)'
     " (func call $f drop i32.add drop))", calls_with(1),
     '(module (func $f (export "f") (result i32) i32.const 1) (func call $f drop))'),
    ("narrow_positions",
     "(module (func $f (param i32 i64 f32) (result i64) local.get 1)"
     " (func i32.const 1 i64.const 2 f32.const 3 call $f drop))", lambda m: has("local.get")(m) and calls_with(1)(m),
     "(module (func $f (param i64) (result i64) local.get 0) (func i64.const 2 call $f drop))"),
    ("locals",
     "(module (func (local i32 i64 f32) nop local.get 1 i64.const 1 i64.add local.set 1 local.get 2 drop))", has("nop"),
     "(module (func nop f32.const 0 drop))"),
    ("zero_constants",
     "(module (memory 1) (func i32.const 777 i32.load offset=99 drop))", has("i32.load"),
     "(module (memory 1) (func i32.const 0 i32.load align=1 drop))"),
    ("clear_bits",
     "(module (func i64.const 0xffff drop))", holds("i64.const", lambda value: value & 0x300 == 0x300),
     "(module (func i64.const 0x300 drop))"),
    ("shrink_constants",
     "(module (func i64.const 0x7fff0000 drop))", holds("i64.const", bool),
     "(module (func i64.const 1 drop))"),
    ("lower_types",
     "(module (func (param i64 f64) (result i64) local.get 1 i64.trunc_sat_f64_s i64.const 0x100000007 i64.add"
     " i32.wrap_i64 i64.extend_i32_u))", lambda m: any(len(func.body) > 1 for func in m.funcs),
     "(module (func (param i32 f32) (result i32) local.get 1 i32.trunc_sat_f32_s i32.const 7 i32.add))"),
    ("retype",
     "(module (func $f (param f32 v128) (result i64) i64.const 5)"
     " (func f32.const 1 v128.const i64x2 1 2 call $f drop))", has("call"),
     "(module (func $f (param i32 i32) (result i32) i32.const 0) (func i32.const 0 i32.const 0 call $f drop))"),
    ("inline",
     '(module (func $f (result i32) block i32.const 4 return end i32.const 5)'
     ' (func (export "") (result i32) call $f))', has("block"),
     '(module (func (export "") (result i32) block (result i32) block i32.const 4 br 1 end i32.const 5 end))'),
    ("limits",
     "(module (memory 3 9) (table 5 700 funcref) (func nop))", has("nop"),
     "(module (memory 0) (table 0 funcref) (func nop))"),
    ("segments",
     '(module (func $f) (memory 1) (table 3 funcref) (elem (i32.const 0) $f $f) (data (i32.const 4) "abc"))',
     lambda m: any(b"b" in data.init for data in m.datas),
     '(module (func $f) (memory 1) (table 3 funcref) (elem (i32.const 0) func) (data (i32.const 4) "b"))'),
    ("short_names",
     '(module (import "spectest" "print" (func)) (func (export "long")) (func (export "keep")))',
     lambda m: exports("keep")(m) and imports("print")(m),
     '(module (import "" "print" (func)) (func (export "a")) (func (export "keep")))'),
    ("branch_targets",
     "(module (func (param i32) block block local.get 0 br_table 0 1 0 1 end end))", has("br_table"),
     "(module (func (param i32) block block local.get 0 br_table 1 end end))"),
]  # fmt: skip
"""Pass, module before, what must stay, module after."""

INVALID: list[tuple[str, str, Wanted, str]] = [
    ("plain_code",
     "(module (func block (result i32) f32.const 1 i32.eqz end loop nop end))", has("block", "i32.eqz"),
     "(module (func block (result i32) i32.eqz end))"),
    ("plain_ends",
     "(module (func i32.const 1 i32.const 2 i32.add i32.eqz f32.neg drop nop nop))", has("i32.eqz", "f32.neg"),
     "(module (func unreachable i32.eqz f32.neg unreachable))"),
    ("plain_types",
     "(module (func (param i64 f32) (result i32) (local f64 v128) local.get 1))", has("local.get"),
     "(module (func local.get 1))"),
]  # fmt: skip
"""The passes for modules that are not valid."""

ELSEWHERE = {"customs", "calls", "arguments"}
"""Passes whose edits do not show in a module's text; they have tests of their own below."""


def test_every_pass_has_a_line() -> None:
    assert {spec.name for spec in all_passes()} == {row[0] for row in TABLE} | ELSEWHERE
    others = {spec.name for spec in all_passes(valid=False)}
    assert others == {row[0] for row in INVALID} | others.intersection(spec.name for spec in all_passes())


@pytest.mark.parametrize(("name", "before", "wanted", "after"), INVALID, ids=[row[0] for row in INVALID])
def test_pass_without_regard_to_types(kit: Any, name: str, before: str, wanted: Wanted, after: str) -> None:
    (spec,) = (spec for spec in all_passes(valid=False) if spec.name == name)
    module = kit.module_of(before)
    answers = Answers(None, "")
    search = Search(
        Case(encode(module), kind=CaseKind.BYTES), Subject(module), lambda c: wanted(decode(c.content)),
        Meter(Budget()), answers, valid=False,
    )  # fmt: skip
    run_passes(search, [spec])
    assert kit.text(decode(search.best().content)) == kit.text(kit.module_of(after))


@pytest.mark.parametrize(("name", "before", "wanted", "after"), TABLE, ids=[row[0] for row in TABLE])
def test_pass(kit: Any, name: str, before: str, wanted: Wanted, after: str) -> None:
    made = kit.reduce_with([name], before, wanted)
    assert kit.text(made) == kit.text(kit.module_of(after))
    validate(made, ALL)
    assert subject_key(Subject(made)) < subject_key(Subject(kit.module_of(before)))
    again = kit.reduction([name], kit.case_of(before).with_content(encode(made)), wanted)
    assert again.case.content == encode(made), "a pass that made no progress must make none on a rerun"


def test_customs(kit: Any) -> None:
    module = kit.module_of("(module (func nop))")
    module.customs = [Custom("a", b"1"), Custom("b", b"22", 10), Custom("c", b"")]
    case = kit.case_of("(module)").with_content(encode(module))
    kept = decode(kit.reduction(["customs"], case, lambda m: any(c.name == "b" for c in m.customs)).case.content)
    assert [custom.name for custom in kept.customs] == ["b"]


CALLED = '(module (func (export "f") (param i32 i64)) (func (export "g")))'


def test_shortened_exports_stay_distinct(kit: Any) -> None:
    before = '(module (func $f (export "first") (export "a") (export "second")) (func (export "third")))'
    made = kit.reduce_with(["short_names"], before, lambda m: len(m.exports) == 4)
    assert [item.name for item in made.exports] == ["b", "a", "c", "d"]


def test_calls(kit: Any) -> None:
    call, other = Invocation("f", (Value("i32", 1), Value("i64", 2))), Invocation("g")
    case = kit.case_of(CALLED, other, call, other, other)
    made = kit_reduce_calls(kit, ["calls"], case, lambda calls: call in calls)
    assert made == (call,)


def test_arguments(kit: Any) -> None:
    case = kit.case_of(CALLED, Invocation("f", (Value("i32", 77), Value("i64", 0x1234567))))
    made = kit_reduce_calls(kit, ["arguments"], case, lambda calls: bool(calls) and calls[0].args[1].bits > 0)
    assert made == (Invocation("f", (Value("i32"), Value("i64", 1))),)


def kit_reduce_calls(
    kit: Any, names: list[str], case: Any, wanted: Callable[[tuple[Invocation, ...]], bool]
) -> tuple[Invocation, ...]:
    calls: tuple[Invocation, ...] = reduce_case(
        case, lambda c: wanted(c.invocations), passes=kit.passes_named(*names)
    ).case.invocations
    return calls


def test_calls_follow_a_narrowed_signature(kit: Any) -> None:
    """An argument leaves the case together with the parameter; a call goes with its export."""
    case = kit.case_of(CALLED, Invocation("g"), Invocation("f", (Value("i32", 7), Value("i64", 8))))
    made = reduce_case(
        case,
        lambda c: any(v.bits == 8 for call in c.invocations for v in call.args),
        passes=kit.passes_named("narrow_positions", "exports"),
    ).case
    assert made.invocations == (Invocation("f", (Value("i64", 8),)),)


def _samples(edits: list[Edit]) -> list[list[Edit]]:
    """All edits, the halves, and single ones here and there; of one group where there are groups."""
    edits = [edit for edit in edits if edit.group == edits[0].group]
    half = len(edits) // 2
    singles = [[edit] for edit in edits[:: max(1, len(edits) // 3)]]
    return [edits, edits[:half] or edits, edits[half:], *singles]


@pytest.mark.parametrize("spec", all_passes(), ids=lambda spec: spec.name)
def test_candidates_are_valid(spec: Any, spec_suite: Any) -> None:
    """On official modules nearly every candidate is valid by construction; a pass never fails, and changes no input."""
    made = invalid = 0
    for item in spec_suite.valid[::9]:
        try:
            module = decode(item.data)
            validate(module, ALL)
        except WasmError:
            continue
        subject = Subject(module)
        edits = spec.edits(subject)
        assert edits == spec.edits(subject), "a pass must list the same edits for the same subject"
        for chosen in _samples(edits) if edits else []:
            try:
                after = spec.apply(subject, chosen)
            except Dangling:
                continue
            if after is not None:
                made += 1
                try:
                    validate(after.module, ALL)
                except WasmError:
                    invalid += 1
        assert encode(module) == encode(decode(item.data)), "the pass changed its input"
    assert invalid <= made * 0.03, f"{invalid} of {made}"
