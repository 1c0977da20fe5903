"""One tiny module per feature, to ask an engine what it accepts; and one that every setting must compile.

The tests hold that our own validator accepts each with its feature on and refuses it with that feature off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wasm.builder import ModuleBuilder
from wasm.encode import encode
from wasm.features import Feature
from wasm.fragment import Code, code
from wasm.module import Module
from wasm.valtypes import I32, StructType, ValType


def _func(body: Code, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> ModuleBuilder:
    """A module under construction with one function, which is not exported."""
    builder = ModuleBuilder()
    builder.func(params, results).body.extend(body)
    return builder


def _with_memory(body: Code, maximum: int | None = None, *, shared: bool = False) -> Module:
    builder = _func(body)
    builder.memory(1, maximum, shared=shared)
    return builder.finish()


def _with_tag(body: Code) -> Module:
    builder = _func(body)
    builder.tag()
    return builder.finish()


def _try() -> Module:
    """(tag) (func (block $l (try_table (catch 0 $l))))"""
    builder = ModuleBuilder()
    f = builder.func()
    with f.block() as label, f.try_table([("catch", builder.tag(), label)]):
        pass
    return builder.finish()


def _two_memories() -> Module:
    builder = ModuleBuilder()
    builder.memory(1)
    builder.memory(1)
    return builder.finish()


def _wide_addresses() -> Module:
    """A table and a memory: the proposal is both, and early releases had memories only."""
    builder = ModuleBuilder()
    builder.table(1, index64=True)
    builder.memory(1, index64=True)
    return builder.finish()


def _sum_as_initial_value() -> Module:
    builder = ModuleBuilder()
    builder.global_(I32, code("i32.const 1  i32.const 1  i32.add"), mutable=False)
    return builder.finish()


def _struct() -> Module:
    builder = _func(code("struct.new 1  drop"))
    builder.type(StructType())
    return builder.finish()


def _byte_pages() -> Module:
    builder = ModuleBuilder()
    builder.memory(1, page_log2=0)
    return builder.finish()


_MODULES: Final[dict[Feature, Module]] = {
    Feature.MULTI_VALUE: _func(code("i32.const 1  i32.const 2"), results=(I32, I32)).finish(),
    Feature.BULK_MEMORY: _with_memory(code("i32.const 0  i32.const 0  i32.const 0  memory.fill")),
    Feature.REFERENCE_TYPES: _func(code("ref.null extern  drop")).finish(),
    Feature.SIMD: _func(code("i32.const 1  i32x4.splat  drop")).finish(),
    Feature.RELAXED_SIMD: _func(
        code("i32.const 1  i32x4.splat  i32.const 1  i32x4.splat  i8x16.relaxed_swizzle  drop")
    ).finish(),
    Feature.TAIL_CALL: _func(code("return_call 0")).finish(),
    Feature.EXCEPTIONS: _try(),
    Feature.LEGACY_EXCEPTIONS: _with_tag(code("try  catch_all  end")),
    Feature.MULTI_MEMORY: _two_memories(),
    Feature.MEMORY64: _wide_addresses(),
    Feature.EXTENDED_CONST: _sum_as_initial_value(),
    Feature.FUNCTION_REFERENCES: _func(code("ref.null func  ref.as_non_null  drop")).finish(),
    Feature.GC: _struct(),
    Feature.THREADS: _with_memory(code("i32.const 0  i32.atomic.load  drop"), 1, shared=True),
    Feature.CUSTOM_PAGE_SIZES: _byte_pages(),
    Feature.WIDE_ARITHMETIC: _func(code("i64.const 1  i64.const 1  i64.mul_wide_u  drop  drop")).finish(),
}

PROBES: Final[dict[Feature, bytes]] = {feature: encode(module) for feature, module in _MODULES.items()}
"""By feature, a module that is valid with it and not without it."""


def _basic() -> Module:
    builder = ModuleBuilder()
    f = builder.func((I32, I32), (I32,))
    total = f.local(I32)
    assert total == 2
    f.body.extend(
        code("""
            loop
              local.get 2  local.get 0  i32.const 12  i32.mul  i32.add  local.set 2
              local.get 1  i32.const 1  i32.sub  local.tee 1  br_if 0
            end
            local.get 0  i32.const 12  i32.mul  local.get 2  i32.add
        """)
    )
    return builder.finish()


BASIC: Final = encode(_basic())
"""A module without features in which the optimiser, the allocator and the backend all have something to decide."""


def _deep() -> Module:
    builder = ModuleBuilder()
    count = builder.global_(I32, code("i32.const 0"), export="n")
    f = builder.func(export="f")
    f.body.extend(code(f"global.get {count}  i32.const 1  i32.add  global.set {count}  call {f.index}"))
    return builder.finish()


DEEP: Final = encode(_deep())
"""Its function ``f`` calls itself until the stack is full; its global ``n`` has how often."""
