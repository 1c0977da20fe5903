"""Second tier: hot functions, and hot loops of functions that were called once, become Python functions.

Expressions of integer instructions are folded; everything else is the same bound function that the first tier calls,
evaluated in order into a variable. So pending expressions depend on locals only. A block that is branched to becomes
``while True`` that ends in ``break``; a branch over several of them sets ``x`` to the target's number and breaks one
by one. CPython allows 20 nested loops and 100 levels of indentation: deeper functions stay in the first tier, as do
those with exception handling, tail calls, casting branches, huge branch tables and hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from oracles.interpreter.budget import Exhaustion
from oracles.interpreter.inline import TESTS, VALUES
from oracles.interpreter.operators import CONSTANTS, bind
from oracles.interpreter.operators_memory import PACK, UNPACK
from oracles.interpreter.prepare import Label, block_arity
from oracles.interpreter.store import Func, Loop
from wasm.isa import OPS, Op
from wasm.traps import Trap, TrapKind

Run: TypeAlias = Callable[[Func, list[Any], int], list[Any]]
Resolve: TypeAlias = Callable[..., Func]

MOST_INSTRUCTIONS: Final = 20_000
MOST_BLOCKS: Final = 1000
MOST_LOOPS: Final = 18
MOST_INDENT: Final = 90
MOST_TARGETS: Final = 64
MOST_FOLDED: Final = 24
"""Beyond these a function stays in the first tier; a folded expression is put into a variable."""


class _Refused(Exception):
    """This function stays in the first tier."""


@dataclass(slots=True)
class _Value:
    """An entry of the symbolic stack: an expression, the locals that it reads, and its size in operators.

    ``test`` says that the expression is a condition; ``atom`` that it never changes and costs nothing to repeat.
    """

    text: str
    locals: frozenset[int] = frozenset()
    size: int = 0
    test: bool = False
    atom: bool = False

    def number(self) -> str:
        return f"(1 if {self.text} else 0)" if self.test else self.text

    def condition(self) -> str:
        return self.text


@dataclass(slots=True)
class _Block:
    """An open block. ``number`` names it in ``x``; ``names`` are the variables that a branch to it assigns.

    ``realised``: it is a Python loop. ``escapes``: numbers of outer blocks that branches inside it go to, over it.
    ``inner``: the branches that crossed a loop which ended inside it. ``reached``: some way leads past its end.
    """

    kind: str
    number: int
    at: int
    params: int
    results: int
    base: int
    names: list[str]
    realised: bool
    indent: int
    cost: int = 0
    escapes: set[int] = field(default_factory=set)
    branched: bool = False
    entry: list[_Value] = field(default_factory=list)
    fell_then: bool = False


def compile_function(func: Func, run: Run, resolve: Resolve) -> bool:
    """Compile a function into ``func.native`` and ``func.direct``; False if it stays in the first tier."""
    store = func.instance.store if func.instance is not None else None
    if store is None or not store.tiering or func.index in store.hooks or len(func.body) > MOST_INSTRUCTIONS:
        return False
    try:
        made = _Compiler(func, run, resolve).function()
    except _Refused:
        return False
    func.direct, func.native = made["function"], made["enter"]
    return True


def compile_loop(func: Func, loop: Loop, label: Label, run: Run, resolve: Resolve) -> Any:
    """Compile a loop into ``loop.native``; None, for good, if it stays in the first tier.

    The result takes the frame's depth, its locals and its operand stack, and gives the relative depth of the label
    that the loop branched to (0: it ended) and the values for it.
    """
    store = func.instance.store if func.instance is not None else None
    loop.cold = True
    if store is None or not store.tiering or func.index in store.hooks or len(func.body) > MOST_INSTRUCTIONS:
        return None
    try:
        loop.native = _Compiler(func, run, resolve).loop(loop, label)["loop"]
    except _Refused:
        return None
    loop.cold = False
    return loop.native


def direct(func: Func, run: Run) -> Callable[..., Any]:
    """A function as compiled code calls it: depth and arguments in, nothing, a result or a tuple out."""
    if func.direct is None:
        count = len(func.results)

        def call(depth: int, *args: Any) -> Any:
            results = run(func, list(args), depth)
            return results[0] if count == 1 else tuple(results) if count else None

        func.direct = call
    return func.direct


_NARROW: Final = {
    OPS[name]: int(name.partition("store")[2]) // 8
    for name in ("i32.store8", "i32.store16", "i64.store8", "i64.store16", "i64.store32")
}


class _Compiler:
    def __init__(self, func: Func, run: Run, resolve: Resolve) -> None:
        assert func.instance is not None
        self.func, self.instance, self.run, self.resolve = func, func.instance, run, resolve
        self.names: dict[str, Any] = {"m": func.meter, "X": Exhaustion}
        self.known: dict[int, str] = {}
        self.lines: list[str] = []
        self.indent = 1
        self.stack: list[_Value] = []
        self.blocks: list[_Block] = []
        self.temps = self.loops = 0
        self.dead = False
        self.skipping = 0
        self.read: set[int] = set()
        self.written: set[int] = set()
        self.outer: Label | None = None
        self.flagged = False

    # The two units

    def function(self) -> dict[str, Any]:
        func = self.func
        params = [f"v{i}" for i in range(len(func.params))]
        body = func.body
        self.targets = _branch_targets(body, 0, len(body) - 1)
        self.open("function", -1, 0, len(func.results))
        self.instructions(0, len(body) - 1)
        if not self.dead:
            self.leave(self.blocks[0])
        lines = [f"def function({', '.join(['d', *params])}):"]
        lines += [" if d > m.deepest:", "  if d > m.depth: raise X('stack')", "  m.deepest = d"]
        lines += [f" m.fuel -= {func.cost}", " if m.fuel < 0: raise X('fuel')"]
        for number, value in enumerate(func.zeros, len(params)):
            if number in self.read or number in self.written:
                lines.append(f" v{number} = {value!r}")
        lines += [" x = 0"] if self.flagged else []
        lines += self.lines
        call = f"function({', '.join(['d', *(f'L[{i}]' for i in range(len(params)))])})"
        count = len(func.results)
        lines.append("def enter(L, d):")
        lines.append(f" return [{call}]" if count == 1 else f" return list({call})" if count else f" {call}; return []")
        return self.build(lines)

    def loop(self, loop: Loop, label: Label) -> dict[str, Any]:
        body, at = self.func.body, loop.at
        end = _end_of(body, at)
        self.outer = label
        self.targets = _branch_targets(body, at, end)
        params, results = block_arity(body[at][1], self.instance)
        self.open("region", at - 1, 0, results)
        names = [self.temp() for _ in range(params)]
        self.stack = [_Value(name, atom=True) for name in names]
        self.instructions(at, end + 1)
        if not self.dead:
            self.exit(0, self.stack)
        lines = ["def loop(d, L, S):"]
        lines += [f" v{number} = L[{number}]" for number in sorted(self.read | self.written)]
        lines += [f" {name} = S[{i - params}]" for i, name in enumerate(names)]
        lines += [f" m.fuel += {loop.cost}"]  # the first tier has paid for this arrival
        lines += [" x = 0"] if self.flagged else []
        back = [f"L[{number}] = v{number}" for number in sorted(self.written)]
        source: list[str] = []
        for line in lines + self.lines:
            text = line.lstrip(" ")
            if text == _WRITE_BACK:
                source += [line[: len(line) - len(text)] + one for one in back]
            else:
                source.append(line)
        return self.build(source)

    def build(self, lines: list[str]) -> dict[str, Any]:
        place = f"<function {self.func.index}>"
        try:
            exec(compile("\n".join(lines) + "\n", place, "exec"), self.names)
        except (SyntaxError, RecursionError, MemoryError):  # what CPython's compiler says beyond its own limits
            raise _Refused from None
        return self.names

    # Text

    def emit(self, text: str) -> None:
        self.lines.append(" " * self.indent + text)

    def temp(self) -> str:
        self.temps += 1
        return f"t{self.temps}"

    def name(self, thing: Any) -> str:
        """The global name of an object in the compiled code."""
        found = self.known.get(id(thing))
        if found is None:
            found = self.known[id(thing)] = f"k{len(self.known)}"
            self.names[found] = thing
        return found

    # The symbolic stack

    def push(self, text: str, locals_: frozenset[int] = frozenset(), size: int = 0, test: bool = False) -> None:
        value = _Value(text, locals_, size, test)
        if size > MOST_FOLDED:
            value = self.settled(value)
        self.stack.append(value)

    def settled(self, value: _Value) -> _Value:
        """The value in a variable of its own, unless it is an atom."""
        if value.atom:
            return value
        name = self.temp()
        self.emit(f"{name} = {value.number()}")
        return _Value(name, atom=True)

    def settle(self, count: int) -> None:
        """Settle the topmost ``count`` values."""
        first = len(self.stack) - count
        for i in range(first, len(self.stack)):
            self.stack[i] = self.settled(self.stack[i])

    def take(self, count: int) -> list[_Value]:
        if not count:
            return []
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def result(self, text: str) -> None:
        """Evaluate something now and push its result."""
        name = self.temp()
        self.emit(f"{name} = {text}")
        self.stack.append(_Value(name, atom=True))

    def results(self, call: str, count: int) -> None:
        """Evaluate a call now and push its results, as ``Func.direct`` and bound functions give them."""
        if count == 1:
            self.result(call)
        elif count:
            names = [self.temp() for _ in range(count)]
            self.emit(f"{', '.join(names)} = {call}")
            self.stack += [_Value(name, atom=True) for name in names]
        else:
            self.emit(call)

    def before_write(self, local: int) -> None:
        """Settle what still reads a local that is about to change."""
        for i, value in enumerate(self.stack):
            if local in value.locals:
                self.stack[i] = self.settled(value)

    # Instructions

    def instructions(self, start: int, stop: int) -> None:
        body = self.func.body
        for at in range(start, stop):
            op, imm = body[at]
            if self.dead:
                self.skip(op, imm, at)
                continue
            handler = _HANDLERS.get(op)
            if handler is not None:
                handler(self, imm, at)
            elif op in CONSTANTS:
                self.stack.append(_Value(str(imm), atom=True))
            else:
                self.plain(op, imm)

    def skip(self, op: Op, imm: Any, at: int) -> None:
        """Code that nothing reaches: only the block structure counts."""
        if op in _OPENERS:
            self.skipping += 1
        elif op is _END:
            if self.skipping:
                self.skipping -= 1
            else:
                self.end(imm, at)
        elif op is _ELSE and not self.skipping:
            self.else_(imm, at)

    def plain(self, op: Op, imm: Any) -> None:
        template = VALUES.get(op.name)
        test = None if template is not None else TESTS.get(op.name)
        if template is not None or test is not None:
            values = self.take(len(op.params or ()))
            a, b = values[0], values[-1]
            text = (template or test or "").format(a=a.number(), b=b.number())
            self.push(text, a.locals | b.locals, a.size + (b.size if len(values) == 2 else 0) + 1, test is not None)
            return
        if op.access is not None and op.prefix == 0 and not op.access.signed:
            self.access(op, imm)
            return
        function, takes, gives = bind(op, imm, self.instance)
        operands = ", ".join(value.number() for value in self.take(takes))
        self.results(f"{self.name(function)}({operands})", gives)

    def access(self, op: Op, imm: Any) -> None:
        """A load or store of scalar bytes: directly where the memory allows it."""
        memory, size = self.name(self.instance.memories[imm.memory]), op.access.bytes if op.access else 0
        store = op.access is not None and op.access.kind == "store"
        value = self.take(1)[0] if store else None
        address = self.take(1)[0].number() + (f" + {imm.offset}" if imm.offset else "")
        self.emit(f"q = {address}")
        if value is None:
            slow = "load" if op.name[0] == "i" else "load_open"
            fast = f"{self.name(UNPACK[size])}({memory}.dense, q)[0]"
            self.result(f"{fast} if q <= {memory}.limit else {memory}.{slow}(q, {size})")
            return
        full = (1 << 8 * size) - 1
        if op in _NARROW:
            text, clean = f"{value.number()} & {full}", ""
        elif op.name[0] == "i":
            text, clean = value.number(), ""
        else:
            text = self.settled(value).text
            clean = f" and {text} <= {full}"
        self.emit(f"if q <= {memory}.limit{clean}: {self.name(PACK[size])}({memory}.dense, q, {text})")
        self.emit(f"else: {memory}.store(q, {text}, {size})")

    def local_get(self, imm: int, _at: int) -> None:
        self.read.add(imm)
        self.stack.append(_Value(f"v{imm}", frozenset((imm,))))

    def local_set(self, imm: int, _at: int) -> None:
        value = self.take(1)[0]
        self.before_write(imm)
        self.written.add(imm)
        self.emit(f"v{imm} = {value.number()}")

    def local_tee(self, imm: int, at: int) -> None:
        self.local_set(imm, at)
        self.stack.append(_Value(f"v{imm}", frozenset((imm,))))

    def global_get(self, imm: int, _at: int) -> None:
        self.result(f"{self.name(self.instance.globals[imm])}.value")

    def global_set(self, imm: int, _at: int) -> None:
        self.emit(f"{self.name(self.instance.globals[imm])}.value = {self.take(1)[0].number()}")

    def select(self, _imm: Any, _at: int) -> None:
        a, b, c = self.take(3)
        text = f"({a.number()} if {c.condition()} else {b.number()})"
        self.push(text, a.locals | b.locals | c.locals, a.size + b.size + c.size + 1)

    def drop(self, _imm: Any, _at: int) -> None:
        self.take(1)

    def unreachable(self, _imm: Any, _at: int) -> None:
        self.emit(f"raise {self.name(_unreachable)}()")
        self.dead = True

    def constant(self, thing: Any) -> None:
        self.stack.append(_Value("None" if thing is None else self.name(thing), atom=True))

    # Calls

    def call(self, imm: int, _at: int) -> None:
        callee = self.instance.funcs[imm]
        direct(callee, self.run)
        args = [value.number() for value in self.take(len(callee.params))]
        self.results(f"{self.name(callee)}.direct({', '.join([f'd + {callee.weight}', *args])})", len(callee.results))

    def call_through(self, callee: str, type_index: int) -> None:
        found = self.instance.types.func(type_index)
        assert found is not None
        args = [value.number() for value in self.take(len(found.params))]
        self.emit(f"f = {callee}")
        ready = f"(f.direct or {self.name(direct)}(f, {self.name(self.run)}))"
        self.results(f"{ready}({', '.join(['d + f.weight', *args])})", len(found.results))

    def call_indirect(self, imm: tuple[int, int], _at: int) -> None:
        type_index, table = imm
        index = self.take(1)[0].number()
        known = f"{self.name(self.instance.tables[table])}, {index}, {self.name(self.instance.types)}, {type_index}"
        self.call_through(f"{self.name(self.resolve)}({known})", type_index)

    def call_ref(self, imm: int, _at: int) -> None:
        ref = self.take(1)[0].number()
        self.call_through(f"{self.name(_not_null)}({ref})", imm)

    # Blocks

    def open(self, kind: str, at: int, params: int, results: int) -> _Block:
        realised = at in self.targets and kind not in ("function", "region")
        self.loops += realised
        if self.loops > MOST_LOOPS or len(self.blocks) > MOST_BLOCKS:
            raise _Refused
        takes = params if kind == "loop" else results
        names = [self.temp() for _ in range(takes)]
        base = len(self.stack) - params
        number = len(self.blocks) + 1
        block = _Block(kind, number, at, params, results, base, names, realised, self.indent)
        self.blocks.append(block)
        return block

    def deeper(self, text: str) -> None:
        self.emit(text)
        self.indent += 1
        if self.indent > MOST_INDENT:
            raise _Refused

    def block(self, imm: Any, at: int) -> None:
        params, results = block_arity(imm, self.instance)
        self.settle(len(self.stack))
        if self.open("block", at, params, results).realised:
            self.deeper("while True:")

    def loop_(self, imm: Any, at: int) -> None:
        params, results = block_arity(imm, self.instance)
        self.settle(len(self.stack))
        block = self.open("loop", at, params, results)
        block.cost = self.func.loops[at].cost
        if block.realised:
            self.assign(block.names, self.take(params))
            self.stack += [_Value(name, atom=True) for name in block.names]
            # The parameters' variables change at the next arrival; what reads them later must not see that.
            self.deeper("while True:")
            if params:
                self.settle_copies(params)
        self.emit(f"m.fuel -= {block.cost}")
        self.emit("if m.fuel < 0: raise X('fuel')")

    def settle_copies(self, count: int) -> None:
        copies = [self.temp() for _ in range(count)]
        self.assign(copies, self.take(count))
        self.stack += [_Value(name, atom=True) for name in copies]

    def if_(self, imm: Any, at: int) -> None:
        params, results = block_arity(imm, self.instance)
        condition = self.take(1)[0]
        self.settle(len(self.stack))
        block = self.open("if", at, params, results)
        block.entry = self.stack[block.base :]
        if block.realised:
            self.deeper("while True:")
        self.deeper(f"if {condition.condition()}:")

    def else_(self, _imm: Any, _at: int) -> None:
        block = self.blocks[-1]
        block.fell_then = self.close_arm(block)
        block.kind = "else"
        self.stack[block.base :] = block.entry
        self.deeper("else:")
        self.dead = False

    def close_arm(self, block: _Block) -> bool:
        """End one arm of an ``if``; whether its end is reached."""
        reached = not self.dead
        if reached:
            self.assign(block.names, self.take(block.results))
        self.emit("pass")
        self.indent -= 1
        return reached

    def end(self, _imm: Any, _at: int) -> None:
        block = self.blocks[-1]
        if block.kind == "if":  # without an else: its parameters are its results
            reached = self.close_arm(block)
            self.stack[block.base :] = block.entry
            if block.names:
                self.deeper("else:")
                self.dead = False
                self.close_arm(block)
            reached, named = True, True
        elif block.kind == "else":
            reached = self.close_arm(block) or block.fell_then
            named = True
        else:
            reached = not self.dead
            named = block.realised and block.kind == "block"
            if named and reached:
                self.assign(block.names, self.take(block.results))
        if block.kind == "loop" and block.realised and reached:
            self.settle(block.results)
        self.blocks.pop()
        self.loops -= block.realised
        left = self.stack[block.base :] if reached and not named else []
        del self.stack[block.base :]
        if block.realised:
            if reached:
                self.emit("break")
            self.indent = block.indent
            self.propagate(block)
        self.stack += [_Value(name, atom=True) for name in block.names] if named else left
        self.dead = not reached and not (block.branched and block.kind != "loop")

    def propagate(self, block: _Block) -> None:
        """After a loop that inner branches may have left for an outer target: go on towards it."""
        block.escapes.discard(block.number)
        if not block.escapes:
            return
        outer = next(b for b in reversed(self.blocks) if b.realised)
        here = "continue" if outer.kind == "loop" else "break"
        others = block.escapes - {outer.number}
        if outer.number not in block.escapes:
            self.emit("if x: break")
        elif not others:
            self.deeper("if x:")
            self.emit("x = 0")
            self.emit(here)
            self.indent -= 1
        else:
            self.deeper(f"if x == {outer.number}:")
            self.emit("x = 0")
            self.emit(here)
            self.indent -= 1
            self.emit("if x: break")
        outer.escapes |= others

    # Branches

    def assign(self, names: list[str], values: list[_Value]) -> None:
        if names:
            self.emit(f"{', '.join(names)} = {', '.join(value.number() for value in values)}")

    def goto(self, depth: int) -> None:
        """Branch to a label; the values are on the stack and stay there."""
        if depth >= len(self.blocks) - (self.outer is not None):
            self.exit(depth - len(self.blocks) + 2, self.stack)
            return
        block = self.blocks[-1 - depth]
        if block.kind == "function":
            self.leave(block)
            return
        self.assign(block.names, self.stack[len(self.stack) - len(block.names) :])
        block.branched = True
        inner = next(b for b in reversed(self.blocks) if b.realised)
        if inner is block:
            self.emit("continue" if block.kind == "loop" else "break")
            return
        self.flagged = True
        self.emit(f"x = {block.number}")
        self.emit("break")
        inner.escapes.add(block.number)

    def leave(self, block: _Block) -> None:
        """Return from the function."""
        values = [value.number() for value in self.stack[len(self.stack) - block.results :]] if block.results else []
        text = values[0] if len(values) == 1 else f"({', '.join(values)})" if values else ""
        self.emit(f"return {text}".rstrip())

    def exit(self, depth: int, stack: list[_Value]) -> None:
        """Return from a compiled loop to the first tier, at the label ``depth`` above the loop's own."""
        label = self.outer
        assert label is not None
        count = self.blocks[0].results
        if depth:
            for _ in range(depth):
                assert label.outer is not None
                label = label.outer
            count = label.arity
        values = [value.number() for value in stack[len(stack) - count :]] if count else []
        self.emit(_WRITE_BACK)
        self.emit(f"return {depth}, [{', '.join(values)}]")

    def br(self, imm: int, _at: int) -> None:
        self.goto(imm)
        self.dead = True

    def br_if(self, imm: int, _at: int) -> None:
        condition = self.take(1)[0]
        self.settle(self.arity(imm))
        self.deeper(f"if {condition.condition()}:")
        self.goto(imm)
        self.indent -= 1

    def arity(self, depth: int) -> int:
        if depth < len(self.blocks) - (self.outer is not None):
            block = self.blocks[-1 - depth]
            return block.results if block.kind == "function" else len(block.names)
        label = self.outer
        for _ in range(depth - len(self.blocks) + 2):
            assert label is not None
            label = label.outer
        assert label is not None
        return label.arity

    def br_table(self, imm: Any, _at: int) -> None:
        depths, last = imm
        if len(depths) > MOST_TARGETS:
            raise _Refused
        index = self.settled(self.take(1)[0]).text
        self.settle(self.arity(last))
        by_target: dict[int, list[int]] = {}
        for i, depth in enumerate(depths):
            by_target.setdefault(depth, []).append(i)
        by_target.pop(last, None)
        for depth, indices in by_target.items():
            test = f"{index} == {indices[0]}" if len(indices) == 1 else f"{index} in {tuple(indices)}"
            self.deeper(f"if {test}:")
            self.goto(depth)
            self.indent -= 1
        self.goto(last)
        self.dead = True

    def return_(self, _imm: Any, _at: int) -> None:
        if self.outer is None:
            self.leave(self.blocks[0])
        else:
            depth, label = 0, self.outer
            while label.outer is not None:
                depth, label = depth + 1, label.outer
            self.exit(depth, self.stack)
        self.dead = True


_WRITE_BACK: Final = "# write back"


def _unreachable() -> Exception:
    return Trap(TrapKind.UNREACHABLE)


def _not_null(ref: Any) -> Func:
    if ref is None:
        raise Trap(TrapKind.NULL_REFERENCE)
    assert isinstance(ref, Func)
    return ref


def _end_of(body: Any, at: int) -> int:
    """Where the block that opens at ``at`` ends."""
    depth = 0
    while True:
        op = body[at][0]
        if op in _OPENERS:
            depth += 1
        elif op is _END:
            depth -= 1
            if not depth:
                return at
        at += 1


def _branch_targets(body: Any, start: int, end: int) -> set[int]:
    """The positions of the blocks in a stretch of a body that something branches to."""
    found: set[int] = set()
    opened: list[int] = []
    for at in range(start, end):
        op, imm = body[at]
        if op in _OPENERS:
            opened.append(at)
        elif op is _END:
            opened.pop()
        elif op in _BRANCHES:
            depths = (*imm[0], imm[1]) if op is _BR_TABLE else (imm,)
            found.update(opened[-1 - depth] for depth in depths if depth < len(opened))
    return found


def _refuse(_compiler: _Compiler, _imm: Any, _at: int) -> None:
    raise _Refused


_END, _ELSE, _BR_TABLE = OPS["end"], OPS["else"], OPS["br_table"]
_OPENERS: Final = frozenset(OPS[name] for name in ("block", "loop", "if", "try_table", "try"))
_BRANCHES: Final = frozenset(OPS[name] for name in ("br", "br_if", "br_table"))
_HANDLERS: Final[dict[Op, Callable[[_Compiler, Any, int], None]]] = {
    OPS[name]: handler
    for name, handler in {
        "nop": lambda _, __, ___: None,
        "unreachable": _Compiler.unreachable,
        "block": _Compiler.block,
        "loop": _Compiler.loop_,
        "if": _Compiler.if_,
        "else": _Compiler.else_,
        "end": _Compiler.end,
        "br": _Compiler.br,
        "br_if": _Compiler.br_if,
        "br_table": _Compiler.br_table,
        "return": _Compiler.return_,
        "call": _Compiler.call,
        "call_indirect": _Compiler.call_indirect,
        "call_ref": _Compiler.call_ref,
        "drop": _Compiler.drop,
        "select": _Compiler.select,
        "select_t": _Compiler.select,
        "local.get": _Compiler.local_get,
        "local.set": _Compiler.local_set,
        "local.tee": _Compiler.local_tee,
        "global.get": _Compiler.global_get,
        "global.set": _Compiler.global_set,
        "ref.null": lambda c, _, __: c.constant(None),
        "ref.func": lambda c, imm, _: c.constant(c.instance.funcs[imm]),
        **dict.fromkeys(
            (
                "try_table", "throw", "throw_ref", "try", "catch", "catch_all", "delegate", "rethrow", "return_call",
                "return_call_indirect", "return_call_ref", "br_on_null", "br_on_non_null", "br_on_cast",
                "br_on_cast_fail",
            ),
            _refuse,
        ),
    }.items()
}  # fmt: skip
