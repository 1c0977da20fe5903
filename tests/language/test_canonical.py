"""Types across modules: which are the same, which match, and that the process does not keep them for ever."""

from __future__ import annotations

import gc

import pytest

from wasm import canonical
from wasm.canonical import Types, canonical_subtype, limits_match, matches_extern, type_matches
from wasm.module import ExternType, ImportedFunc
from wasm.valtypes import (
    EXTERNREF,
    FUNCREF,
    I8,
    I32,
    I64,
    ArrayType,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    RecGroup,
    StructType,
    SubType,
    TableType,
    TagType,
    ref,
)

UNIT = (SubType(FuncType()),)


def node(index: int, *, final: bool = True) -> SubType:
    """A struct with a reference to the type at ``index``."""
    return SubType(StructType((FieldType(ref(index), True),)), (), final)


def test_the_same_function_type_of_two_modules_has_one_id() -> None:
    wide = (SubType(FuncType((I32, I64) * 100, (I64,) * 300)),)
    a, b = Types([UNIT, wide]), Types([wide, UNIT])
    assert a.canonical_id(1) == b.canonical_id(0)
    assert a.canonical_id(0) == b.canonical_id(1) != a.canonical_id(1)


def test_indices_mean_nothing_beyond_their_module() -> None:
    a = Types([UNIT, (SubType(FuncType((ref(0),))),)])
    b = Types([(SubType(FuncType((I32,))),), UNIT, (SubType(FuncType((ref(1),))),), (SubType(FuncType((ref(0),))),)])
    assert a.canonical_id(1) == b.canonical_id(2)
    assert a.canonical_id(1) != b.canonical_id(3)


def test_a_group_is_compared_as_a_whole() -> None:
    pair = Types([(node(1), node(0))])
    shifted = Types([UNIT, (node(2), node(1))])
    alone = Types([(node(0),)])
    assert pair.canonical_id(0) == shifted.canonical_id(1)
    assert pair.canonical_id(1) == shifted.canonical_id(2)
    assert pair.canonical_id(0) != pair.canonical_id(1)  # equal infinite trees, different positions (iso-recursive)
    assert alone.canonical_id(0) not in (pair.canonical_id(0), pair.canonical_id(1))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (SubType(FuncType()), SubType(FuncType(), (), False)),
        (SubType(StructType((FieldType(I32),))), SubType(StructType((FieldType(I32, True),)))),
        (SubType(StructType((FieldType(I8),))), SubType(StructType((FieldType(I32),)))),
        (SubType(StructType((FieldType(I8),))), SubType(ArrayType(FieldType(I8)))),
        (SubType(FuncType((ref(0),))), SubType(FuncType((ref(0, False),)))),
        (SubType(FuncType((I32,))), SubType(FuncType((), (I32,)))),
    ],
)
def test_what_differs_has_another_id(a: SubType, b: SubType) -> None:
    types = Types([(a,), (b,)])
    assert types.canonical_id(0) != types.canonical_id(1)


def test_declared_supertypes_match_through_the_chain() -> None:
    chain: list[RecGroup] = [(SubType(StructType(), (), False),)]
    chain += [(SubType(StructType((FieldType(I32),) * i), (i - 1,), False),) for i in range(1, 64)]
    a, b = (
        Types(chain),
        Types([UNIT, *((SubType(s.composite, tuple(p + 1 for p in s.supertypes), False),) for (s,) in chain)]),
    )
    assert canonical_subtype(b.canonical_id(64), a.canonical_id(0))
    assert canonical_subtype(b.canonical_id(64), a.canonical_id(63))
    assert not canonical_subtype(a.canonical_id(0), b.canonical_id(64))
    same_shape_elsewhere = Types([(SubType(StructType((FieldType(I32),)), (), False),)])
    assert not canonical_subtype(same_shape_elsewhere.canonical_id(0), a.canonical_id(0))


ORDER = {
    "any": {"eq", "i31", "struct", "array", "none"},
    "eq": {"i31", "struct", "array", "none"},
    "i31": {"none"},
    "struct": {"none"},
    "array": {"none"},
    "func": {"nofunc"},
    "extern": {"noextern"},
    "exn": {"noexn"},
}


def test_abstract_heap_types_match_as_the_table_of_the_specification_says() -> None:
    types = Types([])
    names = [*ORDER, "none", "nofunc", "noextern", "noexn"]
    for sub in names:
        for above in names:
            assert types.heap_matches(sub, above) is (sub == above or sub in ORDER.get(above, ())), (sub, above)


def test_concrete_heap_types_stand_between_their_kind_and_its_bottom() -> None:
    types = Types([UNIT, (SubType(StructType()),), (SubType(ArrayType(FieldType(I8))),)])
    for index, kind, bottom in ((0, "func", "nofunc"), (1, "struct", "none"), (2, "array", "none")):
        assert types.heap_matches(index, kind)
        assert types.heap_matches(bottom, index)
        assert not types.heap_matches(kind, index)
        assert types.heap_matches(index, "eq") is (index > 0)
        assert types.top(index) == ("func" if index == 0 else "any")
    assert not types.heap_matches("i31", 1)
    assert types.is_subtype(ref(1, False), ref("eq"))
    assert not types.is_subtype(ref(1), ref("eq", False))


MEM, TABLE = MemType(Limits(2, 5)), TableType(FUNCREF, Limits(2, 5))
LINKS: list[tuple[ExternType, ExternType, bool]] = [
    (MEM, MemType(Limits(1)), True),
    (MEM, MemType(Limits(3)), False),
    (MEM, MemType(Limits(1, 4)), False),
    (MEM, MemType(Limits(2, 5), index64=True), False),
    (MEM, MemType(Limits(2, 5), shared=True), False),
    (MEM, MemType(Limits(2, 5), page_log2=0), False),
    (MEM, TABLE, False),
    (TABLE, TableType(FUNCREF, Limits(2)), True),
    (TABLE, TableType(EXTERNREF, Limits(2)), False),
    (TableType(ref("nofunc"), Limits(2)), TableType(FUNCREF, Limits(2)), False),
    (TABLE, TableType(FUNCREF, Limits(2), index64=True), False),
    (GlobalType(ref(0, False)), GlobalType(FUNCREF), True),
    (GlobalType(ref(0, False), True), GlobalType(FUNCREF, True), False),
    (GlobalType(ref(0), True), GlobalType(ref(1), True), True),
    (GlobalType(I32), GlobalType(I32, True), False),
    (GlobalType(I32), GlobalType(I64), False),
    (ImportedFunc(0), ImportedFunc(1), True),
    (ImportedFunc(0), ImportedFunc(0), False),
    (ImportedFunc(2), ImportedFunc(2), True),
    (ImportedFunc(2), ImportedFunc(3), False),
    (ImportedFunc(3), ImportedFunc(2), True),
    (TagType(0), TagType(1), True),
    (TagType(3), TagType(2), False),
]


@pytest.mark.parametrize(("given", "wanted", "right"), LINKS)
def test_linking(given: ExternType, wanted: ExternType, right: bool) -> None:
    """In the exporting module type 0 is what the importing one calls 1; type 3 is declared below type 2 in both."""
    other = (SubType(FuncType((I64,))),)
    family: list[RecGroup] = [
        (SubType(FuncType((), (FUNCREF,)), (), False),),
        (SubType(FuncType((), (ref("nofunc"),)), (2,)),),
    ]
    assert matches_extern(Types([UNIT, other, *family]), given, Types([other, UNIT, *family]), wanted) is right


def test_a_maximum_may_be_missing_on_the_wanted_side_only() -> None:
    assert limits_match(Limits(1, 2), Limits(1))
    assert not limits_match(Limits(1), Limits(1, 2))


def test_value_types_match_between_modules() -> None:
    a, b = Types([UNIT]), Types([(SubType(FuncType((I32,))),), UNIT])
    assert type_matches(a, ref(0, False), b, ref(1))
    assert not type_matches(a, ref(0, False), b, ref(0))
    assert type_matches(a, I32, b, I32)
    assert not type_matches(a, I32, b, ref(0))


def test_types_that_no_module_has_any_more_are_forgotten() -> None:
    groups: list[RecGroup] = [(SubType(StructType((FieldType(I64),) * 77)),), (SubType(FuncType((ref(0),) * 78)),)]
    gc.collect()
    before = len(canonical._GROUPS)
    first = Types(groups)
    ids = first.canonical_id(1), first.canonical_id(0)
    second = Types(groups)
    assert second.canonical_id(1) == ids[0]
    del first
    gc.collect()
    assert (second.canonical_id(1), Types(groups).canonical_id(0)) == ids  # one module that is left keeps them
    assert len(canonical._GROUPS) == before + 2
    del second
    gc.collect()
    assert len(canonical._GROUPS) == before
