"""The state of a translation from Wasm to SSA, and what all rules are made of; the rules are in ``translate_rules``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from compiler.errors import Unsupported
from compiler.ir import (
    IR_OPS,
    Branch,
    Function,
    Inst,
    Jump,
    Return,
    TryCall,
    ValueId,
)
from compiler.ssa_builder import DraftEdge, SsaBuilder, target_of
from wasm.context import ModuleContext
from wasm.isa import OPS, Instr, Op
from wasm.module import Func
from wasm.signatures import signature
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
class Frame:
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
    catches: tuple[tuple[str, int | None, Frame], ...] = ()


Handler: TypeAlias = "Callable[[Translator, Any], None]"
HANDLERS: Final[dict[Op, Handler]] = {}


def translates(*names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[OPS[name]] = handler
        return handler

    return register


class Translator:
    """The state of one translation; ``HANDLERS`` has a function for each instruction that is no plain row."""

    def __init__(self, context: ModuleContext, func: Func, type_: FuncType, name: str, fuel: bool) -> None:
        self.context, self.func, self.type, self.fuel = context, func, type_, fuel
        declared = [machine_type(t) for count, t in func.locals for _ in range(count)]
        params = [machine_type(t) for t in type_.params]
        places, self.ends, self.assigned = _scan(func.body)
        self.ssa = SsaBuilder(name, tuple(map(machine_type, type_.results)), params, declared, places)
        self.stack: list[ValueId] = []
        self.frames = [Frame("func", None, -1, len(type_.results), len(type_.results), 0)]
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
            handler = HANDLERS.get(op)
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
            type_ = self.context.func_type_at(imm)
            return type_.params, type_.results
        return (), (imm,)

    def branch_edge(self, frame: Frame, values: tuple[ValueId, ...]) -> DraftEdge:
        """An edge from the current block to a frame's label (not the function's)."""
        assert frame.target is not None
        args = list(values)
        args += [self.ssa.get_local(local) for local in frame.loop_locals]
        return self.ssa.edge(frame.target, args)

    def jump(self, frame: Frame, values: tuple[ValueId, ...]) -> None:
        """End the current block with a branch to a frame's label."""
        if frame.target is None:
            self.ssa.end(lambda: Return(values))
        else:
            edge = self.branch_edge(frame, values)
            self.ssa.end(lambda: Jump(target_of(edge)))

    def label(self, depth: int) -> Frame:
        return self.frames[-1 - depth]

    def side_edge(self, frame: Frame, values: tuple[ValueId, ...]) -> DraftEdge:
        """An edge from the current block to a new block that goes on to a frame's label: no critical edges arise."""
        block = self.ssa.new_block()
        edge = self.ssa.edge(block, [])
        here = self.ssa.current
        self.ssa.current = block
        self.jump(frame, values)
        self.ssa.current = here
        return edge

    def branch(self, condition: ValueId, frame: Frame, values: tuple[ValueId, ...], when: bool = True) -> None:
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

    def _clauses(self) -> list[tuple[str, int | None, Frame]]:
        """The clauses that may catch here, in the order in which they are tried; nothing behind a catch_all."""
        matching: list[tuple[str, int | None, Frame]] = []
        for frame in reversed(self.frames):
            for clause in frame.catches:
                matching.append(clause)
                if clause[1] is None:
                    return matching
        return matching

    def _landing(self, kind: str, tag: int | None, frame: Frame) -> DraftEdge:
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
        typed = signature(op, imm, self.context)
        assert typed is not None
        params, results = typed
        imms = imm if isinstance(imm, tuple) else (imm,)
        types = tuple(map(machine_type, results))
        self.stack += self.emit("helper", self.pop(len(params)), (op.name, *imms), types)


_END: Final = OPS["end"]
_ELSE: Final = OPS["else"]
_OPENERS: Final = frozenset(OPS[name] for name in ("block", "loop", "if", "try_table", "try"))


def _scan(body: list[Instr]) -> tuple[dict[int, list[int]], dict[int, int], dict[int, tuple[int, ...]]]:
    """Where each local is assigned, in order; where each construct ends, by where it begins; for each loop, by where
    it begins, the locals that are assigned inside it."""
    loop, sets = OPS["loop"], (OPS["local.set"], OPS["local.tee"])
    places: dict[int, list[int]] = {}
    ends: dict[int, int] = {}
    assigned: dict[int, tuple[int, ...]] = {}
    open_: list[tuple[int, set[int] | None]] = []
    loops: list[set[int]] = []
    for position, (op, imm) in enumerate(body):
        if op in sets:
            places.setdefault(imm, []).append(position)
            if loops:
                loops[-1].add(imm)
        elif op in _OPENERS:
            mine: set[int] | None = set() if op is loop else None
            open_.append((position, mine))
            if mine is not None:
                loops.append(mine)
        elif op is _END and open_:
            start, done = open_.pop()
            ends[start] = position
            if done is not None:
                loops.pop()
                assigned[start] = tuple(sorted(done))
                if loops:
                    loops[-1] |= done
    return places, ends, assigned
