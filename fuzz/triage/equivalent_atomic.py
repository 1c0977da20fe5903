"""The same as an atomic access by a load and a store, for one thread sees no difference (threads proposal).

    i64.atomic.rmw16.add_u  (func (param addr i64) (result i64) (local i64)
                               i64.atomic.load16_u  local.set 2  (i64.store16 (i64.add (local.get 2) (local.get 1)))
                               local.get 2)

The atomic load before everything traps where the access does, for the same reason.
"""

from __future__ import annotations

from typing import Final

from fuzz.triage.equivalent_heap import Function
from wasm.isa import OPS, Instr, MemArg, Op
from wasm.valtypes import FuncType, NumType

_KINDS: Final = ("rmw", "cmpxchg", "store")


def is_atomic(op: Op) -> bool:
    """Whether it is an atomic access that writes."""
    return ".atomic." in op.name and op.access is not None and op.access.kind in _KINDS


def atomic_equivalent(op: Op, imm: MemArg, address: NumType) -> Function:
    """The function for one of these."""
    assert op.access is not None
    assert op.params is not None
    type_ = op.params[1]
    assert isinstance(type_, NumType)
    bits, kind = 8 * op.access.bytes, op.access.kind
    width = "" if bits == type_.bits else str(bits)
    load = (OPS[f"{type_}.atomic.load{width and width + '_u'}"], imm)
    store = (OPS[f"{type_}.store{width}"], imm)
    old = len(op.params)
    if kind == "store":
        return Function(FuncType((address, type_), ()), [_get(0), load, OPS["drop"].bare, _get(0), _get(1), store])
    body: list[Instr] = [_get(0), load, (OPS["local.set"], old)]
    if kind == "cmpxchg":
        expected = [_get(1), (OPS[f"{type_}.const"], (1 << bits) - 1), OPS[f"{type_}.and"].bare]
        body += [
            _get(old),
            *expected,
            OPS[f"{type_}.eq"].bare,
            (OPS["if"], None),
            _get(0),
            _get(2),
            store,
            OPS["end"].bare,
        ]
    else:
        does = op.name.rpartition(".")[2].removesuffix("_u")
        made = [_get(1)] if does == "xchg" else [_get(old), _get(1), OPS[f"{type_}.{does}"].bare]
        body += [_get(0), *made, store]
    params = (address, *(type_ for _ in op.params[1:]))
    return Function(FuncType(params, (type_,)), [*body, _get(old)], (type_,))


def _get(local: int) -> Instr:
    return OPS["local.get"], local
