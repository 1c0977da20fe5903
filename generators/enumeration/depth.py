"""One instruction on its own result, again and again: chains, nests and shared operands, up to 100,000 of them.

    left      op(op(op(x, c), c), c)          each has the one before it as its first operand
    right     op(c, op(c, op(c, x)))          all operands lie on the stack before the first one is executed
    shared    x = op(x, x), and again         as a tree it would have 2^n leaves
    blocks    (block (block (block ...)))     and so on for loop, if, try_table

A compiler that recurses over operands runs out of stack, one that forgets what it has visited out of time. What such a
function computes is of no interest, how long it takes to compile is: lengths go up by tens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generators.draw.values import CONST, INTERESTING
from generators.enumeration.rows import immediates, operand_types, takes_address, usable
from generators.program.calls import site
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.isa import OPS, Catch, Instr, Op
from wasm.valtypes import I32, NumType

LENGTHS: Final = (10, 100, 1_000, 10_000, 100_000)
_BLOCKS: Final = ("block", "loop", "if", "try_table")


@dataclass(frozen=True, slots=True)
class Deep:
    """``op`` is a row's name, ``shape`` one of those above."""

    op: str
    shape: str
    length: int


@lru_cache(maxsize=8)
def depths(features: frozenset[Feature]) -> tuple[Deep, ...]:
    """All of them, the shortest first: every row that gives one of its operands' types, in each shape that it can
    have."""
    chains = [(op.name, shape) for op in usable(features) if _own(op) is not None for shape in _shapes(op)]
    nests = [(name, "blocks") for name in _BLOCKS if name != "try_table" or Feature.EXCEPTIONS in features]
    return tuple(Deep(name, shape, length) for length in LENGTHS for name, shape in (*chains, *nests))


def _own(op: Op) -> int | None:
    """The first operand position that takes what the row gives; None if there is none."""
    if op.results is None or len(op.results) != 1:
        return None
    types = operand_types(op)
    return next((position for position, type_ in enumerate(types) if type_ is op.results[0]), None)


def _shapes(op: Op) -> tuple[str, ...]:
    types = operand_types(op)
    if len(types) == 1:
        return ("left",)
    assert op.results is not None
    both = types.count(types[0]) == len(types) and types[0] is op.results[0]
    return ("left", "right", "shared") if both else ("left",)


def case_of_depth(item: Deep, seed: int) -> Case:
    """A module of one function, called once with an ordinary argument and once with an edge."""
    builder = ModuleBuilder()
    if item.shape == "blocks":
        type_: NumType = I32
        body = _nested(item)
    else:
        op = OPS[item.op]
        assert op.results is not None
        assert isinstance(op.results[0], NumType)
        type_ = op.results[0]
        if op.access is not None:
            builder.memory(1, 1)
        body = _WRITERS[item.shape](op, item.length, seed)
    function = builder.func([type_], [type_], export="f")
    function.body += body
    made = builder.finish()
    edges = INTERESTING[type_]
    calls = tuple(Invocation("f", (Value(str(type_), edges[(seed + at) % len(edges)]),)) for at in (3, 17))
    features = frozenset(feature.value for feature in required_features(made))
    return Case(encode(made), calls, features=features, sites=(site("host", -1, 0, function.type),))


def _others(op: Op, own: int, number: int, seed: int) -> tuple[list[Instr], list[Instr]]:
    """Constants for the operands before and behind the one that is the chain's."""
    pushed: list[Instr] = []
    for position, type_ in enumerate(operand_types(op)):
        edges = INTERESTING[type_]
        value = 8 * (number % 32) if takes_address(op, position) else edges[(number * 3 + position + seed) % len(edges)]
        pushed.append((CONST[type_], value))
    return pushed[:own], pushed[own + 1 :]


def _left(op: Op, length: int, seed: int) -> list[Instr]:
    own = _own(op)
    assert own is not None
    if own:
        # The chain's value is not the first operand: a local brings it there.
        body: list[Instr] = []
        for number in range(length):
            before, behind = _others(op, own, number, seed)
            body += [*before, (OPS["local.get"], 0), *behind, (op, immediates(op, number)), (OPS["local.set"], 0)]
        return [*body, (OPS["local.get"], 0)]
    body = [(OPS["local.get"], 0)]
    for number in range(length):
        body += [*_others(op, own, number, seed)[1], (op, immediates(op, number))]
    return body


def _right(op: Op, length: int, seed: int) -> list[Instr]:
    own = len(operand_types(op)) - 1
    body = [instr for number in range(length) for instr in _others(op, own, number, seed)[0]]
    return [*body, (OPS["local.get"], 0), *((op, immediates(op, number)) for number in range(length))]


def _shared(op: Op, length: int, seed: int) -> list[Instr]:
    del seed  # there is nothing to choose
    step: list[Instr] = [(OPS["local.get"], 0)] * len(operand_types(op))
    body = [instr for number in range(length) for instr in (*step, (op, immediates(op, number)), (OPS["local.set"], 0))]
    return [*body, (OPS["local.get"], 0)]


_WRITERS: Final[dict[str, Callable[[Op, int, int], list[Instr]]]] = {"left": _left, "right": _right, "shared": _shared}


def _nested(item: Deep) -> list[Instr]:
    """Blocks in blocks, a branch out of all of them in the middle of the innermost one."""
    opening: list[Instr]
    if item.op == "try_table":
        opening = [(OPS["try_table"], (None, (Catch("catch_all", None, 0),)))]
    elif item.op == "if":
        opening = [(OPS["local.get"], 0), (OPS["if"], None)]
    else:
        opening = [(OPS[item.op], None)]
    # One block more around them, which a clause of the outermost one leads out of.
    inner: list[Instr] = [
        (OPS["local.get"], 0),
        (OPS["local.get"], 0),
        (OPS["br_if"], item.length + 1),
        OPS["drop"].bare,
    ]
    ends = [OPS["end"].bare] * (item.length + 1)
    return [(OPS["block"], None), *opening * item.length, *inner, *ends, (OPS["local.get"], 0)]
