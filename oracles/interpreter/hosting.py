"""The imports of a case: host functions and items with the meaning that ``wasm.hostmix`` states."""

from __future__ import annotations

import struct
from typing import Any, Final

from oracles.interpreter.machine import resolve, run
from oracles.interpreter.memory import Memory
from oracles.interpreter.store import Extern, Func, Instance, Native
from oracles.interpreter.table import Table
from oracles.interpreter.values import Exn, Global, Tag, Thrown, from_value, host, to_returned
from oracles.linking import OneOfEach, act, called_back, thrown_tag
from oracles.stops import Exhaustion
from wasm.embedding import HostCall, Returned, Value
from wasm.hostmix import LOG_LIMIT, Behaviour, absorb, acts, behaviour, global_value, mix_slots, results
from wasm.module import Import, ImportedFunc
from wasm.traps import Trap, TrapKind
from wasm.valtypes import GlobalType, MemType, NumType, TableType, ValType


class Hosting(OneOfEach[Extern, Instance]):
    """Makes a case's imports on demand and keeps the host-call log. Equal imports are one and the same item."""

    def __init__(self, log: list[HostCall] | None = None) -> None:
        super().__init__()
        self.log: list[HostCall] = [] if log is None else log

    def make(self, wanted: Import, instance: Instance) -> Extern | None:
        meter = instance.store.meter
        match wanted.type:
            case ImportedFunc(type_index):
                func = Func(instance.types, type_index, meter)
                func.native = self._native(wanted, func, instance)
                return func
            case MemType():
                return Memory(wanted.type, meter)
            case TableType():
                return Table(wanted.type, instance.types, None, meter) if wanted.type.ref.nullable else None
            case GlobalType():
                value = global_value(wanted.module, wanted.name, wanted.type.type)
                if value is None:
                    return None
                runtime = from_value(value, wanted.type.type, instance.types, lambda _: None)
                return Global(wanted.type.type, wanted.type.mutable, instance.types, runtime)
            case _:
                return Tag(instance.types, wanted.type.type_index)

    def _native(self, item: Import, func: Func, instance: Instance) -> Native:
        module, name, params, log = item.module, item.name, func.params, self.log
        meter = instance.store.meter
        kind, does = behaviour(module), acts(module)

        def host_function(args: list[Any], depth: int) -> list[Any]:
            if depth > meter.depth:
                raise Exhaustion("stack")
            meter.deepest = max(meter.deepest, depth)
            meter.spend(1)
            packed, unsayable = to_returned(params, args, instance.name_of)
            if packed.free_nans or unsayable:
                meter.observed = True
            if len(log) < LOG_LIMIT:
                log.append(HostCall(module, name, packed))
            if does:
                act(item, instance, absorb(module, name, mix_slots(packed)), _HANDS)
            match kind:
                case Behaviour.MIX:
                    return _mix(module, name, packed, func.results)
                case Behaviour.THROW:
                    tag = thrown_tag(instance)
                    if tag is not None:
                        raise Thrown(Exn(tag, _mix(module, name, packed, tag.params)))
                case Behaviour.REENTER:
                    target = instance.exported_func(name) if instance.finished else None
                    if target is not None and target.type_id == func.type_id:
                        return run(target, args, depth + target.weight)
                case Behaviour.CALLBACK:
                    table = called_back(item, instance)
                    if table is not None:
                        target = resolve(table, 0, func.types, func.type_index)
                        return run(target, args, depth + target.weight)
            raise Trap(TrapKind.HOST)

        return host_function


class _Hands:
    """``oracles.linking.Hands`` of the interpreter."""

    null = None

    def store(self, memory: Memory, at: int, data: bytes) -> None:
        memory.write(at, data)

    def assign(self, item: Global, value: Value) -> None:
        item.value = value.bits if isinstance(item.type, NumType) else _ref(value.ref)


_HANDS: Final = _Hands()


def _mix(module: str, name: str, args: Returned, types: tuple[ValType, ...]) -> list[Any]:
    """The results of a pure host function as runtime values. Raises ``Trap`` where it has none to give."""
    mixed = results(module, name, args, types)
    if mixed is None:
        raise Trap(TrapKind.HOST)
    words = struct.unpack(f"<{2 * len(types)}Q", mixed.slots)
    refs = iter(mixed.refs)
    return [
        words[2 * i] | words[2 * i + 1] << 64 if isinstance(type_, NumType) else _ref(next(refs))
        for i, type_ in enumerate(types)
    ]


def _ref(text: str) -> Any:
    kind, _, rest = text.partition(":")
    if kind == "extern":
        return host(int(rest))
    return int(rest) if kind == "i31" else None
