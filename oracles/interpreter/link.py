"""Instantiation and invocation (spec 4.5.4, 4.5.5 and the embedding, 7.1); everything that happens is an outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from oracles.interpreter.budget import Exhaustion, MemoryExhaustion
from oracles.interpreter.machine import python_depth, run
from oracles.interpreter.memory import Memory
from oracles.interpreter.operators import bind
from oracles.interpreter.operators_memory import write_segment
from oracles.interpreter.prepare import NotExecutable, frame_weight
from oracles.interpreter.store import Extern, Func, Instance, Store
from oracles.interpreter.table import Table
from oracles.interpreter.values import BadArgument, Global, Naming, Ref, Tag, Thrown, from_value, to_returned
from wasm.canonical import Types, matches_extern
from wasm.embedding import Exhausted, Outcome, OutOfMemory, Rejected, Returned, Threw, Trapped, Unsupported, Value
from wasm.isa import OPS
from wasm.module import Export, Expr, ExternKind, ExternType, Import, ImportedFunc, Module, SegmentMode
from wasm.traps import Trap
from wasm.valtypes import GlobalType, TagType

Imports = Mapping[tuple[str, str], Extern]
"""What can be imported, by module and name."""


class _Unlinkable(Exception):
    """An import that is missing or does not fit; the message is the official suite's."""


def instantiate(module: Module, imports: Imports | Callable[[Import, Instance], Extern | None], store: Store) -> (
    Instance | Outcome
):  # fmt: skip
    """Instantiate a valid module; an outcome if that fails: ``Rejected`` for an import, else what happened.

    ``imports`` maps (module, name) to what is there, or makes it for an import of a new instance.
    """
    instance = Instance(module, store)
    outcome = embedded(instance, lambda: _instantiate(instance, imports))
    return instance if isinstance(outcome, Returned) else outcome


def _instantiate(instance: Instance, imports: Imports | Callable[[Import, Instance], Extern | None]) -> Returned:
    module = instance.module
    for item in module.imports:
        found = imports(item, instance) if callable(imports) else imports.get((item.module, item.name))
        _import(instance, item, found)
    _define(instance)
    for export in module.exports:
        instance.exports[export.name] = (export.kind, _item(instance, export))
    _initialise(instance)
    if module.start is not None:
        start = instance.funcs[module.start]
        run(start, [], start.weight)
    return Returned()


def _import(instance: Instance, item: Import, found: Extern | None) -> None:
    if found is None:
        raise _Unlinkable(f"unknown import {item.module}.{item.name}")
    types, given = extern_type(found)
    if not matches_extern(types, given, instance.types, item.type):
        raise _Unlinkable(f"incompatible import type for {item.module}.{item.name}")
    match found:
        case Func():
            instance.funcs.append(found)
        case Table():
            instance.tables.append(found)
        case Memory():
            instance.memories.append(found)
        case Global():
            instance.globals.append(found)
        case Tag():
            instance.tags.append(found)


def extern_type(item: Extern) -> tuple[Types, ExternType]:
    """The type of an external value now, and the types that its indices refer to (spec 7.1.12)."""
    match item:
        case Func():
            return item.types, ImportedFunc(item.type_index)
        case Table():
            return item.types, item.current_type()
        case Memory():
            return _NO_TYPES, item.current_type()
        case Global():
            return item.types, GlobalType(item.type, item.mutable)
        case Tag():
            return item.types, TagType(item.type_index)


_NO_TYPES: Final = Types([])


def _define(instance: Instance) -> None:
    """Allocate what the module defines, in the order in which initialisers may refer back (spec 4.5.3.9)."""
    module, meter, types = instance.module, instance.store.meter, instance.types
    for index, body in enumerate(module.funcs, len(instance.funcs)):
        func = Func(types, body.type_index, meter)
        func.instance, func.index, func.body, func.locals = instance, index, body.body, body.locals
        func.weight = frame_weight(len(func.params), body.locals)
        instance.funcs.append(func)
    for memory in module.memories:
        instance.memories.append(Memory(memory, meter))
    for tag in module.tags:
        instance.tags.append(Tag(types, tag.type_index))
    for item in module.globals:
        instance.globals.append(Global(item.type.type, item.type.mutable, types, evaluate(item.init, instance)))
    for table in module.tables:
        init = evaluate(table.init, instance) if table.init else None
        instance.tables.append(Table(table.type, types, init, meter))


def _item(instance: Instance, export: Export) -> Extern:
    match export.kind:
        case ExternKind.FUNC:
            return instance.funcs[export.index]
        case ExternKind.TABLE:
            return instance.tables[export.index]
        case ExternKind.MEMORY:
            return instance.memories[export.index]
        case ExternKind.GLOBAL:
            return instance.globals[export.index]
        case ExternKind.TAG:
            return instance.tags[export.index]


def _initialise(instance: Instance) -> None:
    """Run the active segments in order (spec 4.5.4, steps 13 to 16). Raises ``Trap``."""
    module = instance.module
    for elem in module.elems:
        refs: list[Ref] = []
        if elem.mode is not SegmentMode.DECLARATIVE:
            refs = [evaluate(expr, instance) for expr in elem.init]
        instance.elems.append(refs)
    instance.datas += [data.init for data in module.datas]
    for i, elem in enumerate(module.elems):
        if elem.mode is SegmentMode.ACTIVE:
            refs = instance.elems[i]
            instance.tables[elem.table].init(evaluate(elem.offset, instance), refs, 0, len(refs))
            instance.elems[i] = []
    for i, data in enumerate(module.datas):
        if data.mode is SegmentMode.ACTIVE:
            memory = instance.memories[data.memory]
            write_segment(memory, evaluate(data.offset, instance), data.init, 0, len(data.init))
            instance.datas[i] = b""


_REF_FUNC = OPS["ref.func"]
_REF_NULL = OPS["ref.null"]
_GLOBAL_GET = OPS["global.get"]


def evaluate(expr: Expr, instance: Instance) -> Any:
    """The value of a constant expression (spec 3.4.13)."""
    stack: list[Any] = []
    for op, imm in expr:
        if op is _REF_FUNC:
            stack.append(instance.funcs[imm])
        elif op is _GLOBAL_GET:
            stack.append(instance.globals[imm].value)
        elif op is _REF_NULL:
            stack.append(None)
        elif op.params == () and op.pure is None and isinstance(imm, int):
            stack.append(imm)
        else:
            function, takes, _ = bind(op, imm, instance)
            first = len(stack) - takes
            stack[first:] = [function(*stack[first:])]
    return stack[-1]


# Outcomes


def embedded(instance: Instance, action: Callable[[], Returned]) -> Outcome:
    """Do something with an instance and say what happened as a value."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, python_depth(instance.store.meter.depth)))
    try:
        return action()
    except Trap as trap:
        return Trapped(frozenset((trap.kind,)))
    except Thrown as thrown:
        return _threw(instance, thrown)
    except Exhaustion as exhaustion:
        return Exhausted(exhaustion.what)
    except MemoryExhaustion as error:
        return OutOfMemory(str(error))
    except (_Unlinkable, BadArgument) as error:
        return Rejected(str(error))
    except NotExecutable as error:
        return Unsupported(f"legacy exceptions ({error})")
    finally:
        sys.setrecursionlimit(limit)


def _threw(instance: Instance, thrown: Thrown) -> Threw:
    exn = thrown.exn
    payload, unsayable = to_returned(exn.tag.params, exn.values, instance.name_of)
    instance.store.meter.observed |= unsayable
    return Threw(_tag_name(instance, exn.tag), payload)


def _tag_name(instance: Instance, tag: Tag) -> str:
    """The name under which a module exports or imports a tag; ``?`` if it does neither."""
    for name, (_, item) in instance.exports.items():
        if item is tag:
            return name
    imported = instance.module.imported(ExternKind.TAG)
    for wanted, found in zip(imported, instance.tags, strict=False):
        if found is tag:
            return wanted.name
    return "?"


def invoke(instance: Instance, export: str, args: tuple[Value, ...]) -> Outcome:
    """Call an exported function; ``Rejected`` where there is none or the arguments do not fit."""
    func = instance.exported_func(export)
    if func is None:
        return Rejected(f"no exported function {export!r}")
    if len(args) != len(func.params):
        return Rejected(f"{export} takes {len(func.params)} arguments, not {len(args)}")
    return embedded(instance, lambda: _invoke(instance, func, args, instance.name_of))


def _invoke(instance: Instance, func: Func, args: tuple[Value, ...], naming: Naming) -> Returned:
    def find(name: str) -> Func | None:
        return instance.exported_func(name)

    values = [from_value(arg, type_, func.types, find) for arg, type_ in zip(args, func.params, strict=True)]
    results = run(func, values, func.weight)
    returned, unsayable = to_returned(func.results, results, naming)
    instance.store.meter.observed |= unsayable
    return returned
