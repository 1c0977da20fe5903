"""A function body as a graph: who makes each value on the operand stack, and who takes it.

    local.get 0            node 0 gives slot 0
    if (result i32 i64)    node 1 takes slot 0, opens a frame
      i32.const 1          node 2 gives slot 1
      call $two            node 3 (i32) -> (i32 i64): takes slot 1, gives slots 2 and 3
    else
      unreachable          node 5, a transfer: gives two virtual slots, 4 and 5 ...
    end                    node 6 ... which the end takes; it gives slots 6 and 7 outside

Code with several results is no tree, so an edit cannot cut subtrees out of it; it can cut a graph. ``lift`` makes one
from a valid body.

Unreachable code (after ``br``, ``unreachable`` and their like) is followed as well. What it pops from the polymorphic
stack (spec 3.3, appendix "Validation Algorithm") are virtual slots, listed as results of the transfer that made the
code unreachable: if that transfer is taken out, they have to be made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

from wasm.isa import Op
from wasm.valtypes import ValType

Types: TypeAlias = tuple[ValType, ...]


@final
class Slot:
    """One value on the stack. ``id`` counts within the function; ``maker`` is the index of the node that gives it.

    ``type`` is None where dead code leaves it open.
    """

    __slots__ = ("id", "maker", "type")

    def __init__(self, id: int, type: ValType | None, maker: int) -> None:
        self.id = id
        self.type = type
        self.maker = maker


@dataclass(slots=True, eq=False)
class Frame:
    """A block, or the function itself (``opener`` -1). Node indices are those of the flat body.

    ``arms`` are the nodes that end one arm and begin the next (else, catch, catch_all); ``branches`` the nodes that
    name the frame as a label. ``loops``: how many loops the code inside is in, this one included.
    """

    opener: int
    params: Types
    results: Types
    loop: bool = False
    loops: int = 0
    end: int = -1
    arms: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)

    @property
    def label(self) -> Types:
        """What a branch to the frame carries."""
        return self.params if self.loop else self.results

    def closers(self) -> list[int]:
        """The nodes that end its arms, in order."""
        return [*self.arms, self.end]


class Node:
    """An instruction with its operands: ``ins`` and ``outs``, the topmost last.

    ``frame`` is where it stands; for ``else`` and ``end``, the frame they close. ``depth`` counts the frames around it,
    the function included. The rest is there for ``Control`` to say.
    """

    __slots__ = ("depth", "frame", "imm", "ins", "op", "outs")

    def __init__(self, op: Op, imm: Any, ins: list[Slot], outs: list[Slot], frame: Frame, depth: int) -> None:
        self.op = op
        self.imm = imm
        self.ins = ins
        self.outs = outs
        self.frame = frame
        self.depth = depth

    control: bool = False
    opens: Frame | None = None
    closes: bool = False
    targets: tuple[Frame, ...] = ()
    carried: int = 0
    passed: int = 0
    transfer: bool = False
    abandoned: tuple[Slot, ...] = ()


@final
class Control(Node):
    """An instruction that opens a frame, ends an arm of one, names labels, or never goes on (``control``).

    ``opens`` is the frame that begins here: the ``outs`` are its parameters inside. A node that ``closes`` ends an arm
    of its frame, and takes the frame's results; the ``outs`` of the last one are the results outside, those of the
    others what the next arm begins with.

    ``targets`` are the frames that the labels mean, in the order of the immediates. The first ``carried`` of ``ins`` go
    to them; the first ``passed`` of these come back as the first of ``outs`` where the branch is not taken.

    A ``transfer`` never goes on to the next instruction: its ``outs`` are virtual slots, the topmost first, and
    ``abandoned`` what it leaves below its operands.
    """

    __slots__ = ("abandoned", "carried", "closes", "opens", "passed", "targets", "transfer")

    def __init__(self, op: Op, imm: Any, ins: list[Slot], outs: list[Slot], frame: Frame, depth: int) -> None:
        super().__init__(op, imm, ins, outs, frame, depth)
        self.opens: Frame | None = None
        self.closes = False
        self.targets: tuple[Frame, ...] = ()
        self.carried = self.passed = 0
        self.transfer = False
        self.abandoned: tuple[Slot, ...] = ()

    control = True


@dataclass(slots=True, eq=False)
class Graph:
    """A function's nodes, one per instruction of the flat body, its frames (the function's first) and its locals.

    ``transfers`` are the nodes that are one, in order; ``slot_count`` is above every slot's id.
    """

    nodes: list[Node]
    frames: list[Frame]
    locals: list[ValType]
    param_count: int
    transfers: list[int]
    slot_count: int

    def reachable(self) -> list[int]:
        """The nodes that can be reached, as far as frames tell, in order; and every end of an arm around them."""
        reached: list[int] = []
        start = 0
        for cut in self.transfers:
            if cut >= start:
                reached += range(start, cut + 1)
                start = next(close for close in self.nodes[cut].frame.closers() if close > cut)
        reached += range(start, len(self.nodes))
        return reached
