"""Second tier: hot functions, and hot loops of functions that were called once, become Python functions.

Expressions of integer instructions are folded; everything else is the same bound function that the first tier calls,
evaluated in order into a variable. So pending expressions depend on locals only. A block that is branched to becomes
``while True`` that ends in ``break``; a branch over several of them sets ``x`` to the target's number and breaks one
by one (``oracles.interpreter.flow``). A function of one i32 and one more as a local,

    block
      loop
        local.get 0  i32.eqz  br_if 1
        local.get 1  local.get 0  i32.add  local.set 1
        local.get 0  i32.const 1  i32.sub  local.set 0
        br 0
      end
    end
    local.get 1

becomes

    def function(d, v0):
     if d > m.deepest:
      if d > m.depth: raise X('stack')
      m.deepest = d
     m.fuel -= 4
     if m.fuel < 0: raise X('fuel')
     v1 = 0
     x = 0
     while True:
      while True:
       m.fuel -= 14
       if m.fuel < 0: raise X('fuel')
       if not v0:
        x = 2
        break
       v1 = (v1 + v0 & 0xffffffff)
       v0 = (v0 - 1 & 0xffffffff)
       continue
      if x:
       x = 0
       break
     return v1
    def enter(L, d):
     return [function(d, L[0])]

In such code ``d`` is the frame's depth, ``m`` the meter, ``X`` is ``Exhaustion``, ``vN`` local N, ``tN`` a result,
``kN`` an object (``Writer.name``), ``q`` an address, ``f`` a callee, ``x`` where a branch goes. ``L`` are the locals
and ``S`` the operand stack of a frame of the first tier, from which ``enter`` and a loop that is compiled alone start.

CPython allows 20 nested loops and 100 levels of indentation: deeper functions stay in the first tier, as do those with
exception handling, tail calls, casting branches, huge branch tables and hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from oracles.interpreter.flow import ELSE, END, OPENERS, WRITE_BACK, Flow, branch_targets, end_of
from oracles.interpreter.inline import TESTS, VALUES
from oracles.interpreter.operators import CONSTANTS, bind
from oracles.interpreter.operators_memory import PACK, UNPACK
from oracles.interpreter.prepare import Label, block_arity
from oracles.interpreter.store import Func, Loop
from oracles.interpreter.writer import Refused, Value, Writer
from oracles.stops import Exhaustion
from wasm.isa import OPS, Op
from wasm.traps import Trap, TrapKind

Run: TypeAlias = Callable[[Func, list[Any], int], list[Any]]
Resolve: TypeAlias = Callable[..., Func]

MOST_INSTRUCTIONS: Final = 20_000
"""A longer function stays in the first tier: compiling takes some 15 microseconds an instruction."""


def _stays(func: Func) -> bool:
    """Whether a function is for the first tier alone."""
    instance = func.instance
    if instance is None or not instance.store.tiering:
        return True
    return func.index in instance.hooks or len(func.body) > MOST_INSTRUCTIONS


def compile_function(func: Func, run: Run, resolve: Resolve) -> bool:
    """Compile a function into ``func.native`` and ``func.direct``; False if it stays in the first tier."""
    if _stays(func):
        return False
    try:
        made = _Compiler(func, run, resolve).function()
    except Refused:
        return False
    func.direct, func.native = made["function"], made["enter"]
    return True


def compile_loop(func: Func, loop: Loop, label: Label, run: Run, resolve: Resolve) -> Any:
    """Compile a loop into ``loop.native``; None, for good, if it stays in the first tier.

    The result takes the frame's depth, its locals and its operand stack, and gives the relative depth of the label
    that the loop branched to (0: it ended) and the values for it.
    """
    loop.cold = True
    if _stays(func):
        return None
    try:
        loop.native = _Compiler(func, run, resolve, label, loop.at).loop(loop)["loop"]
    except Refused:
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
    """One unit: a function, or with ``label`` its loop at ``loop_at``."""

    def __init__(self, func: Func, run: Run, resolve: Resolve, label: Label | None = None, loop_at: int = 0) -> None:
        assert func.instance is not None
        self.func, self.instance, self.run, self.resolve = func, func.instance, run, resolve
        self.writer = Writer({"m": func.meter, "X": Exhaustion})
        start, end = (0, len(func.body) - 1) if label is None else (loop_at, end_of(func.body, loop_at))
        self.start, self.end = start, end
        self.flow = Flow(func, self.writer, branch_targets(func.body, start, end), label)
        self.skipping = 0
        self.read: set[int] = set()
        self.written: set[int] = set()

    # The two units

    def function(self) -> dict[str, Any]:
        func, flow = self.func, self.flow
        params = [f"v{i}" for i in range(len(func.params))]
        flow.open("function", -1, 0, len(func.results))
        self.instructions(self.start, self.end)
        if not flow.dead:
            flow.leave(flow.blocks[0])
        lines = [f"def function({', '.join(['d', *params])}):"]
        lines += [" if d > m.deepest:", "  if d > m.depth: raise X('stack')", "  m.deepest = d"]
        lines += [f" m.fuel -= {func.cost}", " if m.fuel < 0: raise X('fuel')"]
        for number, value in enumerate(func.zeros, len(params)):
            if number in self.read or number in self.written:
                lines.append(f" v{number} = {value!r}")
        lines += [" x = 0"] if flow.flagged else []
        lines += self.writer.lines
        call = f"function({', '.join(['d', *(f'L[{i}]' for i in range(len(params)))])})"
        count = len(func.results)
        lines.append("def enter(L, d):")
        lines.append(f" return [{call}]" if count == 1 else f" return list({call})" if count else f" {call}; return []")
        return self.build(lines)

    def loop(self, loop: Loop) -> dict[str, Any]:
        flow, writer = self.flow, self.writer
        params, results = block_arity(self.func.body[loop.at][1], self.instance)
        flow.open("region", loop.at - 1, 0, results)
        names = [writer.temp() for _ in range(params)]
        writer.stack = [Value(name, atom=True) for name in names]
        self.instructions(self.start, self.end + 1)
        if not flow.dead:
            flow.exit(0, writer.stack)
        lines = ["def loop(d, L, S):"]
        lines += [f" v{number} = L[{number}]" for number in sorted(self.read | self.written)]
        lines += [f" {name} = S[{i - params}]" for i, name in enumerate(names)]
        lines += [f" m.fuel += {loop.cost}"]  # the first tier has paid for this arrival
        lines += [" x = 0"] if flow.flagged else []
        back = [f"L[{number}] = v{number}" for number in sorted(self.written)]
        for line in writer.lines:
            text = line.lstrip(" ")
            margin = line[: len(line) - len(text)]
            lines += [margin + one for one in back] if text == WRITE_BACK else [line]
        return self.build(lines)

    def build(self, lines: list[str]) -> dict[str, Any]:
        place, names = f"<function {self.func.index}>", self.writer.names
        try:
            exec(compile("\n".join(lines) + "\n", place, "exec"), names)
        except (SyntaxError, RecursionError, MemoryError):  # what CPython's compiler says beyond its own limits
            raise Refused from None
        return names

    # Instructions

    def instructions(self, start: int, stop: int) -> None:
        body = self.func.body
        for at in range(start, stop):
            op, imm = body[at]
            if self.flow.dead:
                self.skip(op, imm, at)
                continue
            handler = _HANDLERS.get(op)
            if handler is not None:
                handler(self, imm, at)
            elif op in CONSTANTS:
                self.writer.stack.append(Value(str(imm), atom=True))
            else:
                self.plain(op, imm)

    def skip(self, op: Op, imm: Any, at: int) -> None:
        """Code that nothing reaches: only the block structure counts."""
        if op in OPENERS:
            self.skipping += 1
        elif op is END:
            if self.skipping:
                self.skipping -= 1
            else:
                self.flow.end(imm, at)
        elif op is ELSE and not self.skipping:
            self.flow.else_(imm, at)

    def plain(self, op: Op, imm: Any) -> None:
        template = VALUES.get(op.name)
        test = None if template is not None else TESTS.get(op.name)
        if template is not None or test is not None:
            values = self.writer.take(len(op.params or ()))
            a, b = values[0], values[-1]
            text = (template or test or "").format(a=a.number(), b=b.number())
            self.writer.push(
                text, a.locals | b.locals, a.size + (b.size if len(values) == 2 else 0) + 1, test is not None
            )
            return
        if op.access is not None and op.prefix == 0 and not op.access.signed:
            self.access(op, imm)
            return
        function, takes, gives = bind(op, imm, self.instance)
        operands = ", ".join(value.number() for value in self.writer.take(takes))
        self.writer.results(f"{self.writer.name(function)}({operands})", gives)

    def access(self, op: Op, imm: Any) -> None:
        """A load or store of scalar bytes: directly where the memory allows it."""
        memory, size = self.writer.name(self.instance.memories[imm.memory]), op.access.bytes if op.access else 0
        store = op.access is not None and op.access.kind == "store"
        value = self.writer.take(1)[0] if store else None
        address = self.writer.take(1)[0].number() + (f" + {imm.offset}" if imm.offset else "")
        self.writer.emit(f"q = {address}")
        if value is None:
            slow = "load" if op.name[0] == "i" else "load_open"
            fast = f"{self.writer.name(UNPACK[size])}({memory}.dense, q)[0]"
            self.writer.result(f"{fast} if q <= {memory}.limit else {memory}.{slow}(q, {size})")
            return
        full = (1 << 8 * size) - 1
        if op in _NARROW:
            text, clean = f"{value.number()} & {full}", ""
        elif op.name[0] == "i":
            text, clean = value.number(), ""
        else:
            text = self.writer.settled(value).text
            clean = f" and {text} <= {full}"
        self.writer.emit(f"if q <= {memory}.limit{clean}: {self.writer.name(PACK[size])}({memory}.dense, q, {text})")
        self.writer.emit(f"else: {memory}.store(q, {text}, {size})")

    def local_get(self, imm: int, _at: int) -> None:
        self.read.add(imm)
        self.writer.stack.append(Value(f"v{imm}", frozenset((imm,))))

    def local_set(self, imm: int, _at: int) -> None:
        value = self.writer.take(1)[0]
        self.writer.before_write(imm)
        self.written.add(imm)
        self.writer.emit(f"v{imm} = {value.number()}")

    def local_tee(self, imm: int, at: int) -> None:
        self.local_set(imm, at)
        self.writer.stack.append(Value(f"v{imm}", frozenset((imm,))))

    def global_get(self, imm: int, _at: int) -> None:
        self.writer.result(f"{self.writer.name(self.instance.globals[imm])}.value")

    def global_set(self, imm: int, _at: int) -> None:
        self.writer.emit(f"{self.writer.name(self.instance.globals[imm])}.value = {self.writer.take(1)[0].number()}")

    def select(self, _imm: Any, _at: int) -> None:
        a, b, c = self.writer.take(3)
        text = f"({a.number()} if {c.condition()} else {b.number()})"
        self.writer.push(text, a.locals | b.locals | c.locals, a.size + b.size + c.size + 1)

    def drop(self, _imm: Any, _at: int) -> None:
        self.writer.take(1)

    def unreachable(self, _imm: Any, _at: int) -> None:
        self.writer.emit(f"raise {self.writer.name(_unreachable)}()")
        self.flow.dead = True

    def constant(self, thing: Any) -> None:
        self.writer.stack.append(Value("None" if thing is None else self.writer.name(thing), atom=True))

    # Calls

    def call(self, imm: int, _at: int) -> None:
        callee = self.instance.funcs[imm]
        direct(callee, self.run)
        args = [value.number() for value in self.writer.take(len(callee.params))]
        self.writer.results(
            f"{self.writer.name(callee)}.direct({', '.join([f'd + {callee.weight}', *args])})", len(callee.results)
        )

    def call_through(self, callee: str, type_index: int) -> None:
        type_ = self.instance.types.func(type_index)
        assert type_ is not None
        args = [value.number() for value in self.writer.take(len(type_.params))]
        self.writer.emit(f"f = {callee}")
        ready = f"(f.direct or {self.writer.name(direct)}(f, {self.writer.name(self.run)}))"
        self.writer.results(f"{ready}({', '.join(['d + f.weight', *args])})", len(type_.results))

    def call_indirect(self, imm: tuple[int, int], _at: int) -> None:
        type_index, table = imm
        index = self.writer.take(1)[0].number()
        name = self.writer.name
        known = f"{name(self.instance.tables[table])}, {index}, {name(self.instance.types)}, {type_index}"
        self.call_through(f"{name(self.resolve)}({known})", type_index)

    def call_ref(self, imm: int, _at: int) -> None:
        ref = self.writer.take(1)[0].number()
        self.call_through(f"{self.writer.name(_not_null)}({ref})", imm)


def _unreachable() -> Exception:
    return Trap(TrapKind.UNREACHABLE)


def _not_null(ref: Any) -> Func:
    if ref is None:
        raise Trap(TrapKind.NULL_REFERENCE)
    assert isinstance(ref, Func)
    return ref


def _refuse(_compiler: _Compiler, _imm: Any, _at: int) -> None:
    raise Refused


_Handler: TypeAlias = Callable[[_Compiler, Any, int], None]


def _flow(method: Callable[[Flow, Any, int], None]) -> _Handler:
    return lambda compiler, imm, at: method(compiler.flow, imm, at)


_NAMED_HANDLERS: Final[dict[str, _Handler]] = {
    "nop": lambda _, __, ___: None,
    "unreachable": _Compiler.unreachable,
    "block": _flow(Flow.block),
    "loop": _flow(Flow.loop_),
    "if": _flow(Flow.if_),
    "else": _flow(Flow.else_),
    "end": _flow(Flow.end),
    "br": _flow(Flow.br),
    "br_if": _flow(Flow.br_if),
    "br_table": _flow(Flow.br_table),
    "return": _flow(Flow.return_),
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
    "ref.null": lambda compiler, _, __: compiler.constant(None),
    "ref.func": lambda compiler, imm, _: compiler.constant(compiler.instance.funcs[imm]),
}
_REFUSED: Final = (
    "try_table", "throw", "throw_ref", "try", "catch", "catch_all", "delegate", "rethrow", "return_call",
    "return_call_indirect", "return_call_ref", "br_on_null", "br_on_non_null", "br_on_cast", "br_on_cast_fail",
)  # fmt: skip
_HANDLERS: Final[dict[Op, _Handler]] = {
    **{OPS[name]: handler for name, handler in _NAMED_HANDLERS.items()},
    **{OPS[name]: _refuse for name in _REFUSED},
}
