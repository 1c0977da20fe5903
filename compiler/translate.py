"""From a validated Wasm function body to SSA.

One pass over the flat body with an abstract operand stack of values (the validation algorithm's shape, spec appendix).
Unreachable code is skipped. Every branch to a label passes the label's values as block arguments; branches to the
function's own label are returns. Calls inside try_table end their block (``TryCall``); each clause that may catch gets
a landing block per call, which fetches the payload and goes to the clause's label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from compiler.errors import Unsupported
from compiler.ir import (
    IR_OPS,
    Branch,
    BranchTable,
    Function,
    Inst,
    Jump,
    Return,
    TailCall,
    TrapNow,
    TryCall,
    ValueId,
)
from compiler.ssa_builder import DraftEdge, SsaBuilder, target_of
from wasm.context import ModuleContext
from wasm.isa import OPS, Instr, Op
from wasm.module import Func, Module
from wasm.signatures import signature
from wasm.traps import TrapKind
from wasm.valtypes import I32, I64, FuncType, NumType, RefType, ValType

_HELPERS: Final = frozenset(
    f"{kind}.{what}" for kind in ("memory", "table") for what in ("grow", "fill", "copy", "init")
) | {"data.drop", "elem.drop"}
"""Instructions that the runtime carries out."""

_LANE: Final[dict[str, tuple[str, str]]] = {
    "v128.load8_lane": ("i32.load8_u", "i8x16.replace_lane"),
    "v128.load16_lane": ("i32.load16_u", "i16x8.replace_lane"),
    "v128.load32_lane": ("i32.load", "i32x4.replace_lane"),
    "v128.load64_lane": ("i64.load", "i64x2.replace_lane"),
    "v128.store8_lane": ("i32.store8", "i8x16.extract_lane_u"),
    "v128.store16_lane": ("i32.store16", "i16x8.extract_lane_u"),
    "v128.store32_lane": ("i32.store", "i32x4.extract_lane"),
    "v128.store64_lane": ("i64.store", "i64x2.extract_lane"),
    "v128.load8_splat": ("i32.load8_u", "i8x16.splat"),
    "v128.load16_splat": ("i32.load16_u", "i16x8.splat"),
    "v128.load32_splat": ("i32.load", "i32x4.splat"),
    "v128.load64_splat": ("i64.load", "i64x2.splat"),
}
"""Vector accesses that are a scalar access and a lane operation: nothing between the two can be observed."""


def machine_type(type_: ValType) -> NumType:
    """The SSA type of a Wasm type: a reference is an I64."""
    return I64 if isinstance(type_, RefType) else type_


@dataclass(slots=True)
class _Frame:
    """An open block. ``target`` is the block that branches go to, None for the function; ``arity`` how many values.

    ``after`` continues behind ``end``. ``catches`` are a try_table's clauses as (kind, tag, frame that they go to).
    """

    kind: str
    target: int | None
    after: int
    arity: int
    results: int
    height: int
    loop_locals: tuple[int, ...] = ()
    otherwise: tuple[int, list[ValueId]] | None = None
    catches: tuple[tuple[str, int | None, _Frame], ...] = ()


_Handler: TypeAlias = "Callable[[Translator, Any], None]"
_HANDLERS: Final[dict[Op, _Handler]] = {}


def _translates(*names: str) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        for name in names:
            _HANDLERS[OPS[name]] = handler
        return handler

    return register


def translate(module: Module, context: ModuleContext, index: int, fuel: bool = False) -> Function:
    """The SSA form of defined function ``index`` (counting imports). The module must be valid.

    With ``fuel``, function entry and loop heads have ``fuel`` instructions. Raises ``Unsupported`` for an instruction
    that is not compiled yet.
    """
    func = module.funcs[index - (len(context.funcs) - len(module.funcs))]
    type_ = context.func_type(index)
    return Translator(context, func, type_, f"func{index}", fuel).run()


class Translator:
    """The state of one translation; ``_HANDLERS`` has a function for each instruction that is no plain row."""

    def __init__(self, context: ModuleContext, func: Func, type_: FuncType, name: str, fuel: bool) -> None:
        self.context, self.func, self.type, self.fuel = context, func, type_, fuel
        declared = [machine_type(t) for count, t in func.locals for _ in range(count)]
        params = [machine_type(t) for t in type_.params]
        self.ssa = SsaBuilder(name, tuple(map(machine_type, type_.results)), params, declared)
        self.stack: list[ValueId] = []
        self.frames = [_Frame("func", None, -1, len(type_.results), len(type_.results), 0)]
        self.assigned = _assigned_in_loops(func.body)
        self.dead = False
        self.skipped = 0
        self.position = 0

    def run(self) -> Function:
        if self.fuel:
            self.emit("fuel", (), 1, ())
        for position, (op, imm) in enumerate(self.func.body):
            self.position = position
            if self.dead and self._skips(op):
                continue
            handler = _HANDLERS.get(op)
            if handler is not None:
                handler(self, imm)
            elif op.pure is not None or op.name.endswith(".const"):
                self._pure(op, imm)
            elif op.access is not None:
                self._access(op, imm)
            elif op.name in _HELPERS:
                self._helper(op, imm)
            else:
                raise Unsupported(op.name)
        return self.ssa.finish()

    def _skips(self, op: Op) -> bool:
        """In unreachable code, whether this instruction has nothing to do with a block that was entered."""
        if op in _OPENERS:
            self.skipped += 1
            return True
        if not self.skipped:
            return op is not _END and op is not _ELSE
        if op is _END:
            self.skipped -= 1
        return True

    # What all handlers are made of.

    def emit(self, name: str, args: tuple[ValueId, ...], imm: Any, types: tuple[NumType, ...]) -> tuple[ValueId, ...]:
        """Append an operation of ``IR_OPS``."""
        return self.ssa.emit(IR_OPS[name], args, imm, types)

    def row(self, name: str, args: tuple[ValueId, ...], imm: Any, type_: NumType) -> ValueId:
        """Append a pure row's instruction with one result."""
        return self.ssa.emit(OPS[name], args, imm, (type_,))[0]

    def pop(self, count: int) -> tuple[ValueId, ...]:
        if not count:
            return ()
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def type_of(self, value: ValueId) -> NumType:
        return self.ssa.func.types[value]

    def block_type(self, imm: Any) -> tuple[tuple[ValType, ...], tuple[ValType, ...]]:
        if imm is None:
            return (), ()
        if isinstance(imm, int):
            found = self.context.func_type_at(imm)
            return found.params, found.results
        return (), (imm,)

    def branch_edge(self, frame: _Frame, values: tuple[ValueId, ...]) -> DraftEdge:
        """An edge from the current block to a frame's label (not the function's)."""
        assert frame.target is not None
        args = list(values)
        args += [self.ssa.get_local(local) for local in frame.loop_locals]
        return self.ssa.edge(frame.target, args)

    def jump(self, frame: _Frame, values: tuple[ValueId, ...]) -> None:
        """End the current block with a branch to a frame's label."""
        if frame.target is None:
            self.ssa.end(lambda: Return(values))
        else:
            edge = self.branch_edge(frame, values)
            self.ssa.end(lambda: Jump(target_of(edge)))

    def label(self, depth: int) -> _Frame:
        return self.frames[-1 - depth]

    def side_edge(self, frame: _Frame, values: tuple[ValueId, ...]) -> DraftEdge:
        """An edge from the current block to a new block that goes on to a frame's label: no critical edges arise."""
        block = self.ssa.new_block()
        edge = self.ssa.edge(block, [])
        here = self.ssa.current
        self.ssa.current = block
        self.jump(frame, values)
        self.ssa.current = here
        return edge

    def branch(self, condition: ValueId, frame: _Frame, values: tuple[ValueId, ...], when: bool = True) -> None:
        """Branch to a label if the condition is not zero (``when``) or is zero; go on in a new block otherwise."""
        taken = self.side_edge(frame, values)
        block = self.ssa.new_block()
        stays = self.ssa.edge(block, [])
        first, second = (taken, stays) if when else (stays, taken)
        self.ssa.end(lambda: Branch(condition, target_of(first), target_of(second)))
        self.ssa.current = block

    def call(self, inst_op: str, args: tuple[ValueId, ...], imm: Any, results: tuple[ValType, ...]) -> None:
        """A call that may throw: protected if a try_table is open around it."""
        types = tuple(map(machine_type, results))
        clauses = self._clauses()
        if not clauses:
            self.stack += self.emit(inst_op, args, imm, types)
            return
        inst = Inst(IR_OPS[inst_op], args, imm, tuple(map(self.ssa.func.new_value, types)))
        block = self.ssa.new_block()
        normal = self.ssa.edge(block, [])
        handlers = [(tag, self._landing(kind, tag, frame)) for kind, tag, frame in clauses]
        # The edges share the call: its arguments are renamed once, in the terminator that ``finish`` makes.
        self.ssa.end(lambda: TryCall(inst, target_of(normal), tuple((tag, edge.target) for tag, edge in handlers)))
        self.ssa.current = block
        self.stack += inst.results

    def _clauses(self) -> list[tuple[str, int | None, _Frame]]:
        """The clauses that may catch here, in the order in which they are tried; nothing behind a catch_all."""
        found: list[tuple[str, int | None, _Frame]] = []
        for frame in reversed(self.frames):
            for clause in frame.catches:
                found.append(clause)
                if clause[1] is None:
                    return found
        return found

    def _landing(self, kind: str, tag: int | None, frame: _Frame) -> DraftEdge:
        block = self.ssa.new_block()
        edge = self.ssa.edge(block, [])
        here = self.ssa.current
        self.ssa.current = block
        (caught,) = self.emit("caught", (), None, (I64,))
        values: list[ValueId] = []
        if tag is not None:
            for field_, type_ in enumerate(self.context.tag_params(tag)):
                values += self.emit("payload", (caught,), (tag, field_), (machine_type(type_),))
        if kind.endswith("_ref"):
            values.append(caught)
        self.jump(frame, tuple(values))
        self.ssa.current = here
        return edge

    def die(self) -> None:
        """What follows in this block is unreachable."""
        self.dead = True
        del self.stack[self.frames[-1].height :]

    # Instructions by kind.

    def _pure(self, op: Op, imm: Any) -> None:
        assert op.params is not None
        assert op.results is not None
        args = self.pop(len(op.params))
        types = tuple(machine_type(t) for t in op.results if not isinstance(t, str))
        self.stack += self.ssa.emit(op, args, imm, types)

    def _access(self, op: Op, imm: Any) -> None:
        if op.prefix == 0xFE:
            raise Unsupported(op.name)
        lane = _LANE.get(op.name)
        if lane is not None:
            self._lane_access(op, imm, *lane)
        elif op.results:
            (address,) = self.pop(1)
            (type_,) = (t for t in op.results if not isinstance(t, str))
            self.stack += self.emit("load", (address,), (op, imm), (machine_type(type_),))
        else:
            self.emit("store", self.pop(2), (op, imm), ())

    def _lane_access(self, op: Op, imm: Any, access: str, lanes: str) -> None:
        row = OPS[access]
        memarg, lane = imm if len(op.imms) > 1 else (imm, None)
        scalar = I64 if access.startswith("i64") else I32
        if op.results:
            vector = self.pop(1) if lane is not None else ()
            (address,) = self.pop(1)
            loaded = self.emit("load", (address,), (row, memarg), (scalar,))
            assert isinstance(op.results[0], NumType)
            self.stack.append(self.row(lanes, (*vector, *loaded), lane, op.results[0]))
        else:
            address, vector_ = self.pop(2)
            value = self.row(lanes, (vector_,), lane, scalar)
            self.emit("store", (address, value), (row, memarg), ())

    def _helper(self, op: Op, imm: Any) -> None:
        found = signature(op, imm, self.context)
        assert found is not None
        params, results = found
        imms = imm if isinstance(imm, tuple) else (imm,)
        types = tuple(map(machine_type, results))
        self.stack += self.emit("helper", self.pop(len(params)), (op.name, *imms), types)


_END: Final = OPS["end"]
_ELSE: Final = OPS["else"]
_OPENERS: Final = frozenset(OPS[name] for name in ("block", "loop", "if", "try_table", "try"))


def _assigned_in_loops(body: list[Instr]) -> dict[int, tuple[int, ...]]:
    """For each loop, by position in the body, the locals that are assigned inside it."""
    loop, sets = OPS["loop"], (OPS["local.set"], OPS["local.tee"])
    found: dict[int, tuple[int, ...]] = {}
    open_: list[tuple[int, set[int] | None]] = []
    loops: list[set[int]] = []
    for position, (op, imm) in enumerate(body):
        if op in sets and loops:
            loops[-1].add(imm)
        elif op in _OPENERS:
            mine: set[int] | None = set() if op is loop else None
            open_.append((position, mine))
            if mine is not None:
                loops.append(mine)
        elif op is _END and open_:
            start, done = open_.pop()
            if done is not None:
                loops.pop()
                found[start] = tuple(sorted(done))
                if loops:
                    loops[-1] |= done
    return found


@_translates("nop")
def _nop(_t: Translator, _imm: Any) -> None:
    return


@_translates("unreachable")
def _unreachable(t: Translator, _imm: Any) -> None:
    t.ssa.end(partial(TrapNow, TrapKind.UNREACHABLE))
    t.die()


@_translates("block")
def _block(t: Translator, imm: Any) -> None:
    params, results = t.block_type(imm)
    after = _merge(t, results)
    t.frames.append(_Frame("block", after, after, len(results), len(results), len(t.stack) - len(params)))


def _merge(t: Translator, results: tuple[ValType, ...]) -> int:
    after = t.ssa.new_block()
    t.ssa.drafts[after].params = [t.ssa.func.new_value(machine_type(type_)) for type_ in results]
    return after


@_translates("try_table")
def _try_table(t: Translator, imm: Any) -> None:
    type_, catches = imm
    # A clause's label is counted from outside the try_table.
    clauses = tuple((catch.kind, catch.tag, t.label(catch.label)) for catch in catches)
    _block(t, type_)
    t.frames[-1].catches = clauses


@_translates("loop")
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
    t.frames.append(_Frame("loop", header, after, len(params), len(results), height, locals_))
    if t.fuel:
        t.emit("fuel", (), 1, ())


@_translates("if")
def _if(t: Translator, imm: Any) -> None:
    params, results = t.block_type(imm)
    (condition,) = t.pop(1)
    height = len(t.stack) - len(params)
    then, otherwise, after = t.ssa.new_block(), t.ssa.new_block(), _merge(t, results)
    taken, skipped = t.ssa.edge(then, []), t.ssa.edge(otherwise, [])
    t.ssa.end(lambda: Branch(condition, target_of(taken), target_of(skipped)))
    t.ssa.current = then
    frame = _Frame("if", after, after, len(results), len(results), height)
    frame.otherwise = (otherwise, t.stack[height:])
    t.frames.append(frame)


@_translates("else")
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


@_translates("end")
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


@_translates("br")
def _br(t: Translator, imm: Any) -> None:
    frame = t.label(imm)
    t.jump(frame, t.pop(frame.arity))
    t.die()


@_translates("br_if")
def _br_if(t: Translator, imm: Any) -> None:
    frame = t.label(imm)
    (condition,) = t.pop(1)
    values = tuple(t.stack[-frame.arity :]) if frame.arity else ()
    t.branch(condition, frame, values)


@_translates("br_table")
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


@_translates("return")
def _return(t: Translator, _imm: Any) -> None:
    values = t.pop(t.frames[0].arity)
    t.ssa.end(lambda: Return(values))
    t.die()


@_translates("call")
def _call(t: Translator, imm: Any) -> None:
    type_ = t.context.func_type(imm)
    t.call("call", t.pop(len(type_.params)), imm, type_.results)


@_translates("call_indirect")
def _call_indirect(t: Translator, imm: Any) -> None:
    type_ = t.context.func_type_at(imm[0])
    t.call("call_indirect", t.pop(len(type_.params) + 1), imm, type_.results)


@_translates("call_ref")
def _call_ref(t: Translator, imm: Any) -> None:
    type_ = t.context.func_type_at(imm)
    t.call("call_ref", t.pop(len(type_.params) + 1), imm, type_.results)


def _tail(t: Translator, name: str, count: int, imm: Any) -> None:
    inst = Inst(IR_OPS[name], t.pop(count), imm)
    t.ssa.end(lambda: TailCall(inst))
    t.die()


@_translates("return_call")
def _return_call(t: Translator, imm: Any) -> None:
    _tail(t, "call", len(t.context.func_type(imm).params), imm)


@_translates("return_call_indirect")
def _return_call_indirect(t: Translator, imm: Any) -> None:
    _tail(t, "call_indirect", len(t.context.func_type_at(imm[0]).params) + 1, imm)


@_translates("return_call_ref")
def _return_call_ref(t: Translator, imm: Any) -> None:
    _tail(t, "call_ref", len(t.context.func_type_at(imm).params) + 1, imm)


@_translates("throw")
def _throw(t: Translator, imm: Any) -> None:
    t.call("helper", t.pop(len(t.context.tag_params(imm))), ("throw", imm), ())
    _unreachable(t, None)


@_translates("throw_ref")
def _throw_ref(t: Translator, _imm: Any) -> None:
    (exception,) = t.pop(1)
    (null,) = t.emit("is_null", (exception,), None, (I32,))
    t.emit("trap_if", (null,), TrapKind.NULL_REFERENCE, ())
    t.call("helper", (exception,), ("throw_ref",), ())
    _unreachable(t, None)


@_translates("drop")
def _drop(t: Translator, _imm: Any) -> None:
    t.stack.pop()


@_translates("select", "select_t")
def _select(t: Translator, _imm: Any) -> None:
    args = t.pop(3)
    t.stack += t.emit("select", args, None, (t.type_of(args[0]),))


@_translates("local.get")
def _local_get(t: Translator, imm: Any) -> None:
    t.stack.append(t.ssa.get_local(imm))


@_translates("local.set")
def _local_set(t: Translator, imm: Any) -> None:
    t.ssa.set_local(imm, t.stack.pop())


@_translates("local.tee")
def _local_tee(t: Translator, imm: Any) -> None:
    t.ssa.set_local(imm, t.stack[-1])


@_translates("global.get")
def _global_get(t: Translator, imm: Any) -> None:
    t.stack += t.emit("global.get", (), imm, (machine_type(t.context.globals[imm].type),))


@_translates("global.set")
def _global_set(t: Translator, imm: Any) -> None:
    t.emit("global.set", t.pop(1), imm, ())


@_translates("memory.size")
def _memory_size(t: Translator, imm: Any) -> None:
    t.stack += t.emit("memory.size", (), imm, (t.context.memories[imm].index_type,))


@_translates("table.size")
def _table_size(t: Translator, imm: Any) -> None:
    t.stack += t.emit("table.size", (), imm, (t.context.tables[imm].index_type,))


@_translates("table.get")
def _table_get(t: Translator, imm: Any) -> None:
    t.stack += t.emit("table.get", t.pop(1), imm, (I64,))


@_translates("table.set")
def _table_set(t: Translator, imm: Any) -> None:
    t.emit("table.set", t.pop(2), imm, ())


@_translates("ref.null")
def _ref_null(t: Translator, _imm: Any) -> None:
    t.stack.append(t.row("i64.const", (), 0, I64))


@_translates("ref.func")
def _ref_func(t: Translator, imm: Any) -> None:
    t.stack += t.emit("ref.func", (), imm, (I64,))


@_translates("ref.is_null")
def _ref_is_null(t: Translator, _imm: Any) -> None:
    t.stack += t.emit("is_null", t.pop(1), None, (I32,))


@_translates("ref.as_non_null")
def _ref_as_non_null(t: Translator, _imm: Any) -> None:
    (null,) = t.emit("is_null", (t.stack[-1],), None, (I32,))
    t.emit("trap_if", (null,), TrapKind.NULL_REFERENCE, ())


@_translates("br_on_null")
def _br_on_null(t: Translator, imm: Any) -> None:
    (reference,) = t.pop(1)
    (null,) = t.emit("is_null", (reference,), None, (I32,))
    frame = t.label(imm)
    values = tuple(t.stack[-frame.arity :]) if frame.arity else ()
    t.branch(null, frame, values)
    t.stack.append(reference)


@_translates("br_on_non_null")
def _br_on_non_null(t: Translator, imm: Any) -> None:
    (null,) = t.emit("is_null", (t.stack[-1],), None, (I32,))
    frame = t.label(imm)
    t.branch(null, frame, tuple(t.stack[-frame.arity :]), when=False)
    t.stack.pop()


@_translates("ref.eq")
def _ref_eq(t: Translator, _imm: Any) -> None:
    t.stack.append(t.row("i64.eq", t.pop(2), None, I32))


@_translates("ref.i31")
def _ref_i31(t: Translator, _imm: Any) -> None:
    """2 * N + 1 with N the low 31 bits: never null, equal for equal numbers (spec 4.6.4)."""
    wide = t.row("i32.shl", (*t.pop(1), t.row("i32.const", (), 1, I32)), None, I32)
    odd = t.row("i32.or", (wide, t.row("i32.const", (), 1, I32)), None, I32)
    t.stack.append(t.row("i64.extend_i32_u", (odd,), None, I64))


@_translates("i31.get_s", "i31.get_u")
def _i31_get(t: Translator, _imm: Any) -> None:
    shift = {OPS["i31.get_s"]: "i32.shr_s", OPS["i31.get_u"]: "i32.shr_u"}[t.func.body[t.position][0]]
    (reference,) = t.pop(1)
    (null,) = t.emit("is_null", (reference,), None, (I32,))
    t.emit("trap_if", (null,), TrapKind.NULL_REFERENCE, ())
    low = t.row("i32.wrap_i64", (reference,), None, I32)
    t.stack.append(t.row(shift, (low, t.row("i32.const", (), 1, I32)), None, I32))
