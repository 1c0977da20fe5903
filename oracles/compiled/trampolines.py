"""Calls between the host and compiled code, made by the compiler itself: they go through every stage like any function.

Both kinds depend on the machine types of a signature only, so they are compiled once per signature and settings for
the whole process. ``enter`` takes its arguments out of the mailbox, calls the function whose record is in the
mailbox's last slot, and puts the results back there. ``leave`` is what an imported host function's record points to:
it asks for helper ``host``, in a context of that function's own, by which the helper knows it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from compiler.emit import CompiledFunction
from compiler.ir import IR_OPS, Block, Function, Inst, Return, ValueId
from compiler.layout import MAX_ARGS, InstanceLayout
from compiler.pipeline import Settings, Watcher, compile_ssa
from compiler.translator import machine_type
from oracles.compiled.machine import Loaded, Machine
from oracles.compiled.program import refusals
from wasm.context import ModuleContext
from wasm.module import Module
from wasm.valtypes import I64, FuncType, NumType, SubType

CALLEE_SLOT: Final = MAX_ARGS - 1
"""The mailbox slot with the record of the function that ``enter`` calls."""
HOST: Final = ("host",)
"""The request of ``leave``."""
_KEPT: Final = 512

Signature = tuple[tuple[NumType, ...], tuple[NumType, ...]]


def signature_of(type_: FuncType) -> Signature:
    """The machine types of a function type: references are addresses."""
    return tuple(map(machine_type, type_.params)), tuple(map(machine_type, type_.results))


def enter_ssa(signature: Signature) -> Function:
    """The SSA form of a host-to-wasm trampoline."""
    func = Function("enter", ())
    block = Block((), [], Return(()))
    args = tuple(_emit(func, block, "mailbox.get", (), slot, (type_,))[0] for slot, type_ in enumerate(signature[0]))
    callee = _emit(func, block, "mailbox.get", (), CALLEE_SLOT, (I64,))
    results = _emit(func, block, "call_ref", args + callee, 0, signature[1])
    for slot, result in enumerate(results):
        _emit(func, block, "mailbox.set", (result,), slot, ())
    func.blocks.append(block)
    return func


def leave_ssa(signature: Signature) -> Function:
    """The SSA form of a wasm-to-host trampoline."""
    func = Function("leave", signature[1])
    params = tuple(map(func.new_value, signature[0]))
    block = Block(params)
    block.terminator = Return(_emit(func, block, "helper", params, HOST, signature[1]))
    func.blocks.append(block)
    return func


def _emit(
    func: Function, block: Block, name: str, args: tuple[ValueId, ...], imm: object, types: tuple[NumType, ...]
) -> tuple[ValueId, ...]:
    results = tuple(map(func.new_value, types))
    block.insts.append(Inst(IR_OPS[name], args, imm, results))
    return results


def compile_trampoline(
    kind: str, signature: Signature, settings: Settings, watch: Watcher | None = None
) -> CompiledFunction:
    """Compile ``enter`` or ``leave`` against a module of nothing but the signature's type."""
    module = Module([(SubType(FuncType(*signature)),)])
    func = (enter_ssa if kind == "enter" else leave_ssa)(signature)
    return compile_ssa(func, ModuleContext.of(module), InstanceLayout.of(module), settings, watch)


class Trampolines:
    """The trampolines that a process has, least recently used first; the newest ``_KEPT`` of each kind stay mapped.

    A store may still use older ones: they are unmapped only by ``trim``, between stores.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._made: OrderedDict[tuple[str, Signature, Settings], Loaded] = OrderedDict()

    def address(self, kind: str, type_: FuncType, settings: Settings) -> int:
        """The code of a trampoline. Raises ``Refused``."""
        key = (kind, signature_of(type_), settings)
        loaded = self._made.get(key)
        if loaded is None:
            with refusals():
                code = compile_trampoline(kind, key[1], settings)
            loaded = self._made[key] = self.machine.load({0: code})
        else:
            self._made.move_to_end(key)
        return loaded.address(0)

    def trim(self) -> None:
        """Forget the ones that have not been used for long. Nothing compiled may be running or run again."""
        while len(self._made) > _KEPT:
            _, loaded = self._made.popitem(last=False)
            self.machine.unload(loaded)
