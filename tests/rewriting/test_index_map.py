"""Index maps: every kind of immediate is accounted for, and everything in a module follows."""

from __future__ import annotations

import wasmtime

from wasm.decode import decode
from wasm.encode import encode
from wasm.isa import OPS, ROWS, Catch, Imm, Instr, MemArg
from wasm.module import ExternKind, Module
from wasm.rewrite.index_map import labels_of, local_of, map_instr, map_module, names_in, with_labels, with_local
from wasm.rewrite.merging import merged
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space, imported_counts, kind_of_import, space_sizes
from wasm.validate import validate
from wasm.valtypes import I32, ref

INDICES: dict[Imm, tuple[object, set[tuple[Space, int]]]] = {
    Imm.FUNC: (7, {(Space.FUNC, 7)}),
    Imm.TYPE: (7, {(Space.TYPE, 7)}),
    Imm.TABLE: (7, {(Space.TABLE, 7)}),
    Imm.MEMORY: (7, {(Space.MEMORY, 7)}),
    Imm.GLOBAL: (7, {(Space.GLOBAL, 7)}),
    Imm.TAG: (7, {(Space.TAG, 7)}),
    Imm.DATA: (7, {(Space.DATA, 7)}),
    Imm.ELEM: (7, {(Space.ELEM, 7)}),
    Imm.MEMARG: (MemArg(2, 4, 7), {(Space.MEMORY, 7)}),
    Imm.BLOCK_TYPE: (7, {(Space.TYPE, 7)}),
    Imm.HEAP: (7, {(Space.TYPE, 7)}),
    Imm.TYPES: ((I32, ref(7)), {(Space.TYPE, 7)}),
    Imm.CAST: ((3, ref(7), ref(8, False)), {(Space.TYPE, 7), (Space.TYPE, 8)}),
    Imm.CATCHES: ((Catch("catch", 7, 3), Catch("catch_all", None, 4)), {(Space.TAG, 7)}),
}
"""By kind, an immediate and the indices of the module in it."""

LABELS: dict[Imm, tuple[object, tuple[int, ...]]] = {
    Imm.LABEL: (3, (3,)),
    Imm.LABELS: (((3, 4), 5), (3, 4, 5)),
    Imm.CAST: (INDICES[Imm.CAST][0], (3,)),
    Imm.CATCHES: (INDICES[Imm.CATCHES][0], (3, 4)),
}
IN_A_FUNCTION = {Imm.LOCAL, Imm.FIELD, *LABELS}
VALUES = {
    Imm.COUNT, Imm.LANE, Imm.LANES, Imm.I32, Imm.I64, Imm.F32, Imm.F64, Imm.V128, Imm.ORDERING,
}  # fmt: skip


def instr_with(kind: Imm, value: object) -> Instr:
    """An instruction that has this kind of immediate; zeros for the others."""
    row = next(row for row in ROWS if kind in row.imms)
    if len(row.imms) == 1:
        return (row, value)
    plain: dict[Imm, object] = {Imm.BLOCK_TYPE: None, Imm.CATCHES: (), Imm.MEMARG: MemArg(0, 0)}
    return (row, tuple(value if k == row.imms.index(kind) else plain.get(kind_, 0) for k, kind_ in enumerate(row.imms)))


def test_every_kind_of_immediate_is_one_of_these() -> None:
    """A new kind fails here until somebody says what it holds, and ``index_map`` knows it."""
    assert {*INDICES, *IN_A_FUNCTION, *VALUES} == set(Imm)
    assert not VALUES & {*INDICES, *IN_A_FUNCTION}


def test_indices_of_every_kind_are_found_and_mapped() -> None:
    for kind, (value, names) in INDICES.items():
        instr = instr_with(kind, value)
        seen: set[tuple[Space, int]] = set()
        names_in(instr, lambda space, index, seen=seen: seen.add((space, index)))  # type: ignore[misc]
        assert names <= seen, kind
        assert all(index == 0 for _, index in seen - names), kind
        up = map_instr(instr, lambda _, index: index + 10)
        assert map_instr(up, lambda _, index: index - 10) == instr
        moved: set[int] = set()
        names_in(up, lambda _, index, moved=moved: moved.add(index))  # type: ignore[misc]
        assert {index + 10 for _, index in names} <= moved, kind


def test_what_holds_no_index_is_the_same_object() -> None:
    for row in ROWS:
        if not INDICES.keys() & set(row.imms):
            instr = (row, object())
            assert map_instr(instr, lambda *_: 99) is instr


def test_labels_of_every_kind() -> None:
    for kind, (value, labels) in LABELS.items():
        instr = instr_with(kind, value)
        assert labels_of(instr) == labels
        other = with_labels(instr, [label + 10 for label in labels])
        assert labels_of(other) == tuple(label + 10 for label in labels)
        assert with_labels(other, labels) == instr
    assert labels_of(with_labels((OPS["br_table"], ((1, 2), 3)), [9])) == (9,)


def test_locals() -> None:
    assert local_of((OPS["local.tee"], 3)) == 3
    assert with_local((OPS["local.tee"], 3), 5) == (OPS["local.tee"], 5)
    assert local_of((OPS["global.get"], 3)) is None


EVERYTHING = """(module
  (type $point (struct (field i32))) (type $f (func (param (ref null $point)) (result i32)))
  (type $exn (func (param i32)))
  (import "m" "f" (func $imported (type $f))) (import "m" "g" (global $base i32))
  (table $t 4 4 funcref) (memory $m 1) (global $own (mut funcref) (ref.func $own_f)) (tag $e (type $exn))
  (func $own_f (type $f) (local (ref null $point))
    local.get 0 call $imported
    block (result i32) try_table (result i32) (catch $e 0) i32.const 3 throw $e end end i32.add
    i32.const 0 i32.load i32.add
    ref.null $point i32.const 0 call_indirect $t (type $f) i32.add)
  (func $start global.get $base drop data.drop $d)
  (start $start) (export "f" (func $own_f)) (export "t" (table $t))
  (elem $el (table $t) (global.get $base) func $own_f $imported) (data $d (global.get $base) "abc"))"""


def module_of(wat: str) -> Module:
    module = decode(bytes(wasmtime.wat2wasm(wat)))
    module.customs = []
    return module


def test_a_permutation_and_back() -> None:
    """Every index goes up in a module that names something in every space, and comes down to where it was."""
    module = module_of(EVERYTHING)
    validate(module)
    seen: set[Space] = set()

    def up(space: Space, index: int) -> int:
        seen.add(space)
        return index + 100

    moved = map_module(module, up)
    assert seen == set(Space) - {Space.ELEM}
    assert moved.start == 102
    assert moved.elems[0].table == 100
    assert moved.funcs[0].type_index == 101
    assert moved.funcs[0].locals == [(1, ref(100))]
    assert map_module(moved, lambda _, index: index - 100) == module


def test_merging_with_itself() -> None:
    module = module_of(EVERYTHING)
    whole, first, second = merged(module, module, "b_")
    validate(whole)
    assert space_sizes(whole) == {space: 2 * size for space, size in space_sizes(module).items()}
    assert (first(Space.FUNC, 0), first(Space.FUNC, 1)) == (0, 2)
    assert (second(Space.FUNC, 0), second(Space.FUNC, 1)) == (1, 4)
    assert [(item.name, item.index) for item in whole.exports] == [("f", 2), ("t", 0), ("b_f", 4), ("b_t", 1)]
    whole.funcs[0].body.clear()
    assert module.funcs[0].body, "the whole shares a body with its part"


def test_removal_of_what_nothing_names() -> None:
    text = '(module (func $a) (global $g i32 i32.const 1) (func $b (export "b") global.get $g drop) (func $c call $b))'
    removal = Removal()
    removal.add(Space.FUNC, 0)
    made = remove_items(module_of(text), removal)
    assert encode(made) == encode(
        module_of('(module (global $g i32 i32.const 1) (func $b (export "b") global.get $g drop) (func $c call $b))')
    )


def test_kinds_of_imports() -> None:
    module = module_of(EVERYTHING)
    assert [kind_of_import(item) for item in module.imports] == [ExternKind.FUNC, ExternKind.GLOBAL]
    counts = imported_counts(module)
    assert (counts[Space.FUNC], counts[Space.GLOBAL], counts[Space.TABLE]) == (1, 1, 0)
