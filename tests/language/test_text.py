"""The printer: foreign parsers read its text back to an equal module, names and floats included."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from wasm.builder import ModuleBuilder
from wasm.decode import decode
from wasm.encode import encode
from wasm.isa import OPS, ROWS, Catch, Imm, Instr, MemArg
from wasm.leb import unsigned
from wasm.module import Custom, Func, Module
from wasm.names import parse_names
from wasm.text import print_wat
from wasm.text.words import float_text
from wasm.valtypes import I32, V128, FuncType, SubType, ValType, ref

END = OPS["end"].bare


def parsed(text: str) -> Module:
    return decode(bytes(wasmtime.wat2wasm(text)))


def plain(module: Module) -> Module:
    """The module without custom sections, and with the runs of its locals as short as can be (text has no runs)."""
    for func in module.funcs:
        runs: list[tuple[int, ValType]] = []
        for count, type_ in func.locals:
            if runs and runs[-1][1] is type_:
                runs[-1] = (runs[-1][0] + count, type_)
            elif count:
                runs.append((count, type_))
        func.locals = runs
    module.customs = []
    return module


def one_function(body: list[Instr], signature: FuncType | None = None) -> Module:
    return Module(types=[(SubType(signature or FuncType()),)], funcs=[Func(0, [], [*body, END])])


def name_section(*subsections: tuple[int, bytes]) -> Custom:
    return Custom("name", b"".join(bytes([k]) + unsigned(len(c)) + c for k, c in subsections))


def name_map(*names: str) -> bytes:
    parts = [unsigned(i) + unsigned(len(n.encode())) + n.encode() for i, n in enumerate(names)]
    return unsigned(len(parts)) + b"".join(parts)


# --- the official suite ---


@pytest.mark.parametrize("part", range(4))
def test_the_text_of_every_valid_module_parses_back(spec_suite: Any, part: int) -> None:
    items = spec_suite.valid[part::4]
    assert len(items) > 500
    for item in items:
        module = decode(item.data)
        assert plain(parsed(print_wat(module))) == plain(module), item.where


def test_wasm_tools_reads_it_too(spec_suite: Any, wasm_tools: str) -> None:
    for item in spec_suite.valid[::50]:
        module = decode(item.data)
        text = print_wat(module).encode()
        done = subprocess.run([wasm_tools, "parse", "-"], input=text, capture_output=True, check=False)
        assert done.returncode == 0, (item.where, done.stderr)
        assert plain(decode(done.stdout)) == plain(module), item.where


def test_modules_that_are_invalid_print_without_an_error(spec_suite: Any) -> None:
    for item in spec_suite.well_formed:
        if item.command == "assert_invalid":
            assert print_wat(decode(item.data)).startswith("(module")


# --- instructions ---

SAMPLES: dict[Imm, Any] = {
    **dict.fromkeys(Imm, 3),
    Imm.BLOCK_TYPE: I32,
    Imm.LABELS: (tuple(range(25)), 3),
    Imm.CATCHES: (Catch("catch", 0, 1), Catch("catch_ref", 2, 0), Catch("catch_all", None, 3),
                  Catch("catch_all_ref", None, 0)),
    Imm.MEMARG: MemArg(1, 2**32 - 1, 2),
    Imm.LANES: tuple(range(16, 32)),
    Imm.I32: 0x8000_0000,
    Imm.I64: 2**64 - 5,
    Imm.F32: 0x7F80_0001,
    Imm.F64: 0x8000_0000_0000_0001,
    Imm.V128: 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210,
    Imm.HEAP: "struct",
    Imm.TYPES: (ref(0, False),),
    Imm.CAST: (0, ref("any"), ref("eq", False)),
    Imm.ORDERING: 0,
}  # fmt: skip


def test_every_instruction_has_a_text_that_a_foreign_parser_takes_for_the_same() -> None:
    body: list[Instr] = []
    for row in ROWS:
        if row.name in ("end", "else", "catch", "catch_all", "delegate"):
            continue
        values = tuple(SAMPLES[kind] for kind in row.imms)
        body.append(row.bare if not values else (row, values[0] if len(values) == 1 else values))
        if row.imms[:1] == (Imm.MEMARG,):
            natural = MemArg(row.access.bytes.bit_length() - 1, 0) if row.access else None
            body.append((row, natural if len(values) == 1 else (natural, 1)))
        if row.name in ("block", "loop", "try_table"):
            body.append(END)
        if row.name == "if":
            body += [OPS["else"].bare, END]
        if row.name == "try":
            body += [(OPS["catch"], 1), OPS["catch_all"].bare, END, (OPS["try"], None), (OPS["delegate"], 0)]
    body += [(OPS["memory.copy"], (0, 0)), (OPS["memory.init"], (5, 0)), (OPS["call_indirect"], (0, 0))]
    module = one_function(body)
    found = parsed(print_wat(module))
    for mine, theirs in zip(module.funcs[0].body, found.funcs[0].body, strict=True):
        assert mine == theirs


@settings(max_examples=20, deadline=None)
@given(
    singles=st.lists(st.integers(0, 2**32 - 1), min_size=50, max_size=50),
    doubles=st.lists(st.integers(0, 2**64 - 1), min_size=50, max_size=50),
)
def test_floats_keep_every_bit(singles: list[int], doubles: list[int]) -> None:
    body: list[Instr] = [(OPS["f32.const"], bits) for bits in singles]
    body += [(OPS["f64.const"], bits) for bits in doubles]
    assert parsed(print_wat(one_function(body))).funcs[0].body[:-1] == body


@pytest.mark.parametrize("exponent", [0, 1, 127, 254, 255])
def test_floats_at_the_edges_of_their_format(exponent: int) -> None:
    fractions = (0, 1, 2, 0x3F_FFFF, 0x40_0000, 0x40_0001, 0x7F_FFFF)
    body: list[Instr] = [
        (OPS["f32.const"], sign << 31 | exponent << 23 | fraction) for sign in (0, 1) for fraction in fractions
    ]
    wide = {0: 0, 1: 1, 127: 1023, 254: 2046, 255: 2047}[exponent]
    body += [(OPS["f64.const"], wide << 52 | fraction << shift) for shift in (0, 29) for fraction in fractions]
    assert parsed(print_wat(one_function(body))).funcs[0].body[:-1] == body


@pytest.mark.parametrize(
    ("bits", "text"),
    [(0x3F80_0000, "0x1p+0"), (0xBFC0_0000, "-0x1.8p+0"), (1, "0x0.000002p-126"), (0x8000_0000, "-0x0p+0"),
     (0xFF80_0000, "-inf"), (0x7FC0_0000, "nan"), (0x7F80_0001, "nan:0x1"), (0xFFFF_FFFF, "-nan:0x7fffff")],
)  # fmt: skip
def test_floats_as_text(bits: int, text: str) -> None:
    assert float_text(bits, 32) == text


# --- layout ---


def test_long_lists_stand_in_rows_of_ten_with_a_running_count() -> None:
    b = ModuleBuilder()
    f = b.func(results=[I32] * 23)
    f.local(V128, 50)
    f.emit("unreachable")
    module = b.finish()
    text = print_wat(module)
    row = " ".join(["i32"] * 10)
    assert f"{row} (;10;)\n" in text
    assert f"{row} (;20;)\n" in text
    assert "i32 i32 i32 (;23;))" in text
    assert "v128 (;50;)" in text
    assert parsed(text) == module


def test_indices_and_block_levels_are_in_comments() -> None:
    b = ModuleBuilder()
    f = b.func()
    outer = f.open("block")
    f.open("loop")
    f.br(outer)
    f.br(None, "br")
    f.end()
    f.end()
    lines = [line.strip() for line in print_wat(b.finish()).splitlines()]
    assert lines[1:-2] == [
        "(type (;0;) (func))", "(func (;0;) (type 0)", "block (;@1;)", "loop (;@2;)", "br 1 (;@1;)", "br 2 (;@0;)",
        "end", "end",
    ]  # fmt: skip


def test_data_strings_are_escaped_and_folded() -> None:
    b = ModuleBuilder()
    b.memory(1)
    b.data(bytes(range(256)))
    b.data(b'"\\\n\x7f~', 8)
    module = b.finish()
    text = print_wat(module)
    assert '(i32.const 8) "\\"\\\\\\n\\7f~")' in text
    assert max(map(len, text.splitlines())) < 220
    assert text.isascii()
    assert parsed(text) == module


def test_fifty_thousand_nested_blocks_print_in_linear_size() -> None:
    deep = 50_000
    module = one_function([(OPS["block"], None)] * deep + [END] * deep)
    text = print_wat(module)
    assert len(text) < 200 * deep
    assert text.count("block") == deep
    assert text.count("end\n") == deep
    assert parsed(print_wat(one_function([(OPS["block"], None)] * 300 + [END] * 300))).funcs[0].body[299][1] is None


# --- names ---


def named() -> Module:
    b = ModuleBuilder()
    b.import_func("m", "f", [I32])
    f = b.func([I32, I32])
    f.local(I32, 2)
    block = f.open("block")
    loop = f.open("loop")
    for label in (block, loop):
        f.br(label)
    f.end()
    f.end()
    f.emit("local.get", 1)
    f.emit("call", 0)
    module = b.finish()
    module.customs.append(
        name_section(
            (0, b"\3mod"),
            (1, name_map("same", "same")),
            (2, b"\1\1" + name_map("x", "a b", "", "x")),
            (3, b"\1\1" + name_map("L", "L")),
            (4, name_map("one-param")),
            (99, b"later"),
        )
    )
    return module


def test_names_are_used_made_unique_and_quoted() -> None:
    text = print_wat(named())
    for part in (
        "(module $mod", "(func $same (;0;)", "(func $same.1 (;1;)", "(param $x i32)", '(param $"a b" i32)',
        "(local $x.1 i32)", "block $L", "loop $L", 'local.get $"a b"', "call $same", "$one-param",
    ):  # fmt: skip
        assert part in text
    # The outer block is hidden by the inner one of the same name.
    assert "br 1 (;@1;)" in text
    assert "br $L" in text
    assert plain(parsed(text)) == plain(named())


def test_a_broken_name_section_gives_what_it_has() -> None:
    module = Module(customs=[Custom("name", b"\0\4\3abc" + b"\1\x7f")])
    assert parse_names(module).module == "abc"
    assert print_wat(module).startswith("(module $abc")


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.text(max_size=6), min_size=3, max_size=3))
def test_any_names_parse_back(names: list[str]) -> None:
    b = ModuleBuilder()
    for _ in names:
        b.func()
    module = b.finish()
    module.customs.append(name_section((1, name_map(*names))))
    assert plain(parsed(print_wat(module))) == plain(decode(encode(module)))


def test_custom_sections_are_annotations_in_their_place() -> None:
    module = Module(types=[(SubType(FuncType()),)], customs=[Custom("a", b"x", 0), Custom('"', b"\0", 1)])
    assert parsed(print_wat(module)) == module
