"""From a tree of operators to the WebAssembly whose translation it is.

Cranelift's frontend translates nearly every instruction to one operator; what it does besides is known here:

- A comparison gives i8, and WebAssembly's i32 of it is ``uextend``. So an i8 that is a truth value is written as the
  i32 that it is extended to; what the mid-end does with ands and ors of such is its own rules' work.
- Other narrow integers come about by wrapping (``extend8_s``), and unsigned ones as lanes of vectors: a mask is no
  extension to it. Arithmetic on them is arithmetic on i32 that the mid-end narrows.
- Operations on whole vectors (and, or, select, loads) are translated on i8x16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from generators.aims import aim
from generators.aims.aim import Apply, Open
from generators.rules.clif import FLOATCCS, INTCCS, is_int, shape
from generators.rules.lanes import Lanes, wasm_type
from generators.rules.skeletons import NotDerived
from generators.rules.trees import Hole, Leaf, Node
from wasm.isa import OPS

_WORDS: Final = {
    "iadd": "add", "isub": "sub", "imul": "mul", "sdiv": "div_s", "udiv": "div_u", "srem": "rem_s", "urem": "rem_u",
    "ishl": "shl", "ushr": "shr_u", "sshr": "shr_s", "rotl": "rotl", "rotr": "rotr", "clz": "clz", "ctz": "ctz",
    "popcnt": "popcnt", "smin": "min_s", "smax": "max_s", "umin": "min_u", "umax": "max_u", "avg_round": "avgr_u",
    "sadd_sat": "add_sat_s", "uadd_sat": "add_sat_u", "ssub_sat": "sub_sat_s", "usub_sat": "sub_sat_u",
    "sqmul_round_sat": "q15mulr_sat_s", "swizzle": "swizzle", "iabs": "abs", "fadd": "add", "fsub": "sub",
    "fmul": "mul", "fdiv": "div", "fmin": "min", "fmax": "max", "fcopysign": "copysign", "fneg": "neg", "fabs": "abs",
    "sqrt": "sqrt", "ceil": "ceil", "floor": "floor", "trunc": "trunc", "nearest": "nearest", "splat": "splat",
    "vall_true": "all_true", "vhigh_bits": "bitmask", "insertlane": "replace_lane", "load": "load",
    "fmin_pseudo": "pmin", "fmax_pseudo": "pmax",
}  # fmt: skip
"""Operators that are a row of the same type: ``i32.`` or ``i16x8.`` before the word."""
_NARROWED: Final = frozenset({"iadd", "isub", "imul", "band", "bor", "bxor"})
"""What the mid-end takes from before a wrap to behind it, so that it happens on the narrow type."""
_BITWISE: Final = {"band": "and", "bor": "or", "bxor": "xor"}
_AT: Final = aim.Address()

Stack = tuple[tuple[str, str], ...]
Rewrite = Callable[[Node, Stack], Any]
_DEPTH: Final = 2


class Reacher(Lanes):
    """``other(node, stack)`` gives another tree for an operator that no row is translated to, which the rules rewrite
    to it; or None. ``stack`` are the operators and types that are being looked for in this way."""

    def __init__(self, other: Rewrite, stack: Stack = ()) -> None:
        self.other = other
        self.stack = stack
        self.holes: dict[Hole, int] = {}
        """The number of each constant, in order of appearance."""
        self.small: set[Hole] = set()
        """Constants of narrow types, beside which stands what is extended by its sign."""

    def root(self, tree: Leaf | Node) -> tuple[aim.Tree, bool]:
        """The instructions of a whole tree, and whether its value decides a branch. Raises ``NotDerived``."""
        if isinstance(tree, Leaf):
            raise NotDerived("anything at all")
        match tree.op:
            case "brif":
                return self.condition(tree.args[0]), True
            case "store" | "istore8" | "istore16" | "istore32":
                return self.store(tree), False
        if is_int(tree.type) and shape(tree.type).bits < 32:  # type: ignore[arg-type]  # types are known here
            if self.is_truth(tree):
                return self.truth(tree), False
            return Apply(f"i32.extend{shape(str(tree.type)).bits}_s", (), (self.wrapped(tree),)), False
        return self.reach(tree), False

    def store(self, tree: Node) -> aim.Tree:
        value = tree.args[0]
        type_ = str(value.type)  # type: ignore[union-attr]
        if isinstance(value, Node) and value.op == "extractlane" and tree.op == "store":
            vector, lane = value.args
            return Apply(f"v128.store{shape(type_).bits}_lane", (self.open(lane),), (_AT, self.reach(vector)))
        if type_ in ("i8", "i16"):
            raise NotDerived("stores of narrow integers are narrowing stores")
        word = {"istore8": "store8", "istore16": "store16", "istore32": "store32"}.get(tree.op, "store")
        if type_ == "i8x16" or is_int(type_) or type_ in ("f32", "f64"):
            return Apply(f"{wasm_type(type_)}.{word}", (), (_AT, self.reach(value)))
        raise NotDerived("stores of vectors are translated on i8x16")

    # --- values of WebAssembly's own types ---------------------------------------------------------------------------

    def reach(self, tree: Any) -> aim.Tree:
        """The instructions of a value that is an i32, i64, f32, f64 or a vector. Raises ``NotDerived``."""
        if isinstance(tree, Leaf):
            if wasm_type(str(tree.type)) != tree.type and shape(str(tree.type)).lanes == 1:
                raise NotDerived(f"{tree.type} where WebAssembly has no such value")
            return aim.Leaf(f"v{tree.number}", wasm_type(str(tree.type)))
        found = getattr(self, f"_{tree.op}", None)
        made = found(tree) if found is not None else self._row(tree)
        return self._instead(tree, self.reach) if made is None else made

    def _instead(self, tree: Node, reach: Callable[[Any], aim.Tree]) -> aim.Tree:
        """What rules rewrite to an operator that is no instruction's translation."""
        key = tree.op, str(tree.type)
        if key not in self.stack and len(self.stack) < _DEPTH:
            self.stack += (key,)
            try:
                other = self.other(tree, self.stack)
                if other is not None:
                    return reach(other)
            finally:
                self.stack = self.stack[:-1]
        raise NotDerived(f"{tree.op} on {tree.type} is no instruction's translation")

    def _row(self, tree: Node) -> aim.Tree | None:
        word = _WORDS.get(tree.op)
        row = f"{tree.type}.{word}"
        if word is None or row not in OPS:
            return None
        return Apply(row, (), tuple(self.reach(arg) for arg in tree.args))

    def open(self, hole: Any) -> int | Open:
        if not isinstance(hole, Hole):
            return int(hole)
        return Open(self.holes.setdefault(hole, len(self.holes)))

    def _const(self, tree: Node) -> aim.Tree:
        type_ = str(tree.type)
        if shape(type_).lanes == 1:
            if wasm_type(type_) != type_:
                raise NotDerived(f"a constant of {type_}")
            return Apply(f"{type_}.const", (self.open(tree.args[0]),), ())
        if type_ == "i8x16":
            return Apply("v128.const", (self.open(tree.args[0]),), ())
        raise NotDerived("vector constants are translated on i8x16")

    def _bitwise(self, tree: Node) -> aim.Tree | None:
        word = _BITWISE[tree.op]
        if tree.type in ("i32", "i64"):
            return Apply(f"{tree.type}.{word}", (), tuple(self.reach(arg) for arg in tree.args))
        self.whole(tree)
        return Apply(f"v128.{word}", (), tuple(self.reach(arg) for arg in tree.args))

    _band = _bor = _bxor = _bitwise

    def whole(self, tree: Node) -> None:
        if tree.type != "i8x16":
            if shape(str(tree.type)).lanes == 1:
                raise NotDerived(f"{tree.op} on {tree.type} is no instruction's translation")
            raise NotDerived("operations on whole vectors are translated on i8x16")

    def _bnot(self, tree: Node) -> aim.Tree | None:
        if tree.type in ("i32", "i64"):
            return None
        self.whole(tree)
        return Apply("v128.not", (), (self.reach(tree.args[0]),))

    def _band_not(self, tree: Node) -> aim.Tree:
        self.whole(tree)
        return Apply("v128.andnot", (), tuple(self.reach(arg) for arg in tree.args))

    def _ineg(self, tree: Node) -> aim.Tree | None:
        if tree.type in ("i32", "i64"):
            return None
        return Apply(f"{tree.type}.neg", (), (self.reach(tree.args[0]),))

    def _bitselect(self, tree: Node) -> aim.Tree:
        self.whole(tree)
        chosen, one, other = (self.reach(arg) for arg in tree.args)
        return Apply("v128.bitselect", (), (one, other, chosen))

    def _select(self, tree: Node) -> aim.Tree:
        if shape(str(tree.type)).lanes > 1:
            self.whole(tree)
        chosen = self.condition(tree.args[0])
        return Apply("select", (), (self.reach(tree.args[1]), self.reach(tree.args[2]), chosen))

    def condition(self, tree: Any) -> aim.Tree:
        if tree.type == "i32":
            return self.reach(tree)
        if tree.type == "i8":
            return self.truth(tree)
        raise NotDerived("conditions are i32 or what a comparison gives")

    def _icmp(self, tree: Node) -> aim.Tree | None:
        word = INTCCS[str(tree.args[0])]
        values = tree.args[1:]
        type_ = str(values[0].type)  # type: ignore[union-attr]
        if type_ in ("i8", "i16"):
            if all(self.is_truth(one) for one in values):
                return Apply(f"i32.{word}", (), tuple(self.truth(one) for one in values))
            return self._narrow_comparison(word, values)
        if word == "eq" and type_ in ("i32", "i64") and values[1] == Node("const", type_, (0,)):
            return Apply(f"{type_}.eqz", (), (self.reach(values[0]),))
        row = f"{type_}.{word}"
        return Apply(row, (), tuple(self.reach(one) for one in values)) if row in OPS else None

    def _narrow_comparison(self, word: str, values: Any) -> aim.Tree:
        """With a constant, by way of i32: the mid-end takes the extension away."""
        narrow = next((one for one in values if not _zero_or_one(one)), None)
        if word.endswith("_u") or narrow is None or not any(map(_zero_or_one, values)):
            raise NotDerived("comparisons of narrow integers")
        made: list[aim.Tree] = []
        for one in values:
            if one is narrow:
                made.append(Apply(f"i32.extend{shape(str(one.type)).bits}_s", (), (self.wrapped(one),)))
            else:
                self.small |= {hole for hole in one.args if isinstance(hole, Hole)}
                made.append(Apply("i32.const", (self.open(one.args[0]),), ()))
        return Apply(f"i32.{word}", (), tuple(made))

    def _fcmp(self, tree: Node) -> aim.Tree:
        word = FLOATCCS.get(str(tree.args[0]))
        if word is None:
            raise NotDerived("conditions on floats that WebAssembly does not have")
        type_ = str(tree.args[1].type)  # type: ignore[union-attr]
        return Apply(f"{type_}.{word}", (), tuple(self.reach(one) for one in tree.args[1:]))

    def _vany_true(self, tree: Node) -> aim.Tree:
        return Apply("v128.any_true", (), (self.reach(tree.args[0]),))

    def _vall_true(self, tree: Node) -> aim.Tree:
        return Apply(f"{tree.args[0].type}.all_true", (), (self.reach(tree.args[0]),))  # type: ignore[union-attr]

    def _vhigh_bits(self, tree: Node) -> aim.Tree:
        return Apply(f"{tree.args[0].type}.bitmask", (), (self.reach(tree.args[0]),))  # type: ignore[union-attr]

    # --- widths ------------------------------------------------------------------------------------------------------

    def _extended(self, tree: Node) -> aim.Tree:
        inner = tree.args[0]
        signed = "s" if tree.op == "sextend" else "u"
        of, to = str(inner.type), str(tree.type)  # type: ignore[union-attr]
        if to not in ("i32", "i64"):
            raise NotDerived(f"extensions to {to}")
        if of == "i32":
            return Apply(f"i64.extend_i32_{signed}", (), (self.reach(inner),))
        if isinstance(inner, Node) and inner.op == "extractlane":
            made = self._lane(inner, f"_{signed}")
        elif self.is_truth(inner):
            made = self.truth(inner)
        elif signed == "s":
            made = Apply(f"i32.extend{shape(of).bits}_s", (), (self.wrapped(inner),))
        elif isinstance(inner, Leaf):
            made = Apply(f"{of}x{128 // shape(of).bits}.extract_lane_u", (0,), (aim.Leaf(f"n{inner.number}", "v128"),))
        else:
            raise NotDerived("unsigned extensions of narrow arithmetic, which are masks to the frontend")
        return made if to == "i32" else Apply(f"i64.extend_i32_{signed}", (), (made,))

    _uextend = _sextend = _extended

    def _ireduce(self, tree: Node) -> aim.Tree:
        if (tree.args[0].type, tree.type) == ("i64", "i32"):  # type: ignore[union-attr]
            return Apply("i32.wrap_i64", (), (self.reach(tree.args[0]),))
        raise NotDerived(f"a wrap to {tree.type} whose value is used as it is")

    def is_truth(self, tree: Any) -> bool:
        """Whether a narrow integer is one or zero, as comparisons give it."""
        if isinstance(tree, Leaf):
            return False
        if tree.op in ("icmp", "fcmp", "vany_true", "vall_true"):
            return bool(tree.type == "i8")
        if tree.op == "const":
            return False
        if tree.op in ("band", "bor", "bxor"):
            return all(self.is_truth(one) or _zero_or_one(one) for one in tree.args)
        if tree.op == "select":
            return all(self.is_truth(one) or _zero_or_one(one) for one in tree.args[1:])
        return False

    def truth(self, tree: Any) -> aim.Tree:
        """The i32 that an i8 which is a truth value is extended to."""
        if isinstance(tree, Leaf):
            return Apply("i32.lt_s", (), (aim.Leaf(f"v{tree.number}", "i32"), aim.Leaf(f"w{tree.number}", "i32")))
        if tree.op == "const":
            return Apply("i32.const", (self.open(tree.args[0]),), ())
        if tree.op in _BITWISE:
            return Apply(f"i32.{_BITWISE[tree.op]}", (), tuple(self.truth(one) for one in tree.args))
        if tree.op == "select":
            one, other = (self.truth(arg) for arg in tree.args[1:])
            return Apply("select", (), (one, other, self.condition(tree.args[0])))
        if not self.is_truth(tree):
            raise NotDerived(f"{tree.op} on {tree.type} where a comparison's result is due")
        return self.reach(tree)

    def wrapped(self, tree: Any) -> aim.Tree:
        """An i32 whose low bits are a narrow integer."""
        if isinstance(tree, Leaf):
            return aim.Leaf(f"v{tree.number}", "i32")
        if tree.op == "const":
            return Apply("i32.const", (self.open(tree.args[0]),), ())
        if tree.op == "ireduce":
            wide = self.reach(tree.args[0])
            return wide if tree.args[0].type == "i32" else Apply("i32.wrap_i64", (), (wide,))
        if self.is_truth(tree):
            return self.truth(tree)
        if tree.op == "extractlane":
            return self._lane(tree, "_u")
        if tree.op not in _NARROWED:
            return self._instead(tree, self.wrapped)
        args = tuple(self.wrapped(arg) for arg in tree.args)
        return Apply(f"i32.{_BITWISE.get(tree.op) or _WORDS[tree.op]}", (), args)


def _zero_or_one(tree: Any) -> bool:
    return isinstance(tree, Node) and tree.op == "const"
