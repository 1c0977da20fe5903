"""References that globals, tables and segments hold: constant expressions and code that make them, and code that
tells them apart, null among them. Functions are the scaffold's answers, so that a call says which one it is."""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.module.function import BARE, GET, I32_CONST, SET, Function
from generators.module.shell import Shell
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


def pair_type(shell: Shell) -> int:
    """The index of the struct type whose objects are held."""
    return shell.builder.type(_PAIR)


def draw_held(shell: Shell, source: ChoiceSource, nullable: bool = False) -> RefType:
    """A reference type to hold, of those that the features allow; with ``nullable``, one that has a null.

    Reference types must be allowed.
    """
    allows = shell.config.allows
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
        heap = shell.answer_type if kind == "answer" else pair_type(shell)
    return ref(heap, nullable or source.below(2) == 0)


def null(type_: RefType) -> Expr:
    """``ref.null`` of the type."""
    return const("ref.null", type_.heap)


def constant_reference(shell: Shell, source: ChoiceSource, type_: RefType) -> Expr:
    """A constant expression of a type of ``draw_held``: null in one of four if it may be."""
    if type_.nullable and source.below(4) == 0:
        return null(type_)
    if type_ is EXTERNREF:
        return null(type_)
    if type_ is FUNCREF or type_.heap == shell.answer_type:
        return const("ref.func", shell.answer(source.below(16)))
    if type_.heap in _HEAPS[:3] and (type_.heap == "i31" or source.below(3) < 2):
        return (OPS["i32.const"], source.bits(32)), OPS["ref.i31"].bare
    pair = pair_type(shell)
    if source.below(4) == 3:
        return const("struct.new_default", pair)
    return (OPS["i32.const"], source.bits(32)), (OPS["i64.const"], source.bits(64)), (OPS["struct.new"], pair)


def push_reference(fn: Function, source: ChoiceSource, type_: RefType) -> None:
    """Code for a reference of a type of ``draw_held``; its numbers come from the running hash half of the time."""
    shell, body = fn.shell, fn.f.body
    kind = source.below(4)
    if kind == 0 or not isinstance(type_.heap, str) or type_.heap in ("func", "extern"):
        if type_ is EXTERNREF and kind:
            body += shell.token(source.below(16))
            return
        expr = constant_reference(shell, source, type_)
        shell.declared.update(imm for op, imm in expr if op is OPS["ref.func"])
        body += expr
        return
    body += ((GET, fn.acc), BARE["i32.wrap_i64"])
    if type_.heap == "i31" or kind < 3:
        body.append(BARE["ref.i31"])
    else:
        body += ((GET, fn.acc), (OPS["struct.new"], pair_type(shell)))


def fold_reference(fn: Function, type_: RefType) -> None:
    """Fold the reference on the stack, which may be null, into the hash; externrefs go to the sink as they are."""
    body, f = fn.f.body, fn.f
    if type_ is EXTERNREF:
        fn.take(type_)
        return
    t = fn.temp(type_)
    body.append((SET, t))
    if type_.nullable:
        body += ((GET, t), BARE["ref.is_null"])
        f.open("if")
        body += ((I32_CONST, 0x6E756C6C), *fn.fold(I32))
        f.else_()
    if type_.heap in ("any", "eq"):
        pair = pair_type(fn.shell)
        body += ((GET, t), (OPS["ref.test"], "i31"))
        f.open("if")
        body += ((GET, t), (OPS["ref.cast"], "i31"), *fn.fold(ref("i31", False)))
        f.else_()
        body += ((GET, t), (OPS["ref.cast"], pair))
        _fold_pair(fn, pair)
        f.end()
    elif isinstance(type_.heap, int) and type_.heap != fn.shell.answer_type:
        body.append((GET, t))
        _fold_pair(fn, type_.heap)
    else:
        body += ((GET, t), *fn.fold(type_))
    if type_.nullable:
        f.end()


def _fold_pair(fn: Function, pair: int) -> None:
    """Fold both fields of the struct on the stack."""
    body, t = fn.f.body, fn.temp(ref(pair))
    body += ((SET, t), (GET, t), (OPS["struct.get"], (pair, 0)), *fn.fold(I32))
    body += ((GET, t), (OPS["struct.get"], (pair, 1)), *fn.fold(I64))


def fold_any(fn: Function, type_: ValType) -> None:
    """Fold a number, or a reference that may be null."""
    if isinstance(type_, RefType):
        fold_reference(fn, type_)
    else:
        fn.take(type_)
