"""Code on references in one function: putting a value of any reference type on the stack, folding one into the hash.

A value comes fresh, out of a local or a global, through a cast that succeeds, or as one of two:

    block (result (ref 3))          ;; a local that may be null, and an object that stands in for null
      local.get 5
      br_on_non_null 0
      i32.const 7
      struct.new 3
    end
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.values import CONST, constant, sequence_bits
from generators.module.function import GET, TEE, Function
from generators.module.shell import TYPED_ANSWERS
from generators.program.hosts import Collectors
from generators.refs.instructions import cast_to, width
from generators.refs.lattice import Defined, value_type
from generators.refs.space import ELEMENTS, SEGMENT, VARIANTS, RefSpace, Role
from generators.scalar.expressions import emit_clean
from wasm.fragment import code, template
from wasm.signatures_gc import defaultable
from wasm.valtypes import (
    ANYREF,
    EXTERNREF,
    FUNCREF,
    I32,
    I64,
    HeapType,
    NumType,
    RefType,
    StorageType,
    ValType,
    ref,
)

_FORMS: Final = weighted(
    ("fresh", 70), ("known", 76), ("null", 30), ("global", 18), ("select", 12), ("if", 12), ("cast", 22), ("block", 16),
)  # fmt: skip
"""How a value comes about: ``select``, ``if`` and ``block`` choose one of two others."""
_LEAVES: Final = ("null", "known", "fresh")
_FRESH: Final = shares(("i31", 3), ("own", 4), ("host", 1))
"""What a new value of ``any`` or ``eq`` is: a small integer, an object of the module's own types, a host's value."""
_ARRAYS: Final = shares(("fixed", 2), ("repeated", 1), ("default", 1), ("segment", 2))
"""The instruction that makes an array; ``fixed`` where the drawn one does not fit."""
_LENGTHS: Final = (1, 2, 3, 0, 4, 5, 7, 8, 13, 16, 17, 32, 33, 64, 100, 255)
_REF_LENGTHS: Final = (1, 2, 3, 0, 4, 5, 8, 12)
_FIXED_LENGTHS: Final = (1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 12, 16, 20, 32, 64)
_HELD: Final = 3
"""So many objects of a type are made for many values of it; the others repeat them."""
_NEWEST: Final = 24
"""So many of the newest known locals are looked through for a value."""
_COLLECTS: Final = 12
"""Behind one value in so many the host collects garbage, in modules with such a host."""
MANY: Final = 16
"""More values than this are many: of their objects less is seen."""

_FULL: Final = 3
"""So many fields of an object get values that are more than simple."""
_FIRST: Final = 4
"""So many arguments of a call get values that are more than simple."""
_LONG: Final = 4_000
"""From so many instructions on, a function makes its wide objects by default: each is as long as it has fields."""
_HOST_TOKENS: Final = 16
_TOPS: Final = {"func": FUNCREF, "nofunc": FUNCREF, "extern": EXTERNREF, "noextern": EXTERNREF}
_GOLDEN: Final = 0x9E3779B1
"""Times this, neighbours differ in all of the 31 bits of an ``i31``."""

_CONDITION: Final = code("i32.const 1  i32.and")
_GET: Final = template("local.get $local")
_SET: Final = template("local.set $local")
_GLOBAL: Final = template("global.get $index")
_NULL: Final = template("ref.null $heap")
_LEAVE_WITH: Final = template("local.get $local  br_on_non_null 0")
_LEAVE_IF: Final = code("br_if 0  drop")
_SELECT: Final = template("select_t imm=$types")
_THROUGH: Final = (template("local.set $t  local.get $t"), template("local.tee $t  drop  local.get $t"))
_NOT_NULL: Final = code("ref.as_non_null")
_IS_NULL: Final = code("ref.is_null")
_I31: Final = code("ref.i31")
_NUMBERED: Final = template("i32.const $number  ref.i31")
_FROM_HOST: Final = code("any.convert_extern")
_TO_HOST: Final = code("extern.convert_any")
_STRUCT: Final = template("struct.new $type")
_STRUCT_DEFAULT: Final = template("struct.new_default $type")
_ARRAY_FIXED: Final = template("array.new_fixed $type $count")
_ARRAY_REPEATED: Final = template("i32.const $count  array.new $type")
_ARRAY_DEFAULT: Final = template("i32.const $count  array.new_default $type")
_ARRAY_DATA: Final = template("i32.const $start  i32.const $count  array.new_data $type $segment")
_ARRAY_ELEM: Final = template("i32.const $start  i32.const $count  array.new_elem $type $segment")
_DIGEST: Final = template("i32.const $depth  call $digest")


class RefCode:
    """Code on references in the body of one function. ``known`` has the locals that hold some, the newest last.

    A local whose type has no null may be read only where it was set for sure (spec 3.4.1), so ``leave`` forgets those
    of a block that ends.
    """

    def __init__(self, fn: Function, source: ChoiceSource) -> None:
        self.fn, self.source = fn, source
        self.f = fn.f
        self.space: RefSpace = fn.shell.kit(RefSpace)
        self.collectors = fn.shell.kit(Collectors)
        params = [(type_, i) for i, type_ in enumerate(self.f.type.params) if isinstance(type_, RefType)]
        self.known = self.space.locals.setdefault(self.f.index, params)

    def mark(self) -> int:
        """Where ``known`` ends as a block begins, for ``leave``."""
        return len(self.known)

    def leave(self, mark: int) -> None:
        """A block that was opened at ``mark`` has ended."""
        self.known[mark:] = [held for held in self.known[mark:] if held[0].nullable]

    # Numbers

    def number(self, type_: NumType, depth: int = 1) -> None:
        """A number out of an expression, none of whose bits the specification leaves open."""
        emit_clean(self.fn, self.source, type_, depth)

    def condition(self) -> None:
        """0 or 1."""
        self.number(I32, 1)
        self.f.body += _CONDITION

    def item(self, storage: StorageType, depth: int) -> None:
        """A value for a field."""
        type_ = value_type(storage)
        if isinstance(type_, RefType):
            self.push(type_, depth)
        elif depth > 0 and not self.source.chance(2, 3):
            self.number(type_, 1)
        else:
            self.f.body.append(constant(self.source, type_))

    # References

    def keep(self, type_: RefType) -> int:
        """Move the reference on the stack into a new local."""
        local = self.f.local(type_)
        self.f.body += _SET(local)
        self.known.append((type_, local))
        return local

    def look(self, type_: RefType) -> None:
        """Move the reference on the stack into a new local and get it back from there."""
        self.f.body += _GET(self.keep(type_))

    def push(self, type_: RefType, depth: int) -> None:
        """A value of a type on the stack; sometimes the host collects garbage then."""
        self._push(type_, depth)
        if self.collectors.all:
            self.collectors.pause(self.fn, self.source, _COLLECTS)

    def _push(self, type_: RefType, depth: int) -> None:
        if depth > 0:
            how = self.source.weighted(_FORMS)
        else:
            how = self.source.pick(_LEAVES) if depth == 0 else "null"
        if not self.space.inhabited(type_.heap):
            how = "null" if how != "known" else how
        if how == "null" and type_.nullable:
            self.f.body += _NULL(type_.heap)
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
        body, nullable = self.f.body, ref(type_.heap)
        if locals_ := self._holding(type_):
            body += _GET(self.source.pick(locals_))
        elif not type_.nullable and (locals_ := self._holding(nullable)):
            with self.f.block("block", (), (type_,)):
                body += _LEAVE_WITH(self.source.pick(locals_))
                self.fresh(type_.heap, depth - 1)
        elif type_.nullable and (depth <= 0 or not self.space.inhabited(type_.heap)):
            body += _NULL(type_.heap)
        else:
            self.fresh(type_.heap, depth)

    def _holding(self, type_: RefType) -> list[int]:
        """The newest locals with values of a type, the newest first."""
        matches = self.space.matches
        return [local for held, local in self.known[: -_NEWEST - 1 : -1] if matches(held, type_)]

    def _global(self, type_: RefType) -> None:
        """A global of a type at or below; one in four times a new one."""
        indices = [held.index for held in self.space.globals if self.space.matches(held.type, type_)]
        if not indices or not self.source.chance(3, 4):
            indices = [self.space.global_(self.source, type_).index]
        self.f.body += _GLOBAL(self.source.pick(indices))

    def _cast(self, type_: RefType, depth: int) -> None:
        """A value through a local of the type above all, and a cast back that succeeds."""
        top = self.top(type_.heap)
        t = self.fn.temp(top)
        if top is EXTERNREF:
            self.fresh(type_.heap, depth - 1)
            return
        self.push(type_, depth - 1)
        self.f.body += self.source.pick(_THROUGH)(t)
        self.f.body.append(cast_to(type_))

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
        match how:
            case "select":
                self.push(type_, depth - 1)
                self.push(type_, depth - 1)
                self.condition()
                f.body += _SELECT((type_,))
                return
            case "if":
                self.condition()
                with f.block("if", (), (type_,)):
                    self.push(type_, depth - 1)
                    self.leave(mark)
                    f.else_()
                    self.push(type_, depth - 1)
            case _:
                with f.block("block", (), (type_,)):
                    self.push(type_, depth - 1)
                    self.condition()
                    f.body += _LEAVE_IF
                    self.push(type_, depth - 1)
        self.leave(mark)

    # Many values

    def push_values(self, types: Sequence[ValType]) -> None:
        """Values of any number of types: a few choices, and no two neighbours of a type that are equal."""
        seed, step = self.source.bits(16), 1 + self.source.below(5)
        held: dict[ValType, list[int]] = {}
        for i, type_ in enumerate(types):
            if isinstance(type_, RefType):
                self._place(type_, i, seed + i * step, held)
                continue
            sources = self.fn.sources.get(type_)
            if sources and (seed + i) % 3 == 0:
                self.f.body.append((GET, sources[(seed + i * step) % len(sources)]))
            else:
                self.f.body.append((CONST[type_], sequence_bits(type_, seed, i)))

    def _place(self, type_: RefType, i: int, place: int, held: dict[ValType, list[int]]) -> None:
        """A reference for place ``i`` among many, ``place`` being that number scrambled."""
        space, body, heap = self.space, self.f.body, type_.heap
        if type_.nullable and (place % 5 == 4 or not space.inhabited(heap)):
            body += _NULL(heap)
        elif heap == "extern":
            body += space.shell.token(i)
            if not type_.nullable:
                body += _NOT_NULL
        elif heap in ("i31", "eq", "any"):
            body += _NUMBERED(place * _GOLDEN & 0xFFFFFFFF)
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

    def arguments(self, types: Sequence[ValType], depth: int) -> None:
        """Values for the parameters of a call, the first few of them more than simple."""
        for i, type_ in enumerate(types):
            self.item(type_, depth if i < _FIRST else 0)

    # New values

    def fresh(self, heap: HeapType, depth: int) -> None:
        """A value that is not null."""
        space, source, body = self.space, self.source, self.f.body
        if space.is_answer(heap):
            body.append(space.shell.declare(space.shell.answer(source.below(TYPED_ANSWERS))))
            return
        if heap == "extern":
            self._extern(depth)
            return
        own = space.concrete(heap)
        kind = source.pick(_FRESH)
        if heap == "any" and kind == "host":
            self._extern(depth - 1)
            body += _FROM_HOST
        elif heap == "i31" or not own or (heap in ("any", "eq") and (kind == "i31" or depth <= 0)):
            self.number(I32, min(depth, 1))
            body += _I31
        else:
            if depth <= 0:
                own = [min(own, key=lambda t: t.weight)]
            self.new(source.pick(own), depth)

    def _extern(self, depth: int) -> None:
        """A host token, or an internal value as the host sees it."""
        space = self.space
        if space.gc and self.source.one_in(3):
            self.fresh("any" if depth > 1 else "i31", depth - 1)
            self.f.body += _TO_HOST
        else:
            self.f.body += space.shell.token(self.source.below(_HOST_TOKENS))
            if space.typed:
                self.f.body += _NOT_NULL

    def new(self, type_: Defined, depth: int) -> None:
        """A new object of exactly this type."""
        body, source = self.f.body, self.source
        match type_.kind:
            case "func":
                body.append(self.space.shell.declare(self.space.function(type_.index, source.below(VARIANTS))))
            case "struct":
                late = len(type_.fields) > MANY and len(body) > _LONG
                if (source.one_in(6) or late) and all(defaultable(f.storage) for f in type_.fields):
                    body += _STRUCT_DEFAULT(type_.index)
                    return
                for i, field in enumerate(type_.fields):
                    self._part(i, field.storage, depth)
                body += _STRUCT(type_.index)
            case _:
                self.array(type_, depth)

    def _part(self, i: int, storage: StorageType, depth: int) -> None:
        """Field or element ``i`` of a new object; beyond the first few it is simple, and null more often than not."""
        self.item(storage, depth - 1 if i < _FULL else min(depth - 1, -(i % 3)))

    def array(self, type_: Defined, depth: int) -> None:
        """A new array, by one of the five instructions."""
        source, body, storage = self.source, self.f.body, type_.fields[0].storage
        reference = isinstance(storage, RefType)
        length = source.pick(_REF_LENGTHS if reference else _LENGTHS)
        match source.pick(_ARRAYS):
            case "default" if defaultable(storage):
                body += _ARRAY_DEFAULT(count=length, type=type_.index)
            case "segment" if self.space.bulk and isinstance(storage, RefType) and self.space.initial(storage):
                start = source.below(ELEMENTS + 1)
                count = source.between(0, ELEMENTS - start)
                body += _ARRAY_ELEM(start=start, count=count, type=type_.index, segment=self.space.elem(storage))
            case "segment" if self.space.bulk and not reference:
                start = source.below(SEGMENT // 2)
                count = source.between(0, (SEGMENT - start) // width(storage))
                body += _ARRAY_DATA(start=start, count=count, type=type_.index, segment=self.space.data())
            case "repeated":
                self.item(storage, depth - 1)
                body += _ARRAY_REPEATED(count=length, type=type_.index)
            case _:
                count = source.pick(_REF_LENGTHS if reference else _FIXED_LENGTHS)
                for i in range(count):
                    self._part(i, storage, depth)
                body += _ARRAY_FIXED(type=type_.index, count=count)

    # Uses

    def fold(self, type_: ValType, depth: int = 1, wide: bool = False) -> None:
        """Fold the value on the stack into the hash; a reference with all that it leads to, ``depth`` steps deep.

        ``wide``: one of many. Of objects, one step is seen.
        """
        body = self.f.body
        if not isinstance(type_, RefType):
            body += self.fn.fold(type_)
        elif not self.space.inhabited(type_.heap):
            body += _IS_NULL
            body += self.fn.fold(I32)
        elif type_.heap == "extern" and (not self.space.gc or self.source.one_in(2)):
            self.fn.take(EXTERNREF)
        else:
            heap = "func" if self.space.is_answer(type_.heap) else type_.heap
            role: Role = "digest"
            if wide and self.top(heap) is ANYREF:
                depth = 0
                defined = self.space.lattice.types.get(heap) if isinstance(heap, int) else None
                role = "brief" if defined and defined.kind == "struct" else role
            body += _DIGEST(depth, self.space.digest(heap, role))
            body += self.fn.fold(I64)

    def fold_values(self, types: Sequence[ValType], depth: int = 0) -> None:
        """Fold values of several types, the top first."""
        wide = len(types) > MANY
        for type_ in reversed(types):
            self.fold(type_, depth, wide)
