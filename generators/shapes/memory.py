"""Shapes of memories and tables: what an address is, where an access ends, bulk instructions, atomics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from generators.shapes.seen import Seen, Shape, argument, constant, local_of, made_by, maker, place
from wasm.features import Feature
from wasm.module import SegmentMode
from wasm.rewrite.operands import Graph, Node
from wasm.valtypes import GlobalType, MemType, TableType

_BULK: Final = ("memory.copy", "memory.fill", "memory.init", "table.copy", "table.fill", "table.init")
_GROWN: Final = ("table.grow", "table.size", "memory.grow")
_SHORT: Final = 16


def _address_is(*names: str) -> Callable[[Seen], bool]:
    def seen(module: Seen) -> bool:
        if module.rows.isdisjoint(names):
            return False
        return any(made_by(graph, node, 0, *names) for graph, node in module.accesses())

    return seen


def _bytes(module: Seen, index: int) -> int:
    type_ = module.all_graphs.context.memories[index]
    return type_.limits.minimum << type_.page_log2


def _end(module: Seen, graph: Graph, node: Node) -> int | None:
    """How far from a memory's end a constant access ends; negative beyond it."""
    at = constant(graph, node, 0)
    if at is None or node.op.access is None:
        return None
    given = argument(node)
    left: int = _bytes(module, given.memory) - at - given.offset - node.op.access.bytes
    return left


def _atomic_at_end(module: Seen) -> bool:
    return any(
        node.op.feature is Feature.THREADS and _end(module, graph, node) == 0 for graph, node in module.accesses()
    )


def _waits_at_end(module: Seen) -> bool:
    names = ("memory.atomic.notify", "memory.atomic.wait32", "memory.atomic.wait64")
    return any(_end(module, graph, node) == 0 for graph, node in module.nodes(*names))


def _atomic_far(module: Seen) -> bool:
    """An atomic access whose offset alone is beyond its memory."""
    if not any(name.startswith(("i32.atomic", "i64.atomic", "memory.atomic")) for name in module.rows):
        return False
    return any(
        node.op.feature is Feature.THREADS and argument(node).offset >= _bytes(module, argument(node).memory) > 0
        for _, node in module.accesses()
    )


def _empty_memory(module: Seen) -> bool:
    return any(_bytes(module, argument(node).memory) == 0 for _, node in module.accesses())


def _narrow_exchange(module: Seen) -> bool:
    """A compare-and-exchange narrower than its operands that expects a constant with bits above it."""
    for graph, node in module.nodes(*(name for name in module.rows if "cmpxchg_u" in name)):
        expected = constant(graph, node, 1)
        if expected is not None and node.op.access is not None and expected >> 8 * node.op.access.bytes:
            return True
    return False


def _short_copies(module: Seen) -> bool:
    """A store, a copy of a few bytes from and to constant places, a store, and a load behind it."""
    for graph in module.graphs("memory.copy"):
        rows = [node.op.name for node in graph.nodes]
        for at, node in enumerate(graph.nodes):
            if node.op.name == "memory.copy" and 0 < (constant(graph, node, 2) or 0) <= _SHORT:
                known = all(constant(graph, node, side) is not None for side in (0, 1))
                stored = any(".store" in row for row in rows[:at])
                loaded = any(".load" in row for row in rows[at:])
                if known and stored and loaded:
                    return True
    return False


def _bulk_across_a_block(module: Seen) -> bool:
    """A bulk instruction whose first operand was pushed before a block that ended since."""
    for graph, node in module.nodes(*_BULK):
        first = node.ins[0].maker
        at = place(graph, node)
        if any(one.op.name in ("block", "if", "loop") for one in graph.nodes[first:at]):
            return True
    return False


def _twice(kind: type) -> Callable[[Seen], bool]:
    def seen(module: Seen) -> bool:
        names = [(one.module, one.name) for one in module.module.imports if isinstance(one.type, kind)]
        return len(set(names)) < len(names)

    return seen


def _byte_loop(module: Seen) -> bool:
    """for (; n; --n) mem[d++] = mem[s++]: a byte loaded by one local is stored by another, in a loop that counts."""
    for graph, node in module.nodes("i32.store8", "i64.store8"):
        value = maker(graph, node, 1)
        if value is None or not value.op.name.endswith(("load8_u", "load8_s")) or node.frame.loops == 0:
            continue
        to, origin = local_of(graph, node, 0), local_of(graph, value, 0)
        if to is not None and origin is not None and _counts(graph, to) and _counts(graph, origin):
            return True
    return False


def _fill_loop(module: Seen) -> bool:
    """for (; n; --n) mem[d++] = v."""
    for graph, node in module.nodes("i32.store8"):
        to, what = local_of(graph, node, 0), local_of(graph, node, 1)
        if node.frame.loops and to is not None and what is not None and to != what and _counts(graph, to):
            return True
    return False


def _counts(graph: Graph, local: int) -> bool:
    """Whether a local is set to itself and one, or less one."""
    for node in graph.nodes:
        if node.op.name in ("local.set", "local.tee") and node.imm == local:
            step = maker(graph, node, 0)
            steps = ("i32.add", "i32.sub", "i64.add", "i64.sub")
            by_one = step is not None and step.op.name in steps and constant(graph, step, 1) in (1, (1 << 32) - 1)
            if step is not None and by_one and local_of(graph, step, 0) == local:
                return True
    return False


def _exchange_and_growth(module: Seen) -> bool:
    return any("memory.grow" in rows and any("cmpxchg" in row for row in rows) for rows in module.rows_of)


def _largest(module: Seen) -> bool:
    types = module.all_graphs.context.memories
    return any(type_.limits.minimum >= 65535 and not type_.index64 for type_ in types) and not module.rows.isdisjoint(
        ("memory.size", "memory.grow")
    )


def _of_gone(*names: str) -> Callable[[Seen], bool]:
    """An instruction that takes from a segment that is gone or empty from the start: active, declared or of nothing."""

    def seen(module: Seen) -> bool:
        for _, node in module.nodes(*names):
            data = node.op.name in ("memory.init", "array.new_data", "array.init_data")
            which = node.imm[0] if node.op.name in ("memory.init", "table.init") else node.imm[1]
            if data:
                segment = module.module.datas[which]
                gone = segment.mode is not SegmentMode.PASSIVE or not segment.init
            else:
                items = module.module.elems[which]
                gone = items.mode is not SegmentMode.PASSIVE or not items.init
            if gone:
                return True
        return False

    return seen


def _table_size_twice(module: Seen) -> bool:
    """Two sizes of a 64-bit table on the stack."""
    tables = module.all_graphs.context.tables
    for graph, node in module.nodes("table.size"):
        at = place(graph, node)
        near = [one for one in graph.nodes[at + 1 : at + 4] if one.op.name == "table.size"]
        if near and tables[node.imm].index64:
            return True
    return False


SHAPES: Final = (
    Shape("an address that is a byte or a short, loaded or extended with its sign", "wasmtime #13014",
          _address_is("i32.load8_s", "i32.load16_s", "i32.extend8_s", "i32.extend16_s")),
    Shape("an address that is a table's or a memory's size or growth", "wasmtime #13014", _address_is(*_GROWN)),
    Shape("an address that is wrapped from 64 bits", "WebKit bounds-check-int32-offset-dirty-high-bits",
          _address_is("i32.wrap_i64")),
    Shape("an atomic access by a constant, to the last byte of its memory", "wasmtime #11977", _atomic_at_end),
    Shape("notify or wait by a constant, at the last bytes of its memory", "wasmtime #11977", _waits_at_end),
    Shape("an atomic access whose offset is beyond its memory", "wasmtime #12909", _atomic_far),
    Shape("an access to a memory of no pages", "wasmtime #10561", _empty_memory),
    Shape("a narrow compare-and-exchange that expects bits above its width", "wasmtime #12994", _narrow_exchange),
    Shape("copies of a few bytes between stores and loads of those places", "wasmtime #13610", _short_copies),
    Shape("a bulk instruction with an operand from before a block", "wasmtime #13520", _bulk_across_a_block),
    Shape("one global imported twice", "wasmtime #13525", _twice(GlobalType)),
    Shape("one memory imported twice", "wasmtime #13525", _twice(MemType)),
    Shape("one table imported twice", "wasmtime #13525", _twice(TableType)),
    Shape("a loop that copies memory byte by byte", "WebKit byte-loop-idiom-recognition", _byte_loop),
    Shape("a loop that fills memory byte by byte", "WebKit byte-loop-idiom-recognition", _fill_loop),
    Shape("compare-and-exchange and growth in one function", "WebKit atomic-cmpxchg-motion-interference",
          _exchange_and_growth),
    Shape("size or growth of a memory that is as large as can be", "wasmtime #12908", _largest),
    Shape("memory.init from a segment that is gone", "wasmtime #13394", _of_gone("memory.init")),
    Shape("table.init from a segment that is gone", "wasmtime #13394", _of_gone("table.init")),
    Shape("array.new_data or array.init_data from a segment that is gone", "wasmtime #13394",
          _of_gone("array.new_data", "array.init_data")),
    Shape("array.new_elem or array.init_elem from a segment that is gone", "wasmtime #13179",
          _of_gone("array.new_elem", "array.init_elem")),
    Shape("two sizes of a 64-bit table on the stack", "wasmtime #13009", _table_size_twice),
)  # fmt: skip
