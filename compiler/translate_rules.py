"""How each instruction that is no plain row is translated to SSA: control, calls, variables, references."""

from __future__ import annotations

from functools import partial
from typing import Any

from compiler.ir import (
    IR_OPS,
    Branch,
    BranchTable,
    Inst,
    Jump,
    Return,
    TailCall,
    TrapNow,
)
from compiler.ssa_builder import DraftEdge, target_of
from compiler.translator import Frame, Translator, machine_type, translates
from wasm.isa import OPS
from wasm.traps import TrapKind
from wasm.valtypes import I32, I64, ValType


@translates("nop")
def _nop(_t: Translator, _imm: Any) -> None:
    return


@translates("unreachable")
def _unreachable(t: Translator, _imm: Any) -> None:
    t.ssa.end(partial(TrapNow, TrapKind.UNREACHABLE))
    t.die()


@translates("block")
def _block(t: Translator, imm: Any) -> None:
    params, results = t.block_type(imm)
    after = _merge(t, results)
    t.frames.append(Frame("block", after, after, len(results), len(results), len(t.stack) - len(params)))


def _merge(t: Translator, results: tuple[ValType, ...]) -> int:
    """The block behind the construct that begins here."""
    after = t.ssa.new_block()
    draft = t.ssa.drafts[after]
    draft.params = [t.ssa.func.new_value(machine_type(type_)) for type_ in results]
    draft.opened = t.ssa.current, t.position, t.ends[t.position]
    return after


@translates("try_table")
def _try_table(t: Translator, imm: Any) -> None:
    type_, catches = imm
    # A clause's label is counted from outside the try_table.
    clauses = tuple((catch.kind, catch.tag, t.label(catch.label)) for catch in catches)
    _block(t, type_)
    t.frames[-1].catches = clauses


@translates("loop")
def _loop(t: Translator, imm: Any) -> None:
    params, results = t.block_type(imm)
    header = t.ssa.new_block()
    draft = t.ssa.drafts[header]
    values = t.pop(len(params))
    height = len(t.stack)
    locals_ = t.assigned[t.position]
    draft.params = [t.ssa.func.new_value(machine_type(type_)) for type_ in params]
    carried = [t.ssa.func.new_value(t.ssa.local_types[local]) for local in locals_]
    edge = t.ssa.edge(header, [*values, *(t.ssa.get_local(local) for local in locals_)])
    t.ssa.end(lambda: Jump(target_of(edge)))
    draft.defs = dict(zip(locals_, carried, strict=True))
    draft.passes = True
    t.stack += draft.params
    draft.params += carried
    t.ssa.current = header
    after = _merge(t, results)
    t.frames.append(Frame("loop", header, after, len(params), len(results), height, locals_))
    if t.fuel:
        t.emit("fuel", (), 1, ())


@translates("if")
def _if(t: Translator, imm: Any) -> None:
    params, results = t.block_type(imm)
    (condition,) = t.pop(1)
    height = len(t.stack) - len(params)
    then, otherwise, after = t.ssa.new_block(), t.ssa.new_block(), _merge(t, results)
    taken, skipped = t.ssa.edge(then, []), t.ssa.edge(otherwise, [])
    t.ssa.end(lambda: Branch(condition, target_of(taken), target_of(skipped)))
    t.ssa.current = then
    frame = Frame("if", after, after, len(results), len(results), height)
    frame.otherwise = (otherwise, t.stack[height:])
    t.frames.append(frame)


@translates("else")
def _else(t: Translator, _imm: Any) -> None:
    frame = t.frames[-1]
    assert frame.otherwise is not None
    if not t.dead:
        t.jump(frame, t.pop(frame.results))
    block, params = frame.otherwise
    frame.otherwise = None
    t.dead = False
    t.ssa.current = block
    t.stack[frame.height :] = params


@translates("end")
def _end(t: Translator, _imm: Any) -> None:
    frame = t.frames.pop()
    if frame.kind == "func":
        if not t.dead:
            values = t.pop(frame.results)
            t.ssa.end(lambda: Return(values))
        return
    values = t.pop(frame.results) if not t.dead else ()
    if not t.dead:
        edge = t.ssa.edge(frame.after, list(values))
        t.ssa.end(lambda: Jump(target_of(edge)))
    if frame.otherwise is not None:
        # An if without else: the other way passes its parameters through.
        t.ssa.current = frame.otherwise[0]
        passed = t.ssa.edge(frame.after, list(frame.otherwise[1]))
        t.ssa.end(lambda: Jump(target_of(passed)))
    del t.stack[frame.height :]
    draft = t.ssa.drafts[frame.after]
    t.dead = not draft.preds
    if not t.dead:
        t.ssa.current = frame.after
        t.stack += draft.params[: frame.results]
    elif t.frames:
        del t.stack[t.frames[-1].height :]


@translates("br")
def _br(t: Translator, imm: Any) -> None:
    frame = t.label(imm)
    t.jump(frame, t.pop(frame.arity))
    t.die()


@translates("br_if")
def _br_if(t: Translator, imm: Any) -> None:
    frame = t.label(imm)
    (condition,) = t.pop(1)
    values = tuple(t.stack[-frame.arity :]) if frame.arity else ()
    t.branch(condition, frame, values)


@translates("br_table")
def _br_table(t: Translator, imm: Any) -> None:
    labels, default = imm
    (index,) = t.pop(1)
    arity = t.label(default).arity
    values = t.pop(arity)
    # One block per distinct label, however often the table names it.
    edges: dict[int, DraftEdge] = {}
    for depth in (*labels, default):
        if depth not in edges:
            edges[depth] = t.side_edge(t.label(depth), values)
    t.ssa.end(lambda: BranchTable(index, tuple(target_of(edges[depth]) for depth in labels), target_of(edges[default])))
    t.die()


@translates("return")
def _return(t: Translator, _imm: Any) -> None:
    values = t.pop(t.frames[0].arity)
    t.ssa.end(lambda: Return(values))
    t.die()


@translates("call")
def _call(t: Translator, imm: Any) -> None:
    type_ = t.context.func_type(imm)
    t.call("call", t.pop(len(type_.params)), imm, type_.results)


@translates("call_indirect")
def _call_indirect(t: Translator, imm: Any) -> None:
    type_ = t.context.func_type_at(imm[0])
    t.call("call_indirect", t.pop(len(type_.params) + 1), imm, type_.results)


@translates("call_ref")
def _call_ref(t: Translator, imm: Any) -> None:
    type_ = t.context.func_type_at(imm)
    t.call("call_ref", t.pop(len(type_.params) + 1), imm, type_.results)


def _tail(t: Translator, name: str, count: int, imm: Any) -> None:
    inst = Inst(IR_OPS[name], t.pop(count), imm)
    t.ssa.end(lambda: TailCall(inst))
    t.die()


@translates("return_call")
def _return_call(t: Translator, imm: Any) -> None:
    _tail(t, "call", len(t.context.func_type(imm).params), imm)


@translates("return_call_indirect")
def _return_call_indirect(t: Translator, imm: Any) -> None:
    _tail(t, "call_indirect", len(t.context.func_type_at(imm[0]).params) + 1, imm)


@translates("return_call_ref")
def _return_call_ref(t: Translator, imm: Any) -> None:
    _tail(t, "call_ref", len(t.context.func_type_at(imm).params) + 1, imm)


@translates("throw")
def _throw(t: Translator, imm: Any) -> None:
    t.call("helper", t.pop(len(t.context.tag_params(imm))), ("throw", imm), ())
    _unreachable(t, None)


@translates("throw_ref")
def _throw_ref(t: Translator, _imm: Any) -> None:
    (exception,) = t.pop(1)
    (null,) = t.emit("is_null", (exception,), None, (I32,))
    t.emit("trap_if", (null,), TrapKind.NULL_REFERENCE, ())
    t.call("helper", (exception,), ("throw_ref",), ())
    _unreachable(t, None)


@translates("drop")
def _drop(t: Translator, _imm: Any) -> None:
    t.stack.pop()


@translates("select", "select_t")
def _select(t: Translator, _imm: Any) -> None:
    args = t.pop(3)
    t.stack += t.emit("select", args, None, (t.type_of(args[0]),))


@translates("local.get")
def _local_get(t: Translator, imm: Any) -> None:
    t.stack.append(t.ssa.get_local(imm))


@translates("local.set")
def _local_set(t: Translator, imm: Any) -> None:
    t.ssa.set_local(imm, t.stack.pop())


@translates("local.tee")
def _local_tee(t: Translator, imm: Any) -> None:
    t.ssa.set_local(imm, t.stack[-1])


@translates("global.get")
def _global_get(t: Translator, imm: Any) -> None:
    t.stack += t.emit("global.get", (), imm, (machine_type(t.context.globals[imm].type),))


@translates("global.set")
def _global_set(t: Translator, imm: Any) -> None:
    t.emit("global.set", t.pop(1), imm, ())


@translates("memory.size")
def _memory_size(t: Translator, imm: Any) -> None:
    t.stack += t.emit("memory.size", (), imm, (t.context.memories[imm].index_type,))


@translates("table.size")
def _table_size(t: Translator, imm: Any) -> None:
    t.stack += t.emit("table.size", (), imm, (t.context.tables[imm].index_type,))


@translates("table.get")
def _table_get(t: Translator, imm: Any) -> None:
    t.stack += t.emit("table.get", t.pop(1), imm, (I64,))


@translates("table.set")
def _table_set(t: Translator, imm: Any) -> None:
    t.emit("table.set", t.pop(2), imm, ())


@translates("ref.null")
def _ref_null(t: Translator, _imm: Any) -> None:
    t.stack.append(t.row("i64.const", (), 0, I64))


@translates("ref.func")
def _ref_func(t: Translator, imm: Any) -> None:
    t.stack += t.emit("ref.func", (), imm, (I64,))


@translates("ref.is_null")
def _ref_is_null(t: Translator, _imm: Any) -> None:
    t.stack += t.emit("is_null", t.pop(1), None, (I32,))


@translates("ref.as_non_null")
def _ref_as_non_null(t: Translator, _imm: Any) -> None:
    (null,) = t.emit("is_null", (t.stack[-1],), None, (I32,))
    t.emit("trap_if", (null,), TrapKind.NULL_REFERENCE, ())


@translates("br_on_null")
def _br_on_null(t: Translator, imm: Any) -> None:
    (reference,) = t.pop(1)
    (null,) = t.emit("is_null", (reference,), None, (I32,))
    frame = t.label(imm)
    values = tuple(t.stack[-frame.arity :]) if frame.arity else ()
    t.branch(null, frame, values)
    t.stack.append(reference)


@translates("br_on_non_null")
def _br_on_non_null(t: Translator, imm: Any) -> None:
    (null,) = t.emit("is_null", (t.stack[-1],), None, (I32,))
    frame = t.label(imm)
    t.branch(null, frame, tuple(t.stack[-frame.arity :]), when=False)
    t.stack.pop()


@translates("ref.eq")
def _ref_eq(t: Translator, _imm: Any) -> None:
    t.stack.append(t.row("i64.eq", t.pop(2), None, I32))


@translates("ref.i31")
def _ref_i31(t: Translator, _imm: Any) -> None:
    """2 * N + 1 with N the low 31 bits: never null, equal for equal numbers (spec 4.6.4)."""
    wide = t.row("i32.shl", (*t.pop(1), t.row("i32.const", (), 1, I32)), None, I32)
    odd = t.row("i32.or", (wide, t.row("i32.const", (), 1, I32)), None, I32)
    t.stack.append(t.row("i64.extend_i32_u", (odd,), None, I64))


@translates("i31.get_s", "i31.get_u")
def _i31_get(t: Translator, _imm: Any) -> None:
    shift = {OPS["i31.get_s"]: "i32.shr_s", OPS["i31.get_u"]: "i32.shr_u"}[t.func.body[t.position][0]]
    (reference,) = t.pop(1)
    (null,) = t.emit("is_null", (reference,), None, (I32,))
    t.emit("trap_if", (null,), TrapKind.NULL_REFERENCE, ())
    low = t.row("i32.wrap_i64", (reference,), None, I32)
    t.stack.append(t.row(shift, (low, t.row("i32.const", (), 1, I32)), None, I32))
