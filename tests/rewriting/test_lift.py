"""The operand graph: who makes and takes what, in code that is reached and in code that is not; and spans."""

from __future__ import annotations

import wasmtime

from wasm.decode import decode
from wasm.module import Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph
from wasm.rewrite.spans import spans_of

PRELUDE = "(func $two (param i32) (result i32 i64) local.get 0 i64.const 0) (global $g (mut i32) (i32.const 0))"


def module_of(func: str) -> Module:
    return decode(bytes(wasmtime.wat2wasm(f"(module {PRELUDE} (func $f {func}))")))


def graph_of(func: str) -> Graph:
    return ModuleGraphs(module_of(func)).graph(1)


def shown(graph: Graph) -> list[str]:
    """Each node as: operands by maker, name, types of results."""
    return [
        f"{[slot.maker for slot in node.ins]} {node.op.name} {[str(slot.type) for slot in node.outs]}"
        for node in graph.nodes
    ]


def test_who_makes_and_who_takes() -> None:
    graph = graph_of("(param i32) local.get 0 call $two drop global.set $g")
    assert shown(graph) == [
        "[] local.get ['i32']", "[0] call ['i32', 'i64']", "[1] drop []", "[1] global.set []", "[] end []",
    ]  # fmt: skip


def test_frames() -> None:
    graph = graph_of("(param i32) (result i32) i32.const 7 local.get 0 if (param i32) (result i32) br 1 else end")
    function, arms = graph.frames
    assert (function.opener, function.end, function.branches) == (-1, 6, [3])
    assert (arms.opener, arms.arms, arms.end, arms.params) == (2, [4], 5, graph.frames[0].results)
    assert shown(graph)[2:] == [
        "[0, 1] if ['i32']", "[2] br ['i32']", "[3] else ['i32']", "[4] end ['i32']", "[5] end []",
    ]  # fmt: skip


def test_a_conditional_branch_gives_back_what_it_carried() -> None:
    graph = graph_of("(result i32 i64) i32.const 1 i64.const 2 i32.const 3 br_if 0")
    branch = graph.nodes[3]
    assert (branch.carried, branch.passed, branch.targets) == (2, 2, (graph.frames[0],))
    assert [slot.maker for slot in branch.outs] == [3, 3]


def test_a_branch_with_its_own_reference() -> None:
    graph = graph_of("(param funcref) (result (ref func)) local.get 0 br_on_non_null 0 unreachable")
    branch = graph.nodes[1]
    assert (branch.carried, branch.passed, branch.outs) == (1, 0, [])


def test_labels_in_the_order_of_the_immediates() -> None:
    graph = graph_of("(param i32) block block local.get 0 br_table 1 0 1 2 end end")
    function, outer, inner = graph.frames
    assert graph.nodes[3].targets == (outer, inner, outer, function)


def test_unreachable_code_takes_virtual_slots_from_the_transfer() -> None:
    graph = graph_of("(result i32) i64.const 9 unreachable i32.add i32.const 1 select")
    transfer = graph.nodes[1]
    assert transfer.transfer
    assert [slot.maker for slot in transfer.abandoned] == [0]
    assert [str(slot.type) for slot in transfer.outs] == ["i32", "i32", "i32"]
    assert graph.nodes[2].ins == transfer.outs[1::-1]
    assert graph.reachable() == [0, 1, 5]


def test_the_two_operands_of_select_are_of_one_type_even_where_one_is_open() -> None:
    graph = graph_of("unreachable f64.const 1 i32.const 0 select drop")
    assert [str(slot.type) for slot in graph.nodes[3].ins] == ["f64", "f64", "i32"]


def test_an_open_reference_takes_the_type_of_the_label_it_is_carried_to() -> None:
    graph = graph_of("(result externref) unreachable br_on_non_null 0 ref.null extern")
    assert [str(slot.type) for slot in graph.nodes[1].ins] == ["externref"]


def test_locals_are_typed_function_by_function() -> None:
    """One ``local.get 0`` is an i32 in one function and an f64 in the next one of the same module."""
    graphs = ModuleGraphs(module_of("(param f64) (result f64) local.get 0 local.tee 0"))
    assert str(graphs.graph(0).nodes[0].outs[0].type) == "i32"
    assert [str(node.outs[0].type) for node in graphs.graph(1).nodes[:2]] == ["f64", "f64"]


def spans(func: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    graph = graph_of(func)
    made = spans_of(graph, graph.reachable())
    return [(start, end) for start, end, _ in made.spans], made.statements


def test_spans() -> None:
    assert spans("(param i32) local.get 0 i32.const 1 i32.add global.set $g nop") == (
        [(0, 1), (1, 2), (0, 3)], [(0, 4), (4, 5)],
    )  # fmt: skip


def test_what_makes_two_values_is_in_no_span() -> None:
    assert spans("i32.const 1 call $two drop global.set $g") == ([(0, 1)], [])


def test_a_block_is_in_a_span_with_its_condition() -> None:
    assert spans("i32.const 1 if (result i32) i32.const 2 else i32.const 3 end drop") == (
        [(0, 1), (2, 3), (4, 5), (0, 6)], [(0, 7)],
    )  # fmt: skip


def test_a_block_with_parameters_is_in_none() -> None:
    assert spans("i32.const 1 block (param i32) (result i32) end drop") == ([(0, 1)], [])


def test_what_cannot_be_reached_is_in_none() -> None:
    assert spans("unreachable i32.const 1 drop") == ([], [(0, 1)])
