"""References that globals, tables and segments hold: constant expressions and code that make them, and code that
tells them apart, null among them. Functions are the scaffold's answers, so that a call says which one it is."""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.module.body import BARE, GET, I32_CONST, SET, Frame
from generators.module.shell import Scaffold
from wasm.builder import const
from wasm.features import Feature
from wasm.isa import OPS
from wasm.module import Expr
from wasm.valtypes import (
    EXTERNREF,
    FUNCREF,
    I32,
    I64,
    FieldType,
    HeapType,
    RefType,
    StructType,
    ValType,
    ref,
)

_PAIR: Final = StructType((FieldType(I32, True), FieldType(I64)))
_HEAPS: Final = ("any", "eq", "i31", "struct")


def pair_type(scaffold: Scaffold) -> int:
    """The index of the struct type whose objects are held."""
    return scaffold.builder.type(_PAIR)


def draw_held(scaffold: Scaffold, source: ChoiceSource, nullable: bool = False) -> RefType:
    """A reference type to hold, of those that the features allow; with ``nullable``, one that has a null.

    Reference types must be allowed.
    """
    allows = scaffold.config.allows
    kinds = ["func", "extern", "func"]
    if allows(Feature.FUNCTION_REFERENCES):
        kinds += ["answer", "answer"]
    if allows(Feature.FUNCTION_REFERENCES, Feature.GC):
        kinds += ["i31", "any", "eq", "pair"] * 2
    kind = source.pick(kinds)
    if kind in ("func", "extern", "any", "eq"):
        return ref(kind)
    # A type that nobody uses would still make the module need its feature.
    heap: HeapType = "i31"
    if kind != heap:
        heap = scaffold.answer_type if kind == "answer" else pair_type(scaffold)
    return ref(heap, nullable or source.below(2) == 0)


def null(type_: RefType) -> Expr:
    """``ref.null`` of the type."""
    return const("ref.null", type_.heap)


def constant_reference(scaffold: Scaffold, source: ChoiceSource, type_: RefType) -> Expr:
    """A constant expression of a type of ``draw_held``: null in one of four if it may be."""
    if type_.nullable and source.below(4) == 0:
        return null(type_)
    if type_ is EXTERNREF:
        return null(type_)
    if type_ is FUNCREF or type_.heap == scaffold.answer_type:
        return const("ref.func", scaffold.answer(source.below(16)))
    if type_.heap in _HEAPS[:3] and (type_.heap == "i31" or source.below(3) < 2):
        return (OPS["i32.const"], source.bits(32)), OPS["ref.i31"].bare
    pair = pair_type(scaffold)
    if source.below(4) == 3:
        return const("struct.new_default", pair)
    return (OPS["i32.const"], source.bits(32)), (OPS["i64.const"], source.bits(64)), (OPS["struct.new"], pair)


def push_reference(frame: Frame, source: ChoiceSource, type_: RefType) -> None:
    """Code for a reference of a type of ``draw_held``; its numbers come from the running hash half of the time."""
    scaffold, body = frame.scaffold, frame.f.body
    kind = source.below(4)
    if kind == 0 or not isinstance(type_.heap, str) or type_.heap in ("func", "extern"):
        if type_ is EXTERNREF and kind:
            body += scaffold.token(source.below(16))
            return
        expr = constant_reference(scaffold, source, type_)
        scaffold.declared.update(imm for op, imm in expr if op is OPS["ref.func"])
        body += expr
        return
    body += ((GET, frame.acc), BARE["i32.wrap_i64"])
    if type_.heap == "i31" or kind < 3:
        body.append(BARE["ref.i31"])
    else:
        body += ((GET, frame.acc), (OPS["struct.new"], pair_type(scaffold)))


def fold_reference(frame: Frame, type_: RefType) -> None:
    """Fold the reference on the stack, which may be null, into the hash; externrefs go to the sink as they are."""
    body, f = frame.f.body, frame.f
    if type_ is EXTERNREF:
        frame.take(type_)
        return
    t = frame.temp(type_)
    body.append((SET, t))
    if type_.nullable:
        body += ((GET, t), BARE["ref.is_null"])
        f.open("if")
        body += ((I32_CONST, 0x6E756C6C), *frame.fold(I32))
        f.else_()
    if type_.heap in ("any", "eq"):
        pair = pair_type(frame.scaffold)
        body += ((GET, t), (OPS["ref.test"], "i31"))
        f.open("if")
        body += ((GET, t), (OPS["ref.cast"], "i31"), *frame.fold(ref("i31", False)))
        f.else_()
        body += ((GET, t), (OPS["ref.cast"], pair))
        _fold_pair(frame, pair)
        f.end()
    elif isinstance(type_.heap, int) and type_.heap != frame.scaffold.answer_type:
        body.append((GET, t))
        _fold_pair(frame, type_.heap)
    else:
        body += ((GET, t), *frame.fold(type_))
    if type_.nullable:
        f.end()


def _fold_pair(frame: Frame, pair: int) -> None:
    """Fold both fields of the struct on the stack."""
    body, t = frame.f.body, frame.temp(ref(pair))
    body += ((SET, t), (GET, t), (OPS["struct.get"], (pair, 0)), *frame.fold(I32))
    body += ((GET, t), (OPS["struct.get"], (pair, 1)), *frame.fold(I64))


def fold_any(frame: Frame, type_: ValType) -> None:
    """Fold a number, or a reference that may be null."""
    if isinstance(type_, RefType):
        fold_reference(frame, type_)
    else:
        frame.take(type_)
