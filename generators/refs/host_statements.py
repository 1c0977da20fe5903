"""Statements in which the host acts on references: it collects, throws, calls back, sets a global, grows a table.

ref.func 4  ...  struct.new 2      ;; backs: live on the stack
i32.const 7  call $collect_and_call_back
...                                ;; and used now
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.hosts import Collectors, Host, import_host
from generators.program.program import Program
from generators.refs.digests import write_functions
from generators.refs.expressions import RefCode
from generators.refs.space import RefGlobal, RefSpace, RefTable
from generators.refs.statements import push_index, value
from wasm.builder import const
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.hostmix import THROWN_TAG
from wasm.module import Elem, SegmentMode
from wasm.valtypes import FUNCREF, I32, I64, FuncType, RefType, TagType, ref

_SIZE: Final = 3
_GROWTH: Final = 40
_PAYLOAD: Final = (I32, I64)
"""What every host can throw, and every module in a host's place."""
_CALLS_BACK: Final = ("collect+callback", "callback")
_FAILS: Final = ("collect+throw", "throw", "collect+write+throw")
_HELD: Final = "held"
_GROWN: Final = "grown"
_BACK: Final = "back"

_CALL: Final = template("call $func")
_UNREACHABLE: Final = code("unreachable")
_NUMBER: Final = template("i32.const $number")
_GET_GLOBAL: Final = template("global.get $index")
_SET_GLOBAL: Final = template("global.set $index")
_TABLE_GET: Final = template("table.get $table")
_TABLE_SET: Final = template("table.set $table")
_LAST: Final = template("table.size $table  i32.const 1  i32.sub  table.get $table")
_TABLE_SIZE: Final = template("table.size $table")
_TAKE_PARAMETER: Final = code("local.get 0  i64.extend_i32_u")
_GIVE: Final = template("local.get $acc  i32.wrap_i64")


@dataclass(slots=True)
class Acting:
    """The kit: what there is for the host to act on; nothing unless ``open_hosts`` was called."""

    shell: Shell
    throws: Host | None = None
    tag: int = -1
    back: Host | None = None
    writes: Host | None = None
    held: RefGlobal | None = None
    grows: Host | None = None
    grown: RefTable | None = None


def open_hosts(program: Program, source: ChoiceSource) -> None:
    """Import functions that collect garbage, and some of the others; before any function is defined."""
    shell = program.shell
    acting, collectors = shell.kit(Acting), shell.kit(Collectors)
    collectors.open(source)
    wanted = [source.one_in(2) for _ in range(4)]
    if wanted[0] and shell.config.allows(Feature.EXCEPTIONS):
        acting.tag = shell.builder.import_other(*THROWN_TAG, TagType(shell.builder.func_type(_PAYLOAD)))
        acting.throws = import_host(shell, source, source.pick(_FAILS), _HELD)
    if wanted[1]:
        acting.back = _import(shell, source.pick(_CALLS_BACK), _BACK, FuncType((I32,), (I32,)))
    if wanted[2]:
        acting.writes = import_host(shell, source, source.pick(("write", "collect+write")), _HELD)
    if wanted[3]:
        acting.grows = import_host(shell, source, source.pick(("grow", "collect+grow")), _GROWN)
    _items(shell, source, acting)
    if acting.back is not None:
        _write_back(program, source.fork("back"), acting)
        write_functions(shell)


def _import(shell: Shell, module: str, name: str, type_: FuncType) -> Host:
    return Host(shell.builder.import_func(module, name, type_.params, type_.results), type_)


def _items(shell: Shell, source: ChoiceSource, acting: Acting) -> None:
    """The global and the table that are exported for the host, and are among the others for all statements."""
    space = shell.kit(RefSpace)
    if acting.writes is not None or (acting.throws is not None and source.one_in(2)):
        type_ = _nullable(space, source)
        index = shell.builder.global_(type_, const("ref.null", type_.heap), True, _HELD)
        acting.held = RefGlobal(type_, index, True)
        space.globals.append(acting.held)
    if acting.grows is not None:
        type_ = _nullable(space, source)
        index = shell.builder.table(_SIZE, _SIZE + _GROWTH, type_, export=_GROWN)
        acting.grown = RefTable(type_, index, _SIZE)
        space.tables.append(acting.grown)


def _nullable(space: RefSpace, source: ChoiceSource) -> RefType:
    """A type with null and with values."""
    heap = space.draw(source).heap
    return ref(heap if space.inhabited(heap) else "extern")


def _write_back(program: Program, source: ChoiceSource, acting: Acting) -> None:
    """The function that the host calls back, out of a table of its own; it makes objects and collects too."""
    shell = program.shell
    back, acting.back = acting.back, None  # it must not be called back itself
    f = shell.builder.func((I32,), (I32,))
    fn = Function.of(shell, f, source)
    fn.seed(f.index)
    fn += _TAKE_PARAMETER
    fn += fn.fold(I64)
    refs = RefCode(fn, source)
    for _ in range(source.between(1, 3)):
        value(program, refs)
        shell.kit(Collectors).pause(fn, source, 2)
    fn.publish()
    fn += _GIVE(acc=fn.acc)
    table = shell.builder.table(1, 1, FUNCREF, export=_BACK)
    init = (const("ref.func", f.index),)
    shell.builder.module.elems.append(Elem(ref("func", False), init, SegmentMode.ACTIVE, table, _NUMBER(number=0)))
    acting.back = back


def held_over(program: Program, refs: RefCode) -> None:
    """References on the stack and in locals over a call of the host: one that collects, or calls back."""
    source, fn = refs.source, refs.fn
    acting = program.shell.kit(Acting)
    types = [refs.space.draw(source) for _ in range(1 + source.below(4))]
    for type_ in types:
        refs.push(type_, 1)
        if source.one_in(3):
            refs.look(type_)
    if acting.back is not None and source.one_in(2):
        refs.number(I32, 1)
        fn += _CALL(func=acting.back.func)
        fn += fn.fold(I32)
    else:
        program.shell.kit(Collectors).pause(fn, source, 1)
    for type_ in reversed(types):
        refs.fold(type_, 1 + source.below(2))


def thrown_by_host(program: Program, refs: RefCode) -> None:
    """References below a handler and in locals, over a call of the host that throws."""
    source, fn = refs.source, refs.fn
    acting = program.shell.kit(Acting)
    if acting.throws is None:
        held_over(program, refs)
        return
    type_ = refs.space.draw(source)
    refs.push(type_, 2)
    if source.one_in(2):
        refs.look(type_)
    with fn.block(results=_PAYLOAD) as handler:
        with fn.try_table((("catch", acting.tag, handler),)):
            mark = refs.mark()
            inner = refs.space.draw(source)
            refs.push(inner, 1)
            acting.throws.call(fn, source)
            refs.fold(inner)
        fn += _UNREACHABLE
    refs.leave(mark)
    refs.fold_values(_PAYLOAD)
    refs.fold(type_, 2)


def written_by_host(program: Program, refs: RefCode) -> None:
    """A global that the host sets while what it held lives on in a local only."""
    source, fn = refs.source, refs.fn
    acting = program.shell.kit(Acting)
    if acting.writes is None or acting.held is None:
        held_over(program, refs)
        return
    held = acting.held
    refs.push(held.type, 2)
    local = refs.keep(held.type)
    fn.get(local)
    fn += _SET_GLOBAL(index=held.index)
    acting.writes.call(fn, source)
    program.shell.kit(Collectors).pause(fn, source, 2)
    fn.get(local)
    refs.fold(held.type, 2)
    fn += _GET_GLOBAL(index=held.index)
    refs.fold(held.type)


def grown_by_host(program: Program, refs: RefCode) -> None:
    """A table that the host grows between an index and the access, and its last element."""
    source, fn = refs.source, refs.fn
    acting = program.shell.kit(Acting)
    if acting.grows is None or acting.grown is None:
        held_over(program, refs)
        return
    table = acting.grown
    push_index(refs, table.size)
    refs.push(table.type, 1)
    acting.grows.call(fn, source)
    fn += _TABLE_SET(table=table.index)
    if source.one_in(2):
        acting.grows.call(fn, source)
    fn += _LAST(table=table.index)
    refs.fold(table.type)
    push_index(refs, table.size)
    acting.grows.call(fn, source)
    fn += _TABLE_GET(table=table.index)
    refs.fold(table.type, 1 + source.below(2))
    fn += _TABLE_SIZE(table=table.index)
    fn += fn.fold(I32)
