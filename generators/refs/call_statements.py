"""Statements that call with references: functions of many of them, by every kind of call, and function references.

local.get 3                       ;; function_value: a function of the module's own types,
call_ref 5                        ;; by reference or by a type above its own out of a table
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import shares, weighted
from generators.config import MIXED, NARROW, WIDE, draw_size
from generators.module.function import GET, Function
from generators.program.calls import TAILS, Callee
from generators.program.program import Program
from generators.refs.expressions import MANY, RefCode
from generators.refs.lattice import Defined
from generators.refs.space import VARIANTS
from generators.refs.statements import value
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.valtypes import FuncType, RefType, ValType, ref

_SIZE: Final = weighted((NARROW, 40), (MIXED, 60), (WIDE, 156))
_KNOWN: Final = 40
"""A function of so many known references keeps no more results for later."""
_MADE_UP: Final = 3
"""Of the four ways in which results begin, the one that takes none of them from the parameters."""
_WAYS: Final = shares(("reference", 1), ("tail", 1), ("table", 2))
"""How a function of the module's own types is called: ``tail`` is by reference and from a tail call."""

_RETURN: Final = code("return")
_CALL: Final = template("call $func")
_CALL_REF: Final = template("call_ref $type")
_TAIL_CALL_REF: Final = template("return_call_ref $type")
_CALL_ONE_OF: Final = template("i32.const $slot  i32.add  call_indirect $table (type $type)")


def called(program: Program, refs: RefCode) -> None:
    """A call of a function of many values by any kind of call, its results used from the stack or out of locals."""
    source, fn = refs.source, refs.fn
    callee = refs.space.choose_callee(source) or _new_callee(program, refs)
    how = source.pick([kind for kind in program.calls.kinds() if kind not in ("loop", "recursive")])
    if how in TAILS:
        # The statement is no function's last, so the tail call has a function of its own.
        callee, how = _tail_caller(program, refs, callee, how), "direct"
    refs.push_values(callee.type.params)
    program.calls.call(fn, source, how, callee)
    program.passed(fn, callee, how)
    results = callee.type.results
    if not source.one_in(3) or not results:
        refs.fold_values(results, 1)
        return
    locals_ = [fn.local(type_) for type_ in results]
    fn.set(*reversed(locals_))
    for type_, local in zip(results, locals_, strict=True):
        fn.get(local)
        refs.fold(type_, wide=len(results) > MANY)
        if isinstance(type_, RefType) and len(refs.known) < _KNOWN:
            refs.known.append((type_, local))


def _new_callee(program: Program, refs: RefCode) -> Callee:
    """One more function of many parameters or results."""
    space, source = refs.space, refs.source
    limit = min(space.config.max_params, space.config.max_results)
    sizes = [draw_size(source, source.weighted(_SIZE), limit), draw_size(source, NARROW, limit)]
    if source.one_in(2):
        sizes.reverse()
    params, results = (space.draw_types(source, size) for size in sizes)
    f = program.shell.builder.func(params, results)
    callee = Callee(f.index, f.type_index, f.type)
    space.callees.append(callee)
    fn = Function.of(program.shell, f, space.fork())
    fn.seed(f.index)
    inner = RefCode(fn, fn.source)
    for i, type_ in enumerate(params):
        fn.get(i)
        inner.fold(type_, wide=len(params) > MANY)
    fn.publish()
    inner.collectors.pause(fn, fn.source, 2)
    _permuted(inner, results)
    if fn.source.one_in(3):
        fn += _RETURN
    return callee


def _permuted(refs: RefCode, results: Sequence[ValType]) -> None:
    """Results out of the parameters of the same types, from the last to the first, or made up."""
    given: dict[ValType, list[int]] = {}
    for i, type_ in enumerate(refs.f.type.params):
        given.setdefault(type_, []).insert(0, i)
    start = refs.source.below(_MADE_UP + 1)
    if start == _MADE_UP or not any(type_ in given for type_ in results):
        refs.push_values(results)
        return
    for i, type_ in enumerate(results):
        if type_ in given:
            refs.f.body.append((GET, given[type_][(start + i) % len(given[type_])]))
        else:
            refs.push_values((type_,))


def _tail_caller(program: Program, refs: RefCode, callee: Callee, how: str) -> Callee:
    """A function that calls ``callee`` as its last act; it has all parameters, or none and makes them up."""
    narrow = refs.source.one_in(2)
    params = () if narrow else callee.type.params
    f = program.shell.builder.func(params, callee.type.results)
    fn = Function.of(program.shell, f, refs.space.fork())
    fn.seed(f.index)
    if narrow:
        RefCode(fn, fn.source).push_values(callee.type.params)
    else:
        fn.get(*range(len(params)))
    program.calls.call(fn, fn.source, how, callee)
    return Callee(f.index, f.type_index, FuncType(params, callee.type.results), ((how, callee.type),))


def function_value(program: Program, refs: RefCode) -> None:
    """A function of the module's own types, called by reference or out of a table under a type above its own."""
    space, source = refs.space, refs.source
    functions = space.lattice.all("func")
    if not functions:
        value(program, refs)
        return
    type_ = source.pick(functions)
    signature = type_.composite
    assert isinstance(signature, FuncType)
    how = source.pick(_WAYS)
    refs.arguments(signature.params, 1)
    if how == "table":
        _call_below(program, refs, type_)
    else:
        refs.push(ref(type_.index, False), 2)
        # The function with the tail call has the callee as one parameter more.
        full = len(signature.params) >= space.config.max_params
        if how == "tail" and not full and space.config.allows(Feature.TAIL_CALL):
            refs.look(ref(type_.index))
            refs.fn += _CALL(_by_reference(program, type_.index, signature))
        else:
            refs.fn += _CALL_REF(type_.index)
    refs.fold_values(signature.results, 1)


def _call_below(program: Program, refs: RefCode, type_: Defined) -> None:
    """Call one of two functions of a type at or below ``type_`` out of the table, as one of that type."""
    space, shell = refs.space, program.shell
    actual = refs.source.pick(space.lattice.subtypes(type_.index))
    slot = shell.slot(*(space.function(actual.index, variant) for variant in range(VARIANTS)))
    refs.condition()
    refs.fn += _CALL_ONE_OF(slot=slot, table=shell.tables["functions"], type=type_.index)


def _by_reference(program: Program, index: int, type_: FuncType) -> int:
    """A function that takes the arguments and the function, and calls it as its last act."""
    f = program.shell.builder.func((*type_.params, ref(index)), type_.results)
    f.body += [(GET, i) for i in range(len(type_.params) + 1)]
    f.body += _TAIL_CALL_REF(index)
    return f.index
