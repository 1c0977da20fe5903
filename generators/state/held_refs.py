"""References that globals, tables and segments hold: constant expressions and code that make them, and code that
tells them apart, null among them. Functions are the shell's answers, so that a call says which one it is.

    local.set $t                    ;; fold_reference of a (ref null i31)
    local.get $t  ref.is_null
    if
      i32.const 0x6E756C6C  ...     ;; into the hash
    else
      local.get $t  i31.get_s  ...  ;; into the hash
    end
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, shares
from generators.module.function import Function
from generators.module.shell import Shell
from wasm.builder import const
from wasm.features import Feature
from wasm.fragment import Code, code, template
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
_HOST_TOKENS: Final = 16
_ANSWERS: Final = 16
"""``Shell.answer`` takes these modulo the number that there are."""
_PUSHED: Final = shares(("constant", 1), ("number", 2), ("pair", 1))
"""What code makes of a reference: a constant; or, out of the running hash, an i31 or a pair."""

_NULL_MARK: Final = code("i32.const 0x6E756C6C")
"""What is folded for null: the word in ASCII."""
_I31: Final = template("i32.const $number  ref.i31")
_NEW_PAIR: Final = template("i32.const $first  i64.const $second  struct.new $pair")
_DEFAULT_PAIR: Final = template("struct.new_default $pair")
_I31_OF_HASH: Final = template("local.get $acc  i32.wrap_i64  ref.i31")
_PAIR_OF_HASH: Final = template("local.get $acc  i32.wrap_i64  local.get $acc  struct.new $pair")
_SET: Final = template("local.set $t")
_GET: Final = template("local.get $t")
_IS_NULL: Final = template("local.get $t  ref.is_null")
_IS_I31: Final = template("local.get $t  ref.test i31")
_AS_I31: Final = template("local.get $t  ref.cast i31")
_AS_PAIR: Final = template("local.get $t  ref.cast $pair")
_FIRST_FIELD: Final = template("local.set $t  local.get $t  struct.get $pair 0")
_SECOND_FIELD: Final = template("local.get $t  struct.get $pair 1")


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
    return ref(heap, nullable or not source.one_in(2))


def null(type_: RefType) -> Expr:
    """``ref.null`` of the type."""
    return const("ref.null", type_.heap)


def constant_reference(shell: Shell, source: ChoiceSource, type_: RefType) -> Expr:
    """A constant expression of a type of ``draw_held``: null in one of four if it may be."""
    if type_.nullable and not source.chance(3, 4):
        return null(type_)
    if type_ is EXTERNREF:
        return null(type_)
    if type_ is FUNCREF or type_.heap == shell.answer_type:
        return const("ref.func", shell.answer(source.below(_ANSWERS)))
    if type_.heap == "i31" or (type_.heap in ("any", "eq") and not source.one_in(3)):
        return _I31(number=source.bits(32))
    pair = pair_type(shell)
    if source.one_in(4):
        return _DEFAULT_PAIR(pair)
    return _NEW_PAIR(first=source.bits(32), second=source.bits(64), pair=pair)


def declared(shell: Shell, expr: Expr) -> Code:
    """A constant expression as code, its functions declared as the validator asks for."""
    shell.declared.update(imm for op, imm in expr if op is OPS["ref.func"])
    return expr


def push_reference(fn: Function, source: ChoiceSource, type_: RefType) -> None:
    """Code for a reference of a type of ``draw_held``; its numbers come from the running hash half of the time."""
    shell = fn.shell
    how = source.pick(_PUSHED)
    if type_ is EXTERNREF and how != "constant":
        fn += shell.token(source.below(_HOST_TOKENS))
    elif how == "constant" or type_.heap == "func" or not isinstance(type_.heap, str):
        fn += declared(shell, constant_reference(shell, source, type_))
    elif how == "number" or type_.heap == "i31":
        fn += _I31_OF_HASH(fn.acc)
    else:
        fn += _PAIR_OF_HASH(acc=fn.acc, pair=pair_type(shell))


def fold_null(fn: Function) -> None:
    """Fold that there is null."""
    fn += _NULL_MARK
    fn += fn.fold(I32)


def fold_reference(fn: Function, type_: RefType) -> None:
    """Fold the reference on the stack, which may be null, into the hash; externrefs go to the sink as they are."""
    if type_ is EXTERNREF:
        fn.take(type_)
        return
    t = fn.temp(type_)
    fn += _SET(t)
    if not type_.nullable:
        _fold_object(fn, type_, t)
        return
    fn += _IS_NULL(t)
    with fn.block("if"):
        fold_null(fn)
        fn.else_()
        _fold_object(fn, type_, t)


def _fold_object(fn: Function, type_: RefType, t: int) -> None:
    """Fold the reference in local ``t``, which is not null."""
    if type_.heap in ("any", "eq"):
        pair = pair_type(fn.shell)
        fn += _IS_I31(t)
        with fn.block("if"):
            fn += _AS_I31(t)
            fn += fn.fold(ref("i31", False))
            fn.else_()
            fn += _AS_PAIR(t=t, pair=pair)
            _fold_pair(fn, pair)
        return
    fn += _GET(t)
    if isinstance(type_.heap, int) and type_.heap != fn.shell.answer_type:
        _fold_pair(fn, type_.heap)
    else:
        fn += fn.fold(type_)


def _fold_pair(fn: Function, pair: int) -> None:
    """Fold both fields of the struct on the stack."""
    t = fn.temp(ref(pair))
    fn += _FIRST_FIELD(t=t, pair=pair)
    fn += fn.fold(I32)
    fn += _SECOND_FIELD(t=t, pair=pair)
    fn += fn.fold(I64)


def fold_any(fn: Function, type_: ValType) -> None:
    """Fold a number, or a reference that may be null."""
    if isinstance(type_, RefType):
        fold_reference(fn, type_)
    else:
        fn.take(type_)
