"""Machine functions and answers as 32-bit words, little-endian: what a worker in another language reads and writes.

    registers    how many INT, how many FLOAT; they, in order of preference; the scratch registers of both
    vregs        how many; the type of each: its index in ``NUM_TYPES``
    blocks       how many; of each: how many parameters, the parameters; how many instructions; of each:
                     how many operands, how many clobbers, 0 or 1 + how many edges (a terminator);
                     operands: VReg, packed; clobbers: registers; edges: block, how many arguments, the arguments

A register is its encoding, plus 64 in class FLOAT. A packed operand has bit 0 for a use, bit 1 for late, the number of
its constraint in ``CONSTRAINTS`` in three bits, and above it FIXED's register, the index of REUSE, the bound of LIMIT.

An answer has the number of slots and of edits, each edit as instruction << 1 | after, source, target, and then the
places of all operands in order. A place is 1 << 29 | register, 2 << 29 | slot, or 0 for none. Moves have no type: one
copies all that a register of its class holds. Names, ``imm`` and ``is_move`` are nothing that an allocator must know.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import Final

from compiler.machine import (
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
    ProgPoint,
    RegClass,
    SpillSlot,
)
from wasm.valtypes import I64, NUM_TYPES, V128

CONSTRAINTS: Final = (
    ConstraintKind.ANY,
    ConstraintKind.REG,
    ConstraintKind.FIXED,
    ConstraintKind.REUSE,
    ConstraintKind.STACK,
    ConstraintKind.LIMIT,
)
_NUMBER: Final = {kind: number for number, kind in enumerate(CONSTRAINTS)}
_TYPE: Final = {type_: number for number, type_ in enumerate(NUM_TYPES)}
_CLASSES: Final = (RegClass.INT, RegClass.FLOAT)
_INDEX: Final = (1 << 28) - 1
_WIDEST: Final = {RegClass.INT: I64, RegClass.FLOAT: V128}
"""What a move copies, by class."""


class NoAnswer(Exception):
    """The words are no answer to the function: a fault of the worker. The message says why."""


class NoPlace(Exception):
    """An operand was given no place; the message names it."""


def _preg(preg: PReg) -> int:
    return preg.hw if preg.cls is RegClass.INT else preg.hw + 64


def _of_preg(word: int) -> PReg:
    return PReg(_CLASSES[word >> 6 & 1], word & 63)


def _packed(operand: Operand) -> int:
    kind, preg, number = operand.constraint
    argument = number if preg is None else _preg(preg)
    use, late = operand.kind is OperandKind.USE, operand.pos is OperandPos.LATE
    return use | late << 1 | _NUMBER[kind] << 2 | argument << 5


def _unpacked(vreg: int, word: int) -> Operand:
    kind, argument = CONSTRAINTS[word >> 2 & 7], word >> 5
    fixed = kind is ConstraintKind.FIXED
    constraint = Constraint(kind, _of_preg(argument), 0) if fixed else Constraint(kind, None, argument)
    side = OperandKind.USE if word & 1 else OperandKind.DEF
    return Operand(vreg, constraint, side, OperandPos.LATE if word & 2 else OperandPos.EARLY)


def written(func: MachineFunc, env: MachineEnv) -> bytes:
    """A function and the registers to allocate it with."""
    words = [len(env.regs[cls]) for cls in _CLASSES]
    words += [_preg(preg) for cls in _CLASSES for preg in env.regs[cls]]
    words += [_preg(env.scratch[cls]) for cls in _CLASSES]
    words.append(len(func.vregs))
    words += [_TYPE[type_] for type_ in func.vregs]
    words += body(func)
    return _bytes(words)


def body(func: MachineFunc) -> list[int]:
    """The words of the blocks."""
    words = [len(func.blocks)]
    for block in func.blocks:
        words += (len(block.params), *block.params, len(block.insts))
        for inst in block.insts:
            edges = 0 if inst.edges is None else 1 + len(inst.edges)
            words += (len(inst.operands), len(inst.clobbers), edges)
            for operand in inst.operands:
                words += (operand.vreg, _packed(operand))
            words += map(_preg, inst.clobbers)
            for edge in inst.edges or ():
                words += (edge.block, len(edge.args), *edge.args)
    return words


def read(content: bytes) -> tuple[MachineFunc, MachineEnv]:
    """A function and its registers out of their words, which must be those of ``written``; names are empty."""
    words = iter(_words(content))
    counts = {cls: next(words) for cls in _CLASSES}
    regs = {cls: tuple(_of_preg(next(words)) for _ in range(counts[cls])) for cls in _CLASSES}
    env = MachineEnv(regs, {cls: _of_preg(next(words)) for cls in _CLASSES})
    func = MachineFunc("", [NUM_TYPES[next(words)] for _ in range(next(words))])
    for _ in range(next(words)):
        params = tuple(next(words) for _ in range(next(words)))
        func.blocks.append(MachineBlock(params, [_inst(words) for _ in range(next(words))]))
    return func, env


def _inst(words: Iterator[int]) -> MachineInst:
    operands, clobbers, edges = next(words), next(words), next(words)
    inst = MachineInst("", tuple(_unpacked(next(words), next(words)) for _ in range(operands)))
    inst.clobbers = tuple(_of_preg(next(words)) for _ in range(clobbers))
    if edges:
        inst.edges = tuple(Edge(next(words), tuple(next(words) for _ in range(next(words)))) for _ in range(edges - 1))
    return inst


def answer(content: bytes, func: MachineFunc) -> Allocations:
    """The answer to a function. Raises ``NoAnswer``, and ``NoPlace`` for an operand without a place."""
    words = _words(content)
    insts = [inst for block in func.blocks for inst in block.insts]
    operands = sum(len(inst.operands) for inst in insts)
    if len(words) < 2 or len(words) != 2 + 3 * words[1] + operands:
        raise NoAnswer(f"{len(words)} words for {operands} operands")
    slots, at = words[0], 2 + 3 * words[1]
    edits = []
    for point, source, target in zip(words[2:at:3], words[3:at:3], words[4:at:3], strict=True):
        places = _place(source, "a move's source"), _place(target, "a move's target")
        cls = next((place.cls for place in places if isinstance(place, PReg)), RegClass.FLOAT)
        edits.append(Edit(ProgPoint(point >> 1, point & 1), Move(*places, _WIDEST[cls])))
    allocated = []
    for number, inst in enumerate(insts):
        given = words[at : at + len(inst.operands)]
        at += len(inst.operands)
        allocated.append(tuple([_place(word, f"operand {k} of inst {number}") for k, word in enumerate(given)]))
    return Allocations(allocated, edits, slots)


def _place(word: int, what: str) -> Allocation:
    match word & ~_INDEX:
        case 0x2000_0000:
            return _of_preg(word & _INDEX)
        case 0x4000_0000:
            return SpillSlot(word & _INDEX)
        case _:
            raise NoPlace(f"{what} has no place")


def _words(content: bytes) -> array[int]:
    words = array("I")
    words.frombytes(content[: len(content) // 4 * 4])
    if sys.byteorder == "big":
        words.byteswap()
    return words


def _bytes(words: list[int]) -> bytes:
    packed = array("I", words)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
