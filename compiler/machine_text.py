"""The text form of machine functions: printed with or without an allocation, parsed back without one.

    function f
    block 0
      args v0:i32>fixed(int:7) v1:f64>fixed(float:0)
      addl v0<reg v0<any v2:i32>reuse(0)
      call v2<reg v3:i64>any !int:0 !float:1 => 1() 2()
    block 1
      jmp => 3(v3)

An operand is ``vN<constraint`` (use) or ``vN:type>constraint`` (definition); ``late:`` before a use's constraint and
``early:`` before a definition's mark the unusual position. ``!`` marks a clobber; ``=>`` introduces the edges of a
terminator, ``=> .`` that it has none. ``~`` before a name marks a move. What stands behind ``;`` is a comment.

A case for the allocators names the registers to allocate with, in order of preference, in two lines before the
function; ``parse_machine`` skips them::

    registers int:0 int:1 int:2 float:0 float:1
    scratch int:15 float:15
"""

from __future__ import annotations

import re
from typing import Final

from compiler.machine import (
    ANY,
    REG,
    STACK,
    Allocation,
    Allocations,
    Constraint,
    ConstraintKind,
    Edge,
    Edit,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    Move,
    Operand,
    OperandKind,
    OperandPos,
    PReg,
    RegClass,
    VReg,
    fixed,
    limit,
    reuse,
)
from wasm.valtypes import NUM_TYPES, NumType

_TYPES: Final[dict[str, NumType]] = {type_.name: type_ for type_ in NUM_TYPES}
_PLAIN: Final[dict[str, Constraint]] = {"any": ANY, "reg": REG, "stack": STACK}
_OPERAND: Final = re.compile(r"v(\d+)(?::(\w+))?([<>])(?:(early|late):)?(\w+)(?:\(([\w:]+)\))?$")
_EDGE: Final = re.compile(r"(\d+)\(([^()]*)\)")
_PARAM: Final = re.compile(r"v(\d+):(\w+)$")


class MachineTextError(ValueError):
    """What is wrong with a text, with its line number (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def preg_text(preg: PReg) -> str:
    return f"{preg.cls.value}:{preg.hw}"


def allocation_text(allocation: Allocation) -> str:
    """``int:3`` for a register, ``[5]`` for the spill slot at word 5."""
    return preg_text(allocation) if isinstance(allocation, PReg) else f"[{allocation.word}]"


def constraint_text(constraint: Constraint) -> str:
    match constraint.kind:
        case ConstraintKind.FIXED:
            assert constraint.preg is not None
            return f"fixed({preg_text(constraint.preg)})"
        case ConstraintKind.REUSE | ConstraintKind.LIMIT:
            return f"{constraint.kind.value}({constraint.number})"
        case _:
            return str(constraint.kind.value)


def operand_text(operand: Operand, func: MachineFunc) -> str:
    constraint = constraint_text(operand.constraint)
    if operand.kind is OperandKind.USE:
        return f"v{operand.vreg}<{'late:' if operand.pos is OperandPos.LATE else ''}{constraint}"
    early = "early:" if operand.pos is OperandPos.EARLY else ""
    return f"v{operand.vreg}:{func.vregs[operand.vreg]}>{early}{constraint}"


def inst_text(inst: MachineInst, func: MachineFunc, allocs: tuple[Allocation, ...] | None = None) -> str:
    """One instruction; with ``allocs``, each operand is followed by ``=allocation``."""
    words = ["~" + inst.name if inst.is_move else inst.name]
    for k, operand in enumerate(inst.operands):
        word = operand_text(operand, func)
        words.append(word if allocs is None else f"{word}={allocation_text(allocs[k])}")
    words += [f"!{preg_text(preg)}" for preg in inst.clobbers]
    if inst.edges is not None:
        words.append("=>")
        words += [f"{edge.block}({' '.join(f'v{arg}' for arg in edge.args)})" for edge in inst.edges] or ["."]
    text = " ".join(words)
    note = "" if inst.imm is None else str(inst.imm)
    return f"{text} ; {note}" if note else text


def print_machine(func: MachineFunc, allocations: Allocations | None = None) -> str:
    """The function as text. With ``allocations``, allocations stand beside operands and edits between instructions."""
    lines = [f"function {func.name}"]
    at: dict[tuple[int, int], list[Edit]] = {}
    for edit in allocations.edits if allocations else ():
        at.setdefault((edit.point.inst, edit.point.after), []).append(edit)
    number = 0
    for index, block in enumerate(func.blocks):
        params = " ".join(f"v{param}:{func.vregs[param]}" for param in block.params)
        lines.append(f"block {index}" + (f" ({params})" if params else ""))
        for inst in block.insts:
            lines += _edits(at.get((number, 0), []))
            allocs = allocations.operands[number] if allocations else None
            lines.append(f"  {inst_text(inst, func, allocs)}")
            lines += _edits(at.get((number, 1), []))
            number += 1
    return "\n".join(lines) + "\n"


def _edits(edits: list[Edit]) -> list[str]:
    return [f"    ; {move_text(edit.move)}" for edit in edits]


def move_text(move: Move) -> str:
    """``int:3 <- [5] i64``."""
    return f"{allocation_text(move.target)} <- {allocation_text(move.source)} {move.type}"


def print_env(env: MachineEnv) -> str:
    """The two lines that name the registers."""
    registers = " ".join(preg_text(preg) for cls in RegClass for preg in env.regs[cls])
    scratch = " ".join(preg_text(env.scratch[cls]) for cls in RegClass)
    return f"registers {registers}".rstrip() + f"\nscratch {scratch}\n"


def parse_machine(text: str) -> MachineFunc:
    """Read the text form (without allocations). Raises ``MachineTextError``; the result is not verified yet."""
    return _read(text).finish()


def parse_case(text: str) -> tuple[MachineFunc, MachineEnv]:
    """Read a function and the registers to allocate it with. Raises ``MachineTextError``."""
    reader = _read(text)
    return reader.finish(), reader.env()


def _read(text: str) -> _Reader:
    reader = _Reader()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition(";")[0].strip()
        if line:
            reader.line(number, line)
    return reader


class _Reader:
    """Collects blocks line by line; types of VRegs are known once all lines are read."""

    def __init__(self) -> None:
        self.func = MachineFunc("")
        self.types: dict[VReg, NumType] = {}
        self.seen: dict[VReg, int] = {}
        self.registers: list[PReg] | None = None
        self.scratch: list[PReg] = []

    def line(self, number: int, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in ("registers", "scratch") and not self.func.blocks:
            pregs = [self._preg(number, name) for name in rest.split()]
            if word == "registers":
                self.registers = pregs
            else:
                self.scratch = pregs
        elif word == "function":
            self.func.name = rest.strip()
        elif word == "block":
            self._block(number, rest.strip())
        elif not self.func.blocks:
            raise MachineTextError(number, "an instruction stands before the first block")
        else:
            self.func.blocks[-1].insts.append(self._inst(number, line))

    def _block(self, number: int, rest: str) -> None:
        index, _, params = rest.partition("(")
        if index.strip() != str(len(self.func.blocks)):
            raise MachineTextError(number, f"expected block {len(self.func.blocks)}")
        defined = []
        for word in params.rstrip(")").split():
            match = _PARAM.match(word)
            if not match:
                raise MachineTextError(number, f"{word!r} is not a parameter: write v3:i64")
            defined.append(self._defined(number, match[1], match[2]))
        self.func.blocks.append(MachineBlock(tuple(defined)))

    def _inst(self, number: int, line: str) -> MachineInst:
        head, arrow, tail = line.partition("=>")
        words = head.split()
        operands, clobbers = [], []
        for word in words[1:]:
            if word.startswith("!"):
                clobbers.append(self._preg(number, word[1:]))
            else:
                operands.append(self._operand(number, word))
        edges: tuple[Edge, ...] | None = None
        if arrow:
            edges = () if tail.strip() == "." else self._edges(number, tail.strip())
        name = words[0]
        return MachineInst(name.lstrip("~"), tuple(operands), None, tuple(clobbers), edges, name.startswith("~"))

    def _edges(self, number: int, tail: str) -> tuple[Edge, ...]:
        if not tail or _EDGE.sub("", tail).strip():
            raise MachineTextError(number, f"{tail!r} are not edges: write 1(v2 v3) 4(), or . for none")
        return tuple(
            Edge(int(m[1]), tuple(self._used(number, arg) for arg in m[2].split())) for m in _EDGE.finditer(tail)
        )

    def _operand(self, number: int, word: str) -> Operand:
        match = _OPERAND.match(word)
        if not match:
            raise MachineTextError(number, f"{word!r} is not an operand: write v1<reg or v2:i32>any")
        index, type_, side, pos, kind, argument = match.groups()
        constraint = self._constraint(number, kind, argument)
        if side == ">":
            vreg = self._defined(number, index, type_ or "")
            return Operand(vreg, constraint, OperandKind.DEF, OperandPos.EARLY if pos == "early" else OperandPos.LATE)
        vreg = self._used(number, "v" + index)
        return Operand(vreg, constraint, OperandKind.USE, OperandPos.LATE if pos == "late" else OperandPos.EARLY)

    def _constraint(self, number: int, kind: str, argument: str | None) -> Constraint:
        if argument is None and kind in _PLAIN:
            return _PLAIN[kind]
        if argument is not None and kind == "fixed":
            return fixed(self._preg(number, argument))
        if argument is not None and argument.isdecimal() and kind in ("reuse", "limit"):
            return reuse(int(argument)) if kind == "reuse" else limit(int(argument))
        raise MachineTextError(number, f"{kind!r} is no constraint: any reg stack fixed(int:3) reuse(0) limit(8)")

    def _preg(self, number: int, word: str) -> PReg:
        cls, _, hw = word.partition(":")
        if cls not in ("int", "float") or not hw.isdecimal() or int(hw) > 63:
            raise MachineTextError(number, f"{word!r} is no register: write int:0 to int:63 or float:0 to float:63")
        return PReg(RegClass(cls), int(hw))

    def _defined(self, number: int, index: str, type_: str) -> VReg:
        if type_ not in _TYPES:
            raise MachineTextError(number, f"v{index} is defined without a type: write v{index}:i32")
        if int(index) in self.types:
            raise MachineTextError(number, f"v{index} is defined twice")
        self.types[int(index)] = _TYPES[type_]
        return int(index)

    def _used(self, number: int, word: str) -> VReg:
        if not re.fullmatch(r"v\d+", word):
            raise MachineTextError(number, f"{word!r} is no virtual register")
        vreg = int(word[1:])
        self.seen.setdefault(vreg, number)
        return vreg

    def env(self) -> MachineEnv:
        registers, scratch = self.registers, {preg.cls: preg for preg in self.scratch}
        if registers is None or len(scratch) != 2 or len(self.scratch) != 2:
            raise MachineTextError(1, "name the registers: registers int:0 float:0, and scratch int:15 float:15")
        if len({*registers, *self.scratch}) != len(registers) + 2:
            raise MachineTextError(1, "a register is named twice, or is allocatable and scratch")
        return MachineEnv({cls: tuple(preg for preg in registers if preg.cls is cls) for cls in RegClass}, scratch)

    def finish(self) -> MachineFunc:
        for vreg, number in self.seen.items():
            if vreg not in self.types:
                raise MachineTextError(number, f"v{vreg} is used and never defined")
        # Numbers may have gaps in a reduced text; unused ones get a type that nothing looks at.
        top = max(self.types, default=-1)
        self.func.vregs = [self.types.get(vreg, NUM_TYPES[0]) for vreg in range(top + 1)]
        return self.func
