"""Exported functions of one instruction that traps for some arguments, and one that looks at what is left after them.

They are called last, so that all else has been seen before the first trap.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.module.function import BARE, GET, I32_CONST, SET, Function
from generators.program.program import Program
from generators.refs.expressions import Code, getter, width
from generators.refs.lattice import Defined, value_type
from generators.refs.space import ELEMENTS, SEGMENT, References
from wasm.embedding import Invocation, Value
from wasm.isa import OPS
from wasm.valtypes import ANYREF, I32, I64, FuncType, RefType, ValType, ref

_COUNT: Final = 5
"""Elements of the arrays whose ends are tried."""


def add_trap(program: Program, source: ChoiceSource, name: str) -> None:
    """An exported function (i32) -> i64 and two to four calls of it, of which some trap."""
    shell = program.shell
    f = shell.builder.func((I32,), (I64,), export=name)
    fn = Function.of(shell, f, source)
    fn.seed(f.index)
    code = Code(fn, source)
    space = code.space
    arrays = [t for t in space.lattice.all("array") if space.initial(ref(t.index))]
    kind = source.below(4)
    if kind == 0 and arrays and space.bulk:
        given = _bounds(code, source.pick(arrays))
    elif kind == 1 and space.gc:
        given = _cast(code)
    elif kind == 2:
        given = _indirect(program, code)
    else:
        given = _null(code) if space.typed else _indirect(program, code)
    fn.publish()
    f.body.append((GET, fn.acc))
    shell.labels.add("traps")
    shell.last += [Invocation(name, (Value(I32.name, value),)) for value in dict.fromkeys(given)]


def _null(code: Code) -> tuple[int, ...]:
    """An instruction that wants an object gets null for odd arguments."""
    source, body, space = code.source, code.f.body, code.space
    found = list(space.lattice.types.values())
    kind = source.below(4)
    if kind == 3 and space.gc:
        _choose(code, ref("i31"))
        body.append(BARE[("i31.get_s", "i31.get_u")[source.below(2)]])
        code.fold(I32)
    elif kind == 0 or not found:
        type_ = space.draw(source)
        heap = type_.heap if space.inhabited(type_.heap) else "func"
        _choose(code, ref(heap))
        body.append(BARE["ref.as_non_null"])
        code.fold(ref(heap, False))
    else:
        _member(code, source.pick(found))
    return 0, 1, 2


def _choose(code: Code, type_: RefType) -> None:
    """A reference on the stack that is null for odd arguments."""
    body = code.f.body
    body.append((OPS["ref.null"], type_.heap))
    code.fresh(type_.heap, 1)
    body += ((GET, 0), (I32_CONST, 1), BARE["i32.and"], (OPS["select_t"], (type_,)))


def _member(code: Code, type_: Defined) -> None:
    """Read or write through a reference to a type of the module's own."""
    source, body = code.source, code.f.body
    held = code.f.local(ref(type_.index))
    composite = type_.composite
    _choose(code, ref(type_.index))
    body.append((SET, held))
    if isinstance(composite, FuncType):
        code.arguments(composite.params, 0)
        body += ((GET, held), (OPS["call_ref"], type_.index))
        code.fold_row(composite.results)
        return
    body.append((GET, held))
    if type_.kind == "array" and (not type_.fields[0].mutable or source.below(2)):
        body.append(BARE["array.len"])
        code.fold(I32)
    elif type_.kind == "array":
        # Nothing is written, and null is not allowed all the same.
        body.append((I32_CONST, 0))
        code.item(type_.fields[0].storage, 0)
        body += ((I32_CONST, 0), (OPS["array.fill"], type_.index))
    elif not type_.fields:
        body.append(BARE["ref.as_non_null"])
        code.fold(ref(type_.index, False))
    else:
        i = source.below(len(type_.fields))
        storage = type_.fields[i].storage
        if type_.fields[i].mutable and source.below(2):
            code.item(storage, 1)
            body.append((OPS["struct.set"], (type_.index, i)))
        else:
            body.append((OPS[getter(storage, "struct", source.below(2))], (type_.index, i)))
            code.fold(value_type(storage))


def _cast(code: Code) -> tuple[int, ...]:
    """A cast of an object out of the pool: it has the type, or is null, or not."""
    source, body, space = code.source, code.f.body, code.space
    table, size = space.pool()
    heap = space.draw_internal(source)
    target = ref(heap, bool(source.below(2)))
    body += ((GET, 0), (I32_CONST, size), BARE["i32.rem_u"], (OPS["table.get"], table))
    body.append((OPS["ref.cast_null" if target.nullable else "ref.cast"], heap))
    code.fold(target)
    return tuple(source.below(size) for _ in range(4))


def _indirect(program: Program, code: Code) -> tuple[int, ...]:
    """A call of a function of another type, of none, or beyond the table's end."""
    source, body, space = code.source, code.f.body, code.space
    shell = program.shell
    functions = space.lattice.all("func")
    if functions:
        type_ = source.pick(functions)
        other = source.pick(functions)
        composite = type_.composite
        assert isinstance(composite, FuncType)
        slot = shell.slot(space.function(type_.index, 0), space.function(other.index, 1))
        code.arguments(composite.params, 0)
        body += ((GET, 0), (OPS["call_indirect"], (type_.index, shell.tables["functions"])))
        code.fold_row(composite.results)
    else:
        slot = shell.slot(shell.answer(source.below(5)), code.f.index)
        body += ((GET, 0), (OPS["call_indirect"], (shell.answer_type, shell.tables["functions"])))
        code.fold(I32)
    return slot, 1, slot + 1, (0, 0xFFFFFFFF)[source.below(2)]


def _bounds(code: Code, type_: Defined) -> tuple[int, ...]:
    """An instruction around the end of an array that a global holds, so that what it left is seen."""
    source, body, space, storage = code.source, code.f.body, code.space, type_.fields[0].storage
    numbers = not isinstance(storage, RefType)
    holder = ref(type_.index)
    values = [i for _ in range(_COUNT) for i in space.item(source, storage, 1)] if _has_constant(code, storage) else []
    count = _COUNT if values else 0
    init = (*values, (OPS["array.new_fixed"], (type_.index, count)))
    index = space.builder.global_(holder, init, bool(source.below(2)))
    space.globals.append((holder, index, space.builder.module.globals[index].type.mutable))
    get = (OPS["global.get"], index)
    word = source.pick(_words(type_, numbers, isinstance(storage, RefType) and space.initial(storage)))
    wide = source.below(3)
    match word:
        case "get":
            body += (get, (GET, 0), (OPS[getter(storage, "array", source.below(2))], type_.index))
            code.fold(value_type(storage))
            return count, max(count - 1, 0), 0xFFFFFFFF
        case "set":
            body += (get, (GET, 0))
            code.item(storage, 1)
            body.append((OPS["array.set"], type_.index))
            return count, max(count - 1, 0), 0x80000000
        case "fill":
            body += (get, (GET, 0))
            code.item(storage, 1)
            body += ((I32_CONST, wide), (OPS["array.fill"], type_.index))
        case "copy":
            body += (get, (GET, 0), get, (I32_CONST, source.below(count + 1)), (I32_CONST, wide))
            body.append((OPS["array.copy"], (type_.index, type_.index)))
        case "init_data":
            body += (get, (GET, 0), (I32_CONST, source.below(8)), (I32_CONST, wide))
            body.append((OPS["array.init_data"], (type_.index, space.data())))
        case "init_elem" if isinstance(storage, RefType):
            body += (get, (GET, 0), (I32_CONST, source.below(ELEMENTS)), (I32_CONST, wide))
            body.append((OPS["array.init_elem"], (type_.index, space.elem(storage))))
        case "new_data":
            body += ((I32_CONST, 8), (GET, 0), (OPS["array.new_data"], (type_.index, space.data())))
            code.fold(ref(type_.index, False))
            room = (SEGMENT - 8) // width(storage)
            return room, room + 1, 0
        case _:
            assert isinstance(storage, RefType)
            body += ((I32_CONST, 1), (GET, 0), (OPS["array.new_elem"], (type_.index, space.elem(storage))))
            code.fold(ref(type_.index, False))
            return ELEMENTS - 1, ELEMENTS, 0
    return max(count - wide, 0), count - wide + 1, 0xFFFFFFFF


def _words(type_: Defined, numbers: bool, elements: bool) -> list[str]:
    """The instructions that an array type takes."""
    found = ["get"]
    if type_.fields[0].mutable:
        found += ["set", "fill", "copy"]
        found += ["init_data"] if numbers else ["init_elem"] if elements else []
    return [*found, *(["new_data"] if numbers else ["new_elem"] if elements else [])]


def _has_constant(code: Code, storage: ValType | object) -> bool:
    return not isinstance(storage, RefType) or code.space.initial(storage)


def add_look(program: Program) -> None:
    """An exported function that folds all that globals, tables and the pool hold; called at the very end."""
    shell = program.shell
    space = shell.kit(References)
    if not (space.globals or space.tables or space.pooled):
        return
    f = shell.builder.func((), (I64,), export="look")
    fn = Function.of(shell, f, space.fork())
    fn.seed(1)
    code = Code(fn, fn.source)
    for type_, index, _ in space.globals:
        f.body.append((OPS["global.get"], index))
        code.fold(type_)
    tables = list(space.tables)
    if space.pooled:
        tables.append((ANYREF, *space.pool()))
    for type_, table, size in tables:
        for i in range(size):
            f.body += ((I32_CONST, i), (OPS["table.get"], table))
            code.fold(type_)
    f.body.append((GET, fn.acc))
    shell.last.append(Invocation("look"))
