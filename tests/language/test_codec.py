"""Encoder and decoder: inverse to each other, total, and in agreement with the official suite on what is malformed."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasm.builder import ModuleBuilder, const
from wasm.decode import decode, instruction_offset
from wasm.decode_instr import read_instr, read_instrs
from wasm.encode import encode, encode_instrs
from wasm.errors import Malformed
from wasm.isa import OPS, ROWS, Catch, Imm, Instr, MemArg, Op
from wasm.leb import Reader, signed, unsigned
from wasm.module import Custom, Elem, Func, Import, ImportedFunc, Module, SegmentMode, Table
from wasm.valtypes import (
    EXTERNREF,
    FUNCREF,
    I8,
    I32,
    I64,
    V128,
    ArrayType,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    StructType,
    SubType,
    TableType,
    TagType,
    ref,
)

HEADER = b"\0asm\1\0\0\0"
U32 = (0, 1, 63, 64, 127, 128, 16383, 16384, 0xFFFF_FFFF)
SAMPLES: dict[Imm, tuple[Any, ...]] = {
    **dict.fromkeys(Imm, U32),
    Imm.BLOCK_TYPE: (None, I32, V128, FUNCREF, ref("exn"), ref(3), ref("i31", False), 0, 63, 64, 8191, 0xFFFF_FFFF),
    Imm.LABELS: (((), 0), ((0, 1, 127), 128), ((128, 0xFFFF_FFFF), 0), (tuple(range(300)), 5)),
    Imm.CATCHES: ((), (Catch("catch", 0, 1), Catch("catch_ref", 200, 0), Catch("catch_all", None, 300)),
                  (Catch("catch_all_ref", None, 0),)),
    Imm.MEMARG: tuple(
        MemArg(align, offset, memory)
        for align in (0, 3, 7, 8, 63) for offset in (0, 127, 128, 2**32, 2**64 - 1) for memory in (0, 1, 200)
    ),
    Imm.LANE: (0, 15, 127, 128, 255),
    Imm.LANES: (tuple(range(16)), (255,) * 16),
    Imm.I32: (0, 1, 63, 64, 127, 128, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFBF, 0xFFFF_FFC0, 0xFFFF_FFFF),
    Imm.I64: (0, 63, 64, 2**63 - 1, 2**63, 2**64 - 65, 2**64 - 64, 2**64 - 1),
    Imm.F32: (0, 0x7F80_0001, 0xFFFF_FFFF),
    Imm.F64: (0, 0x7FF0_0000_0000_0001, 2**64 - 1),
    Imm.V128: (0, 1, 2**128 - 1),
    Imm.HEAP: ("func", "noexn", "none", "i31", 0, 63, 64, 0xFFFF_FFFF),
    Imm.TYPES: ((), (I32,), (I32, ref(70, False), EXTERNREF)),
    Imm.CAST: ((0, ref("any"), ref("eq", False)), (300, ref(1, False), ref(200))),
    Imm.ORDERING: (0,),
}  # fmt: skip
"""Boundary values of every kind of immediate: LEB lengths, small-table edges, extremes."""


def samples(row: Op) -> list[Instr]:
    """The instruction with each of its immediates at each of its boundary values."""
    if not row.imms:
        return [row.bare]
    if len(row.imms) == 1:
        return [(row, value) for value in SAMPLES[row.imms[0]]]
    longest = max(len(SAMPLES[kind]) for kind in row.imms)
    return [(row, tuple(SAMPLES[kind][i % len(SAMPLES[kind])] for kind in row.imms)) for i in range(longest)]


def closed(instr: Instr) -> list[Instr]:
    """A body in which the instruction may stand, as far as the grammar goes."""
    end, name = OPS["end"].bare, instr[0].name
    if name == "end":
        return [end]
    if name in ("block", "loop", "if", "try", "try_table"):
        return [instr, end, end]
    if name == "else":
        return [(OPS["if"], None), instr, end, end]
    if name in ("catch", "catch_all"):
        return [(OPS["try"], None), instr, end, end]
    if name == "delegate":
        return [(OPS["try"], None), instr, end]
    return [instr, end]


def malformed(data: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        decode(data)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(data)
    return caught.value


def decoded(data: bytes) -> Module | Malformed:
    try:
        return decode(data)
    except Malformed as error:
        return error


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + unsigned(len(content)) + content


# --- instructions ---


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_instruction_survives_at_every_boundary_of_its_immediates(row: Op) -> None:
    for instr in samples(row):
        body = closed(instr)
        data = encode_instrs(body)
        assert read_instrs(Reader(data)) == body
        reader = Reader(data)
        assert [read_instr(reader) for _ in body] == body
        assert reader.left == 0


def test_bare_instructions_are_shared_objects() -> None:
    data = encode_instrs([OPS["i32.add"].bare, OPS["i32x4.add"].bare, OPS["end"].bare])
    assert all(instr is instr[0].bare for instr in read_instrs(Reader(data)))


@pytest.mark.parametrize("code", ["fd9a02", "fdff7f", "fc17", "fb1f", "fe04", "fe8001", "1d", "27", "d7", "c5", "ff"])
def test_codes_without_a_row_are_malformed(code: str) -> None:
    with pytest.raises(Malformed, match="illegal opcode"):
        read_instrs(Reader(bytes.fromhex(code) + b"\0\0\0\x0b"))


@pytest.mark.parametrize(
    "code",
    [
        "05", "0240050b0b", "044005050b0b", "07000b", "190b", "1800", "02401800", "0640190019000b0b",
        "064019 1900 0b0b", "04400519 0b0b",
    ],
)  # fmt: skip
def test_misplaced_parts_of_blocks_are_malformed(code: str) -> None:
    with pytest.raises(Malformed):
        read_instrs(Reader(bytes.fromhex(code)))


@pytest.mark.parametrize("code", ["", "20", "2080", "41", "28", "2800", "28c000", "02", "0240", "fd", "fd80", "fdae",
                                  "43000000", "0e0200", "fc", "1c01", "0240 0b"])  # fmt: skip
def test_a_body_that_breaks_off_is_malformed(code: str) -> None:
    with pytest.raises(Malformed, match=r"unexpected end|length out of bounds"):
        read_instrs(Reader(bytes.fromhex(code)))


def test_offsets_of_instructions_count_every_byte_of_overlong_numbers() -> None:
    b = ModuleBuilder()
    b.import_func("m", "f")
    f = b.func(results=[I32])
    f.i32(5)
    f.emit("nop")
    data = encode(b.finish())
    plain = [instruction_offset(data, 0, i) for i in range(4)]
    assert data[plain[0] : plain[3]] == bytes.fromhex("4105010b")
    assert decode(data).funcs[0].offset == plain[0]
    longer = data[:-9] + bytes([10, 8, 1, 6, 0]) + bytes.fromhex("418500010b")
    assert [instruction_offset(longer, 0, i) - plain[0] for i in range(4)] == [0, 3, 4, 5]
    with pytest.raises(IndexError):
        instruction_offset(data, 0, 4)


def test_fifty_thousand_nested_blocks() -> None:
    b = ModuleBuilder()
    f = b.func()
    for _ in range(50_000):
        f.open("block")
    for _ in range(50_000):
        f.end()
    module = b.finish()
    assert decode(encode(module)) == module


# --- modules ---


def everything() -> Module:
    """A module with every kind of item and type."""
    i32_0, ref_0 = const("i32.const", 0), const("ref.func", 0)
    field = FieldType(I8, True)
    module = Module(
        types=[
            (SubType(FuncType()),),
            (SubType(StructType((field, FieldType(ref(0)))), (), False), SubType(ArrayType(field), (1,), False)),
            (SubType(StructType(()), (1,), True),),
        ],
        imports=[
            Import("m", "f", ImportedFunc(0)),
            Import("", "t", TableType(EXTERNREF, Limits(0, 2**64 - 1), True)),
            Import("é", "m", MemType(Limits(1, 2), shared=True)),
            Import("m", "g", GlobalType(V128)),
            Import("m", "e", TagType(0)),
        ],
        funcs=[Func(0, [(0, I32), (2, I64), (1, I64), (1, ref(1, False))], [OPS["end"].bare])],
        tables=[Table(TableType(FUNCREF, Limits(1))), Table(TableType(ref("func", False), Limits(1, 9)), ref_0)],
        memories=[MemType(Limits(2**64 - 1), index64=True), MemType(Limits(0, 7), page_log2=0)],
        tags=[TagType(0)],
        start=0,
        customs=[Custom("first", b"\xff", 0), Custom("a", b"", 1), Custom("b", b"x", 1), Custom("last", b"y", 11)],
        has_data_count=True,
    )
    for mode in SegmentMode:
        active = mode is SegmentMode.ACTIVE
        for table in (0, 1) if active else (0,):
            offset = i32_0 if active else ()
            for type_, init in (
                (ref("func", False), (ref_0, const("ref.func", 300))),
                (ref("func", False), ()),
                (FUNCREF, (ref_0,)),
                (FUNCREF, ()),
                (EXTERNREF, (const("ref.null", "extern"), (*i32_0, *i32_0, OPS["i32.add"].bare))),
            ):
                module.elems.append(Elem(type_, init, mode, table, offset))
    return module


def test_a_module_with_every_kind_of_item_survives() -> None:
    module = everything()
    data = encode(module)
    assert decode(data) == module
    assert encode(decode(data)) == data


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13])
def test_custom_sections_keep_their_place_even_behind_empty_sections(after: int) -> None:
    module = Module(customs=[Custom("here", b"", after)])
    assert decode(encode(module)) == module


def test_an_instruction_that_names_data_brings_the_data_count_section() -> None:
    b = ModuleBuilder()
    b.memory(1)
    b.data(b"x")
    f = b.func()
    f.emit("data.drop", 0)
    data = encode(b.finish())
    decoded = decode(data)
    assert decoded.has_data_count
    without = data.replace(section(12, b"\1"), b"")
    assert len(without) == len(data) - 3
    assert malformed(without).message == "data count section required"
    assert "inconsistent" in malformed(data.replace(section(12, b"\1"), section(12, b"\2"))).message


@pytest.mark.parametrize(
    "instr",
    [(OPS["call"], -1), (OPS["i32.const"], -1), (OPS["i32.const"], 2**32), (OPS["f32.const"], 2**32),
     (OPS["i32.load"], MemArg(64, 0)), (OPS["block"], -3), (OPS["i8x16.extract_lane_s"], 256)],
)  # fmt: skip
def test_numbers_without_an_encoding_are_refused(instr: Instr) -> None:
    with pytest.raises(ValueError):
        encode_instrs([instr])


# --- limits ---


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13])
@pytest.mark.parametrize("count", [2**32 - 1, 2_000_000, 99])
def test_a_huge_count_is_refused_before_anything_is_allocated(number: int, count: int) -> None:
    data = HEADER + section(number, unsigned(count) + b"\0" * 50)
    tracemalloc.start()
    try:
        malformed(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def _function(content: bytes) -> bytes:
    body = unsigned(len(content)) + content
    return HEADER + section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(10, b"\1" + body)


def test_locals_stop_at_fifty_thousand() -> None:
    at_limit = _function(b"\2" + unsigned(49_999) + b"\x7f\1\x7e\x0b")
    assert decode(at_limit).funcs[0].locals == [(49_999, I32), (1, I64)]
    assert "too many locals" in malformed(_function(b"\2" + unsigned(50_000) + b"\x7f\1\x7e\x0b")).message
    assert "too many locals" in malformed(_function(b"\1" + unsigned(2**32 - 1) + b"\x7f\x0b")).message


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        (b"\x60" + unsigned(1000) + b"\x7f" * 1000 + unsigned(1000) + b"\x7c" * 1000, True),
        (b"\x60" + unsigned(1001) + b"\x7f" * 1001 + b"\0", False),
        (b"\x60\0" + unsigned(1001) + b"\x7f" * 1001, False),
        (b"\x5f" + unsigned(10_000) + b"\x7f\0" * 10_000, True),
        (b"\x5f" + unsigned(10_001) + b"\x7f\0" * 10_001, False),
    ],
)
def test_limits_of_types(content: bytes, fits: bool) -> None:
    data = HEADER + section(1, b"\1" + content)
    if fits:
        assert encode(decode(data)) == data
    else:
        assert "the limit is" in malformed(data).message


def test_a_body_over_the_limit_is_malformed() -> None:
    size = 7_654_322
    data = HEADER + section(1, b"\1\x60\0\0") + section(3, b"\1\0")
    data += section(10, b"\1" + unsigned(size) + b"\0" + b"\1" * (size - 2) + b"\x0b")
    assert "7654321" in malformed(data).message


# --- numbers ---


@given(st.integers(0, 2**64 - 1))
def test_unsigned_numbers(value: int) -> None:
    data = unsigned(value)
    assert Reader(data).u64() == value
    assert len(data) == max(1, -(-value.bit_length() // 7))
    if value < 2**32:
        padded = bytearray(data)
        while len(padded) < 5:
            padded[-1] |= 0x80
            padded.append(0)
        assert Reader(bytes(padded)).u32() == value
        with pytest.raises(Malformed, match="too long"):
            Reader(bytes(padded[:-1]) + bytes([padded[-1] | 0x80, 0])).u32()
    else:
        with pytest.raises(Malformed, match=r"too large|too long"):
            Reader(data).u32()


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([32, 33, 64]))
def test_signed_numbers(value: int, bits: int) -> None:
    data = signed(value)
    if -(1 << bits - 1) <= value < 1 << bits - 1:
        assert Reader(data).signed(bits) == value
    else:
        with pytest.raises(Malformed, match=r"too large|too long"):
            Reader(data).signed(bits)


@pytest.mark.parametrize("data", ["ffffffff1f", "8080808040", "ffffffff4f", "80808080808000", "ffffffff"])
def test_signed_numbers_whose_unused_bits_are_no_sign(data: str) -> None:
    with pytest.raises(Malformed):
        Reader(bytes.fromhex(data)).signed(32)


# --- the official suite ---


def test_every_module_of_the_suite_round_trips(spec_suite: Any) -> None:
    identical = 0
    for item in spec_suite.well_formed:
        module = decode(item.data)
        data = encode(module)
        assert decode(data) == module, item.where
        identical += data == item.data
    # The rest spells numbers or segments out at greater length than needed, mostly in order to test that.
    assert len(spec_suite.well_formed) > 5_500
    assert identical / len(spec_suite.well_formed) > 0.94


def test_the_suite_agrees_on_what_is_malformed(spec_suite: Any) -> None:
    bad = [item for item in spec_suite.modules if item.command == "assert_malformed"]
    assert len(bad) > 800
    for item in bad:
        with pytest.raises(Malformed):
            pytest.fail(f"{item.where} decodes to {decode(item.data)}, expected: {item.message}")


def test_the_fast_loop_and_the_general_reader_agree_on_the_suite(spec_suite: Any) -> None:
    for item in spec_suite.valid:
        for func in decode(item.data).funcs:
            assert func.offset is not None
            reader = Reader(item.data)
            reader.pos = func.offset
            for instr in func.body:
                assert read_instr(reader) == instr, item.where


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_mutated_modules_decode_or_are_malformed(spec_suite: Any, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(rng.choice(spec_suite.modules).data)
    for _ in range(rng.randrange(1, 6)):
        if not data:
            break
        place = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.randrange(256)
            case 2:
                other = rng.choice(spec_suite.modules).data
                at = rng.randrange(len(other) + 1)
                data[place : place + rng.randrange(20)] = other[at : at + rng.randrange(20)]
            case _:
                del data[place:]
    found = decoded(bytes(data))
    if isinstance(found, Malformed):
        assert found.offset is not None
        assert 0 <= found.offset <= max(len(data), 4)
    else:
        assert decode(encode(found)) == found
