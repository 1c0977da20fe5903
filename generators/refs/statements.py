"""Statements on references of any type: null or not, through locals, globals, tables, labels, rows, exceptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from generators.choices import weighted
from generators.config import MIXED, NARROW, WIDE, draw_size
from generators.draw.signatures import draw_types
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.program.calls import TAILS, Callee
from generators.program.program import Program
from generators.refs.expressions import MANY, Code
from generators.refs.space import ELEMENTS
from generators.scalar.expressions import emit_clean
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import EXNREF, EXTERNREF, I32, FuncType, RefType, ValType, ref

Statement = Callable[[Program, Code], None]

_ROWS: Final = 3
"""Functions of rows in a module."""
_LABELS: Final = weighted((1, 40), (2, 60), (3, 60), (5, 50), (8, 30), (20, 16))
_SIZE: Final = weighted((NARROW, 40), (MIXED, 60), (WIDE, 156))


def value(program: Program, code: Code) -> None:
    """A value that is folded at once, or held in a local."""
    del program
    type_ = code.space.draw(code.source)
    code.push(type_, 1 + code.source.below(3))
    if code.source.below(2):
        local = code.keep(type_)
        code.f.body.append((GET, local))
    code.fold(type_, 1 + code.source.below(2))


def nullness(program: Program, code: Code) -> None:
    """A reference that may be null, asked in each of the four ways."""
    del program
    source, f, body = code.source, code.f, code.f.body
    type_ = code.space.draw(source)
    sure = ref(type_.heap, False)
    how = source.below(5) if code.space.typed else 0
    if not code.space.inhabited(type_.heap):
        how = min(how, 2)
    if how == 0:
        code.push(type_, 2)
        body += (BARE["ref.is_null"], *code.fn.fold(I32))
    elif how == 1:
        outer = f.open("block")
        f.open("block", (), ())
        code.push(ref(type_.heap), 2)
        body.append((OPS["br_on_null"], 0))
        code.fold(sure)
        f.br(outer)
        f.end()
        body.append((I32_CONST, 0x51))
        code.fold(I32)
        f.end()
    elif how == 2:
        outer = f.open("block")
        f.open("block", (), (sure,))
        code.push(ref(type_.heap), 2)
        body += ((OPS["br_on_non_null"], 0), (I32_CONST, 0x52))
        code.fold(I32)
        f.br(outer)
        f.end()
        code.fold(sure)
        f.end()
    elif how == 3:
        code.fresh(type_.heap, 2)
        code.keep(ref(type_.heap))
        body += ((GET, code.known[-1][1]), BARE["ref.as_non_null"])
        code.keep(sure)
        body.append((GET, code.known[-1][1]))
        code.fold(sure)
    else:
        _counted_null(code, type_)


def _counted_null(code: Code, type_: RefType) -> None:
    """A row of values below the reference: the branch on null drops it or takes it along."""
    source, f, body = code.source, code.f, code.f.body
    types = draw_types(source, code.space.config, 1 + source.below(min(6, code.space.config.max_params - 1)))
    sure = ref(type_.heap, False)
    if source.below(2):
        f.open("block", (), types)
        code.row(types)
        code.push(ref(type_.heap), 1)
        body.append((OPS["br_on_null"], 0))
        code.fold(sure)
        f.end()
        code.fold_row(types)
        return
    f.open("block", (), (*types, sure))
    code.row(types)
    code.push(ref(type_.heap), 1)
    body.append((OPS["br_on_non_null"], 0))
    code.fresh(type_.heap, 1)
    f.end()
    code.fold_row((*types, sure), 1)


def carried(program: Program, code: Code) -> None:
    """A loop of a few rounds around locals that trade places, or around a row of values on the stack."""
    del program
    source, f, body = code.source, code.f, code.f.body
    count = f.local(I32)
    body += ((I32_CONST, source.between(1, 4)), (SET, count))
    if source.below(2):
        type_ = code.space.draw(source)
        held = []
        for _ in range(1 + source.below(6)):
            code.push(type_, 1)
            held.append(f.local(type_))
            body.append((SET, held[-1]))
        f.open("loop")
        turn = source.below(len(held))
        body += [(GET, held[(i + turn) % len(held)]) for i in range(len(held))]
        body += [(SET, local) for local in reversed(held)]
        body.append((GET, held[0]))
        code.fold(type_)
        _again(code, count)
        f.end()
        code.known += [(type_, local) for local in held]
        return
    types = mixed_row(code, source.weighted(_LABELS))
    code.row(types)
    f.open("loop", types, types)
    locals_ = [f.local(type_) for type_ in types]
    body += [(SET, local) for local in reversed(locals_)]
    order = list(range(len(types)))
    for i, carried_type in enumerate(types):
        # The next place of the same type gets the value.
        rest = (j for j in range(i + 1, len(types)) if types[j] is carried_type)
        order[i] = next(rest, types.index(carried_type))
    body += [(GET, locals_[order[i]]) for i in range(len(types))]
    _again(code, count)
    f.end()
    code.fold_row(types, 1)


def _again(code: Code, count: int) -> None:
    code.f.body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))


def held(program: Program, code: Code) -> None:
    """A global is written and read."""
    del program
    space, source, body = code.space, code.source, code.f.body
    found = [g for g in space.globals if g[2]]
    if found and source.below(3) == 2:
        type_, index, mutable = source.pick(found)
    else:
        # Globals of the module's own types come about as operands; those above them only here.
        type_ = ref(space.draw_above(source)) if space.gc and source.below(4) else space.draw(source)
        if not space.initial(type_):
            type_ = ref(type_.heap)
        type_, index, mutable = space.global_(source, type_)
    if mutable:
        code.push(type_, 2)
        body.append((OPS["global.set"], index))
    body.append((OPS["global.get"], index))
    if source.below(2):
        code.keep(type_)
        body.append((GET, code.known[-1][1]))
    code.fold(type_, 1 + source.below(2))


def tabled(program: Program, code: Code) -> None:
    """One instruction on a table of references, and a look at one of its entries."""
    del program
    space, source, body = code.space, code.source, code.f.body
    if space.tables and (source.below(3) or len(space.tables) >= 4):
        type_, table, size = source.pick(space.tables)
    else:
        type_ = space.draw(source)
        type_, table, size = space.table(source, type_ if space.initial(type_) else ref(type_.heap))
    match source.below(6):
        case 0 | 1:
            _index(code, size)
            code.push(type_, 1)
            body.append((OPS["table.set"], table))
        case 2:
            code.push(type_, 1)
            body += ((I32_CONST, source.below(4)), (OPS["table.grow"], table), *code.fn.fold(I32))
            body += ((OPS["table.size"], table), *code.fn.fold(I32))
        case 3:
            start = source.below(size)
            body.append((I32_CONST, start))
            code.push(type_, 1)
            body += ((I32_CONST, source.between(0, size - start)), (OPS["table.fill"], table))
        case 4 if space.bulk:
            others = [found for found in space.tables if space.matches(found[0], type_)]
            _, other, room = source.pick(others)
            count = source.below(min(size, room) + 1)
            to, start = source.between(0, size - count), source.between(0, room - count)
            body += ((I32_CONST, to), (I32_CONST, start), (I32_CONST, count), (OPS["table.copy"], (table, other)))
        case _ if space.bulk:
            elem = space.elem(type_)
            count = source.below(min(size, ELEMENTS) + 1)
            to, start = source.between(0, size - count), source.between(0, ELEMENTS - count)
            body += ((I32_CONST, to), (I32_CONST, start), (I32_CONST, count), (OPS["table.init"], (elem, table)))
    _index(code, size)
    body.append((OPS["table.get"], table))
    if source.below(2):
        code.keep(type_)
        body.append((GET, code.known[-1][1]))
    code.fold(type_, 1 + source.below(2))


def _index(code: Code, size: int) -> None:
    """An index below a size, often one that is known at run time only."""
    if code.source.below(2):
        code.f.body.append((I32_CONST, code.source.below(size)))
    else:
        code.number(I32, 1)
        code.f.body += ((I32_CONST, size), BARE["i32.rem_u"])


def mixed_row(code: Code, size: int) -> tuple[ValType, ...]:
    """A row of types with references of one to four types among them."""
    source = code.source
    types = list(draw_types(source, code.space.config, size))
    step, start = 1 + source.below(4), source.below(3)
    kinds = [code.space.draw(source) for _ in range(1 + source.below(4))]
    for n, i in enumerate(range(min(start, max(0, size - 1)), size, step)):
        types[i] = kinds[n % len(kinds)]
    return tuple(types)


def labelled(program: Program, code: Code) -> None:
    """A block that several branches leave with a row of values, references among them, some of narrower types."""
    del program
    source, f = code.source, code.f
    types = mixed_row(code, source.weighted(_LABELS))
    outer = f.open("block", (), types)
    mark = code.mark()
    ways = 1 + source.below(3)
    for _ in range(ways):
        if source.below(3) == 2:
            inner = f.open("block", (), types)
            code.row(types)
            emit_clean(code.fn, source, I32, 1)
            f.br_table((inner, outer), inner)
            f.end()
        else:
            code.row(types)
            code.bit()
            f.br(outer, "br_if")
        code.fold_row(types)
    code.row(types)
    f.end()
    code.leave(mark)
    code.fold_row(types, 1)


def row_function(program: Program, code: Code) -> Callee:
    """A function of a row of parameters to a row of results, mostly one that there is."""
    space, source = code.space, code.source
    if space.rows and (len(space.rows) >= _ROWS or source.below(2)):
        return source.pick(space.rows)
    limit = min(space.config.max_params, space.config.max_results)
    sizes = [draw_size(source, source.weighted(_SIZE), limit), draw_size(source, NARROW, limit)]
    if source.below(2):
        sizes.reverse()
    params, results = (mixed_row(code, size) for size in sizes)
    f = program.shell.builder.func(params, results)
    made = Callee(f.index, f.type_index, f.type)
    space.rows.append(made)
    fn = Function.of(program.shell, f, space.fork())
    fn.seed(f.index)
    inner = Code(fn, fn.source)
    for i, type_ in enumerate(params):
        f.body.append((GET, i))
        inner.fold(type_, wide=len(params) > MANY)
    fn.publish()
    _permuted(inner, results)
    if fn.source.below(3) == 2:
        f.emit("return")
    return made


def _permuted(code: Code, results: Sequence[ValType]) -> None:
    """Results out of the parameters of the same types, from the last to the first, or made up."""
    found: dict[ValType, list[int]] = {}
    for i, type_ in enumerate(code.f.type.params):
        found.setdefault(type_, []).insert(0, i)
    start = code.source.below(4)
    rest = [type_ for type_ in results if type_ not in found]
    if len(rest) == len(results) or start == 3:
        code.row(results)
        return
    for i, type_ in enumerate(results):
        if type_ in found:
            code.f.body.append((GET, found[type_][(start + i) % len(found[type_])]))
        else:
            code.row((type_,))


def called(program: Program, code: Code) -> None:
    """A call of a row function by any kind of call, its results used from the stack or out of locals."""
    source, f, body = code.source, code.f, code.f.body
    callee = row_function(program, code)
    kinds = [kind for kind in program.calls.kinds() if kind not in ("loop", "recursive")]
    how = source.pick(kinds)
    if how in TAILS:
        callee = _tail(program, code, callee, how)
    code.row(callee.type.params)
    program.calls.call(code.fn, source, "direct" if how in TAILS else how, callee)
    program.passed(code.fn, callee, "direct" if how in TAILS else how)
    results = callee.type.results
    if source.below(3) == 2 and results:
        locals_ = [f.local(type_) for type_ in results]
        body += [(SET, local) for local in reversed(locals_)]
        for type_, local in zip(results, locals_, strict=True):
            body.append((GET, local))
            code.fold(type_, wide=len(results) > MANY)
            if isinstance(type_, RefType) and len(code.known) < 40:
                code.known.append((type_, local))
    else:
        code.fold_row(results, 1)


def _tail(program: Program, code: Code, callee: Callee, how: str) -> Callee:
    """A function that calls ``callee`` as its last act; it has all parameters, or none and makes them up."""
    narrow = code.source.below(2)
    params = () if narrow else callee.type.params
    f = program.shell.builder.func(params, callee.type.results)
    fn = Function.of(program.shell, f, code.space.fork())
    fn.seed(f.index)
    if narrow:
        Code(fn, fn.source).row(callee.type.params)
    else:
        f.body += [(GET, i) for i in range(len(params))]
    program.calls.call(fn, fn.source, how, callee)
    return Callee(f.index, f.type_index, FuncType(params, callee.type.results), ((how, callee.type),))


def function_value(program: Program, code: Code) -> None:
    """A function of the module's own types, called by reference or out of a table under a type above its own."""
    space, source, body = code.space, code.source, code.f.body
    functions = space.lattice.all("func")
    if not functions:
        value(program, code)
        return
    type_ = source.pick(functions)
    composite = type_.composite
    assert isinstance(composite, FuncType)
    how = source.below(4)
    code.arguments(composite.params, 1)
    if how < 2:
        code.push(ref(type_.index, False), 2)
        full = len(composite.params) >= space.config.max_params
        if how == 0 or full or not space.config.allows(Feature.TAIL_CALL):
            body.append((OPS["call_ref"], type_.index))
        else:
            code.keep(ref(type_.index))
            body += ((GET, code.known[-1][1]), (OPS["call"], _by_reference(program, type_.index, composite)))
    else:
        actual = source.pick(space.lattice.below(type_.index))
        funcs = [space.function(actual.index, i) for i in range(2)]
        slot = program.shell.slot(funcs[0], funcs[1])
        code.bit()
        body += ((I32_CONST, slot), BARE["i32.add"])
        body.append((OPS["call_indirect"], (type_.index, program.shell.tables["functions"])))
    code.fold_row(composite.results, 1)


def _by_reference(program: Program, index: int, type_: FuncType) -> int:
    """A function that takes the arguments and the function, and calls it as its last act."""
    f = program.shell.builder.func((*type_.params, ref(index)), type_.results)
    f.body += [(GET, i) for i in range(len(type_.params) + 1)]
    f.body.append((OPS["return_call_ref"], index))
    return f.index


def thrown(program: Program, code: Code) -> None:
    """References as an exception's payload, and the exception's own reference, kept and thrown again."""
    space, source, f, body = code.space, code.source, code.f, code.f.body
    if not space.config.allows(Feature.EXCEPTIONS):
        labelled(program, code)
        return
    types = mixed_row(code, 1 + source.below(min(6, space.config.max_params - 1)))
    tag = program.shell.builder.tag(types)
    kept = f.local(EXNREF)
    handler = f.open("block", (), (*types, ref("exn")) if len(types) < space.config.max_results else types)
    kind = "catch_ref" if len(types) < space.config.max_results else "catch"
    f.open_try(((kind, tag, handler),))
    mark = code.mark()
    code.row(types)
    body.append((OPS["throw"], tag))
    f.end()
    body.append(BARE["unreachable"])
    f.end()
    code.leave(mark)
    if kind == "catch_ref":
        body += ((TEE, kept), BARE["ref.is_null"], *code.fn.fold(I32))
    code.fold_row(types, 1)
    if kind == "catch_ref" and source.below(2):
        again = f.open("block", (), types)
        f.open_try((("catch", tag, again),))
        body += ((GET, kept), BARE["throw_ref"])
        f.end()
        body.append(BARE["unreachable"])
        f.end()
        code.fold_row(types, 1)


def switched(program: Program, code: Code) -> None:
    """One of two references of any type by ``select``, the condition known or not."""
    del program
    type_ = code.space.draw(code.source)
    code.push(type_, 2)
    code.push(type_, 1)
    code.bit()
    code.f.body.append((OPS["select_t"], (type_,)))
    code.fold(type_, 1 + code.source.below(2))


def converted(program: Program, code: Code) -> None:
    """Between the host's view of a value and the module's own, there and back again; the value is the same."""
    if not code.space.gc:
        value(program, code)
        return
    source, body = code.source, code.f.body
    sure = not source.below(2)
    heap = code.space.draw_internal(source)
    code.push(ref("eq" if heap == "any" else heap, not sure or not code.space.inhabited(heap)), 1)
    local = code.keep(ref("eq"))
    body += ((GET, local), BARE["extern.convert_any"])
    outside = code.keep(EXTERNREF)
    body += ((GET, outside), BARE["any.convert_extern"], (OPS["ref.cast_null"], "eq"), (GET, local), BARE["ref.eq"])
    body += code.fn.fold(I32)
    body.append((GET, outside))
    code.fold(EXTERNREF)
