"""Show what our own compiler makes of a module, stage by stage; nothing is executed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

from compiler.emit import CompiledFunction
from compiler.errors import Unsupported
from compiler.image import ALIGNMENT, Image, lay_out
from compiler.ir_text import print_ir
from compiler.listing import listing
from compiler.machine import AllocationError, Allocations, MachineFunc
from compiler.machine_text import print_machine
from compiler.pipeline import Settings, compile_function
from compiler.x64 import stubs
from compiler.x64.disassembly import disassembler
from fuzz.cli.arguments import path
from fuzz.intake.piece import Wish
from fuzz.intake.reading import bring_one
from fuzz.records.exit_code import ExitCode
from oracles.engine import EngineId, EngineUnavailable, UsageError
from oracles.engines.compiler import settings_of
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.errors import WasmError
from wasm.module import ExternKind, Module
from wasm.validate import validate

_ENGINE: Final = "compiler"


class _Seen(Exception):
    """The stage that was asked for has been shown: what comes after it need not even work."""


EXAMPLES: Final = (
    "compile case.wat --emit asm --func f",
    "compile case.wat --emit alloc --set regalloc=single_pass+regs=8",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=path, metavar="FILE", help="a .wasm, a .wat, or a case's .json")
    stages = ("ssa", "simplified", "machine", "alloc", "asm", "image")
    words = "ssa, simplified, machine, alloc (with allocation and edits), asm (with disassembly), or image"
    parser.add_argument("--emit", required=True, choices=stages, metavar="STAGE", help=words)
    parser.add_argument("--func", metavar="N", help="one function: its index, imports counted, or its exported name")
    words = "as in the engine's id: regalloc=single_pass+opt=none+regs=8 (see fuzz engines)"
    parser.add_argument("--set", metavar="SETTINGS", help=words)


def run(args: argparse.Namespace) -> int:
    """Print a stage of one function or of all that the module defines."""
    settings = settings_of(_engine(args.set or ""))
    if args.emit == "simplified" and settings.opt == "none":
        raise UsageError("opt=none simplifies nothing: ask for --emit ssa")
    module = _module(args)
    chosen = _chosen(module, args.func)
    context = ModuleContext.of(module)
    if args.emit == "image":
        print("\n".join(_image_lines(module, context, settings, chosen)))
        return ExitCode.CLEAN
    for position, index in enumerate(chosen):
        text = _stage(module, context, index, settings, args.emit)
        print(("\n" if position else "") + text.rstrip())
    return ExitCode.CLEAN


def _engine(text: str) -> EngineId:
    """Settings as in the engine's id, with or without its name before them. Raises ``UsageError``."""
    if text == _ENGINE or text.startswith(f"{_ENGINE}:"):
        return EngineId.parse(text)
    if ":" in text or "@" in text:
        raise UsageError(f"{text!r} are no settings of the compiler: write KEY=VALUE, several joined by '+'")
    return EngineId.parse(f"{_ENGINE}:{text}" if text else _ENGINE)


def _module(args: argparse.Namespace) -> Module:
    if args.file.is_dir():
        raise UsageError(f"{args.file} is a folder: name a module")
    piece = bring_one(args.file, Wish())
    if piece.case is None:
        raise UsageError(f"{args.file} is {piece.what}: give one of its modules")
    content = piece.case.content
    try:
        module = decode(content)
        validate(module)
    except WasmError as error:
        raise UsageError(f"{args.file} is no valid module: {error}") from None
    if not module.funcs:
        raise UsageError(f"{args.file} defines no function")
    return module


def _chosen(module: Module, wanted: str | None) -> list[int]:
    """The functions to show, by index: all that are defined, or the one of that index or exported name."""
    total = len(module.func_type_indices())
    first = total - len(module.funcs)
    if wanted is None:
        return list(range(first, total))
    exported = {item.name: item.index for item in module.exports if item.kind is ExternKind.FUNC}
    index = exported.get(wanted, int(wanted) if wanted.isdecimal() else total)
    if index < first:
        raise UsageError(f"function {wanted} is imported: the module defines {first} to {total - 1}")
    if index >= total:
        names = f", exports {', '.join(list(exported)[:12])}" if exported else ""
        raise UsageError(f"no function {wanted}: the module defines {first} to {total - 1}{names}")
    return [index]


def _compile(module: Module, context: ModuleContext, index: int, settings: Settings, watch: Any) -> CompiledFunction:
    try:
        return compile_function(module, context, index, settings, watch)
    except Unsupported as error:
        raise EngineUnavailable(f"function {index}: {error}") from None
    except AllocationError as error:
        raise EngineUnavailable(f"function {index}: no allocation at instruction {error.inst}: {error}") from None


def _stage(module: Module, context: ModuleContext, index: int, settings: Settings, wanted: str) -> str:
    """The text of one stage. Raises ``EngineUnavailable`` where the function is not compiled so far."""
    seen: dict[str, Any] = {}
    shown = ""

    def watch(stage: str, result: Any) -> None:
        nonlocal shown
        seen[stage] = result
        if stage == wanted:
            shown = _text(stage, seen)
            raise _Seen

    try:
        _compile(module, context, index, settings, watch)
    except _Seen:
        return shown
    raise AssertionError(f"no stage {wanted}")


def _text(stage: str, seen: dict[str, Any]) -> str:
    match stage:
        case "ssa" | "simplified":
            return print_ir(seen[stage])
        case "machine":
            return print_machine(seen["machine"])
        case "alloc":
            answer: Allocations = seen["alloc"]
            counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in answer.stats.items())
            return f"; {answer.slots} slots; {counts}\n{print_machine(seen['machine'], answer)}"
        case _:
            machine: MachineFunc = seen["machine"]
            return "\n".join(listing(machine, seen["alloc"], seen["asm"], disassembler()))


def _image_lines(module: Module, context: ModuleContext, settings: Settings, chosen: list[int]) -> Iterator[str]:
    """Where everything stands, as offsets into the image; of the chosen functions their places that are patched."""
    total = len(context.funcs)
    functions = {
        index: _compile(module, context, index, settings, None) for index in range(total - len(module.funcs), total)
    }
    fixed = (stubs.thunk(), stubs.leave())
    # A worker gives the address of its Runtime block; here that is a zero in the places that hold it.
    image = lay_out(functions, fixed, 0)
    yield f"{len(image.code)} bytes, functions at multiples of {ALIGNMENT}"
    yield "offset    size  frame  what"
    at = 0
    for stub in fixed:
        yield f"{at:06x} {len(stub.code):>7} {'':>6}  {stub.name}"
        at += -(-len(stub.code) // ALIGNMENT) * ALIGNMENT
    for index, function in functions.items():
        size, frame = len(function.code), function.frame
        yield f"{image.entries[index]:06x} {size:>7} {frame:>6}  function {index} {function.name}"
    for index in chosen:
        yield from _patches(image, index, functions[index])


def _patches(image: Image, index: int, function: CompiledFunction) -> Iterator[str]:
    start = image.entries[index]
    yield f"function {index}"
    for reloc in function.relocs:
        size = 8 if reloc.kind == "runtime" else 4
        what = f"call of function {reloc.target}" if reloc.kind == "call" else reloc.kind
        patched = image.code[start + reloc.offset : start + reloc.offset + size]
        yield f"  {start + reloc.offset:06x}  relocation  {what}, {size} bytes: {patched.hex(' ')}"
    for site in function.call_sites:
        clauses = ", ".join(f"{'all' if tag is None else f'tag {tag}'} at {at:06x}" for tag, at in
                            image.handlers[start + site.offset])  # fmt: skip
        yield f"  {start + site.offset:06x}  call site   handlers: {clauses}"
    for offset, kind in function.trap_sites:
        yield f"  {start + offset:06x}  trap site   {kind}"
