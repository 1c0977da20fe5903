"""Translation of everything there is: the official suite, deep nesting, many locals; every result verified."""

from __future__ import annotations

from typing import Any

from compiler.ir import Function, TryCall
from compiler.ir_text import parse_ir, print_ir
from compiler.ir_verify import verify
from compiler.simplify import PASSES, simplify
from compiler.translate import translate
from wasm.builder import ModuleBuilder
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.isa import OPS
from wasm.module import Module
from wasm.valtypes import I32, I64

EVERY = 4
"""One module in so many of the suite's core folder, GC left out."""


def functions(module: Module, fuel: bool = True) -> list[Function]:
    context = ModuleContext.of(module)
    first = len(context.funcs) - len(module.funcs)
    return [translate(module, context, first + i, fuel) for i in range(len(module.funcs))]


def test_the_official_suite(spec_suite: Any) -> None:
    count = 0
    paths = [path for path in spec_suite.loader.files("core") if "gc" not in path.parts]
    for path in paths[::EVERY]:
        for command in spec_suite.loader.load(path):
            if command.kind != "module" or not command.module.binary:
                continue
            for func in functions(decode(command.module.binary)):
                assert verify(func) == []
                text = print_ir(func)
                assert print_ir(parse_ir(text)) == text
                simplify(func, verify=True)
                count += 1
    assert count > 1000


def test_each_pass_alone_keeps_functions_valid(spec_suite: Any) -> None:
    path = next(path for path in spec_suite.loader.files("core") if path.stem == "br_table")
    for name in PASSES:
        for command in spec_suite.loader.load(path):
            if command.kind == "module":
                for func in functions(decode(command.module.binary)):
                    simplify(func, [name], verify=True)


def test_fifty_thousand_nested_blocks() -> None:
    builder = ModuleBuilder()
    func = builder.func([I32], [I32])
    labels = [func.open("block", (), ()) for _ in range(50_000)]
    func.emit("local.get", 0)
    func.br(labels[0], "br_if")
    func.emit("local.get", 0)
    func.i32(1)
    func.emit("i32.add")
    func.emit("local.set", 0)
    for _ in labels:
        func.end()
    func.emit("local.get", 0)
    (found,) = functions(builder.finish())
    assert verify(found) == []
    simplify(found)
    assert len(found.blocks) <= 4


def test_fifty_thousand_locals_cost_only_what_is_used() -> None:
    builder = ModuleBuilder()
    func = builder.func([], [I64])
    first = func.local(I64, 50_000)
    loop = func.open("loop")
    func.emit("local.get", first + 49_999)
    func.i64(1)
    func.emit("i64.add")
    func.emit("local.set", first + 49_999)
    func.emit("local.get", first + 7)
    func.emit("i32.wrap_i64")
    func.br(loop, "br_if")
    func.end()
    func.emit("local.get", first + 49_999)
    (found,) = functions(builder.finish())
    assert verify(found) == []
    assert len(found.types) < 20


def test_a_call_with_a_thousand_results_under_try_table_is_one_instruction() -> None:
    builder = ModuleBuilder()
    tag = builder.tag([I64] * 1000)
    callee = builder.func([], [I64] * 1000)
    callee.emit("unreachable")
    func = builder.func([], [I64] * 1000)
    block = func.open("block", (), [I64] * 1000)
    func.open_try([("catch", tag, block)], (), [I64] * 1000)
    func.emit("call", callee.index)
    func.end()
    func.end()
    found = functions(builder.finish())[1]
    assert verify(found) == []
    (call,) = [block.terminator for block in found.blocks if isinstance(block.terminator, TryCall)]
    assert len(call.call.results) == 1000
    payloads = [inst for block in found.blocks for inst in block.insts if inst.op.name == "payload"]
    assert len(payloads) == 1000


def test_merges_take_what_was_assigned() -> None:
    """200 locals live over 100 ifs that assign one each: values grow with locals and ifs, not with their product."""
    builder = ModuleBuilder()
    f = builder.func((I32,), (I32,))
    first = f.local(I32, 200)
    for i in range(200):
        f.body += ((OPS["local.get"], 0), (OPS["local.set"], first + i))
    for i in range(100):
        f.body.append((OPS["local.get"], 0))
        f.open("if")
        f.body += ((OPS["i32.const"], i), (OPS["local.set"], first + i))
        f.end()
    f.i32(0)
    for i in range(200):
        f.body += ((OPS["local.get"], first + i), OPS["i32.add"].bare)
    module = builder.finish()
    function = translate(module, ModuleContext.of(module), 0)
    assert len(function.types) < 1000
    assert sum(len(block.params) for block in function.blocks[1:]) == 100
