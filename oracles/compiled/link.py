"""Instantiation and invocation of compiled modules (spec 4.5.4, 4.5.5); everything that happens is an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from compiler.emit import CompiledFunction
from compiler.errors import Unsupported as NotCompiled
from compiler.layout import InstanceLayout
from oracles.compiled.aggregates import MAKERS, make
from oracles.compiled.helpers import Helpers
from oracles.compiled.machine import Machine
from oracles.compiled.program import Program, Refused
from oracles.compiled.regions import NoMemory, read, read_word, write_word
from oracles.compiled.stops import Corrupted, Exhaustion, Fault, MemoryExhaustion, Thrown, TimeUp
from oracles.compiled.store import PAYLOAD, Extern, Func, Global, Instance, Memory, Store, Table, Tag
from oracles.compiled.trampolines import CALLEE_SLOT, Trampolines
from oracles.compiled.values import BadArgument, pack_arguments, raw, returned, type_words
from wasm.canonical import Types, matches_extern
from wasm.embedding import (
    SLOT,
    Crashed,
    Exhausted,
    Outcome,
    OutOfMemory,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)
from wasm.isa import OPS
from wasm.module import Export, Expr, ExternKind, ExternType, Import, ImportedFunc, SegmentMode
from wasm.traps import Trap
from wasm.valtypes import GlobalType, TagType

Imports = Mapping[tuple[str, str], Extern] | Callable[[Import, Instance], Extern | None]
"""What can be imported: by module and name, or made for an import of the instance that is being made."""


class _Unlinkable(Exception):
    """An import that is missing or does not fit."""


class Linker:
    """Makes instances in a store and calls their exports."""

    def __init__(self, store: Store, trampolines: Trampolines) -> None:
        self.store, self.trampolines = store, trampolines
        self.machine: Machine = store.machine

    def instantiate(self, program: Program, imports: Imports) -> Instance | Outcome:
        """Instantiate a compiled module; an outcome if that fails."""
        instance = Instance(program.module, program.context.types, self.store)
        outcome = self.embedded(instance, lambda: self._instantiate(instance, program, imports))
        return instance if isinstance(outcome, Returned) else outcome

    def invoke(self, instance: Instance, export: str, args: tuple[Value, ...]) -> Outcome:
        """Call an exported function; ``Rejected`` where there is none or the arguments do not fit."""
        func = instance.exported_func(export)
        if func is None:
            return Rejected(f"no exported function {export!r}")
        if tuple(arg.type for arg in args) != type_words(func.type.params):
            return Rejected(f"{export} takes ({', '.join(map(str, func.type.params))})")
        return self.invoke_packed(instance, func, *pack_arguments(args))

    def invoke_packed(self, instance: Instance, func: Func, slots: bytes, refs: Sequence[str]) -> Outcome:
        """The same with arguments packed: slots, and the identities of references in order."""

        def action() -> Returned:
            results = self.call(func, raw(func.type.params, slots, refs, func.types, instance))
            return returned(func.type.results, results, func.types, instance)

        return self.embedded(instance, action)

    def call(self, func: Func, slots: bytes) -> bytes:
        """Call a function with raw slots; its raw results. Raises what ``Machine.enter`` raises."""
        code = self.trampolines.address("enter", func.type, self.store.settings)
        machine = self.machine
        machine.put(slots)
        machine.put_slot(CALLEE_SLOT, func.address)
        machine.enter(self.store.plain_context, code)
        return machine.take(len(func.type.results))

    # Instantiation

    def _instantiate(self, instance: Instance, program: Program, imports: Imports) -> Returned:
        for item in instance.module.imports:
            _import(
                instance, item, imports(item, instance) if callable(imports) else imports.get((item.module, item.name))
            )
        self._define(instance, program.functions)
        for export in instance.module.exports:
            instance.exports[export.name] = (export.kind, _item(instance, export))
        _initialise(instance)
        if instance.module.start is not None:
            self.call(instance.funcs[instance.module.start], b"")
        return Returned()

    def _define(self, instance: Instance, code: dict[int, CompiledFunction]) -> None:
        """Allocate what the module defines, in the order in which initialisers may refer back (spec 4.5.3.9)."""
        module, types, store = instance.module, instance.types, self.store
        instance.funcs += [Func(store, types, body.type_index) for body in module.funcs]
        instance.memories += [Memory(store, type_) for type_ in module.memories]
        instance.tags += [Tag(store, types, tag.type_index) for tag in module.tags]
        for item in module.globals:
            bits = evaluate(item.init, instance)
            instance.globals.append(Global(store, item.type.type, item.type.mutable, types, bits))
        for table in module.tables:
            init = evaluate(table.init, instance) if table.init else 0
            instance.tables.append(Table(store, table.type, types, init))
        layout = InstanceLayout.of(module)
        instance.context = store.new_context(layout.size)
        items: tuple[Memory | Table | Global | Func, ...]
        items = (*instance.memories, *instance.tables, *instance.globals, *instance.funcs)
        for position, entry in enumerate(items, 1):
            write_word(instance.context + 8 * position, entry.address)
        self.machine.owners[instance.context] = Helpers(instance, self.machine)
        if code:
            loaded = store.keep(self.machine.load(code, tuple(tag.identity for tag in instance.tags)))
            for index in code:
                instance.funcs[index].bind(loaded.address(index), instance.context)

    # Outcomes

    def embedded(self, instance: Instance, action: Callable[[], Returned]) -> Outcome:
        """Do something with an instance and say what happened as a value."""
        try:
            return action()
        except Trap as trap:
            return Trapped(frozenset((trap.kind,)))
        except Thrown as thrown:
            return self._threw(instance, thrown.address)
        except Exhaustion as exhaustion:
            return Exhausted(exhaustion.what)
        except (MemoryExhaustion, NoMemory) as error:
            return OutOfMemory(str(error))
        except (_Unlinkable, BadArgument) as error:
            return Rejected(str(error))
        except Fault as fault:
            return Crashed(fault.number, str(fault), "compiled code")
        except Corrupted as error:
            return Crashed(0, str(error))
        except TimeUp:
            return TimedOut()
        except NotCompiled as error:
            return Unsupported(error.what)
        except Refused as refused:
            # A trampoline that the compiler failed on; everything else was compiled before.
            return refused.outcome

    def _threw(self, instance: Instance, address: int) -> Threw | Crashed:
        tag = self.store.tags.get(read_word(address))
        if tag is None:
            return Crashed(0, "an exception with a tag that there is not")
        slots = read(address + PAYLOAD, SLOT * len(tag.params))
        return Threw(_tag_name(instance, tag), returned(tag.params, slots, tag.types, instance))


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


def _import(instance: Instance, item: Import, found: Extern | None) -> None:
    if found is None:
        raise _Unlinkable(f"unknown import {item.module}.{item.name}")
    types, given = extern_type(found)
    if not matches_extern(types, given, instance.types, item.type):
        raise _Unlinkable(f"incompatible import type for {item.module}.{item.name}")
    instance.imported.append(found)
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
        wanted = () if elem.mode is SegmentMode.DECLARATIVE else elem.init
        instance.elems.append([evaluate(expr, instance) for expr in wanted])
    instance.datas += [data.init for data in module.datas]
    for i, elem in enumerate(module.elems):
        if elem.mode is SegmentMode.ACTIVE:
            refs = instance.elems[i]
            instance.tables[elem.table].init(evaluate(elem.offset, instance), refs, 0, len(refs))
            instance.elems[i] = []
    for i, data in enumerate(module.datas):
        if data.mode is SegmentMode.ACTIVE:
            memory = instance.memories[data.memory]
            memory.init(evaluate(data.offset, instance), data.init, 0, len(data.init))
            instance.datas[i] = b""


_REF_FUNC: Final = OPS["ref.func"]
_REF_NULL: Final = OPS["ref.null"]
_GLOBAL_GET: Final = OPS["global.get"]
_REF_I31: Final = OPS["ref.i31"]


def evaluate(expr: Expr, instance: Instance) -> int:
    """The bits of a constant expression (spec 3.4.13). Raises ``compiler.errors.Unsupported``."""
    stack: list[int] = []
    for op, imm in expr:
        if op is _REF_FUNC:
            stack.append(instance.funcs[imm].address)
        elif op is _GLOBAL_GET:
            stack.append(instance.globals[imm].bits)
        elif op is _REF_NULL:
            stack.append(0)
        elif op is _REF_I31:
            stack.append(2 * (stack.pop() & 0x7FFFFFFF) + 1)
        elif op.name.endswith(".const"):
            stack.append(imm)
        elif op.name in MAKERS:
            stack.append(instance.store.new_aggregate(make(op.name, imm, stack, instance.types)))
        elif op.pure is not None and op.params is not None:
            first = len(stack) - len(op.params)
            stack[first:] = [op.pure(*stack[first:])]
        else:
            raise NotCompiled(op.name)
    return stack[-1]
