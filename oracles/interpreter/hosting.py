"""The imports of a case: host functions and items with the meaning that ``wasm.hostmix`` states."""

from __future__ import annotations

import struct
from typing import Any

from oracles.interpreter.budget import Exhaustion
from oracles.interpreter.machine import run
from oracles.interpreter.memory import Memory
from oracles.interpreter.store import Extern, Func, Instance, Native
from oracles.interpreter.table import Table
from oracles.interpreter.values import Exn, Global, Tag, Thrown, from_value, host, to_returned
from wasm.embedding import HostCall, Returned
from wasm.hostmix import LOG_LIMIT, THROWN_TAG, Behaviour, behaviour, global_value, results
from wasm.module import ExternKind, Import, ImportedFunc
from wasm.traps import Trap, TrapKind
from wasm.valtypes import GlobalType, MemType, NumType, TableType, ValType


class Hosting:
    """Makes a case's imports on demand and keeps the host-call log. Equal imports are one and the same item."""

    def __init__(self) -> None:
        self.log: list[HostCall] = []
        self._made: dict[Any, Extern] = {}

    def __call__(self, item: Import, instance: Instance) -> Extern | None:
        """The item for an import of the instance that is being made; None where no host has such a thing."""
        key = (item.module, item.name, item.type)
        found = self._made.get(key)
        if found is None:
            made = self._make(item, instance)
            if made is None:
                return None
            found = self._made[key] = made
        return found

    def _make(self, item: Import, instance: Instance) -> Extern | None:
        meter = instance.store.meter
        match item.type:
            case ImportedFunc(type_index):
                func = Func(instance.types, type_index, meter)
                func.native = self._native(item, func, instance)
                return func
            case MemType():
                return Memory(item.type, meter)
            case TableType():
                return Table(item.type, instance.types, None, meter) if item.type.ref.nullable else None
            case GlobalType():
                value = global_value(item.module, item.name, item.type.type)
                if value is None:
                    return None
                runtime = from_value(value, item.type.type, instance.types, lambda _: None)
                return Global(item.type.type, item.type.mutable, instance.types, runtime)
            case _:
                return Tag(instance.types, item.type.type_index)

    def _native(self, item: Import, func: Func, instance: Instance) -> Native:
        module, name, params, log = item.module, item.name, func.params, self.log
        meter = instance.store.meter
        kind = behaviour(module)

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
            match kind:
                case Behaviour.MIX:
                    return _mix(module, name, packed, func.results)
                case Behaviour.THROW:
                    tag = _thrown_tag(instance)
                    if tag is not None:
                        raise Thrown(Exn(tag, _mix(module, name, packed, tag.params)))
                case Behaviour.REENTER:
                    target = instance.exported_func(name)
                    if target is not None and target.type_id == func.type_id:
                        return run(target, args, depth + target.weight)
            raise Trap(TrapKind.HOST)

        return host_function


def _thrown_tag(instance: Instance) -> Tag | None:
    """The tag that ``Behaviour.THROW`` throws; None where the module imports no such tag."""
    for item, tag in zip(instance.module.imported(ExternKind.TAG), instance.tags, strict=False):
        if (item.module, item.name) == THROWN_TAG:
            return tag
    return None


def _mix(module: str, name: str, args: Returned, types: tuple[ValType, ...]) -> list[Any]:
    """The results of a pure host function as runtime values. Raises ``Trap`` where it has none to give."""
    found = results(module, name, args, types)
    if found is None:
        raise Trap(TrapKind.HOST)
    words = struct.unpack(f"<{2 * len(types)}Q", found.slots)
    refs = iter(found.refs)
    return [
        words[2 * i] | words[2 * i + 1] << 64 if isinstance(type_, NumType) else _ref(next(refs))
        for i, type_ in enumerate(types)
    ]


def _ref(text: str) -> Any:
    kind, _, rest = text.partition(":")
    if kind == "extern":
        return host(int(rest))
    return int(rest) if kind == "i31" else None
