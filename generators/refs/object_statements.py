"""Statements on structs, arrays and i31: fields read and written, casts of every form, bulk, lists, equality."""

from __future__ import annotations

from typing import Final

from generators.choices import weighted
from generators.module.function import BARE, GET, I32_CONST, SET, TEE
from generators.program.program import Program
from generators.refs.expressions import Code, getter, width
from generators.refs.lattice import Defined, value_type
from generators.refs.space import ELEMENTS, SEGMENT
from generators.refs.statements import value
from wasm.isa import OPS, Instr
from wasm.valtypes import ANYREF, I32, HeapType, RefType, ref

_ROUNDS: Final = (1, 2, 3, 5, 8, 20, 60, 200)
_EXACT: Final = weighted((True, 150), (False, 106))


def made(program: Program, code: Code) -> None:
    """A new object of one of the module's own types, read at once."""
    found = code.space.concrete("any")
    if not found:
        value(program, code)
        return
    type_ = code.source.pick(found)
    code.new(type_, 3)
    _read(code, type_, code.keep(ref(type_.index, False)))


def _pick(code: Code, kind: str) -> tuple[Defined, int] | None:
    """A local that surely holds an object of a type of a kind, of that type or one below; None if there is no type."""
    found = code.space.lattice.all(kind)
    if not found:
        return None
    held = [(t, local) for t, local in code.known[-16:] if not t.nullable and isinstance(t.heap, int)]
    held = [(t, local) for t, local in held if code.space.matches(t, ref(kind))]
    if held and code.source.below(4):
        type_, local = code.source.pick(held[::-1])
        assert isinstance(type_.heap, int)
        return code.space.lattice.types[type_.heap], local
    chosen = code.source.pick(found)
    code.push(ref(chosen.index, False), 2)
    return chosen, code.keep(ref(chosen.index, False))


def _read(code: Code, type_: Defined, local: int) -> None:
    """Fold some of the fields, of some of them only a part."""
    source, body = code.source, code.f.body
    if type_.kind == "array":
        body += ((GET, local), BARE["array.len"], *code.fn.fold(I32))
        _element(code, type_, local)
        return
    if not type_.fields:
        body += ((GET, local), BARE["ref.is_null"], *code.fn.fold(I32))
        return
    for _ in range(min(1 + source.below(4), len(type_.fields))):
        i = source.below(len(type_.fields))
        storage = type_.fields[i].storage
        read = getter(storage, "struct", source.below(2))
        body += ((GET, local), (OPS[read], (type_.index, i)))
        code.fold(value_type(storage), 1 + source.below(2))


def _element(code: Code, type_: Defined, local: int) -> None:
    """Fold one element, if there is any."""
    f, body = code.f, code.f.body
    storage = type_.fields[0].storage
    body += ((GET, local), BARE["array.len"])
    f.open("if")
    body.append((GET, local))
    code.number(I32, 1)
    body += ((GET, local), BARE["array.len"], BARE["i32.rem_u"])
    body.append((OPS[getter(storage, "array", code.source.below(2))], type_.index))
    code.fold(value_type(storage), 1 + code.source.below(2))
    f.end()


def read(program: Program, code: Code) -> None:
    """Fields of an object."""
    found = _pick(code, "array" if code.source.below(3) == 2 else "struct")
    if found is None:
        value(program, code)
        return
    _read(code, *found)


def written(program: Program, code: Code) -> None:
    """A field or an element is written, and the object seen."""
    source, f, body = code.source, code.f, code.f.body
    kind = "array" if source.below(3) == 2 else "struct"
    found = _pick(code, kind)
    if found is None:
        value(program, code)
        return
    type_, local = found
    places = [i for i, field in enumerate(type_.fields) if field.mutable]
    if not places:
        _read(code, type_, local)
        return
    mark = code.mark()
    if kind == "struct":
        i = source.pick(places)
        body.append((GET, local))
        code.item(type_.fields[i].storage, 2)
        body.append((OPS["struct.set"], (type_.index, i)))
    else:
        body += ((GET, local), BARE["array.len"])
        f.open("if")
        body.append((GET, local))
        code.number(I32, 1)
        body += ((GET, local), BARE["array.len"], BARE["i32.rem_u"])
        code.item(type_.fields[0].storage, 2)
        body.append((OPS["array.set"], type_.index))
        f.end()
        code.leave(mark)
    body.append((GET, local))
    code.fold(ref(type_.index, False), 1 + source.below(2))


def cast(program: Program, code: Code) -> None:
    """Whether an object has a type, asked in each of the six ways; the answer is known at run time only, or never."""
    del program
    space, source, body = code.space, code.source, code.f.body
    top = ANYREF
    if source.weighted(_EXACT):
        table, size = space.pool()
        code.number(I32, 1)
        body += ((I32_CONST, size), BARE["i32.rem_u"], (OPS["table.get"], table))
    else:
        above = space.draw_internal(source)
        top = ref(above)
        code.push(top, 2)
    local = code.keep(top)
    below: list[HeapType] = [t.index for t in space.concrete(top.heap)]
    for _ in range(1 + source.below(3)):
        if top.heap in ("any", "eq") and source.below(4) == 3:
            heap: HeapType = source.pick(("eq", "i31", "struct", "array", "none"))
        else:
            heap = source.pick(below) if below else top.heap
        if not space.matches(ref(heap), top):
            heap = top.heap
        _ask(code, local, top, ref(heap, source.below(2) == 1))


def _ask(code: Code, local: int, top: RefType, target: RefType) -> None:
    """One question, with uses of the object on both sides."""
    source, f, body, heap = code.source, code.f, code.f.body, target.heap
    how = source.below(6)
    if how == 5:
        # Asking whether it is null or of the type is not part of any other question.
        target = ref(heap)
    null = "_null" if target.nullable else ""
    mark = code.mark()
    if how in (0, 1, 5):
        body += ((GET, local), (OPS[f"ref.test{null}"], heap))
        if how != 1:
            body += code.fn.fold(I32)
            return
        f.open("if")
        body += ((GET, local), (OPS[f"ref.cast{null}"], heap))
        _use(code, target)
        f.end()
    elif how == 2:
        past = f.open("block")
        f.open("block", (), (target,))
        body += ((GET, local), (OPS["br_on_cast"], (0, top, target)))
        code.fold(_difference(top, target), 1)
        f.br(past)
        f.end()
        _use(code, target)
        f.end()
    else:
        past = f.open("block")
        f.open("block", (), (_difference(top, target),))
        body += ((GET, local), (OPS["br_on_cast_fail"], (0, top, target)))
        _use(code, target)
        f.br(past)
        f.end()
        code.fold(_difference(top, target), 1)
        f.end()
    code.leave(mark)


def _difference(top: RefType, target: RefType) -> RefType:
    """What a value is that is not of the target type (spec 3.4.4)."""
    return ref(top.heap, top.nullable and not target.nullable)


def _use(code: Code, type_: RefType) -> None:
    """Use the value on the stack of the type that it was cast to."""
    space = code.space
    if isinstance(type_.heap, int) and not type_.nullable and code.source.below(2):
        _read(code, space.lattice.types[type_.heap], code.keep(type_))
    elif type_.heap == "i31" and not type_.nullable:
        code.f.body.append(BARE[("i31.get_s", "i31.get_u")[code.source.below(2)]])
        code.fold(I32)
    else:
        code.fold(type_, 1 + code.source.below(2))


def bulk(program: Program, code: Code) -> None:
    """A part of an array is filled, copied or filled from a segment; the ends are computed and fit exactly or more."""
    source, f, body, space = code.source, code.f, code.f.body, code.space
    arrays = [t for t in space.lattice.all("array") if t.fields[0].mutable]
    if not arrays:
        value(program, code)
        return
    type_ = source.pick(arrays)
    storage = type_.fields[0].storage
    code.push(ref(type_.index, False), 2)
    local = code.keep(ref(type_.index, False))
    start, count = f.local(I32), f.local(I32)
    match source.below(4):
        case 0:
            _range(code, local, start, count)
            body += ((GET, local), (GET, start))
            code.item(storage, 2)
            body += ((GET, count), (OPS["array.fill"], type_.index))
        case 1:
            _copied(code, type_, local, start, count)
        case _ if isinstance(storage, RefType):
            if not space.initial(storage):
                return
            elem = space.elem(storage)
            first = source.below(ELEMENTS + 1)
            _range(code, local, start, count, source.between(0, ELEMENTS - first))
            body += ((GET, local), (GET, start), (I32_CONST, first), (GET, count))
            body.append((OPS["array.init_elem"], (type_.index, elem)))
        case _:
            data = space.data()
            first = source.below(SEGMENT // 2)
            _range(code, local, start, count, source.between(0, (SEGMENT - first) // width(storage)))
            body += ((GET, local), (GET, start), (I32_CONST, first), (GET, count))
            body.append((OPS["array.init_data"], (type_.index, data)))
    body.append((GET, local))
    code.fold(ref(type_.index, False), 1)


def _copied(code: Code, type_: Defined, local: int, start: int, count: int) -> None:
    """A copy from another array or within the same one, where the two ranges may overlap."""
    source, body, space = code.source, code.f.body, code.space
    others = [t for t in space.lattice.all("array") if _fits(code, t, type_)]
    other = source.pick([type_, *others])
    origin = local
    if other is not type_ or source.below(2):
        code.push(ref(other.index, False), 2)
        origin = code.keep(ref(other.index, False))

    least = code.f.local(I32)
    body += ((GET, origin), BARE["array.len"], (SET, least))
    _range(code, local, start, count, None, least)
    body += ((GET, local), (GET, start), (GET, origin))
    code.number(I32, 1)
    body += ((GET, least), (GET, count), BARE["i32.sub"], (I32_CONST, 1), BARE["i32.add"], BARE["i32.rem_u"])
    body += ((GET, count), (OPS["array.copy"], (type_.index, other.index)))


def _fits(code: Code, other: Defined, type_: Defined) -> bool:
    """Whether elements of another array type can be copied into one of this type (spec 3.4.8)."""
    a, b = other.fields[0].storage, type_.fields[0].storage
    if isinstance(a, RefType) and isinstance(b, RefType):
        return code.space.lattice.matches(a, b)
    return a is b


def _range(code: Code, array: int, start: int, count: int, most: int | None = None, least: int | None = None) -> None:
    """Set ``start`` and ``count`` to a part of an array of at most ``most`` elements, or as many as a local says."""
    body = code.f.body
    code.number(I32, 1)
    body += ((GET, array), BARE["array.len"], (I32_CONST, 1), BARE["i32.add"], BARE["i32.rem_u"], (SET, start))
    if code.source.below(2):
        # All the rest of it.
        body += ((GET, array), BARE["array.len"], (GET, start), BARE["i32.sub"], (SET, count))
    else:
        code.number(I32, 1)
        body += (
            (GET, array), BARE["array.len"], (GET, start), BARE["i32.sub"], (I32_CONST, 1), BARE["i32.add"],
            BARE["i32.rem_u"], (SET, count),
        )  # fmt: skip
    limit: Instr | None = (I32_CONST, most) if most is not None else (GET, least) if least is not None else None
    if limit is not None:
        body += ((GET, count), limit, (GET, count), limit, BARE["i32.lt_u"], BARE["select"], (SET, count))


def linked(program: Program, code: Code) -> None:
    """A list is built in a loop, each object leading to the one before, and walked to its end."""
    source, f, body, space = code.source, code.f, code.f.body, code.space
    found = [(t, i) for t in space.lattice.all("struct") for i in range(len(t.fields)) if _leads(code, t, i)]
    if not found:
        made(program, code)
        return
    type_, place = source.pick(found)
    nullable = ref(type_.index)
    head, count = f.local(nullable), f.local(I32)
    rounds = min(source.pick(_ROUNDS), 2000 // len(type_.fields))
    body += ((OPS["ref.null"], type_.index), (SET, head), (I32_CONST, rounds), (SET, count))
    f.open("loop")
    mark = code.mark()
    for i, field in enumerate(type_.fields):
        if i == place:
            body.append((GET, head))
        elif value_type(field.storage) is I32:
            body += ((GET, count), (I32_CONST, source.bits(8)), BARE["i32.mul"])
        else:
            code.item(field.storage, 0)
    body += ((OPS["struct.new"], type_.index), (SET, head))
    body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
    f.end()
    code.leave(mark)
    _walk(code, type_, place, head)


def _leads(code: Code, type_: Defined, place: int) -> bool:
    """Whether a field can hold an object of the same type or null."""
    storage = type_.fields[place].storage
    return isinstance(storage, RefType) and code.space.matches(ref(type_.index), storage)


def _walk(code: Code, type_: Defined, place: int, head: int) -> None:
    f, body = code.f, code.f.body
    at = f.local(ref(type_.index))
    numbers = [i for i, field in enumerate(type_.fields) if not isinstance(field.storage, RefType)]
    body += ((GET, head), (SET, at))
    out = f.open("block")
    f.open("loop")
    body.append((GET, at))
    f.br(out, "br_on_null")
    held = f.local(ref(type_.index, False))
    body.append((SET, held))
    for i in numbers[:3]:
        storage = type_.fields[i].storage
        body += ((GET, held), (OPS[getter(storage, "struct", code.source.below(2))], (type_.index, i)))
        code.fold(value_type(storage))
    body += ((GET, held), (OPS["struct.get"], (type_.index, place)))
    storage = type_.fields[place].storage
    if storage is not ref(type_.index):
        assert isinstance(storage, RefType)
        body.append((OPS["ref.cast_null"], type_.index))
    body.append((SET, at))
    if not numbers:
        body.append((I32_CONST, 0x4C))
        code.fold(I32)
    body.append((OPS["br"], 0))
    f.end()
    f.end()


def equal(program: Program, code: Code) -> None:
    """Whether two references are the same: of one object twice, of two alike, of small numbers, of null."""
    del program
    space, source, f, body = code.space, code.source, code.f, code.f.body
    heap = space.draw_internal(source)
    if heap == "any":
        heap = "eq"
    code.push(ref(heap), 2)
    first = code.keep(ref("eq"))
    body.append((GET, first))
    if source.below(2):
        body.append((GET, first))
    else:
        code.push(ref("eq"), 2)
    body.append(BARE["ref.eq"])
    if source.below(2):
        f.open("if")
        body.append((I32_CONST, 0x57))
        code.fold(I32)
        f.else_()
        body.append((GET, first))
        code.fold(ref("eq"))
        f.end()
    else:
        code.fold(I32)


def small(program: Program, code: Code) -> None:
    """A number of 31 bits, through a reference of any type above it, read with and without its sign."""
    del program
    source, body = code.source, code.f.body
    code.number(I32, 2)
    body.append(BARE["ref.i31"])
    held = ref(source.pick(("i31", "eq", "any")), not source.below(3))
    local = code.keep(held)
    for word in (("i31.get_s",), ("i31.get_u",), ("i31.get_s", "i31.get_u"))[source.below(3)]:
        body.append((GET, local))
        if held.heap != "i31":
            body.append((OPS["ref.cast"], "i31"))
        body.append(BARE[word])
        code.fold(I32)


def pooled(program: Program, code: Code) -> None:
    """An object that no compiler knows, out of the pool, or one more in the pool."""
    del program
    source, body = code.source, code.f.body
    table, size = code.space.pool()
    code.number(I32, 1)
    body += ((I32_CONST, size), BARE["i32.rem_u"])
    if source.below(3) == 2:
        code.push(ANYREF, 2)
        body += ((OPS["table.set"], table), (I32_CONST, source.below(size)))
    body.append((OPS["table.get"], table))
    code.fold(ANYREF, 1 + source.below(2))
