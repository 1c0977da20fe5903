"""Bodies for modules that are only validated: any instruction of the table with operands of the right types.

Nothing here is ever executed, so addresses, indices and casts need not make sense; types must. That reaches every
typing rule with code of a few bytes. A body is a row of snippets, each of which leaves the stack as it was:

    i32.const 1  local.get 2  i32.store16 offset=127          # any instruction: operands pushed, results dropped
    block (result (ref func))                                 # a construct: what has no type of its own
      ref.null func  br_on_non_null 0  unreachable
    end
    drop
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from generators.module.function import BARE
from generators.validity.func_draft import DROP, END, MOST_OPERANDS, FuncDraft, plain_rows
from wasm.context import ModuleContext
from wasm.features import Feature
from wasm.isa import OPS, Catch
from wasm.module import Func, Module
from wasm.valtypes import I32, FuncType, HeapType, NumType, RefType, ref

_DEEPEST: Final = 3
"""Blocks around a snippet that is a block itself."""


def snippet(draft: FuncDraft) -> None:
    """One instruction with its operands, its results dropped; or a construct around others."""
    if draft.depth < _DEEPEST and draft.source.one_in(3):
        draft.source.weighted(_CONSTRUCTS)(draft)
    else:
        draft.instruction()


# --- constructs: what has no type of its own ---


def _func_types(draft: FuncDraft) -> list[int]:
    return [i for i, sub in enumerate(draft.context.types.flat) if isinstance(sub.composite, FuncType)]


def _is_large(type_: FuncType) -> bool:
    return len(type_.params) + len(type_.results) > MOST_OPERANDS


def _block(draft: FuncDraft) -> None:
    """A block, loop or if with parameters and results, left early by a branch of some kind."""
    source = draft.source
    word = source.pick(("block", "if", "loop"))
    type_ = draft.any_type()
    funcs = _func_types(draft)
    by_index = bool(funcs) and draft.config.allows(Feature.MULTI_VALUE) and source.one_in(2)
    index = source.pick(funcs) if by_index else -1
    composite = draft.context.types.flat[index].composite if by_index else FuncType((), (type_,))
    assert isinstance(composite, FuncType)
    if _is_large(composite):
        return
    draft.push_all(composite.params)
    if word == "if":
        draft.push(I32)
    with draft.block(index if by_index else type_, word):
        label_types = composite.params if word == "loop" else composite.results
        draft.drop(composite.params)
        snippet(draft)
        draft.push_all(label_types)
        draft.push(I32)
        match source.pick(("br_if", "br_table", "unreachable")):
            case "br_if":
                draft.emit("br_if", 0)
                draft.drop(label_types)
                draft.push_all(composite.results)
            case "br_table":
                draft.emit("br_table", ((0, 0), 0))
            case _:
                draft.emit("unreachable")
        if word == "if":
            draft.emit("else")
            if source.one_in(2):
                draft.emit("unreachable")
            else:
                draft.drop(composite.params)
                draft.push_all(composite.results)
    draft.drop(composite.results)


def _local(draft: FuncDraft) -> None:
    if draft.locals:
        index = draft.source.below(len(draft.locals))
        draft.push(draft.locals[index])
        if draft.source.one_in(2):
            draft.emit("local.tee", index)
            draft.drop((draft.locals[index],))
        else:
            draft.emit("local.set", index)


def _select(draft: FuncDraft) -> None:
    type_ = draft.any_type()
    draft.push_all((type_, type_, I32))
    plain = isinstance(type_, NumType) and not draft.source.one_in(2)
    if plain or draft.config.allows(Feature.REFERENCE_TYPES):
        draft.code.append(BARE["select"] if plain else (OPS["select_t"], (type_,)))
        draft.drop((type_,))
    else:
        draft.drop((type_, type_, I32))


_REFERENCES: Final = (
    "ref.is_null", "ref.func", "ref.as_non_null", "br_on_null", "br_on_non_null", "br_on_cast_fail", "br_on_cast",
)  # fmt: skip
_OLD_REFERENCES: Final = _REFERENCES[:2]
"""Those of reference types alone."""


def _reference(draft: FuncDraft) -> None:
    """Instructions whose type is that of their operand: null tests, casts that branch, references to functions."""
    if not draft.config.allows(Feature.REFERENCE_TYPES):
        return
    source = draft.source
    young = draft.config.allows(Feature.GC, Feature.FUNCTION_REFERENCES)
    word = source.pick(_REFERENCES if young else _OLD_REFERENCES)
    if word == "ref.func":
        if draft.context.refs:
            draft.emit("ref.func", source.pick(sorted(draft.context.refs)))
            draft.code.append(DROP)
            return
        word = "ref.is_null"
    heap = draw_heap_type(source, draft.config, len(draft.context.types.flat))
    match word:
        case "ref.is_null" | "ref.as_non_null":
            draft.push(ref(heap))
            draft.code += (BARE[word], DROP)
        case "br_on_null":
            with draft.block():
                draft.push(ref(heap))
                draft.emit("br_on_null", 0)
                draft.code.append(DROP)
        case "br_on_non_null":
            with draft.block(ref(heap, False)):
                draft.push(ref(heap))
                draft.emit("br_on_non_null", 0)
                draft.emit("unreachable")
            draft.code.append(DROP)
        case _:
            _branching_cast(draft, heap, word)


def _branching_cast(draft: FuncDraft, heap: HeapType, word: str) -> None:
    """A cast of the heap type's top, whose label has what goes there and whose next instruction what stays here."""
    types = draft.context.types
    from_ = ref(types.top(heap), draft.source.one_in(2))
    to = ref(heap, from_.nullable and draft.source.one_in(2))
    rest = ref(from_.heap, from_.nullable and not to.nullable)
    there, here = (rest, to) if word == "br_on_cast_fail" else (to, rest)
    with draft.block(there):
        draft.push(from_)
        draft.emit(word, (0, from_, to))
        draft.drop((here,))
        draft.push(there)
    draft.code.append(DROP)


def _call(draft: FuncDraft) -> None:
    """A call by reference, or a tail call where the types allow it."""
    source, context = draft.source, draft.context
    funcs = _func_types(draft)
    if not funcs or not draft.config.allows(Feature.FUNCTION_REFERENCES):
        return
    index = source.pick(funcs)
    callee = context.types.flat[index].composite
    assert isinstance(callee, FuncType)
    if _is_large(callee):
        return
    draft.push_all(callee.params)
    tail = callee.results == draft.type.results and draft.config.allows(Feature.TAIL_CALL) and source.one_in(2)
    if not tail:
        draft.push(ref(index))
        draft.emit("call_ref", index)
        draft.drop(callee.results)
        return
    same = [i for i, type_index in enumerate(context.funcs) if type_index == index]
    with draft.block():
        draft.push_all(callee.params)
        if same and source.one_in(2):
            draft.emit("return_call", source.pick(same))
        else:
            draft.push(ref(index))
            draft.emit("return_call_ref", index)
    draft.drop(callee.params)


def _try(draft: FuncDraft) -> None:
    """A try_table with one or two clauses, and a throw inside."""
    if not draft.context.tags or not draft.config.allows(Feature.EXCEPTIONS):
        return
    source, context = draft.source, draft.context
    tag = source.below(len(context.tags))
    payload = context.tag_params(tag)
    if len(payload) > MOST_OPERANDS or (len(payload) > 1 and not draft.config.allows(Feature.MULTI_VALUE)):
        return
    kind = source.pick(("catch_all", "catch_all_ref", "catch"))
    caught = payload if kind == "catch" else (ref("exn", False),) if kind == "catch_all_ref" else ()
    if len(caught) > 1 or (kind == "catch_all_ref" and not draft.config.allows(Feature.FUNCTION_REFERENCES)):
        kind, caught = "catch_all", ()
    clause = Catch(kind, tag if kind == "catch" else None, 0)
    with draft.block(caught[0] if caught else None):
        with draft.open(OPS["try_table"], (None, (clause,) * source.between(1, 2))):
            snippet(draft)
            if source.one_in(2):
                draft.push_all(payload)
                draft.emit("throw", tag)
        draft.push_all(caught)
    draft.drop(caught)


def _dead(draft: FuncDraft) -> None:
    """Instructions after one that never ends: their operands may have any type (spec 3.4.1, polymorphic stacks)."""
    source = draft.source
    with draft.block():
        for _ in range(source.between(1, 3)):
            draft.emit("unreachable")
            row = source.pick(source.pick(plain_rows(draft.config.features)))
            if row.params is not None and not row.imms:
                draft.code.append(row.bare)
        draft.emit("unreachable")


def _jump(draft: FuncDraft) -> None:
    """A way out without a condition; what follows is dead."""
    source = draft.source
    with draft.block():
        word = source.pick(("br", "return", "throw_ref", "br_table"))
        if word == "br":
            draft.emit("br", 0)
        elif word == "return":
            draft.push_all(draft.type.results)
            draft.emit("return")
        elif word == "throw_ref" and draft.config.allows(Feature.EXCEPTIONS, Feature.REFERENCE_TYPES):
            draft.push(ref("exn"))
            draft.emit("throw_ref")
        else:
            draft.push(I32)
            draft.emit("br_table", ((0,) * source.below(3), 0))


def _convert(draft: FuncDraft) -> None:
    """The two conversions between the hierarchies of host and internal references, which keep nullability."""
    if draft.config.allows(Feature.GC):
        from_, word = draft.source.pick((("any", "extern.convert_any"), ("extern", "any.convert_extern")))
        draft.push(ref(from_, not draft.source.one_in(2)))
        draft.code += (BARE[word], DROP)


def _nothing(draft: FuncDraft) -> None:
    draft.emit("nop")


_CONSTRUCTS: Final = weighted(
    (_nothing, 4), (_local, 28), (_select, 28), (_block, 56), (_reference, 56), (_call, 26), (_try, 28), (_dead, 14),
    (_jump, 12), (_convert, 8),
)  # fmt: skip


_MOST_VALUES: Final = 40


def fill(func: Func, source: ChoiceSource, config: Config, module: Module, context: ModuleContext) -> None:
    """Write the body of a function of a module that is complete but for bodies."""
    type_ = context.func_type_at(func.type_index)
    if len(type_.params) > _MOST_VALUES or len(type_.results) > _MOST_VALUES:
        func.body = [BARE["unreachable"], END]
        return
    known = len(context.types.flat)
    runs = [(source.between(1, 3), draw_value_type(source, config, known)) for _ in range(source.below(4))]
    func.locals = runs
    usable = list(type_.params)
    draft = FuncDraft(config, source, module, context, type_, usable)
    for count, local in runs:
        for _ in range(count):
            if isinstance(local, RefType) and not local.nullable:
                # It has no value before it is set (spec 3.5.5).
                draft.push(local)
                draft.emit("local.set", len(usable))
            usable.append(local)
    for _ in range(source.between(1, 12)):
        snippet(draft)
    draft.push_all(type_.results)
    func.body = [*draft.code, END]
