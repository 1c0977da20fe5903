"""Code on references in one function: putting a value of any reference type on the stack, folding one into the hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST, constant, sequence_bits
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.refs.lattice import Defined, value_type
from generators.refs.space import ELEMENTS, SEGMENT, VARIANTS, References
from generators.scalar.expressions import emit_clean
from wasm.isa import OPS
from wasm.signatures_gc import defaultable
from wasm.valtypes import (
    ANYREF,
    EXTERNREF,
    FUNCREF,
    I32,
    I64,
    HeapType,
    NumType,
    PackedType,
    RefType,
    StorageType,
    ValType,
    ref,
)

_FORMS: Final = weighted(
    ("fresh", 70), ("known", 76), ("null", 30), ("global", 18), ("select", 12), ("if", 12), ("cast", 22), ("block", 16),
)  # fmt: skip
_LENGTHS: Final = (1, 2, 3, 0, 4, 5, 7, 8, 13, 16, 17, 32, 33, 64, 100, 255)
_REF_LENGTHS: Final = (1, 2, 3, 0, 4, 5, 8, 12)
_HELD: Final = 3
MANY: Final = 16
"""A row of more values than this is wide: of its objects less is seen."""

_FULL: Final = 3
"""So many fields of an object get values that are more than simple."""
_LONG: Final = 4_000
"""From so many instructions on, a function makes its wide objects by default: each is as long as it has fields."""
_FIXED: Final = (1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 12, 16, 20, 32, 64)
_TOPS: Final = {"func": FUNCREF, "nofunc": FUNCREF, "extern": EXTERNREF, "noextern": EXTERNREF}


class Code:
    """The body of one function. ``known`` has the locals that hold references, the newest last.

    A local whose type has no null may be read only where it was set for sure (spec 3.4.1), so ``leave`` forgets those
    of a block that ends.
    """

    def __init__(self, fn: Function, source: ChoiceSource) -> None:
        self.fn, self.source = fn, source
        self.f = fn.f
        self.space: References = fn.shell.kit(References)
        params = [(type_, i) for i, type_ in enumerate(self.f.type.params) if isinstance(type_, RefType)]
        self.known = self.space.locals.setdefault(self.f.index, params)

    def mark(self) -> int:
        return len(self.known)

    def leave(self, mark: int) -> None:
        """A block that was opened at ``mark`` has ended."""
        self.known[mark:] = [found for found in self.known[mark:] if found[0].nullable]

    # Numbers

    def number(self, type_: NumType, depth: int = 1) -> None:
        emit_clean(self.fn, self.source, type_, depth)

    def bit(self) -> None:
        """A condition."""
        self.number(I32, 1)
        self.f.body += ((I32_CONST, 1), BARE["i32.and"])

    def item(self, storage: StorageType, depth: int) -> None:
        """A value for a field."""
        type_ = value_type(storage)
        if isinstance(type_, RefType):
            self.push(type_, depth)
        elif depth > 0 and not self.source.below(3):
            self.number(type_, 1)
        else:
            self.f.body.append(constant(self.source, type_))

    # References

    def keep(self, type_: RefType) -> int:
        """Move the reference on the stack into a new local."""
        local = self.f.local(type_)
        self.f.body.append((SET, local))
        self.known.append((type_, local))
        return local

    def push(self, type_: RefType, depth: int) -> None:
        """A value of a type on the stack."""
        if depth > 0:
            how = self.source.weighted(_FORMS)
        else:
            how = ("null", "known", "fresh")[self.source.below(3)] if depth == 0 else "null"
        if not self.space.inhabited(type_.heap):
            how = "null" if how != "known" else how
        if how == "null" and type_.nullable:
            self.f.body.append((OPS["ref.null"], type_.heap))
        elif how == "known":
            self._known(type_, depth)
        elif how == "global" and self.space.initial(type_):
            self._global(type_)
        elif how == "cast" and self.space.gc and self.space.inhabited(type_.heap):
            self._cast(type_, depth)
        elif how in ("select", "if", "block"):
            self._merge(how, type_, depth)
        else:
            self.fresh(type_.heap, depth)

    def _known(self, type_: RefType, depth: int) -> None:
        """A local of a type at or below; where it may be null and must not be, another value then."""
        found = [(held, local) for held, local in self.known[-24:] if self.space.matches(held, type_)]
        body = self.f.body
        if found:
            body.append((GET, self.source.pick(found[::-1])[1]))
            return
        if not type_.nullable:
            nullable = ref(type_.heap)
            found = [(held, local) for held, local in self.known[-24:] if self.space.matches(held, nullable)]
            if found:
                self.f.open("block", (), (type_,))
                body += ((GET, self.source.pick(found[::-1])[1]), (OPS["br_on_non_null"], 0))
                self.fresh(type_.heap, depth - 1)
                self.f.end()
                return
        if type_.nullable and (depth <= 0 or not self.space.inhabited(type_.heap)):
            body.append((OPS["ref.null"], type_.heap))
        else:
            self.fresh(type_.heap, depth)

    def _global(self, type_: RefType) -> None:
        found = [index for held, index, _ in self.space.globals if self.space.matches(held, type_)]
        if not found or not self.source.below(4):
            found = [self.space.global_(self.source, type_)[1]]
        self.f.body.append((OPS["global.get"], self.source.pick(found)))

    def _cast(self, type_: RefType, depth: int) -> None:
        """A value through a local of the type above all, and a cast back that succeeds."""
        top = self.top(type_.heap)
        t = self.fn.temp(top)
        if top is EXTERNREF:
            self.fresh(type_.heap, depth - 1)
            return
        self.push(type_, depth - 1)
        self.f.body += ((TEE, t), BARE["drop"], (GET, t)) if self.source.below(2) else ((SET, t), (GET, t))
        self.f.body.append((OPS["ref.cast_null" if type_.nullable else "ref.cast"], type_.heap))

    def top(self, heap: HeapType) -> RefType:
        """The type above all of a hierarchy."""
        if isinstance(heap, int):
            kind = self.space.lattice.types[heap].kind if heap in self.space.lattice.types else "func"
            return FUNCREF if kind == "func" else ANYREF
        return _TOPS.get(heap, ANYREF)

    def _merge(self, how: str, type_: RefType, depth: int) -> None:
        """One of two values, by a condition."""
        f = self.f
        mark = self.mark()
        if how == "select":
            self.push(type_, depth - 1)
            self.push(type_, depth - 1)
            self.bit()
            f.body.append((OPS["select_t"], (type_,)))
            return
        if how == "if":
            self.bit()
            f.open("if", (), (type_,))
            self.push(type_, depth - 1)
            self.leave(mark)
            f.else_()
        else:
            f.open("block", (), (type_,))
            self.push(type_, depth - 1)
            self.bit()
            f.body += ((OPS["br_if"], 0), BARE["drop"])
        self.push(type_, depth - 1)
        f.end()
        self.leave(mark)

    def row(self, types: Sequence[ValType]) -> None:
        """Values of a row of types of any length: a few choices, and no two neighbours of a type that are equal."""
        seed, step = self.source.bits(16), 1 + self.source.below(5)
        held: dict[ValType, list[int]] = {}
        for i, type_ in enumerate(types):
            if isinstance(type_, RefType):
                self._place(type_, i, seed + i * step, held)
                continue
            found = self.fn.sources.get(type_)
            if found and (seed + i) % 3 == 0:
                self.f.body.append((GET, found[(seed + i * step) % len(found)]))
            else:
                self.f.body.append((CONST[type_], sequence_bits(type_, seed, i)))

    def _place(self, type_: RefType, i: int, place: int, held: dict[ValType, list[int]]) -> None:
        """A reference for place ``i`` in a row, ``place`` being that number scrambled."""
        space, body, heap = self.space, self.f.body, type_.heap
        if type_.nullable and (place % 5 == 4 or not space.inhabited(heap)):
            body.append((OPS["ref.null"], heap))
        elif heap == "extern":
            body += space.shell.token(i)
            if not type_.nullable:
                body.append(BARE["ref.as_non_null"])
        elif heap in ("i31", "eq", "any"):
            body += ((I32_CONST, place * 0x9E3779B1 & 0xFFFFFFFF), BARE["ref.i31"])
        elif space.is_answer(heap):
            body.append(space.shell.declare(space.shell.answer(place)))
        else:
            locals_ = held.setdefault(type_, [])
            if len(locals_) < _HELD:
                self.push(type_, 1)
                locals_.append(self.f.local(type_))
                body.append((TEE, locals_[-1]))
            else:
                body.append((GET, locals_[place % _HELD]))

    # New values

    def fresh(self, heap: HeapType, depth: int) -> None:
        """A value that is not null."""
        space, source, body = self.space, self.source, self.f.body
        if space.is_answer(heap):
            body.append(space.shell.declare(space.shell.answer(source.below(5))))
            return
        if heap == "extern":
            self._extern(depth)
            return
        found = space.concrete(heap)
        kind = source.below(8)
        if heap == "any" and kind == 7:
            self._extern(depth - 1)
            body.append(BARE["any.convert_extern"])
        elif heap == "i31" or not found or (heap in ("any", "eq") and (kind < 3 or depth <= 0)):
            self.number(I32, min(depth, 1))
            body.append(BARE["ref.i31"])
        else:
            if depth <= 0:
                found = [min(found, key=lambda t: t.weight)]
            self.new(source.pick(found), depth)

    def _extern(self, depth: int) -> None:
        """A host token, or an internal value as the host sees it."""
        space = self.space
        if space.gc and self.source.below(3) == 2:
            self.fresh("any" if depth > 1 else "i31", depth - 1)
            self.f.body.append(BARE["extern.convert_any"])
        else:
            self.f.body += space.shell.token(self.source.below(16))
            if space.typed:
                self.f.body.append(BARE["ref.as_non_null"])

    def new(self, type_: Defined, depth: int) -> None:
        """A new object of exactly this type."""
        body, source = self.f.body, self.source
        match type_.kind:
            case "func":
                body.append(self.space.shell.declare(self.space.function(type_.index, source.below(VARIANTS))))
            case "struct":
                late = len(type_.fields) > MANY and len(body) > _LONG
                if (source.below(6) == 5 or late) and all(defaultable(f.storage) for f in type_.fields):
                    body.append((OPS["struct.new_default"], type_.index))
                    return
                for i, field in enumerate(type_.fields):
                    self.item(field.storage, depth - 1 if i < _FULL else min(depth - 1, -(i % 3)))
                body.append((OPS["struct.new"], type_.index))
            case _:
                self.array(type_, depth)

    def array(self, type_: Defined, depth: int) -> None:
        """A new array, by one of the five instructions."""
        source, body, storage = self.source, self.f.body, type_.fields[0].storage
        reference = isinstance(storage, RefType)
        length = source.pick(_REF_LENGTHS if reference else _LENGTHS)
        match source.below(6):
            case 3 if defaultable(storage):
                body += ((I32_CONST, length), (OPS["array.new_default"], type_.index))
            case 4 | 5 if self.space.bulk and isinstance(storage, RefType) and self.space.initial(storage):
                start = source.below(ELEMENTS + 1)
                count = source.between(0, ELEMENTS - start)
                elem = self.space.elem(storage)
                body += ((I32_CONST, start), (I32_CONST, count), (OPS["array.new_elem"], (type_.index, elem)))
            case 4 | 5 if self.space.bulk and not reference:
                start = source.below(SEGMENT // 2)
                count = source.between(0, (SEGMENT - start) // width(storage))
                data = self.space.data()
                body += ((I32_CONST, start), (I32_CONST, count), (OPS["array.new_data"], (type_.index, data)))
            case 2:
                self.item(storage, depth - 1)
                body += ((I32_CONST, length), (OPS["array.new"], type_.index))
            case _:
                count = source.pick(_REF_LENGTHS if reference else _FIXED)
                for i in range(count):
                    self.item(storage, depth - 1 if i < _FULL else min(depth - 1, -(i % 3)))
                body.append((OPS["array.new_fixed"], (type_.index, count)))

    # Uses

    def fold(self, type_: ValType, depth: int = 1, wide: bool = False) -> None:
        """Fold the value on the stack into the hash; a reference with all that it leads to, ``depth`` steps deep.

        ``wide``: one of many. Of objects, one step is seen.
        """
        body = self.f.body
        if not isinstance(type_, RefType):
            body += self.fn.fold(type_)
        elif not self.space.inhabited(type_.heap):
            body.append(BARE["ref.is_null"])
            body += self.fn.fold(I32)
        elif type_.heap == "extern" and (not self.space.gc or self.source.below(2)):
            self.fn.take(EXTERNREF)
        else:
            heap = "func" if self.space.is_answer(type_.heap) else type_.heap
            what = "digest"
            if wide and self.top(heap) is ANYREF:
                depth = 0
                defined = self.space.lattice.types.get(heap) if isinstance(heap, int) else None
                what = "brief" if defined and defined.kind == "struct" else what
            body += ((I32_CONST, depth), (OPS["call"], self.space.digest(heap, what)), *self.fn.fold(I64))

    def fold_row(self, types: Sequence[ValType], depth: int = 0) -> None:
        """Fold a row of values, the top first."""
        wide = len(types) > MANY
        for type_ in reversed(types):
            self.fold(type_, depth, wide)

    def arguments(self, types: Sequence[ValType], depth: int) -> None:
        """Values for a row of types, the first few of them more than simple."""
        for i, type_ in enumerate(types):
            self.item(type_, depth if i < 4 else 0)


def width(storage: StorageType) -> int:
    """Bytes of a number in memory."""
    assert isinstance(storage, NumType | PackedType)
    return storage.bits // 8


def getter(storage: StorageType, family: str, signed: int) -> str:
    """The instruction that reads a field, of ``struct`` or ``array``."""
    if isinstance(storage, PackedType):
        return f"{family}.get_{'su'[signed]}"
    return f"{family}.get"
