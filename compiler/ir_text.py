"""The text form of SSA functions, printed and parsed back.

    function f -> i32 i64
    block 0 (v0:i32 v1:i64)
      v2:i32 = i32.add v0 v0
      v3:i32 = load [(@i32.load8_u, (0, 16, 0))] v2
      trap_if [DIV_BY_ZERO] v3
      branch v3 1(v2 v1) 2()
    block 1 (v4:i32 v5:i64)
      return v4 v5
    block 2
      try v6:i32 v7:i64 = call [3] v0 => 3() catch 0:4 all:5

Immediates stand in brackets: numbers, ``@name`` for a row of the instruction table, a trap kind's name, strings in
quotes, tuples in parentheses. What stands behind ``;`` is a comment.
"""

from __future__ import annotations

import re
from typing import Any, Final

from compiler.ir import (
    IR_OPS,
    Block,
    Branch,
    BranchTable,
    Function,
    Inst,
    Jump,
    Return,
    TailCall,
    Target,
    Terminator,
    TrapNow,
    TryCall,
    ValueId,
)
from wasm.isa import OPS, MemArg, Op
from wasm.traps import TrapKind
from wasm.valtypes import NUM_TYPES, NumType

_TYPES: Final[dict[str, NumType]] = {type_.name: type_ for type_ in NUM_TYPES}


class IrTextError(ValueError):
    """What is wrong with a text, with its line number (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def _values(values: tuple[ValueId, ...]) -> str:
    return " ".join(f"v{value}" for value in values)


def _typed(func: Function, values: tuple[ValueId, ...]) -> str:
    return " ".join(f"v{value}:{func.types[value]}" for value in values)


def _target(target: Target) -> str:
    return f"{target.block}({_values(target.args)})"


def imm_text(imm: Any) -> str:
    """An immediate as text; ``_parse_imm`` reads it back."""
    if isinstance(imm, Op):
        return f"@{imm.name}"
    if isinstance(imm, TrapKind):
        return imm.name
    if isinstance(imm, tuple):
        return f"({', '.join(map(imm_text, imm))})"
    return repr(imm) if isinstance(imm, str) else str(imm)


def inst_text(func: Function, inst: Inst) -> str:
    words = [f"{_typed(func, inst.results)} ="] if inst.results else []
    words.append(inst.op.name)
    if inst.imm is not None:
        words.append(f"[{imm_text(inst.imm)}]")
    return " ".join([*words, *(f"v{arg}" for arg in inst.args)])


def terminator_text(func: Function, terminator: Terminator) -> str:
    match terminator:
        case Jump(target):
            return f"jump {_target(target)}"
        case Branch(condition, then, otherwise):
            return f"branch v{condition} {_target(then)} {_target(otherwise)}"
        case BranchTable(index, cases, default):
            return f"table v{index} {' '.join(map(_target, (*cases, default)))}"
        case Return(values):
            return f"return {_values(values)}".rstrip()
        case TrapNow(kind):
            return f"trap {kind.name}"
        case TailCall(call):
            return f"tail {inst_text(func, call)}"
        case TryCall(call, normal, handlers):
            clauses = " ".join(f"{'all' if tag is None else tag}:{block}" for tag, block in handlers)
            return f"try {inst_text(func, call)} => {_target(normal)} catch {clauses}".rstrip()


def print_ir(func: Function) -> str:
    """The function as text."""
    results = " ".join(map(str, func.results))
    lines = [f"function {func.name} -> {results}".rstrip()]
    for index, block in enumerate(func.blocks):
        lines.append(f"block {index}" + (f" ({_typed(func, block.params)})" if block.params else ""))
        lines += [f"  {inst_text(func, inst)}" for inst in block.insts]
        lines.append(f"  {terminator_text(func, block.terminator)}")
    return "\n".join(lines) + "\n"


def parse_ir(text: str) -> Function:
    """Read the text form. Raises ``IrTextError``; the result is not verified yet."""
    reader = _Reader()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition(";")[0].strip()
        if line:
            reader.number = number
            reader.line(line)
    top = max(reader.types, default=-1)
    reader.func.types = [reader.types.get(value, NUM_TYPES[0]) for value in range(top + 1)]
    return reader.func


_TARGET: Final = re.compile(r"(\d+)\(([^()]*)\)")
_INST: Final = re.compile(
    r"(?:(?P<results>[^=\[]*) = )?(?P<op>[\w.]+)(?: \[(?P<imm>.*?)\](?= |$))?(?P<args>(?: v\d+)*)$"
)
_TOKEN: Final = re.compile(r"\s*(?:(@[\w.]+)|(-?\d+)|('[^']*')|(\w+)|([(),]))")


class _Reader:
    def __init__(self) -> None:
        self.func = Function("", ())
        self.types: dict[ValueId, NumType] = {}
        self.number = 0

    def _fail(self, message: str) -> IrTextError:
        return IrTextError(self.number, message)

    def line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "function":
            name, _, results = rest.partition("->")
            self.func.name = name.strip()
            self.func.results = tuple(self._type(result) for result in results.split())
        elif word == "block":
            self._block(rest)
        elif not self.func.blocks:
            raise self._fail("an instruction stands before the first block")
        elif word in _TERMINATORS:
            self.func.blocks[-1].terminator = self._terminator(word, rest)
        else:
            self.func.blocks[-1].insts.append(self._inst(line))

    def _block(self, rest: str) -> None:
        index, _, params = rest.partition("(")
        if index.strip() != str(len(self.func.blocks)):
            raise self._fail(f"expected block {len(self.func.blocks)}")
        self.func.blocks.append(Block(self._defined(params.rstrip(")"))))

    def _type(self, word: str) -> NumType:
        if word not in _TYPES:
            raise self._fail(f"{word!r} is no type")
        return _TYPES[word]

    def _defined(self, text: str) -> tuple[ValueId, ...]:
        values = []
        for word in text.split():
            name, _, type_ = word.partition(":")
            value = self._value(name)
            self.types[value] = self._type(type_)
            values.append(value)
        return tuple(values)

    def _value(self, word: str) -> ValueId:
        if not re.fullmatch(r"v\d+", word):
            raise self._fail(f"{word!r} is no value")
        return int(word[1:])

    def _args(self, text: str) -> tuple[ValueId, ...]:
        return tuple(map(self._value, text.split()))

    def _inst(self, line: str) -> Inst:
        match = _INST.match(line)
        if not match:
            raise self._fail(f"{line!r} is no instruction: write v2:i32 = i32.add v0 v1")
        name = match["op"]
        op = IR_OPS.get(name) or OPS.get(name)
        if op is None:
            raise self._fail(f"{name!r} is no operation")
        imm = None if match["imm"] is None else self._imm(match["imm"])
        if name in ("load", "store"):
            imm = self._access(imm)
        return Inst(op, self._args(match["args"]), imm, self._defined(match["results"] or ""))

    def _access(self, imm: Any) -> tuple[Op, MemArg]:
        """An access's row with its ``MemArg``, which prints as a tuple."""
        match imm:
            case (Op() as row, (int(align), int(offset), int(memory))):
                return row, MemArg(align, offset, memory)
            case _:
                raise self._fail("an access has a row, and alignment, offset, memory: write [(@i32.load, (2, 0, 0))]")

    def _imm(self, text: str) -> Any:
        stack: list[list[Any]] = [[]]
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match:
                raise self._fail(f"{text!r} is no immediate")
            position = match.end()
            row, number, string, word, mark = match.groups()
            if mark == "(":
                stack.append([])
            elif mark == ")" and len(stack) > 1:
                done = tuple(stack.pop())
                stack[-1].append(done)
            elif mark != ",":
                stack[-1].append(self._atom(row, number, string, word))
        if len(stack) != 1 or len(stack[0]) != 1:
            raise self._fail(f"{text!r} is no immediate")
        return stack[0][0]

    def _atom(self, row: str | None, number: str | None, string: str | None, word: str | None) -> Any:
        if number is not None:
            return int(number)
        if string is not None:
            return string[1:-1]
        if row is not None and row[1:] in OPS:
            return OPS[row[1:]]
        if word == "None":
            return None
        if word is not None and word in TrapKind.__members__:
            return TrapKind[word]
        raise self._fail(f"{row or word!r} is no immediate")

    def _targets(self, text: str) -> list[Target]:
        if _TARGET.sub("", text).strip():
            raise self._fail(f"{text!r} are no targets: write 1(v2 v3) 4()")
        return [Target(int(match[1]), self._args(match[2])) for match in _TARGET.finditer(text)]

    def _terminator(self, word: str, rest: str) -> Terminator:
        match word:
            case "jump":
                return Jump(self._targets(rest)[0])
            case "branch":
                condition, _, tail = rest.partition(" ")
                then, otherwise = self._targets(tail)
                return Branch(self._value(condition), then, otherwise)
            case "table":
                index, _, tail = rest.partition(" ")
                cases = self._targets(tail)
                return BranchTable(self._value(index), tuple(cases[:-1]), cases[-1])
            case "return":
                return Return(self._args(rest))
            case "trap":
                return TrapNow(TrapKind[rest])
            case "tail":
                return TailCall(self._inst(rest))
            case _:
                call, _, tail = rest.partition(" => ")
                normal, _, clauses = tail.partition(" catch")
                handlers = []
                for clause in clauses.split():
                    tag, _, block = clause.partition(":")
                    handlers.append((None if tag == "all" else int(tag), int(block)))
                return TryCall(self._inst(call), self._targets(normal)[0], tuple(handlers))


_TERMINATORS: Final = frozenset({"jump", "branch", "table", "return", "trap", "tail", "try"})
