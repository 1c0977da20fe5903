"""The imports of a case on compiled code, with the meaning that ``wasm.hostmix`` states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from oracles.compiled.link import Linker
from oracles.compiled.regions import write
from oracles.compiled.stops import Thrown
from oracles.compiled.store import Extern, Func, Global, Instance, Memory, Table, Tag
from oracles.compiled.trampolines import HOST
from oracles.compiled.values import packed, reference_bits, type_words
from oracles.linking import OneOfEach, act, called_back, thrown_tag
from wasm.canonical import canonical_subtype
from wasm.embedding import SLOT, Returned, Value
from wasm.hostmix import LOG_LIMIT, Behaviour, absorb, acts, behaviour, global_value, mix_slots, results
from wasm.module import Import, ImportedFunc
from wasm.traps import Trap, TrapKind
from wasm.valtypes import GlobalType, MemType, TableType, ValType


class _Hands:
    """``oracles.linking.Hands`` of compiled code."""

    null = 0

    def store(self, memory: Memory, at: int, data: bytes) -> None:
        write(memory.base + at, data)

    def assign(self, item: Global, value: Value) -> None:
        bits = value.bits if value.type != "ref" else reference_bits(value.ref, lambda _: None) or 0
        write(item.address, bits.to_bytes(SLOT, "little"))


_HANDS: Final = _Hands()


@dataclass(frozen=True, slots=True)
class Logged:
    """One call of a host function: the position of its import in the module, argument slots, reference arguments."""

    position: int
    slots: bytes
    refs: list[str]


class Hosting(OneOfEach[Extern, Instance]):
    """Makes a case's imports on demand and keeps the host-call log. Equal imports are one and the same item."""

    def __init__(self, linker: Linker) -> None:
        super().__init__()
        self.linker = linker
        self.log: list[Logged] = []

    def make(self, wanted: Import, instance: Instance) -> Extern | None:
        store, types = self.linker.store, instance.types
        match wanted.type:
            case ImportedFunc(type_index):
                func = Func(store, types, type_index)
                context = store.new_context(SLOT)
                function = HostFunction(self, wanted, len(instance.imported), func, instance)
                self.linker.machine.owners[context] = function
                func.bind(self.linker.trampolines.address("leave", func.type, store.settings), context)
                return func
            case MemType():
                return Memory(store, wanted.type)
            case TableType():
                return Table(store, wanted.type, types, 0) if wanted.type.ref.nullable else None
            case GlobalType():
                value = global_value(wanted.module, wanted.name, wanted.type.type)
                if value is None:
                    return None
                bits = value.bits if value.type != "ref" else reference_bits(value.ref, lambda _: None)
                return Global(store, wanted.type.type, wanted.type.mutable, types, bits or 0)
            case _:
                return Tag(store, types, wanted.type.type_index)


class HostFunction:
    """What an imported function does; called as the owner of its context, on the machine's mailbox."""

    def __init__(self, hosting: Hosting, item: Import, position: int, func: Func, instance: Instance) -> None:
        self.hosting, self.item, self.position, self.func, self.instance = hosting, item, position, func, instance
        self.behaviour, self.acts = behaviour(item.module), acts(item.module)
        self.machine = hosting.linker.machine

    def __call__(self, request: tuple[Any, ...]) -> None:
        assert request == HOST
        type_ = self.func.type
        arguments = self.machine.take(len(type_.params))
        slots, refs = packed(type_.params, arguments, self.func.types, self.instance)
        log = self.hosting.log
        if len(log) < LOG_LIMIT:
            log.append(Logged(self.position, slots, refs))
        shown = Returned(type_words(type_.params), slots, tuple(refs))
        if self.acts:
            state = absorb(self.item.module, self.item.name, mix_slots(shown))
            act(self.item, self.instance, state, _HANDS)
        self.machine.put(self._results(arguments, shown))

    def _results(self, arguments: bytes, shown: Returned) -> bytes:
        """Raw result slots. Raises ``Trap``, ``Thrown``, and what a call of an export raises."""
        match self.behaviour:
            case Behaviour.MIX:
                return self._mix(shown, self.func.type.results)
            case Behaviour.THROW:
                tag = thrown_tag(self.instance)
                if tag is not None:
                    raise Thrown(self.instance.store.new_exception(tag, self._mix(shown, tag.params)))
            case Behaviour.REENTER:
                target = self.instance.exported_func(self.item.name) if self.instance.finished else None
                if target is not None and target.type_id == self.func.type_id:
                    return self.hosting.linker.call(target, arguments)
            case Behaviour.CALLBACK:
                table = called_back(self.item, self.instance)
                if table is not None:
                    return self.hosting.linker.call(self._element(table), arguments)
        raise Trap(TrapKind.HOST)

    def _element(self, table: Table) -> Func:
        """The function that ``call_indirect`` of this function's type calls for element 0 (spec 4.6.10.3)."""
        if not table.size:
            raise Trap(TrapKind.UNDEFINED_ELEMENT)
        address = table.get(0)
        if not address:
            raise Trap(TrapKind.UNINITIALIZED_ELEMENT)
        target = self.instance.store.funcs[address]
        if not canonical_subtype(target.type_id, self.func.type_id):
            raise Trap(TrapKind.INDIRECT_TYPE_MISMATCH)
        return target

    def _mix(self, shown: Returned, types: tuple[ValType, ...]) -> bytes:
        mixed = results(self.item.module, self.item.name, shown, types)
        if mixed is None:
            raise Trap(TrapKind.HOST)
        if not mixed.refs:
            return mixed.slots
        out = bytearray(mixed.slots)
        refs = iter(mixed.refs)
        for i, kind in enumerate(mixed.types):
            if kind == "ref":
                bits = reference_bits(next(refs), lambda _: None) or 0
                out[SLOT * i : SLOT * i + 8] = bits.to_bytes(8, "little")
        return bytes(out)
