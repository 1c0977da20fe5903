"""The instructions' semantics against Wasmtime, against node, and against exact arithmetic."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import platform
import random
import struct
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.semantics_engines import NODE, Node, Wasmtime, differences, expected, node_rows, probe
from tests.language.semantics_operands import floats, operand_tuples, rows
from tests.language.sweep_semantics import relaxed_meanings, sweep
from wasm.isa import ROWS, Imm
from wasm.semantics import SEMANTICS
from wasm.semantics.floats import F32, F64, FloatFormat, decoder, encoder
from wasm.semantics.fma import exact_fma, fast_f32_fma
from wasm.semantics.registry import semantics
from wasm.semantics.relaxed import (
    DETERMINISTIC,
    INSTRUCTIONS,
    OPTIONS,
    Q15,
    Dot,
    Madd,
    MinMax,
    RelaxedProfile,
    Swizzle,
    TruncSigned,
    relaxed_semantics,
)
from wasm.semantics.relaxed_probe import contradictions, probe_cases, profile_from_probe
from wasm.traps import Trap, TrapKind

SAMPLE = 300


@pytest.fixture(scope="module")
def every_row():
    return rows()


@pytest.fixture(scope="module")
def cranelift(every_row):
    return Wasmtime(every_row)


def test_every_numeric_and_vector_row_has_a_meaning():
    constants = {Imm.I32, Imm.I64, Imm.F32, Imm.F64, Imm.V128}
    plain = {"i32", "i64", "f32", "f64", "v128"}
    missing = [
        row.name
        for row in ROWS
        if row.results and row.access is None and row.pure is None
        if {str(t) for t in (*(row.params or ()), *row.results)} <= plain
        if not constants & set(row.imms) and not row.name.startswith("memory.")
    ]
    assert missing == []
    assert len(SEMANTICS) == 373


def test_agrees_with_wasmtime(every_row, cranelift):
    found = sweep(cranelift, every_row, SAMPLE, 0, relaxed_meanings(cranelift, every_row))
    assert [str(d) for d in found[:10]] == []


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_agrees_with_node(every_row):
    chosen = node_rows(every_row)
    with Node(chosen) as node:
        found = sweep(node, chosen, SAMPLE, 1, {})
    assert [str(d) for d in found[:10]] == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("i32.add", lambda a, b: a - b & 0xFFFF_FFFF),
        ("i32.div_s", lambda a, b: a // b if b else 0),
        ("f32.min", lambda *_: 0x7FC0_0000),
        ("f32x4.add", lambda *_: 0x7FC0_0000),
        ("f32.convert_i64_s", lambda a: struct.unpack("<I", struct.pack("<f", (a ^ 1 << 63) - (1 << 63)))[0]),
    ],
)
def test_a_wrong_meaning_is_noticed(every_row, cranelift, name, wrong):
    index, row = next((i, row) for i, row in enumerate(every_row) if row.op.name == name)
    assert differences(cranelift, index, row, list(operand_tuples(row, SAMPLE)), wrong)


def test_a_row_s_traps_are_what_its_meaning_raises(every_row):
    for row in every_row:
        raised = {want for o in operand_tuples(row, SAMPLE) if isinstance(want := expected(row, o), TrapKind)}
        assert raised <= row.op.traps, row.text


@pytest.mark.parametrize("row", [row for row in rows(1) if not row.op.nan], ids=lambda row: row.op.name)
def test_results_fit_their_types(row):
    for operands in operand_tuples(row, 20):
        want = expected(row, operands)
        if isinstance(want, tuple):
            assert len(want) == len(row.op.results)
            assert all(0 <= x < 1 << int(str(t)[1:]) for x, t in zip(want, row.op.results, strict=True))


def _exact(form: FloatFormat, bits: int) -> Fraction:
    return Fraction(decoder(form)(bits))


def _nearest(form: FloatFormat, value: Fraction) -> int:
    """The finite float nearest to a value, ties to even, by comparing distances: independent of ``round_exact``."""
    low, high = 0, form.infinity
    magnitude = abs(value)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _exact(form, middle) <= magnitude else (low, middle)
    # The distance to infinity is measured as if the exponent range went on.
    above = _exact(form, high) if high < form.infinity else 2 * _exact(form, low) - _exact(form, low - 1)
    below = magnitude - _exact(form, low)
    up = above - magnitude
    bits = low if below < up or (below == up and not low & 1) else high
    return bits | form.sign if value < 0 else bits


def _finite(form: FloatFormat) -> st.SearchStrategy[int]:
    any_bits = st.integers(0, (1 << form.width) - 1) | st.sampled_from(floats(form.width))
    return any_bits.filter(lambda bits: bits & form.infinity != form.infinity)


@pytest.mark.parametrize("form", [F32, F64], ids=lambda form: form.name)
def test_fused_multiply_add_is_rounded_once(form):
    fma = exact_fma(form)

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(_finite(form), _finite(form), _finite(form), st.booleans())
    def check(a, b, c, cancel):
        if cancel:
            product = SEMANTICS[f"{form.name}.mul"](a, b) ^ form.sign
            c = product if product & form.infinity != form.infinity else c
        value = _exact(form, a) * _exact(form, b) + _exact(form, c)
        if value:
            assert fma(a, b, c) == _nearest(form, value)
        elif a & b & c & ~form.sign:
            assert fma(a, b, c) == 0

    check()


def test_fast_f32_fused_multiply_add_equals_the_exact_one():
    fast, exact = fast_f32_fma(), exact_fma(F32)
    row = next(row for row in rows(1) if row.op.name == "f32x4.relaxed_madd")
    for operands in operand_tuples(row, 1500):
        for at in range(0, 128, 32):
            a, b, c = (value >> at & 0xFFFF_FFFF for value in operands)
            assert fast(a, b, c) == exact(a, b, c), (hex(a), hex(b), hex(c))


def test_fast_f32_fused_multiply_add_beside_ties():
    # A product of 25 bits that is odd is a tie; addends around a double's last place move the sum just off it.
    fast, exact, source = fast_f32_fma(), exact_fma(F32), random.Random(3)
    bits = encoder(F32)
    ties = 0
    while ties < 500:
        x, y = source.randrange(1, 1 << 13, 2), source.randrange(1, 1 << 13, 2)
        if (x * y).bit_length() == 25:
            ties += 1
            addend = source.choice((-1, 1)) * math.ldexp(source.randrange(4) + source.choice((-1, 0, 1)) / 1024, -28)
            a, b, c = bits(float(x)), bits(float(y)), bits(addend)
            assert fast(a, b, c) == exact(a, b, c), (x, y, addend)


@pytest.mark.parametrize(
    ("a", "b", "c", "want"),
    [
        (0x7F800000, 0x00000000, 0x3F800000, 0x7FC00000),  # inf * 0
        (0x7F800000, 0x3F800000, 0xFF800000, 0x7FC00000),  # inf - inf
        (0x7F7FFFFF, 0x7F7FFFFF, 0xFF800000, 0xFF800000),  # a finite product never reaches the infinite addend
        (0x80000000, 0x3F800000, 0x80000000, 0x80000000),  # -0 + -0
        (0x80000000, 0x3F800000, 0x00000000, 0x00000000),  # -0 + +0
        (0x3F800000, 0x3F800000, 0xBF800000, 0x00000000),  # exact cancellation
        (0x7F800001, 0x3F800000, 0x3F800000, 0x7FC00000),  # a signalling NaN
        (0x00000001, 0x00000001, 0x80000001, 0x80000001),  # far below the last place
    ],
)
def test_fused_multiply_add_special_cases(a, b, c, want):
    assert exact_fma(F32)(a, b, c) == want
    assert fast_f32_fma()(a, b, c) == want


def test_signalling_nans_survive_bit_operations_only():
    signalling, double = 0xFF812345, 0xFFF0000000000001
    assert SEMANTICS["f32.neg"](signalling) == 0x7F812345
    assert SEMANTICS["f32.abs"](signalling) == 0x7F812345
    assert SEMANTICS["f32.copysign"](signalling, 0) == 0x7F812345
    assert SEMANTICS["f32.reinterpret_i32"](signalling) == signalling
    assert SEMANTICS["f32x4.pmin"](signalling, 0) & 0xFFFF_FFFF == signalling
    assert SEMANTICS["f64x2.pmax"](double, 0) & (1 << 64) - 1 == double
    for name in ("add", "sub", "mul", "div", "min", "max"):
        assert SEMANTICS[f"f32.{name}"](signalling, 0x3F800000) == 0x7FC00000
        assert SEMANTICS[f"f64.{name}"](0x3FF0000000000000, double) == 0x7FF8000000000000
    for name in ("sqrt", "ceil", "floor", "trunc", "nearest"):
        assert SEMANTICS[f"f32.{name}"](signalling) == 0x7FC00000
        assert SEMANTICS[f"f64.{name}"](double) == 0x7FF8000000000000


def test_i64_to_f32_is_rounded_once():
    value = (1 << 60) + (1 << 36) + 1
    assert SEMANTICS["f32.convert_i64_u"](value) == 0x5D800001
    assert SEMANTICS["f32.convert_i64_s"](-value & (1 << 64) - 1) == 0xDD800001


def test_trap_kinds():
    for name, operands, kind in (
        ("i32.div_s", (1, 0), TrapKind.DIV_BY_ZERO),
        ("i64.div_s", (1 << 63, (1 << 64) - 1), TrapKind.INT_OVERFLOW),
        ("i32.trunc_f32_s", (0x7FC00000,), TrapKind.BAD_CONVERSION),
        ("i32.trunc_f32_s", (0x7F800000,), TrapKind.INT_OVERFLOW),
    ):
        with pytest.raises(Trap) as caught:
            SEMANTICS[name](*operands)
        assert caught.value.kind is kind
    assert SEMANTICS["i64.rem_s"](1 << 63, (1 << 64) - 1) == 0


def test_a_name_has_one_meaning():
    with pytest.raises(ValueError, match="two meanings"):
        semantics("i32.add")(SEMANTICS["i32.sub"])


def _answers(profile: RelaxedProfile) -> list[int]:
    meanings = relaxed_semantics(profile)
    return [meanings[name](*operands) for name, operands in probe_cases()]


@pytest.mark.parametrize(("field", "choice"), [(f, c) for f, choices in OPTIONS.items() for c in choices])
def test_each_choice_is_read_back(field, choice):
    profile = replace(DETERMINISTIC, **{field: choice})
    assert profile_from_probe(_answers(profile)) == profile
    assert RelaxedProfile.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


@pytest.mark.parametrize("wrong", [0x1357, -1])
@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_a_contradiction_is_named(name, wrong):
    """A negative number stands for no answer at all."""
    truth = _answers(DETERMINISTIC)
    answers = [wrong if case == name else answer for (case, _), answer in zip(probe_cases(), truth, strict=True)]
    assert contradictions(answers) == [name]
    assert profile_from_probe(answers) == DETERMINISTIC
    with pytest.raises(ValueError, match="zip"):
        profile_from_probe(answers[1:])


def test_choices_within_one_instruction_are_not_mixed():
    first, ieee = _answers(replace(DETERMINISTIC, min_f64=MinMax.FIRST)), _answers(DETERMINISTIC)
    cases = [i for i, (name, _) in enumerate(probe_cases()) if name == "f64x2.relaxed_min" and first[i] != ieee[i]]
    assert len(cases) == 2  # one about NaNs, one about zeros
    first[cases[0]] = ieee[cases[0]]
    assert contradictions(first) == ["f64x2.relaxed_min"]


def test_profiles_in_json_are_checked():
    with pytest.raises(ValueError, match="unknown relaxed SIMD choice: colour"):
        RelaxedProfile.from_dict({"colour": "red"})
    with pytest.raises(ValueError, match="q15mulr cannot be 'red'"):
        RelaxedProfile.from_dict({"q15mulr": "red"})
    with pytest.raises(ValueError, match="dot cannot be 'signed-wide'"):
        RelaxedProfile.from_dict({"dot": "signed-wide"})
    assert RelaxedProfile.from_dict({}) == DETERMINISTIC


@pytest.mark.parametrize(
    ("relaxed", "strict"),
    [
        ("i8x16.relaxed_swizzle", "i8x16.swizzle"),
        ("i32x4.relaxed_trunc_f32x4_s", "i32x4.trunc_sat_f32x4_s"),
        ("i32x4.relaxed_trunc_f64x2_u_zero", "i32x4.trunc_sat_f64x2_u_zero"),
        ("i64x2.relaxed_laneselect", "v128.bitselect"),
        ("f32x4.relaxed_min", "f32x4.min"),
        ("f64x2.relaxed_max", "f64x2.max"),
        ("i16x8.relaxed_q15mulr_s", "i16x8.q15mulr_sat_s"),
    ],
)
def test_deterministic_relaxed_instructions_are_the_strict_ones(relaxed, strict):
    row = next(row for row in rows(1) if row.op.name == relaxed)
    assert all(SEMANTICS[relaxed](*o) == SEMANTICS[strict](*o) for o in operand_tuples(row, 200))


def test_a_picked_operand_keeps_its_bits():
    first = relaxed_semantics(replace(DETERMINISTIC, min_f32=MinMax.FIRST))["f32x4.relaxed_min"]
    number = relaxed_semantics(replace(DETERMINISTIC, max_f64=MinMax.NUMBER))["f64x2.relaxed_max"]
    assert first(0xFF812345, 0x3F800000) & 0xFFFF_FFFF == 0xFF812345
    assert first(0, 0x8000_0000) == 0
    assert number(0xFFF0000000000001, 0x3FF0000000000000) == 0x3FF0000000000000
    assert number(1 << 63, 0) == 0


def test_relaxed_profile_of_wasmtime(every_row, cranelift):
    assert set(INSTRUCTIONS) == {row.op.name for row in every_row if "relaxed" in row.op.name}
    profile = profile_from_probe(probe(cranelift, every_row))
    assert profile.madd_f32 is Madd.FUSED
    if platform.machine().lower() in ("x86_64", "amd64"):
        # cvttps2dq, pshufb, pmulhrsw and pmaddubsw leave these results no other choice.
        assert profile.trunc_f32_s is profile.trunc_f64_s is TruncSigned.LEAST
        assert profile.swizzle is Swizzle.MODULO
        assert profile.q15mulr is Q15.WRAP
        assert profile.dot is Dot.UNSIGNED_SATURATE


def test_wasmtime_can_be_told_to_be_deterministic(every_row):
    engine = Wasmtime(every_row, deterministic=True)
    profile = profile_from_probe(probe(engine, every_row))
    # It fuses multiply-adds and never saturates dot products even then, where the spec's parameters are 0.
    chosen = {"madd_f32", "madd_f64", "nmadd_f32", "nmadd_f64", "dot", "dot_add"}
    assert replace(profile, **{name: getattr(DETERMINISTIC, name) for name in chosen}) == DETERMINISTIC
    row = next(i for i, row in enumerate(every_row) if row.op.name == "i16x8.relaxed_dot_i8x16_i7x16_s")
    tuples = list(operand_tuples(every_row[row], SAMPLE))
    meaning = relaxed_semantics(profile)[every_row[row].op.name]
    assert differences(engine, row, every_row[row], tuples, meaning) == []


def _official() -> ModuleType | None:
    """The loader of the official test suite's converted form, if the suite is there."""
    here = Path(__file__).resolve().parents[2].parent / "shared" / "spec-testsuite"
    loader = Path(os.environ.get("WASM_SPEC_TESTSUITE", here)) / "spectest.py"
    if not loader.is_file():
        return None
    spec = importlib.util.spec_from_file_location("spectest_of_semantics", loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


OFFICIAL = _official()


def _official_assertions(prefix: str):
    """(instruction name, command) of those assertions whose export is named after the one instruction in it."""
    by_name = {row.op.name: row.op for row in rows(1) if not row.immediates}
    for path in OFFICIAL.files(prefix):
        for command in OFFICIAL.load(path):
            if command.kind in ("assert_return", "assert_trap") and command.action.kind == "invoke":
                field = command.action.field
                name = field if field in by_name else f"{path.stem}.{field}"
                if name in by_name and len(command.action.args) == len(by_name[name].params):
                    yield name, command


def _holds(command, meaning) -> bool:
    try:
        result = meaning(*[value.bits for value in command.action.args])
    except Trap as trap:
        return command.kind == "assert_trap" and trap.kind.value == command.message
    results = result if isinstance(result, tuple) else (result,)
    return command.kind == "assert_return" and all(
        want.matches(got) for want, got in zip(command.expected, results, strict=True)
    )


@pytest.mark.skipif(OFFICIAL is None, reason="the official test suite is not there (WASM_SPEC_TESTSUITE)")
@pytest.mark.parametrize(
    ("prefix", "least"),
    [("core", 25_000), ("core/relaxed-simd", 20), ("proposals/wide-arithmetic", 80)],
)
def test_official_assertions_about_one_instruction(prefix, least):
    checked = [(name, c.line, _holds(c, SEMANTICS[name])) for name, c in _official_assertions(prefix)]
    assert [entry for entry in checked if not entry[2]] == []
    assert len(checked) >= least


@pytest.mark.skipif(OFFICIAL is None, reason="the official test suite is not there (WASM_SPEC_TESTSUITE)")
def test_every_relaxed_choice_is_one_the_official_suite_accepts():
    for name, command in _official_assertions("core/relaxed-simd"):
        field, make = INSTRUCTIONS[name]
        assert [choice for choice in OPTIONS[field] if not _holds(command, make(choice))] == [], (name, command.line)
