"""Second tier: the text of a function under construction, and the symbolic operand stack that it is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

MOST_FOLDED: Final = 24
"""A folded expression of more operators than this is put into a variable."""
MOST_INDENT: Final = 90


class Refused(Exception):
    """This function stays in the first tier."""


@dataclass(slots=True)
class Value:
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


class Writer:
    """Lines of Python, the names of the objects that they use, and values that are not written yet."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.lines: list[str] = []
        self.indent = 1
        self.stack: list[Value] = []
        self._known: dict[int, str] = {}
        self._temps = 0

    def emit(self, text: str) -> None:
        self.lines.append(" " * self.indent + text)

    def deeper(self, text: str) -> None:
        self.emit(text)
        self.indent += 1
        if self.indent > MOST_INDENT:
            raise Refused

    def temp(self) -> str:
        self._temps += 1
        return f"t{self._temps}"

    def name(self, thing: Any) -> str:
        """The global name of an object in the compiled code."""
        name = self._known.get(id(thing))
        if name is None:
            name = self._known[id(thing)] = f"k{len(self._known)}"
            self.names[name] = thing
        return name

    def push(self, text: str, locals_: frozenset[int] = frozenset(), size: int = 0, test: bool = False) -> None:
        value = Value(text, locals_, size, test)
        if size > MOST_FOLDED:
            value = self.settled(value)
        self.stack.append(value)

    def settled(self, value: Value) -> Value:
        """The value in a variable of its own, unless it is an atom."""
        if value.atom:
            return value
        name = self.temp()
        self.emit(f"{name} = {value.number()}")
        return Value(name, atom=True)

    def settle(self, count: int) -> None:
        """Settle the topmost ``count`` values."""
        first = len(self.stack) - count
        for i in range(first, len(self.stack)):
            self.stack[i] = self.settled(self.stack[i])

    def take(self, count: int) -> list[Value]:
        if not count:
            return []
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def result(self, text: str) -> None:
        """Evaluate something now and push its result."""
        name = self.temp()
        self.emit(f"{name} = {text}")
        self.stack.append(Value(name, atom=True))

    def results(self, call: str, count: int) -> None:
        """Evaluate a call now and push its results, as ``Func.direct`` and bound functions give them."""
        if count == 1:
            self.result(call)
        elif count:
            names = [self.temp() for _ in range(count)]
            self.emit(f"{', '.join(names)} = {call}")
            self.stack += [Value(name, atom=True) for name in names]
        else:
            self.emit(call)

    def before_write(self, local: int) -> None:
        """Settle what still reads a local that is about to change."""
        for i, value in enumerate(self.stack):
            if local in value.locals:
                self.stack[i] = self.settled(value)

    def assign(self, names: list[str], values: list[Value]) -> None:
        if names:
            self.emit(f"{', '.join(names)} = {', '.join(value.number() for value in values)}")
