"""Instantiation and invocation (spec 4.7.2, 4.7.3 and the embedding, 7.1); everything that happens is an outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from oracles import linking
from oracles.interpreter.frames import weight
from oracles.interpreter.machine import python_depth, run
from oracles.interpreter.memory import Memory
from oracles.interpreter.operators import bind
from oracles.interpreter.prepare import NotExecutable
from oracles.interpreter.store import Extern, Func, Hook, Instance, Store
from oracles.interpreter.table import Table
from oracles.interpreter.values import Global, Naming, Tag, Thrown, from_value, to_returned
from oracles.linking import Imports, link
from wasm.embedding import Outcome, Rejected, Returned, Threw, Unsupported, Value
from wasm.isa import OPS
from wasm.module import Expr, Module


def instantiate(
    module: Module, imports: Imports[Extern, Instance], store: Store, hooks: dict[int, dict[int, Hook]] | None = None,
    watched: bool = True,
) -> Instance | Outcome:  # fmt: skip
    """Instantiate a valid module; an outcome if that fails: ``Rejected`` for an import, else what happened.

    ``imports`` maps (module, name) to what is there, or makes it for an import of a new instance.
    """
    instance = Instance(module, store, hooks, watched)
    outcome = embedded(instance, lambda: _instantiate(instance, imports))
    return instance if isinstance(outcome, Returned) else outcome


def _instantiate(instance: Instance, imports: Imports[Extern, Instance]) -> Returned:
    link(instance, imports, lambda: _define(instance), lambda expr: evaluate(expr, instance))
    if instance.module.start is not None:
        start = instance.funcs[instance.module.start]
        run(start, [], start.weight)
    instance.finished = True
    return Returned()


def _define(instance: Instance) -> None:
    """Allocate what the module defines, in the order in which initialisers may refer back (spec 4.5.3.9)."""
    module, meter, types = instance.module, instance.store.meter, instance.types
    for index, body in enumerate(module.funcs, len(instance.funcs)):
        func = Func(types, body.type_index, meter)
        func.instance, func.index, func.body, func.locals = instance, index, body.body, body.locals
        instance.funcs.append(func)
    for func in instance.funcs[-len(module.funcs) :] if module.funcs else ():
        func.weight = weight(func)
    for memory in module.memories:
        instance.memories.append(Memory(memory, meter))
    for tag in module.tags:
        instance.tags.append(Tag(types, tag.type_index))
    for item in module.globals:
        instance.globals.append(Global(item.type.type, item.type.mutable, types, evaluate(item.init, instance)))
    for table in module.tables:
        init = evaluate(table.init, instance) if table.init else None
        instance.tables.append(Table(table.type, types, init, meter))


_REF_FUNC: Final = OPS["ref.func"]
_REF_NULL: Final = OPS["ref.null"]
_GLOBAL_GET: Final = OPS["global.get"]


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
        return linking.embedded(action)
    except Thrown as thrown:
        return _threw(instance, thrown)
    except NotExecutable as error:
        return Unsupported(f"legacy exceptions ({error})")
    finally:
        sys.setrecursionlimit(limit)


def _threw(instance: Instance, thrown: Thrown) -> Threw:
    exn = thrown.exn
    payload, unsayable = to_returned(exn.tag.params, exn.values, instance.name_of)
    instance.store.meter.observed |= unsayable
    return Threw(linking.tag_name(instance, exn.tag), payload)


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
