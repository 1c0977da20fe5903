"""Instantiation and invocation of compiled modules (spec 4.7.2, 4.7.3); everything that happens is an outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from compiler.emit import CompiledFunction
from compiler.errors import Unsupported as NotCompiled
from compiler.layout import InstanceLayout
from oracles import linking
from oracles.compiled.aggregates import MAKERS, make
from oracles.compiled.helpers import Helpers
from oracles.compiled.machine import Machine
from oracles.compiled.program import Program, Refused
from oracles.compiled.regions import NoMemory, read, read_word, write_word
from oracles.compiled.stops import Corrupted, Fault, Thrown, TimeUp
from oracles.compiled.store import PAYLOAD, Extern, Func, Global, Instance, Memory, Store, Table, Tag
from oracles.compiled.trampolines import CALLEE_SLOT, Trampolines
from oracles.compiled.values import pack_arguments, raw, returned, type_words
from oracles.linking import Imports, link
from wasm.embedding import SLOT, Crashed, Outcome, OutOfMemory, Rejected, Returned, Threw, TimedOut, Unsupported, Value
from wasm.isa import OPS
from wasm.module import Expr


class Linker:
    """Makes instances in a store and calls their exports."""

    def __init__(self, store: Store, trampolines: Trampolines) -> None:
        self.store, self.trampolines = store, trampolines
        self.machine: Machine = store.machine

    def instantiate(self, program: Program, imports: Imports[Extern, Instance]) -> Instance | Outcome:
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

    def _instantiate(self, instance: Instance, program: Program, imports: Imports[Extern, Instance]) -> Returned:
        link(
            instance,
            imports,
            lambda: self._define(instance, program.functions),
            lambda expr: evaluate(expr, instance),
        )
        if instance.module.start is not None:
            self.call(instance.funcs[instance.module.start], b"")
        instance.finished = True
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
            return linking.embedded(action)
        except Thrown as thrown:
            return self._threw(instance, thrown.address)
        except NoMemory as error:
            return OutOfMemory(str(error))
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
        return Threw(linking.tag_name(instance, tag), returned(tag.params, slots, tag.types, instance))


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
