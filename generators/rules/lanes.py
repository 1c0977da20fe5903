"""What is said of vectors, floats and memory where trees become instructions: the half of ``Reacher`` about those."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from generators.aims import aim
from generators.aims.aim import Apply, Open
from generators.rules.clif import Shape, is_int, shape
from generators.rules.skeletons import NotDerived
from generators.rules.trees import Leaf, Node
from wasm.isa import OPS

_LOADS: Final = {"uload8": "load8_u", "sload8": "load8_s", "uload16": "load16_u", "sload16": "load16_s",
                 "uload32": "load32_u", "sload32": "load32_s"}  # fmt: skip
_VECTOR_LOADS: Final = {"sload8x8": "load8x8_s", "uload8x8": "load8x8_u", "sload16x4": "load16x4_s",
                        "uload16x4": "load16x4_u", "sload32x2": "load32x2_s", "uload32x2": "load32x2_u"}  # fmt: skip
_AT: Final = aim.Address()


def wasm_type(type_: str) -> str:
    """The type of a value in WebAssembly: narrow integers are i32, vectors v128."""
    parts = shape(type_)
    return "v128" if parts.lanes > 1 else "i32" if is_int(type_) and parts.bits < 32 else type_


class Lanes(ABC):
    """A method for each operator, by its name behind ``_``; None where no row is its translation."""

    @abstractmethod
    def reach(self, tree: Any) -> aim.Tree:
        """The instructions of a value."""

    @abstractmethod
    def wrapped(self, tree: Any) -> aim.Tree:
        """An i32 whose low bits are a narrow integer."""

    @abstractmethod
    def open(self, hole: Any) -> int | Open:
        """A constant."""

    # --- lanes -------------------------------------------------------------------------------------------------------

    def _splat(self, tree: Node) -> aim.Tree:
        inner = tree.args[0]
        narrow = str(inner.type)  # type: ignore[union-attr]
        if isinstance(inner, Node) and inner.op == "load":
            return Apply(f"v128.load{shape(narrow).bits}_splat", (), (_AT,))
        value = self.wrapped(inner) if narrow in ("i8", "i16") else self.reach(inner)
        return Apply(f"{tree.type}.splat", (), (value,))

    def _scalar_to_vector(self, tree: Node) -> aim.Tree:
        inner = tree.args[0]
        bits = shape(str(tree.type)).bits
        if (
            isinstance(inner, Node | Leaf)
            and inner.type in ("i32", "i64")
            and (isinstance(inner, Leaf) or inner.op == "load")
        ):
            return Apply(f"v128.load{bits}_zero", (), (_AT,))
        raise NotDerived("a vector of one lane comes from loads alone")

    def _lane(self, tree: Node, extension: str) -> aim.Tree:
        vector = tree.args[0]
        return Apply(f"{vector.type}.extract_lane{extension}", (self.open(tree.args[1]),), (self.reach(vector),))  # type: ignore[union-attr]

    def _extractlane(self, tree: Node) -> aim.Tree:
        return self._lane(tree, "")

    def _insertlane(self, tree: Node) -> aim.Tree:
        vector, value, lane = tree.args
        narrow = str(value.type)  # type: ignore[union-attr]
        made = self.wrapped(value) if narrow in ("i8", "i16") and not _is_load(value) else None
        if _is_load(value):
            return Apply(f"v128.load{shape(narrow).bits}_lane", (self.open(lane),), (_AT, self.reach(vector)))
        return Apply(f"{tree.type}.replace_lane", (self.open(lane),), (self.reach(vector), made or self.reach(value)))

    def _shuffle(self, tree: Node) -> aim.Tree:
        one, other, mask = tree.args
        return Apply("i8x16.shuffle", (self.open(mask),), (self.reach(one), self.reach(other)))

    def _widened(self, tree: Node) -> aim.Tree:
        signed, half = tree.op[0], tree.op.rpartition("_")[2]
        of = tree.args[0].type  # type: ignore[union-attr]
        return Apply(f"{tree.type}.extend_{half}_{of}_{signed}", (), (self.reach(tree.args[0]),))

    _swiden_low = _swiden_high = _uwiden_low = _uwiden_high = _widened

    def _narrowed(self, tree: Node) -> aim.Tree | None:
        row = f"{tree.type}.narrow_{tree.args[0].type}_{tree.op[0]}"  # type: ignore[union-attr]
        if row not in OPS or tree.op == "uunarrow":
            raise NotDerived(f"{tree.op} from {tree.args[0].type}")  # type: ignore[union-attr]
        return Apply(row, (), tuple(self.reach(arg) for arg in tree.args))

    _snarrow = _unarrow = _uunarrow = _narrowed

    def _iadd_pairwise(self, tree: Node) -> aim.Tree:
        """Of the two halves of one vector, or of products of them: what the frontend makes."""
        match tree.args:
            case (Node(("swiden_low" | "uwiden_low") as op, _, (one,)), Node(_, _, (other,))) if one == other:
                return self._pairwise(tree, op[0], one)
            case (Leaf() as one, Leaf()):
                return self._pairwise(tree, "s", Leaf(one.number, _halved(str(tree.type))))
        if tree.type == "i32x4" and all(isinstance(arg, Node) and arg.op == "imul" for arg in tree.args):
            low = tree.args[0]
            assert isinstance(low, Node)
            halves = [arg.args[0] if isinstance(arg, Node) else arg for arg in low.args]
            return Apply("i32x4.dot_i16x8_s", (), tuple(self.reach(one) for one in halves))
        raise NotDerived("sums of pairs that no instruction makes")

    def _pairwise(self, tree: Node, signed: str, one: Any) -> aim.Tree:
        row = f"{tree.type}.extadd_pairwise_{_halved(str(tree.type))}_{signed}"
        if row not in OPS:
            raise NotDerived(f"sums of pairs of {tree.type}")
        return Apply(row, (), (self.reach(one),))

    # --- floats, memory ----------------------------------------------------------------------------------------------

    def _converted(self, tree: Node) -> aim.Tree:
        signed = tree.op.rpartition("_")[2][0]
        inner = tree.args[0]
        of = str(inner.type)  # type: ignore[union-attr]
        if tree.type == "f64x2":
            if isinstance(inner, Node) and inner.op == f"{signed}widen_low":
                return Apply(f"f64x2.convert_low_i32x4_{signed}", (), (self.reach(inner.args[0]),))
            if isinstance(inner, Leaf):
                return Apply(f"f64x2.convert_low_i32x4_{signed}", (), (aim.Leaf(f"v{inner.number}", "v128"),))
            raise NotDerived("conversions of lanes of 64 bits are of widened ones")
        if of in ("i8", "i16"):
            raise NotDerived("conversions of narrow integers")
        return Apply(f"{tree.type}.convert_{of}_{signed}", (), (self.reach(inner),))

    _fcvt_from_sint = _fcvt_from_uint = _converted

    def _truncated(self, tree: Node) -> aim.Tree:
        word = "trunc_sat" if tree.op.endswith("_sat") else "trunc"
        signed = tree.op.split("_")[2][0]
        row = f"{tree.type}.{word}_{tree.args[0].type}_{signed}"  # type: ignore[union-attr]
        if row not in OPS:
            raise NotDerived(f"{tree.op} to {tree.type}")
        return Apply(row, (), (self.reach(tree.args[0]),))

    _fcvt_to_sint = _fcvt_to_uint = _fcvt_to_sint_sat = _fcvt_to_uint_sat = _truncated

    def _fpromote(self, tree: Node) -> aim.Tree:
        return Apply("f64.promote_f32", (), (self.reach(tree.args[0]),))

    def _fdemote(self, tree: Node) -> aim.Tree:
        return Apply("f32.demote_f64", (), (self.reach(tree.args[0]),))

    def _fvpromote_low(self, tree: Node) -> aim.Tree:
        return Apply("f64x2.promote_low_f32x4", (), (self.reach(tree.args[0]),))

    def _fvdemote(self, tree: Node) -> aim.Tree:
        return Apply("f32x4.demote_f64x2_zero", (), (self.reach(tree.args[0]),))

    def _bitcast(self, tree: Node) -> aim.Tree:
        of = str(tree.args[0].type)  # type: ignore[union-attr]
        if shape(of).lanes > 1 and shape(str(tree.type)).lanes > 1:
            return self.reach(tree.args[0])  # the frontend puts them where an instruction looks at other lanes
        row = f"{tree.type}.reinterpret_{of}"
        if row not in OPS:
            raise NotDerived(f"bitcasts of {of} to {tree.type}")
        return Apply(row, (), (self.reach(tree.args[0]),))

    def _fma(self, _: Node) -> aim.Tree:
        raise NotDerived("fused multiplications, which are relaxed instructions: engines may differ")

    def _load(self, tree: Node) -> aim.Tree:
        type_ = str(tree.type)
        if type_ != "i8x16" and wasm_type(type_) != type_:
            raise NotDerived("loads of vectors are translated on i8x16" if "x" in type_ else f"loads of {type_}")
        return Apply(f"{wasm_type(type_)}.load", (), (_AT,))

    def _narrow_load(self, tree: Node) -> aim.Tree:
        return Apply(f"{tree.type}.{_LOADS[tree.op]}", (), (_AT,))

    _uload8 = _sload8 = _uload16 = _sload16 = _uload32 = _sload32 = _narrow_load

    def _vector_load(self, tree: Node) -> aim.Tree:
        return Apply(f"v128.{_VECTOR_LOADS[tree.op]}", (), (_AT,))

    _sload8x8 = _uload8x8 = _sload16x4 = _uload16x4 = _sload32x2 = _uload32x2 = _vector_load


def _is_load(tree: Any) -> bool:
    return isinstance(tree, Node) and tree.op == "load"


def _halved(type_: str) -> str:
    parts = shape(type_)
    return Shape(parts.floating, parts.bits // 2, parts.lanes * 2).name
