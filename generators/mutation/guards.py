"""What an edit must leave alone, so that code still ends and does not trap.

    local.get 0  i32.const 7  i32.and  i32.load     the address is below 8 whatever the rest becomes: the mask stays
    loop ... local.get 1  br_if 0  end              what local 1 counts, and the code that counts it, stays

From what may trap or goes round (conditions of branches, divisors, addresses, arguments of recursive calls), values are
followed back to who makes them, as far as a mask with a constant or the edge of the function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasm.context import ModuleContext
from wasm.isa import OPS, Instr, Op
from wasm.module import Func, Module
from wasm.rewrite.lift import Lifter
from wasm.rewrite.operands import Graph, Node, Slot
from wasm.rewrite.spans import Spans, spans_of
from wasm.valtypes import I32

_MASKS: Final = frozenset(
    ("i32.and", "i32.or", "i64.and", "i64.or", "i32.rem_u", "i64.rem_u", "i32.shr_u", "i64.shr_u")
)
_CONSTANTS: Final = frozenset(OPS[f"{t}.const"] for t in ("i32", "i64", "f32", "f64", "v128"))
_TESTS: Final = frozenset(("br_if", "br_table", "if", "br_on_null", "br_on_non_null"))
_DIRECT: Final = ("call", "return_call")
_BY_VALUE: Final = ("call_indirect", "call_ref", "return_call_indirect", "return_call_ref")
_LOCAL_WRITES: Final = ("local.set", "local.tee")
_UNTOUCHED: Final = frozenset(
    OPS[name]
    for name in (
        "br_on_cast", "br_on_cast_fail", "any.convert_extern", "extern.convert_any", "try", "catch", "catch_all",
        "rethrow", "delegate",
    )
)  # fmt: skip
"""Functions with these are left alone. Their graphs are as good as any; but to edit them makes other cases of the same
choices, which takes a new ``GENERATOR_VERSION`` (docs/decisions/0007-choices-outlive-versions.md)."""


@dataclass(slots=True, eq=False)
class Code:
    """A function's code as edits see it: its reachable instructions, and what of them belongs together.

    ``at`` are the positions of the reachable instructions but the ends of blocks, in order. A node's ``op`` and ``imm``
    are those of the body that was read: after an edit in place, ask the body.
    """

    graph: Graph
    spans: Spans
    at: list[int]

    @property
    def nodes(self) -> list[Node]:
        return self.graph.nodes


class CodeReader:
    """Reads functions of one module, whose types and index spaces stay as they are while it is used."""

    def __init__(self, context: ModuleContext) -> None:
        self.context = context
        self._lifter = Lifter(context)

    def read(self, func: Func) -> Code | None:
        """The code of a valid function; None if it is one that edits leave alone, or not valid after all."""
        try:
            graph = self._lifter.lift(func)
        except ValueError:
            return None
        nodes, reachable = graph.nodes, graph.reachable()
        at = [at for at in reachable if not nodes[at].closes]
        if not _UNTOUCHED.isdisjoint([op for op, _ in func.body]) and any(nodes[k].op in _UNTOUCHED for k in at):
            return None
        return Code(graph, spans_of(graph, reachable), at)


def deep_functions(module: Module) -> frozenset[int]:
    """The functions that may call themselves: by their own index, or whatever a table or a reference holds."""
    imported = len(module.func_type_indices()) - len(module.funcs)
    return frozenset(
        index
        for index, func in enumerate(module.funcs, imported)
        if any(row.name in _BY_VALUE or (row.name in _DIRECT and imm == index) for row, imm in func.body)
    )


@dataclass(frozen=True, slots=True)
class Guarded:
    """``kept`` has the instructions that an edit leaves alone. ``open_loops``: what ends a loop comes from outside."""

    kept: frozenset[int]
    open_loops: bool


def guarded(code: Code, body: list[Instr], recursive: bool, deep: frozenset[int]) -> Guarded:
    """The instructions on which depends that code ends and does not trap.

    These are the conditions of branches in loops (all, if the function is ``recursive``), the arguments of ``deep``
    functions and the operands of whatever may trap, each back to a mask with a constant, or to what comes from outside
    of the function. Small globals count fuel.
    """
    slice_ = _Slice(code, body)
    conditions: list[Slot] = []
    values: list[Slot] = []
    nodes = code.nodes
    for at in code.at:
        node = nodes[at]
        row, imm = body[at]
        name = row.name
        if name in _BY_VALUE or (name in _DIRECT and imm in deep):
            values += node.ins
        elif row.traps or name.startswith(("memory.", "table.", "array.")):
            values += _deciding(row, node.ins)
        elif name in _TESTS:
            if node.frame.loops:
                conditions += node.ins[-1:]
            if recursive:
                values += node.ins[-1:]
        elif name in ("global.set", "global.get"):
            slice_.kept.add(at)
            if node.ins and node.ins[0].type is I32:
                values += node.ins
    slice_.follow(values)
    open_loops = slice_.follow(conditions)
    # Who sets such a local twice would count twice.
    slice_.kept.update(at for at, local in slice_.writes if local in slice_.locals)
    return Guarded(frozenset(slice_.kept), open_loops)


def _deciding(row: Op, ins: list[Slot]) -> list[Slot]:
    """The operands on which it depends whether an instruction traps: a divisor, an address, else all."""
    word = row.name.partition(".")[2]
    if word.startswith(("div_", "rem_")):
        return ins[1:]
    return ins[:1] if row.access is not None and row.access.kind == "store" else ins


class _Slice:
    """What values depend on: the instructions in ``kept``, and the ``locals`` that pass them on.

    ``writes`` has (position, local) of every reachable instruction that sets one.
    """

    def __init__(self, code: Code, body: list[Instr]) -> None:
        self.code, self.body = code, body
        self.kept: set[int] = set()
        self.locals: set[int] = set()
        self.writes = [(at, body[at][1]) for at in code.at if body[at][0].name in _LOCAL_WRITES]

    def follow(self, values: list[Slot]) -> bool:
        """Add what these values depend on; whether that is anything from outside of the function. Empties the list."""
        body, nodes = self.body, self.code.nodes
        outside = False
        seen: set[int] = set()
        while values:
            at = values.pop().maker
            node = nodes[at]
            # A block's parameters and results have no one maker: they count as anything.
            if node.opens is not None or node.closes:
                outside = True
                continue
            if at in seen:
                continue
            seen.add(at)
            self.kept.add(at)
            row, imm = body[at]
            constants = [slot.maker for slot in node.ins if body[slot.maker][0] in _CONSTANTS]
            if row.name in _MASKS and constants:
                self.kept.update(constants)
                outside |= row.name.endswith(("or", "shr_u"))
            elif row.name in ("local.get", "local.tee"):
                values += node.ins
                if imm not in self.locals:
                    self.locals.add(imm)
                    values += [nodes[write].ins[0] for write, local in self.writes if local == imm]
                outside |= imm < self.code.graph.param_count
            else:
                outside |= row.access is not None or row.name.startswith(("call", "global.get", "memory.", "table."))
                values += node.ins
        return outside
