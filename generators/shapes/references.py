"""Shapes of references: objects and arrays, casts, segments, constant expressions, joins whose types differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from generators.shapes.seen import Seen, Shape, constant, local_of, made_by, maker, place
from wasm.module import SegmentMode
from wasm.rewrite.operands import Slot
from wasm.valtypes import V128, ArrayType, RefType, StructType, ValType

_MADE: Final = ("struct.new", "struct.new_default", "array.new", "array.new_default", "array.new_fixed")
_OPENERS: Final = ("block", "if", "loop", "try_table")


def _operand_is(rows: tuple[str, ...], position: int, *names: str) -> Callable[[Seen], bool]:
    return lambda module: any(made_by(graph, node, position, *names) for graph, node in module.nodes(*rows))


def _if_without_else(module: Seen, differ: bool) -> bool:
    """An if of one arm that has parameters, and results; of other types than these where they may ``differ``."""
    for _, node in module.nodes("if"):
        frame = node.opens
        if frame is not None and not frame.arms and frame.results and (not differ or frame.params != frame.results):
            return True
    return False


def _differ(slots: Sequence[Slot], types: Sequence[ValType]) -> bool:
    """Whether what is on the stack has another type than the declared one somewhere: a subtype of it."""
    return any(slot.type is not None and slot.type != type_ for slot, type_ in zip(slots, types, strict=False))


def _widened(module: Seen) -> bool:
    """A block whose parameter is declared as a supertype of what is on the stack."""
    for _, node in module.nodes(*_OPENERS):
        if node.opens is not None and node.opens.params:
            given = node.ins[:-1] if node.op.name == "if" else node.ins
            if _differ(given[-len(node.opens.params) :], node.opens.params):
                return True
    return False


def _widened_results(module: Seen) -> bool:
    """A block with an arm that ends in a value of a subtype of the declared result."""
    for graph, node in module.nodes(*_OPENERS):
        frame = node.opens
        closers = () if frame is None else frame.closers()
        if frame is not None and any(_differ(graph.nodes[at].ins, frame.results) for at in closers):
            return True
    return False


def _cast_in_a_nest(module: Seen) -> bool:
    """A local is cast in a loop inside of a loop, and set behind it in the outer one."""
    for graph in module.graphs("ref.cast", "ref.cast_null", "ref.test", "br_on_cast"):
        for at, node in enumerate(graph.nodes):
            if node.op.name in ("ref.cast", "ref.cast_null", "ref.test", "br_on_cast") and node.frame.loops > 1:
                local = local_of(graph, node, 0)
                later = (one for one in graph.nodes[at:] if one.op.name == "local.set" and one.imm == local)
                if local is not None and any(0 < one.frame.loops < node.frame.loops for one in later):
                    return True
    return False


def _set_then(first: str, second: str, third: str) -> Callable[[Seen], bool]:
    """One instruction, then another, then a third one on the same local."""

    def seen(module: Seen) -> bool:
        for graph in module.graphs(second):
            order = [(node.op.name, local_of(graph, node, 0)) for node in graph.nodes if node.ins]
            for at, (row, local) in enumerate(order):
                if row == second and local is not None:
                    before = any(one.startswith(first) and it == local for one, it in order[:at])
                    if before and any(one.startswith(third) and it == local for one, it in order[at:]):
                        return True
        return False

    return seen


def _two_bases(module: Seen) -> bool:
    """Two arrays of one type written at one constant index, and both read there."""
    for graph in module.graphs("array.set"):
        written: dict[tuple[int, int], set[int]] = {}
        read: dict[tuple[int, int], set[int]] = {}
        for node in graph.nodes:
            if node.op.name in ("array.set", "array.get", "array.get_u", "array.get_s"):
                local, index = local_of(graph, node, 0), constant(graph, node, 1)
                if local is not None and index is not None:
                    into = written if node.op.name == "array.set" else read
                    into.setdefault((node.imm, index), set()).add(local)
        if any(len(written[key] & read.get(key, set())) > 1 for key in written):
            return True
    return False


def _small_into_external(module: Seen) -> bool:
    return any(made_by(graph, node, 0, "ref.i31") for graph, node in module.nodes("extern.convert_any"))


def _in_constants(module: Seen, *rows: str) -> bool:
    exprs = [expr for elem in module.module.elems for expr in elem.init]
    return any(op.name in rows for expr in exprs for op, _ in expr)


def _nested_constants(module: Seen) -> bool:
    """A global whose constant expression makes an object out of objects."""
    return any(sum(op.name in _MADE for op, _ in one.init) > 1 for one in module.module.globals)


def _objects_in_passive(module: Seen) -> bool:
    """A passive segment with an object in it, taken from by an instruction."""
    for elem in module.module.elems:
        if elem.mode is SegmentMode.PASSIVE and any(op.name in _MADE for expr in elem.init for op, _ in expr):
            return not module.rows.isdisjoint(("table.init", "array.new_elem", "array.init_elem"))
    return False


def _same_segment_twice(module: Seen) -> bool:
    counts: dict[object, int] = {}
    for _, node in module.nodes("array.new_elem"):
        counts[node.imm] = counts.get(node.imm, 0) + 1
    return any(count > 1 for count in counts.values())


def _global_in_elem(module: Seen) -> bool:
    return any(
        "exn" in str(elem.type) and any(op.name == "global.get" for expr in elem.init for op, _ in expr)
        for elem in module.module.elems
    )


def _table_of_nothing(module: Seen) -> bool:
    """A table whose elements can be null alone, read."""
    tables = module.all_graphs.context.tables
    return any(str(tables[node.imm].ref.heap) in ("none", "nofunc", "noextern", "noexn")
               for _, node in module.nodes("table.get"))  # fmt: skip


def _fields(module: Seen, wanted: Callable[[StructType], bool]) -> bool:
    found = (sub.composite for sub in module.module.flat_types())
    return any(isinstance(one, StructType) and wanted(one) for one in found)


def _vector_in_object(module: Seen) -> bool:
    made = not module.rows.isdisjoint(_MADE)
    return made and any(
        V128 in [field.storage for field in (one.fields if isinstance(one, StructType) else (one.field,))]
        for one in (sub.composite for sub in module.module.flat_types())
        if isinstance(one, StructType | ArrayType)
    )


def _upcast_get(module: Seen) -> bool:
    """A field of a supertype, read off what a subtype has just made."""
    for graph, node in module.nodes("struct.get"):
        made = maker(graph, node, 0)
        if made is not None and made.op.name in _MADE and made.imm != node.imm[0]:
            return True
    return False


def _made_in_a_loop(module: Seen) -> bool:
    """An object that is kept before a loop, read in it, while the loop makes others."""
    for graph in module.graphs(*_MADE):
        for frame in graph.frames:
            if frame.loop:
                inside = graph.nodes[frame.opener : frame.end]
                makes = any(node.op.name in _MADE for node in inside)
                kept = {node.imm for node in graph.nodes[: frame.opener] if node.op.name in ("local.set", "local.tee")}
                reads = any(
                    node.op.name == "local.get" and node.imm in kept and isinstance(graph.locals[node.imm], RefType)
                    for node in inside
                )
                if makes and reads:
                    return True
    return False


def _small_overwritten(module: Seen) -> bool:
    """An array of references that begins with i31, copied over."""
    return "array.copy" in module.rows and any(
        made_by(graph, node, at, "ref.i31")
        for graph, node in module.nodes("array.new", "array.new_fixed", "array.fill", "array.set")
        for at in range(len(node.ins))
    )


def _held_over_call(module: Seen, *rows: str) -> bool:
    """What one of these instructions gives lies on the stack while something is called."""
    for graph, node in module.nodes(*rows):
        at = place(graph, node)
        for later in range(at + 1, min(at + 60, len(graph.nodes))):
            if any(slot.maker == at for slot in graph.nodes[later].ins):
                break
            if graph.nodes[later].op.name in ("call", "call_indirect", "call_ref"):
                return True
    return False


def _constant_null(module: Seen) -> bool:
    rows = ("array.copy", "array.fill", "array.get", "array.len")
    found = ((graph, node, at) for graph, node in module.nodes(*rows) for at in range(len(node.ins)))
    return any(made_by(graph, node, at, "ref.null") for graph, node, at in found)


def _large_array(module: Seen) -> bool:
    made = module.nodes("array.new", "array.new_default")
    return any((constant(graph, node, -1) or 0) >= 1 << 24 for graph, node in made)


def _heap_first(module: Seen) -> bool:
    """The first instruction on objects of an exported function takes from a segment."""
    exported = {one.index for one in module.module.exports if one.kind.name == "FUNC"}
    for index, func in enumerate(module.module.funcs, module.first):
        if index in exported:
            first = next((op.name for op, _ in func.body if op.name.startswith(("array.", "struct."))), "")
            if first in ("array.new_data", "array.new_elem"):
                return True
    return False


SHAPES: Final = (
    Shape("an if without else that has results", "wasmtime #14333", lambda seen: _if_without_else(seen, False)),
    Shape("an if without else whose parameters are subtypes of its results", "wasmtime #14333",
          lambda seen: _if_without_else(seen, True)),
    Shape("a block whose parameter is a supertype of what is given", "WebKit block-param-type-widening", _widened),
    Shape("a join of a subtype with its supertype", "WebKit block-param-type-widening", _widened_results),
    Shape("a local cast in a loop of a loop, and set behind it", "V8 446122633", _cast_in_a_nest),
    Shape("an array filled between a write and a read", "WebKit array-fill-clobbers-cached-element",
          _set_then("array.set", "array.fill", "array.get")),
    Shape("an array copied to between a write and a read", "wasmtime #13460",
          _set_then("array.set", "array.copy", "array.get")),
    Shape("two arrays of a type written and read at one index", "WebKit array-distinct-bases-and-indices", _two_bases),
    Shape("an array's index that is wrapped from 64 bits", "WebKit array-get-large-i64-index",
          _operand_is(("array.get", "array.get_u", "array.get_s"), 1, "i32.wrap_i64")),
    Shape("an array instruction on a constant null", "WebKit array-copy-with-constant-null", _constant_null),
    Shape("an array of 2^24 elements and more", "wasmtime #13115", _large_array),
    Shape("an i31 as externref", "wasmtime #10371", _small_into_external),
    Shape("an i31 as externref in a segment", "wasmtime #13464",
          lambda seen: _in_constants(seen, "extern.convert_any")),
    Shape("a global's constant expression with objects in objects", "wasmtime #10374", _nested_constants),
    Shape("a passive segment with objects, used", "wasmtime #13179", _objects_in_passive),
    Shape("two arrays from one segment", "wasmtime #12985", _same_segment_twice),
    Shape("a segment of exnref from a global", "wasmtime #11564", _global_in_elem),
    Shape("a table whose elements can be null alone, read", "wasmtime #10372", _table_of_nothing),
    Shape("a test or a cast of a constant null", "wasmtime fuzz-segfault",
          _operand_is(("ref.test", "ref.test_null", "ref.cast", "ref.cast_null"), 0, "ref.null")),
    Shape("a vector in an object", "wasmtime #10349", _vector_in_object),
    Shape("a struct of more than 16 fields with references behind numbers", "wasmtime #13423",
          lambda seen: _fields(seen, lambda one: len(one.fields) > 16 and isinstance(one.fields[-1].storage, RefType))),
    Shape("a supertype's field read off a new subtype", "wasmtime #10463", _upcast_get),
    Shape("an object kept before a loop that makes others", "wasmtime #13498", _made_in_a_loop),
    Shape("an array of i31 that is copied over", "wasmtime #13307", _small_overwritten),
    Shape("an array from data on the stack over a call", "wasmtime #12935",
          lambda seen: _held_over_call(seen, "array.new_data")),
    Shape("an array from a segment on the stack over a call", "wasmtime #12936",
          lambda seen: _held_over_call(seen, "array.new_elem")),
    Shape("a chosen reference on the stack over a call", "wasmtime #12862",
          lambda seen: _held_over_call(seen, "select_t")),
    Shape("a segment is what first touches the heap", "found here", _heap_first),
)  # fmt: skip
