"""The validator: the official suite, features switched off one by one, limits, offsets, and totality."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Suite, SuiteModule
from wasm.builder import ModuleBuilder, const
from wasm.decode import decode, instruction_offset
from wasm.encode import encode
from wasm.errors import Invalid, Malformed
from wasm.features import ALL, DEFAULT, WASM3, Feature
from wasm.isa import OPS, Catch, Instr, MemArg
from wasm.module import ExternKind, Func, Module, Table
from wasm.validate import required_features, validate
from wasm.valtypes import (
    EXTERNREF,
    FUNCREF,
    I32,
    I64,
    V128,
    ArrayType,
    FieldType,
    FuncType,
    Limits,
    NumType,
    StructType,
    SubType,
    TableType,
    TagType,
    ref,
)

F = Feature
PROPOSALS = {
    "legacy": F.LEGACY_EXCEPTIONS,
    "proposals/threads": F.THREADS,
    "proposals/custom-page-sizes": F.CUSTOM_PAGE_SIZES,
    "proposals/wide-arithmetic": F.WIDE_ARITHMETIC,
}
OVERTAKEN = {"multiple tables", "multiple memories"}
"""Errors that proposals/threads still expects and later versions of the specification allow (the suite's README)."""


def suite_features(module: SuiteModule) -> frozenset[Feature]:
    return WASM3 | {feature for folder, feature in PROPOSALS.items() if module.group.startswith(folder)}


def refusal(module: Module, features: frozenset[Feature] = ALL, data: bytes | None = None) -> str | None:
    try:
        validate(module, features, data)
    except Invalid as error:
        return str(error)
    return None


def test_every_valid_module_of_the_suite(spec_suite: Suite) -> None:
    kinds = ("module", "module_definition", "assert_unlinkable", "assert_uninstantiable")
    modules = [module for module in spec_suite.modules if module.command in kinds]
    assert len(modules) > 2700
    for module in modules:
        decoded = decode(module.data)
        assert refusal(decoded, suite_features(module)) is None, module.where
        assert refusal(decoded, required_features(decoded)) is None, module.where


def test_every_invalid_module_of_the_suite(spec_suite: Suite) -> None:
    modules = [module for module in spec_suite.modules if module.command == "assert_invalid"]
    assert len(modules) > 2800
    passed = [m.where for m in modules if refusal(decode(m.data), suite_features(m)) is None]
    overtaken = [m.where for m in modules if m.group == "proposals/threads" and m.message in OVERTAKEN]
    assert passed == overtaken
    assert len(overtaken) == 8


def test_messages_are_in_the_words_of_the_specification(spec_suite: Suite) -> None:
    """Not required, but what people search for: nine of ten begin as the suite's expectation does."""
    asked = [m for m in spec_suite.modules if m.command == "assert_invalid" and m.message not in OVERTAKEN]
    same = sum((refusal(decode(m.data), suite_features(m)) or "").startswith(m.message) for m in asked)
    assert same > 0.9 * len(asked)


# Features

Maker = Callable[[ModuleBuilder], None]


def body(*instrs: tuple[str, object] | str, params: tuple[object, ...] = (), results: tuple[object, ...] = ()) -> Maker:
    def make(b: ModuleBuilder) -> None:
        f = b.func(params, results)  # type: ignore[arg-type]
        for instr in instrs:
            name, imm = (instr, None) if isinstance(instr, str) else instr
            f.emit(name, imm)

    return make


def item(kind: str, value: object) -> Maker:
    def make(b: ModuleBuilder) -> None:
        getattr(b.module, kind).append(value)

    return make


def both(*makers: Maker) -> Maker:
    def make(b: ModuleBuilder) -> None:
        for maker in makers:
            maker(b)

    return make


def memory(**kwargs: object) -> Maker:
    return lambda b: void(b.memory(1, 1, **kwargs))  # type: ignore[arg-type]


def types(*subs: SubType) -> Maker:
    return lambda b: void(b.rec_group(subs))


def void(_: object) -> None:
    return None


def constant(type_: NumType, *init: Instr) -> Maker:
    return lambda b: void(b.global_(type_, init, mutable=False))


NEEDS: list[tuple[Feature, Maker]] = [
    (F.MULTI_VALUE, types(SubType(FuncType((), (I32, I32))))),
    (F.MULTI_VALUE, both(types(SubType(FuncType())), body(("block", 0), "end"))),
    (F.BULK_MEMORY, both(memory(), body(("i32.const", 0), ("i32.const", 0), ("i32.const", 0), ("memory.fill", 0)))),
    (F.BULK_MEMORY, lambda b: void(b.data(b"x"))),
    (F.REFERENCE_TYPES, types(SubType(FuncType((EXTERNREF,))))),
    (F.REFERENCE_TYPES, both(item("tables", Table(TableType(FUNCREF, Limits(1)))), lambda b: void(b.table(1)))),
    (F.REFERENCE_TYPES, body(("i32.const", 0), ("i32.const", 0), ("i32.const", 0), ("select_t", (I32,)), "drop")),
    (F.REFERENCE_TYPES, body(("ref.null", "func"), "drop")),
    (F.SIMD, types(SubType(FuncType((V128,))))),
    (F.SIMD, body(("v128.const", 0), "drop")),
    (F.SIMD, body(("block", V128), "unreachable", "end", "drop")),
    (F.TAIL_CALL, body(("return_call", 0))),
    (F.EXCEPTIONS, lambda b: void(b.tag())),
    (F.EXCEPTIONS, body(("try_table", (None, (Catch("catch_all", None, 0),))), "end")),
    (F.LEGACY_EXCEPTIONS, body(("try", None), "catch_all", "end")),
    (F.MULTI_MEMORY, both(memory(), memory())),
    (F.MEMORY64, memory(index64=True)),
    (F.MEMORY64, lambda b: void(b.table(1, index64=True))),
    (F.EXTENDED_CONST, constant(I32, *const("i32.const", 1), *const("i32.const", 1), *const("i32.add"))),
    (F.GC, body(("i32.const", 0), "ref.i31", "drop")),
    (F.GC, types(SubType(StructType()))),
    (F.GC, types(SubType(ArrayType(FieldType(I32))))),
    (F.GC, types(SubType(FuncType()), SubType(FuncType()))),
    (F.GC, types(SubType(FuncType(), (), False))),
    (F.GC, both(constant(I32, *const("i32.const", 1)), constant(I32, *const("global.get", 0)))),
    (F.THREADS, memory(shared=True)),
    (F.THREADS, body("atomic.fence")),
    (F.CUSTOM_PAGE_SIZES, memory(page_log2=0)),
    (F.WIDE_ARITHMETIC, body(("i64.const", 0), ("i64.const", 0), "i64.mul_wide_u", "drop", "drop")),
]  # fmt: skip
NEEDS_MORE: list[tuple[set[Feature], Maker]] = [
    (set(), both(memory(), lambda b: void(b.table(2)), body(("i32.const", 0), ("i32.load", MemArg(2, 0)), "drop"))),
    ({F.SIMD, F.RELAXED_SIMD}, body(("v128.const", 0), ("v128.const", 0), "i8x16.relaxed_swizzle", "drop")),
    ({F.REFERENCE_TYPES, F.FUNCTION_REFERENCES}, body(("ref.null", 0), ("call_ref", 0))),
    ({F.REFERENCE_TYPES, F.FUNCTION_REFERENCES, F.TAIL_CALL}, body(("ref.null", 0), ("return_call_ref", 0))),
    ({F.REFERENCE_TYPES, F.FUNCTION_REFERENCES}, types(SubType(FuncType((ref("func", False),))))),
    ({F.REFERENCE_TYPES, F.EXCEPTIONS}, types(SubType(FuncType((ref("exn"),))))),
    ({F.REFERENCE_TYPES, F.FUNCTION_REFERENCES}, both(types(SubType(FuncType())), types(SubType(FuncType((ref(0),)))))),
    ({F.REFERENCE_TYPES, F.FUNCTION_REFERENCES, F.GC}, types(SubType(FuncType((), (ref(0),))))),
    ({F.REFERENCE_TYPES, F.EXCEPTIONS, F.GC}, types(SubType(FuncType((ref("noexn"),))))),
    ({F.REFERENCE_TYPES, F.GC}, body(("ref.null", "any"), "drop")),
    ({F.REFERENCE_TYPES, F.FUNCTION_REFERENCES}, lambda b: void(b.table(1, init=const("ref.null", "func")))),
]  # fmt: skip


def built(maker: Maker) -> Module:
    b = ModuleBuilder()
    maker(b)
    return b.finish()


@pytest.mark.parametrize("case", range(len(NEEDS)), ids=lambda i: f"{NEEDS[i][0].value}-{i}")
def test_a_feature_that_is_off_is_refused(case: int) -> None:
    feature, maker = NEEDS[case]
    module = built(maker)
    assert refusal(module, ALL) is None
    assert required_features(module) == {feature}
    # Either proposal of exceptions brings tags, so the other one has to be off as well.
    assert f"feature {feature.value} is not enabled" in str(refusal(module, ALL - {feature, F.LEGACY_EXCEPTIONS}))
    assert refusal(module, frozenset({feature})) is None


@pytest.mark.parametrize("case", range(len(NEEDS_MORE)))
def test_features_that_come_together(case: int) -> None:
    needs, maker = NEEDS_MORE[case]
    module = built(maker)
    assert required_features(module) == needs
    assert refusal(module, frozenset(needs)) is None
    for feature in needs:
        assert f"feature {feature.value} is not enabled" in str(refusal(module, ALL - {feature}))


def test_every_feature_has_a_case() -> None:
    assert {feature for feature, _ in NEEDS}.union(*(needs for needs, _ in NEEDS_MORE)) == ALL


def test_tags_belong_to_both_exception_proposals() -> None:
    tagged = both(lambda b: void(b.tag()), body(("throw", 0)))
    legacy = both(lambda b: void(b.tag()), body(("try", None), ("throw", 0), ("catch", 0), "end"))
    assert required_features(built(tagged)) == {F.EXCEPTIONS}
    assert required_features(built(legacy)) == {F.LEGACY_EXCEPTIONS}
    for maker in (tagged, legacy):
        assert refusal(built(maker), frozenset({F.LEGACY_EXCEPTIONS})) is None
    assert "exceptions is not enabled" in str(refusal(built(tagged), frozenset()))


def test_the_suites_required_features_are_the_least(spec_suite: Suite) -> None:
    for module in spec_suite.valid[::7]:
        decoded = decode(module.data)
        needs = required_features(decoded)
        for feature in needs:
            assert refusal(decoded, needs - {feature}) is not None, (module.where, feature)


# Errors and where they are


def test_an_error_has_the_offset_of_its_instruction() -> None:
    b = ModuleBuilder()
    b.import_func("m", "f")
    b.func()
    f = b.func()
    f.i32(1)
    f.emit("i64.eqz")
    f.emit("drop")
    data = encode(b.finish())
    module = decode(data)
    with pytest.raises(Invalid, match="type mismatch: expected i64, found i32") as caught:
        validate(module, DEFAULT, data)
    assert caught.value.offset == instruction_offset(data, 1, 1)
    assert data[caught.value.offset] == OPS["i64.eqz"].code
    with pytest.raises(Invalid, match="function 2, instruction 1") as caught:
        validate(module)
    assert caught.value.offset is None


def test_a_feature_error_has_an_offset_too() -> None:
    data = encode(built(body("nop", ("v128.const", 0), "drop")))
    with pytest.raises(Invalid) as caught:
        validate(decode(data), ALL - {F.SIMD}, data)
    assert caught.value.offset == instruction_offset(data, 0, 1)


@pytest.mark.parametrize(
    ("maker", "message"),
    [
        (body("i32.add", "drop"), "type mismatch"),
        (body(("local.get", 0), "drop"), "unknown local 0"),
        (body(("br", 1)), "unknown label 1"),
        (body(("call", 7)), "unknown function 7"),
        (body(("i32.const", 0), ("i32.load", MemArg(2, 0)), "drop"), "unknown memory 0"),
        (both(memory(), body(("i32.const", 0), ("i32.load", MemArg(3, 0)), "drop")), "alignment"),
        (both(memory(), body(("i32.const", 0), ("i32.atomic.load", MemArg(1, 0)), "drop")), "alignment"),
        (body(("ref.func", 0), "drop"), "undeclared function reference"),
        (lambda b: void(b.memory(1, shared=True)), "shared memory must have maximum"),
        (lambda b: void(b.memory(2, 1)), "size minimum must not be greater than maximum"),
        (lambda b: void(b.memory(1 << 17)), "memory size must be at most 65536"),
        (lambda b: void(b.memory(1, page_log2=3)), "invalid custom page size"),
        (lambda b: void(b.table(1, ref=ref("func", False))), "type mismatch"),
        (lambda b: void(b.global_(I32, const("i64.const", 0))), "type mismatch"),
        (lambda b: void(b.global_(I32, const("global.get", 0))), "unknown global"),
        (lambda b: void(b.global_(I32, const("memory.size", 0))), "constant expression required"),
        (lambda b: [b.memory(1, export="a"), b.memory(1, export="a")], "duplicate export name"),
        (lambda b: b.export("a", ExternKind.TAG, 0), "unknown tag 0"),
        (both(body(params=(I32,)), lambda b: setattr(b.module, "start", 0)), "start function"),
        (item("tags", TagType(0)), "unknown type 0"),
        (both(types(SubType(FuncType((), (I32,)))), item("tags", TagType(0))), "non-empty tag result type"),
        (types(SubType(FuncType((), ()), (0,))), "unknown type 0"),
        (types(SubType(FuncType((), ())), SubType(FuncType((), ()), (0,))), "sub type 1 extends the final type 0"),
        (types(SubType(FuncType((ref(1),)))), "unknown type 1"),
    ],
)  # fmt: skip
def test_messages(maker: Maker, message: str) -> None:
    assert message in str(refusal(built(maker)))


# Limits


@pytest.mark.parametrize(("params", "results", "right"), [(1000, 1000, True), (1001, 0, False), (0, 1001, False)])
def test_the_width_of_a_signature_is_limited(params: int, results: int, right: bool) -> None:
    module = built(types(SubType(FuncType((I32,) * params, (I64,) * results))))
    assert (refusal(module) is None) is right


@pytest.mark.parametrize(("count", "right"), [(49_998, True), (49_999, False)])
def test_parameters_count_as_locals(count: int, right: bool) -> None:
    b = ModuleBuilder()
    b.func((I32, I32)).local(I64, count)
    assert (refusal(b.finish()) is None) is right


@pytest.mark.parametrize(("count", "right"), [(65_520, True), (65_521, False)])
def test_br_table_targets_are_limited(count: int, right: bool) -> None:
    assert (refusal(built(body(("i32.const", 0), ("br_table", ((0,) * count, 0))))) is None) is right


@pytest.mark.parametrize(("depth", "right"), [(63, True), (64, False)])
def test_the_depth_of_subtyping_is_limited(depth: int, right: bool) -> None:
    chain = [SubType(StructType(), (), False), *(SubType(StructType(), (i,), False) for i in range(depth))]
    assert (refusal(built(both(*map(types, chain)))) is None) is right


# Totality


def quickly(module: Module, seconds: float) -> str | None:
    start = time.process_time()
    found = refusal(module)
    assert time.process_time() - start < seconds
    return found


@pytest.mark.parametrize("kind", ["block", "loop", "if", "try_table", "try"])
def test_fifty_thousand_nested_blocks(kind: str) -> None:
    b = ModuleBuilder()
    f = b.func()
    for _ in range(50_000):
        if kind == "if":
            f.i32(0)
        f.emit(kind, (None, ()) if kind == "try_table" else None)
    f.body += [OPS["end"].bare] * 50_000
    assert quickly(b.finish(), 5) is None


def test_structure_that_no_decoder_gives_is_invalid_and_no_other_error() -> None:
    end, bare = OPS["end"].bare, OPS["nop"].bare
    for instrs in ([], [bare], [end, bare], [end, end], [OPS["else"].bare, end], [(OPS["block"], None), end],
                   [OPS["catch_all"].bare, end], [(OPS["delegate"], 0), end], [(OPS["local.get"], 0), end, bare],
                   [(OPS["rethrow"], 0), end], [(OPS["catch"], 0), end]):  # fmt: skip
        b = ModuleBuilder()
        b.func_type()
        b.module.funcs.append(Func(0, [], list(instrs)))
        assert refusal(b.finish()) is not None, instrs


@pytest.mark.parametrize("unreachable", [False, True])
def test_wide_calls_that_never_match_exactly_take_no_more_than_a_hash_each(unreachable: bool) -> None:
    """Four bytes of code ask for a thousand subtype checks each time."""
    b = ModuleBuilder()
    gives = b.func((), (ref("eq", False),) * 1000)
    gives.emit("unreachable")
    takes = b.func((ref("any"),) * 1000)
    f = b.func()
    if unreachable:
        f.emit("unreachable")
    for _ in range(20_000):
        if not unreachable:
            f.emit("call", gives.index)
        f.emit("call", takes.index)
    assert quickly(b.finish(), 5) is None


def test_operands_that_pile_up_are_bounded() -> None:
    b = ModuleBuilder()
    wide = b.func((), (I32,) * 1000)
    wide.emit("unreachable")
    f = b.func()
    for _ in range(20_000):
        f.emit("call", wide.index)
    assert "operands are on the stack" in str(quickly(b.finish(), 5))
    g = ModuleBuilder()
    wide = g.func((), (I32,) * 1000)
    wide.emit("unreachable")
    f = g.func()
    for _ in range(20_000):
        f.emit("call", wide.index)
        f.emit("block")
    f.body += [OPS["end"].bare] * 20_000
    assert "operands are on the stack" in str(quickly(g.finish(), 5))


def test_br_table_to_thousands_of_labels_of_few_types() -> None:
    b = ModuleBuilder()
    types_ = (ref("any"),) * 1000
    source = b.func((), (ref("eq", False),) * 1000)
    source.emit("unreachable")
    f = b.func((), types_)
    for _ in range(2_000):
        f.open("block", (), types_)
    f.emit("call", source.index)
    f.i32(0)
    f.emit("br_table", (tuple(range(2_000)), 2_000))
    for _ in range(2_000):
        f.end()
    assert quickly(b.finish(), 5) is None


def test_a_local_without_default_is_set_until_its_block_ends() -> None:
    def module(*instrs: tuple[str, object] | str) -> Module:
        b = ModuleBuilder()
        f = b.func((ref("extern", False),))
        f.local(ref("extern", False))
        for instr in instrs:
            name, imm = (instr, None) if isinstance(instr, str) else instr
            f.emit(name, imm)
        return b.finish()

    get, put = (("local.get", 1), "drop"), (("local.get", 0), ("local.set", 1))
    assert refusal(module(*put, *get)) is None
    assert "uninitialized local 1" in str(refusal(module(*get)))
    assert "uninitialized local 1" in str(refusal(module(("block", None), *put, *get, "end", *get)))
    assert refusal(module(*put, ("block", None), *put, *get, "end", *get)) is None
    assert "uninitialized local 1" in str(refusal(module(("i32.const", 0), ("if", None), *put, "else", *get, "end")))


@pytest.fixture(scope="module")
def seeds(spec_suite: Suite) -> list[bytes]:
    return [module.data for module in spec_suite.modules if 8 < len(module.data) < 2_000]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(choice=st.integers(0, 2**64 - 1))
def test_mutated_modules_are_valid_malformed_or_invalid(seeds: list[bytes], choice: int) -> None:
    """Ten mutants an example, under a random set of features. Anything but the two errors fails the test."""
    rng = random.Random(choice)
    for _ in range(10):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(8, len(data))
            if rng.random() < 0.5:
                data[at] = rng.choice((0, 1, 2, 3, 0x0B, 0x40, 0x63, 0x64, 0x6F, 0x70, 0x7B, 0x7F, rng.randrange(256)))
            else:
                data[at] ^= 1 << rng.randrange(8)
        features = ALL if rng.random() < 0.5 else frozenset(f for f in Feature if rng.random() < 0.9)
        try:
            module = decode(bytes(data))
        except Malformed:
            continue
        try:
            validate(module, features, bytes(data))
        except Invalid:
            continue
        assert required_features(module) <= features | {F.EXCEPTIONS}
