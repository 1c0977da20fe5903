"""Shapes of branches, calls and exceptions, and of what lies on the stack meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from generators.shapes.seen import Seen, Shape, constant, local_of, made_by, maker, place
from wasm.rewrite.operands import Frame, Graph, Node
from wasm.traps import TrapKind
from wasm.valtypes import F32, F64, V128, RefType

_CALLS: Final = ("call", "call_indirect", "call_ref")
_TRAPS: Final = frozenset({TrapKind.UNREACHABLE, TrapKind.DIV_BY_ZERO, TrapKind.BAD_CONVERSION})


def _runs(module: Seen) -> bool:
    """Three equal labels in a row, and two kinds of them."""
    for _, node in module.nodes("br_table"):
        labels = node.imm[0]
        triples = zip(labels, labels[1:], labels[2:], strict=False)
        if len(set(labels)) > 1 and any(one == two == three for one, two, three in triples):
            return True
    return False


def _wide_table(module: Seen) -> bool:
    """Two values and more to two frames and more."""
    return any(node.carried > 1 and len(set(map(id, node.targets))) > 1 for _, node in module.nodes("br_table"))


def _table_over_values(module: Seen) -> bool:
    """Values below those that a table of branches carries."""
    return any(node.carried and node.abandoned for _, node in module.nodes("br_table"))


def _leaves_with_less(module: Seen) -> bool:
    """A conditional branch out of two frames and more, with values below those that it carries."""
    for graph, node in module.nodes("br_if"):
        if node.targets and node.targets[0] is not node.frame and len(node.ins) > 1:
            before = graph.nodes[: place(graph, node)]
            pushed = sum(len(one.outs) for one in before if one.frame is node.frame)
            taken = sum(len(one.ins) for one in before if one.frame is node.frame)
            if pushed - taken > len(node.ins):
                return True
    return False


def _tried(module: Seen) -> Iterator[tuple[Graph, Node, Frame]]:
    """Each try_table with its frame."""
    for graph, node in module.nodes("try_table"):
        assert node.opens is not None
        yield graph, node, node.opens


def _protected_results(module: Seen) -> bool:
    """A call of more than 16 results inside of a try_table."""
    return any(
        len(node.outs) > 16 and node.op.name in _CALLS
        for graph, _, frame in _tried(module)
        for node in graph.nodes[frame.opener : frame.end]
    )


def _tail_call_that_throws(module: Seen) -> bool:
    """A tail call of more than ten parameters to a function that throws."""
    for _, node in module.nodes("return_call"):
        if len(node.ins) > 10 and not module.rows_in(node.imm).isdisjoint(("throw", "throw_ref")):
            return True
    return False


def _trap_under_catch_all(module: Seen) -> bool:
    """What may trap inside of a try_table that catches all: here, or in a function that is called."""
    for graph, opener, frame in _tried(module):
        _, clauses = opener.imm
        if any(clause.tag is None for clause in clauses):
            for node in graph.nodes[frame.opener : frame.end]:
                traps = not _TRAPS.isdisjoint(node.op.traps)
                if traps or (node.op.name == "call" and "unreachable" in module.rows_in(node.imm)):
                    return True
    return False


def _reference_across_a_try(module: Seen) -> bool:
    """A reference that lies on the stack below a try_table with a call in it."""
    for graph, _, frame in _tried(module):
        if any(node.op.name in _CALLS for node in graph.nodes[frame.opener : frame.end]):
            slots = (slot for node in graph.nodes[frame.end :] for slot in node.ins)
            if any(slot.maker < frame.opener and isinstance(slot.type, RefType) for slot in slots):
                return True
    return False


def _through_a_cast(module: Seen) -> bool:
    """A function out of a table, cast, then called by reference."""
    for graph, node in module.nodes("call_ref", "return_call_ref"):
        cast = maker(graph, node, -1)
        if cast is not None and cast.op.name in ("ref.cast", "ref.cast_null") and made_by(graph, cast, 0, "table.get"):
            return True
    return False


def _vector_behind_floats(module: Seen) -> bool:
    """A vector that is a parameter on the stack behind an odd number of floats there."""
    for type_ in module.types:
        floats = 0
        for param in type_.params:
            if param is V128 and floats >= 7 and floats % 2:
                return True
            floats += param in (F32, F64)
    return False


def _tail_call_of_locals(module: Seen) -> bool:
    """A tail call through a table, of eight locals and more."""
    for graph, node in module.nodes("return_call_indirect"):
        count = len(node.ins) - 1
        if count >= 8 and sum(local_of(graph, node, at) is not None for at in range(count)) >= 8:
            return True
    return False


def _tail_call_to_fewer(module: Seen) -> bool:
    """A tail call through a table out of a function of seven parameters and more to one of none."""
    found = module.nodes("return_call_indirect")
    return any(graph.param_count >= 7 and len(node.ins) == 1 for graph, node in found)


def _arguments_behind_a_loop(module: Seen) -> bool:
    """Eight parameters and more that are read behind a loop and not before."""
    for graph in module.graphs("loop"):
        ends = [frame.end for frame in graph.frames if frame.loop]
        read: dict[int, int] = {}
        for at, node in enumerate(graph.nodes):
            if node.op.name == "local.get":
                read.setdefault(node.imm, at)
        late = sum(read.get(local, -1) > min(ends) for local in range(graph.param_count))
        if ends and late >= 8:
            return True
    return False


def _halves_under_pressure(module: Seen) -> bool:
    """A product of 128 bits among six locals and more of 64 bits that are read behind it."""
    for graph, node in module.nodes("i64.mul_wide_u", "i64.mul_wide_s"):
        behind = graph.nodes[place(graph, node) :]
        if len({one.imm for one in behind if one.op.name == "local.get"}) >= 6:
            return True
    return False


def _pile_of_globals(module: Seen) -> bool:
    """Twelve globals and locals read in a row, a global the last."""
    for graph in module.graphs("global.get"):
        count = 0
        for node in graph.nodes:
            count = count + 1 if node.op.name in ("global.get", "local.get") else 0
            if count >= 12 and node.op.name == "global.get":
                return True
    return False


def _thrown_vector(module: Seen) -> bool:
    """A payload with a vector between numbers."""
    for _, node in module.nodes("throw"):
        names = [slot.type for slot in node.ins]
        if V128 in names and len(names) > 1:
            return True
    return False


def _negations(module: Seen) -> bool:
    """Five i32.eqz in a row."""
    for graph, node in module.nodes("i32.eqz"):
        depth, one = 0, node
        while one is not None and one.op.name == "i32.eqz":
            depth += 1
            one = maker(graph, one, 0)  # type: ignore[assignment]
        if depth >= 5:
            return True
    return False


def _dead_behind_values(module: Seen) -> bool:
    """Instructions behind a return that leaves values below its own."""
    for graph, node in module.nodes("return"):
        at = place(graph, node)
        if node.abandoned and at + 1 < len(graph.nodes) and graph.nodes[at + 1].op.name not in ("end", "else"):
            return True
    return False


def _exported_import(module: Seen) -> bool:
    return any(one.kind.name == "FUNC" and one.index < module.first for one in module.module.exports)


def _constant_branches(module: Seen) -> bool:
    return any(constant(graph, node, -1) is not None for graph, node in module.nodes("br_table", "if", "br_if"))


SHAPES: Final = (
    Shape("a br_table with runs of equal labels", "WebKit br-table-consecutive-target-runs", _runs),
    Shape("a br_table with several values to several frames", "wasmtime #10730", _wide_table),
    Shape("a br_table with values below those that it carries", "wasmtime #10821", _table_over_values),
    Shape("a br_if to a frame further out, with values below those that it carries", "wasmtime #10781",
          _leaves_with_less),
    Shape("a branch that a constant decides", "wasmtime #10781", _constant_branches),
    Shape("a call of more than 16 results in a try_table", "wasmtime #11597", _protected_results),
    Shape("a tail call of more than ten arguments to what throws", "wasmtime #11500", _tail_call_that_throws),
    Shape("a trap inside of a try_table that catches all", "wasmtime #11592", _trap_under_catch_all),
    Shape("a reference on the stack below a try_table with a call", "wasmtime #12934", _reference_across_a_try),
    Shape("a function out of a table, cast and called", "V8 360044696", _through_a_cast),
    Shape("a vector on the stack behind an odd number of floats there", "wasmtime #10513, V8 353913485",
          _vector_behind_floats),
    Shape("a tail call through a table, of eight locals", "WebKit bbq-tail-call-indirect-evicted-local-argument",
          _tail_call_of_locals),
    Shape("a tail call through a table from seven parameters to none", "SpiderMonkey 1917807", _tail_call_to_fewer),
    Shape("eight parameters first read behind a loop", "WebKit bbq-argument-canonical-slots",
          _arguments_behind_a_loop),
    Shape("a 128-bit product among six live locals", "WebKit bbq-mul-wide-register-pressure",
          _halves_under_pressure),
    Shape("twelve globals on the stack at once", "wasmtime #10056", _pile_of_globals),
    Shape("a vector in an exception's payload", "wasmtime #14149", _thrown_vector),
    Shape("five i32.eqz in a row", "wasmtime #12333", _negations),
    Shape("code behind a return that leaves values", "SpiderMonkey 1932651", _dead_behind_values),
    Shape("an imported function that is exported", "V8 361369297", _exported_import),
)  # fmt: skip
