"""Who makes each value on the operand stack, and who takes it: a function body as a graph of operands.

Code with several results is no tree, so an edit cannot cut subtrees out of it. Here every value that an instruction
pushes is a ``Slot``, and every instruction lists the slots that it pops and pushes; ``fuzz.reduce.surgery`` edits that
graph. The body must be valid: types are followed, not checked.

Unreachable code (after ``br``, ``unreachable`` and their like) is followed as well. What it pops from the polymorphic
stack (spec 3.3, appendix "Validation Algorithm") are ``virtual`` slots, listed as results of the transfer that made the
code unreachable: if that transfer is taken out, they have to be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wasm.context import ModuleContext, Signature
from wasm.errors import WasmError
from wasm.isa import OPS, Catch, Op
from wasm.module import Func, Module
from wasm.signatures import signature
from wasm.valtypes import ANYREF, EXNREF, EXTERNREF, FUNCREF, I32, FuncType, RefType, ValType, ref

Types = tuple[ValType, ...]


@dataclass(slots=True, eq=False)
class Slot:
    """One value on the stack. ``id`` counts within the function; ``type`` is None where dead code leaves it open."""

    id: int
    type: ValType | None
    virtual: bool = False


@dataclass(slots=True, eq=False)
class Frame:
    """A block, or the function itself (``opener`` -1). Node indices are those of the flat body.

    ``arms`` are the nodes that end one arm and begin the next (else, catch, catch_all); ``branches`` the nodes that
    name the frame as a label.
    """

    opener: int
    params: Types
    results: Types
    loop: bool = False
    end: int = -1
    arms: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)

    @property
    def label(self) -> Types:
        """What a branch to the frame carries."""
        return self.params if self.loop else self.results

    def closers(self) -> list[int]:
        return [*self.arms, self.end]


@dataclass(slots=True, eq=False)
class Node:
    """An instruction with its operands. ``frame`` is where it stands; for ``else`` and ``end``, the frame they close.

    ``targets`` are the frames that its labels mean, in the order of the immediates. The first ``carried`` of ``ins``
    go to those labels. ``outs`` of a block's opener are the block's parameters inside, those of its ``end`` the results
    outside. A ``transfer`` never goes on to the next instruction: its ``outs`` are virtual slots, the topmost first,
    and ``abandoned`` what it leaves below its operands.
    """

    op: Op
    imm: Any
    ins: list[Slot]
    outs: list[Slot]
    frame: Frame
    depth: int
    opens: Frame | None = None
    targets: tuple[Frame, ...] = ()
    carried: int = 0
    transfer: bool = False
    abandoned: tuple[Slot, ...] = ()


@dataclass(slots=True, eq=False)
class Graph:
    """A function's nodes, one per instruction of the flat body, its frames (the function's first) and its locals."""

    nodes: list[Node]
    frames: list[Frame]
    locals: list[ValType]
    param_count: int
    slot_count: int


@dataclass(slots=True, eq=False)
class _Level:
    """An open frame while the body is followed: where its stack begins, and the transfer after which all is virtual."""

    frame: Frame
    height: int
    dead_after: Node | None = None


class _Lifter:
    def __init__(self, context: ModuleContext, signatures: dict[Any, Signature | None], func: Func) -> None:
        self.context, self.signatures, self.func = context, signatures, func
        type_ = context.func_type_at(func.type_index)
        self.results = type_.results
        self.locals: list[ValType] = list(type_.params)
        for count, local in func.locals:
            self.locals.extend([local] * count)
        self.param_count = len(type_.params)
        self.stack: list[Slot] = []
        self.nodes: list[Node] = []
        top = Frame(-1, (), type_.results)
        self.frames = [top]
        self.levels = [_Level(top, 0)]
        self.slot_count = 0

    def slot(self, type_: ValType | None, virtual: bool = False) -> Slot:
        self.slot_count += 1
        return Slot(self.slot_count - 1, type_, virtual)

    def pop(self, type_: ValType | None) -> Slot:
        level = self.levels[-1]
        if len(self.stack) > level.height:
            found = self.stack.pop()
            if found.type is None:
                found.type = type_
            return found
        if level.dead_after is None:
            raise ValueError("operand stack underflow: the body is not valid")
        found = self.slot(type_, True)
        level.dead_after.outs.append(found)
        return found

    def pops(self, types: Sequence[ValType | None]) -> list[Slot]:
        found = [self.pop(type_) for type_ in reversed(types)]
        found.reverse()
        return found

    def pushes(self, types: Sequence[ValType | None]) -> list[Slot]:
        made = [self.slot(type_) for type_ in types]
        self.stack.extend(made)
        return made

    def node(self, op: Op, imm: Any, ins: list[Slot], outs: list[Slot], **more: Any) -> Node:
        made = Node(op, imm, ins, outs, self.levels[-1].frame, len(self.levels), **more)
        self.nodes.append(made)
        return made

    def target(self, label: int) -> Frame:
        frame = self.levels[-1 - label].frame
        frame.branches.append(len(self.nodes))
        return frame

    def plain(self, op: Op, imm: Any, types: Signature) -> None:
        ins = self.pops(types[0])
        self.node(op, imm, ins, self.pushes(types[1]))

    def transfer(self, op: Op, imm: Any, types: Sequence[ValType | None], targets: tuple[Frame, ...] = (),
                 carried: int = 0) -> None:  # fmt: skip
        ins = self.pops(types)
        level = self.levels[-1]
        abandoned = tuple(self.stack[level.height :])
        del self.stack[level.height :]
        level.dead_after = self.node(
            op, imm, ins, [], targets=targets, carried=carried, transfer=True, abandoned=abandoned
        )

    def branch(self, op: Op, imm: Any, label: Frame, extra: Sequence[ValType | None], after: Types) -> None:
        """A conditional branch: takes the label's values and ``extra``, gives the values back and ``after``."""
        ins = self.pops([*label.label, *extra])
        count = len(label.label)
        self.node(op, imm, ins, self.pushes([*label.label, *after]), targets=(label,), carried=count)

    def block_type(self, imm: Any) -> FuncType:
        if imm is None:
            return FuncType()
        if isinstance(imm, int):
            return self.context.func_type_at(imm)
        return FuncType((), (imm,))

    def open(self, op: Op, imm: Any, block: Any, extra: Types = (), targets: tuple[Frame, ...] = ()) -> None:
        type_ = self.block_type(block)
        ins = self.pops([*type_.params, *extra])
        frame = Frame(len(self.nodes), type_.params, type_.results, op.name == "loop")
        self.frames.append(frame)
        node = self.node(op, imm, ins, [], opens=frame, targets=targets)
        self.levels.append(_Level(frame, len(self.stack)))
        node.outs = self.pushes(type_.params)

    def close_arm(self, op: Op, imm: Any, params: Types) -> None:
        level = self.levels[-1]
        ins = self.pops(level.frame.results)
        del self.stack[level.height :]
        level.frame.arms.append(len(self.nodes))
        level.dead_after = None
        node = self.node(op, imm, ins, [])
        node.outs = self.pushes(params)

    def close(self, op: Op, imm: Any, targets: tuple[Frame, ...] = ()) -> None:
        level = self.levels[-1]
        ins = self.pops(level.frame.results)
        level.frame.end = len(self.nodes)
        node = self.node(op, imm, ins, [], targets=targets)
        self.levels.pop()
        if self.levels:
            node.outs = self.pushes(level.frame.results)

    def run(self) -> Graph:
        for op, imm in self.func.body:
            key = (op, imm)
            if key in self.signatures:
                types = self.signatures[key]
            else:
                types = self.signatures[key] = signature(op, imm, self.context)
            if types is not None:
                self.plain(op, imm, types)
            else:
                _SPECIAL[op](self, op, imm)
        return Graph(self.nodes, self.frames, self.locals, self.param_count, self.slot_count)


def _local(self: _Lifter, op: Op, imm: Any) -> None:
    type_ = self.locals[imm]
    ins: Types = () if op.name == "local.get" else (type_,)
    outs: Types = () if op.name == "local.set" else (type_,)
    self.plain(op, imm, (ins, outs))


def _select(self: _Lifter, op: Op, imm: Any) -> None:
    condition, second = self.pop(I32), self.pop(None)
    first = self.pop(second.type)
    if second.type is None:
        second.type = first.type
    self.node(op, imm, [first, second, condition], self.pushes([first.type]))


def _drop(self: _Lifter, op: Op, imm: Any) -> None:
    self.node(op, imm, [self.pop(None)], [])


def _br(self: _Lifter, op: Op, imm: Any) -> None:
    frame = self.target(imm)
    self.transfer(op, imm, frame.label, (frame,), len(frame.label))


def _br_if(self: _Lifter, op: Op, imm: Any) -> None:
    self.branch(op, imm, self.target(imm), (I32,), ())


def _br_table(self: _Lifter, op: Op, imm: Any) -> None:
    labels, default = imm
    targets = tuple(self.target(label) for label in (*labels, default))
    label = targets[-1].label
    self.transfer(op, imm, (*label, I32), targets, len(label))


def _return(self: _Lifter, op: Op, imm: Any) -> None:
    top = self.levels[0].frame
    top.branches.append(len(self.nodes))
    self.transfer(op, imm, self.results, (top,), len(self.results))


def _unreachable(self: _Lifter, op: Op, imm: Any) -> None:
    self.transfer(op, imm, ())


def _tail(self: _Lifter, op: Op, imm: Any) -> None:
    match op.name:
        case "return_call":
            types: Types = self.context.func_type(imm).params
        case "return_call_indirect":
            types = (*self.context.func_type_at(imm[0]).params, self.context.tables[imm[1]].index_type)
        case _:
            types = (*self.context.func_type_at(imm).params, ref(imm))
    self.transfer(op, imm, types)


def _throw(self: _Lifter, op: Op, imm: Any) -> None:
    self.transfer(op, imm, self.context.tag_params(imm) if op.name == "throw" else (EXNREF,))


def _rethrow(self: _Lifter, op: Op, imm: Any) -> None:
    self.transfer(op, imm, (), (self.target(imm),))


def _open(self: _Lifter, op: Op, imm: Any) -> None:
    self.open(op, imm, imm, (I32,) if op.name == "if" else ())


def _try_table(self: _Lifter, op: Op, imm: Any) -> None:
    block, catches = imm
    clauses: tuple[Catch, ...] = catches
    self.open(op, imm, block, (), tuple(self.target(clause.label) for clause in clauses))


def _else(self: _Lifter, op: Op, imm: Any) -> None:
    self.close_arm(op, imm, self.levels[-1].frame.params)


def _catch(self: _Lifter, op: Op, imm: Any) -> None:
    self.close_arm(op, imm, self.context.tag_params(imm) if op.name == "catch" else ())


def _end(self: _Lifter, op: Op, imm: Any) -> None:
    self.close(op, imm)


def _delegate(self: _Lifter, op: Op, imm: Any) -> None:
    frame = self.levels[-2 - imm].frame
    frame.branches.append(len(self.nodes))
    self.close(op, imm, (frame,))


def _non_null(type_: ValType | None) -> ValType | None:
    return ref(type_.heap, False) if isinstance(type_, RefType) else type_


def _ref_is_null(self: _Lifter, op: Op, imm: Any) -> None:
    self.node(op, imm, [self.pop(FUNCREF)], self.pushes([I32]))


def _as_non_null(self: _Lifter, op: Op, imm: Any) -> None:
    value = self.pop(FUNCREF)
    self.node(op, imm, [value], self.pushes([_non_null(value.type)]))


def _br_on_null(self: _Lifter, op: Op, imm: Any) -> None:
    frame = self.target(imm)
    value = self.pop(FUNCREF)
    carried = self.pops(frame.label)
    outs = self.pushes([*frame.label, _non_null(value.type)])
    self.node(op, imm, [*carried, value], outs, targets=(frame,), carried=len(carried))


def _br_on_non_null(self: _Lifter, op: Op, imm: Any) -> None:
    frame = self.target(imm)
    value = self.pop(frame.label[-1])
    carried = self.pops(frame.label[:-1])
    self.node(op, imm, [*carried, value], self.pushes(frame.label[:-1]), targets=(frame,), carried=len(carried) + 1)


def _br_on_cast(self: _Lifter, op: Op, imm: Any) -> None:
    label, source, target = imm
    frame = self.target(label)
    rest = ref(source.heap, source.nullable and not target.nullable)
    ins = self.pops([*frame.label[:-1], source])
    outs = self.pushes([*frame.label[:-1], target if op.name.endswith("fail") else rest])
    self.node(op, imm, ins, outs, targets=(frame,), carried=len(ins))


def _convert(self: _Lifter, op: Op, imm: Any) -> None:
    value = self.pop(EXTERNREF if op.name == "any.convert_extern" else ANYREF)
    nullable = not isinstance(value.type, RefType) or value.type.nullable
    to = ref("any", nullable) if op.name == "any.convert_extern" else ref(EXTERNREF.heap, nullable)
    self.node(op, imm, [value], self.pushes([to]))


_SPECIAL: Final = {
    OPS[name]: rule
    for rule, names in {
        _local: "local.get local.set local.tee",
        _select: "select",
        _drop: "drop",
        _br: "br",
        _br_if: "br_if",
        _br_table: "br_table",
        _return: "return",
        _unreachable: "unreachable",
        _tail: "return_call return_call_indirect return_call_ref",
        _throw: "throw throw_ref",
        _rethrow: "rethrow",
        _open: "block loop if try",
        _try_table: "try_table",
        _else: "else",
        _catch: "catch catch_all",
        _end: "end",
        _delegate: "delegate",
        _ref_is_null: "ref.is_null",
        _as_non_null: "ref.as_non_null",
        _br_on_null: "br_on_null",
        _br_on_non_null: "br_on_non_null",
        _br_on_cast: "br_on_cast br_on_cast_fail",
        _convert: "any.convert_extern extern.convert_any",
    }.items()
    for name in names.split()
}


class Lifter:
    """Graphs of a valid module's functions, made on demand and kept."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.context = ModuleContext.of(module)
        self.first = len(self.context.funcs) - len(module.funcs)
        self._signatures: dict[Any, Signature | None] = {}
        self._graphs: dict[int, Graph] = {}

    def graph(self, func: int) -> Graph:
        """The graph of the ``func``-th *defined* function. Raises ``ValueError`` if the body is not valid."""
        found = self._graphs.get(func)
        if found is None:
            try:
                found = _Lifter(self.context, self._signatures, self.module.funcs[func]).run()
            except (WasmError, IndexError) as error:
                raise ValueError(f"function {func} is not valid: {error}") from None
            self._graphs[func] = found
        return found
