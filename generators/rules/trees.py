"""Trees of operators with what is open in them: values, types, constants. And making two of them one (unification)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class TypeVar:
    number: int


Type: TypeAlias = str | TypeVar


@dataclass(frozen=True, slots=True)
class Leaf:
    """Any value of a type."""

    number: int
    type: Type


@dataclass(frozen=True, slots=True)
class Hole:
    """A constant that is still open. ``kind``: const, lane, mask, intcc, floatcc."""

    number: int
    kind: str


@dataclass(frozen=True, slots=True)
class Node:
    """An operator on values and what its row in ``OPERATORS`` calls c, f, k, l and m."""

    op: str
    type: Type
    args: tuple[Part, ...]


Part: TypeAlias = Leaf | Node | Hole | int | str
Tree: TypeAlias = Leaf | Node


@dataclass(frozen=True, slots=True)
class Relation:
    """What types have to fulfil: an operator's typing, or a check by name on ``result`` alone."""

    name: str
    result: Type
    args: tuple[Type, ...] = ()
    check: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What is known while trees grow: what open things stand for, and what types have to fulfil."""

    known: Mapping[object, object] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    count: int = 0
    named: tuple[tuple[Hole, int], ...] = ()
    """Constants that a pattern names, as it names them: -1 is all ones of whatever type."""
    through: tuple[str, ...] = ()
    """The places of rules that conditions use, and that hold because the tree has this shape."""

    def leaf(self) -> tuple[Leaf, State]:
        return Leaf(self.count, TypeVar(self.count + 1)), replace(self, count=self.count + 2)

    def type(self) -> tuple[TypeVar, State]:
        return TypeVar(self.count), replace(self, count=self.count + 1)

    def hole(self, kind: str) -> tuple[Hole, State]:
        return Hole(self.count, kind), replace(self, count=self.count + 1)

    def hints(self) -> dict[Hole, int]:
        """The constants that patterns name, by the holes that are left."""
        return {found: value for hole, value in self.named if isinstance(found := self.seen(hole), Hole)}

    def relate(self, relation: Relation) -> State:
        return replace(self, relations=(*self.relations, relation))

    def bind(self, open_: object, what: object) -> State:
        return replace(self, known={**self.known, open_: what})

    def seen(self, part: object) -> Any:
        """What a part stands for at its top."""
        while part in self.known:
            part = self.known[part]
        return part

    def whole(self, part: object) -> Any:
        """A part with everything in it that is known."""
        part = self.seen(part)
        if isinstance(part, Node):
            args = tuple(self.whole(arg) for arg in part.args)
            return Node(part.op, self.seen(part.type), args)
        if isinstance(part, Leaf):
            return Leaf(part.number, self.seen(part.type))
        return part

    def unify(self, a: object, b: object) -> State | None:
        """The state in which both are one; None if they cannot be."""
        a, b = self.seen(a), self.seen(b)
        if a == b:
            return self
        if isinstance(a, TypeVar):
            return self.bind(a, b)
        if isinstance(b, TypeVar):
            return self.bind(b, a)
        if isinstance(a, Leaf) and isinstance(b, Leaf | Node):
            made = self.unify(a.type, b.type)
            return made.bind(a, b) if made is not None else None
        if isinstance(b, Leaf) and isinstance(a, Node):
            return self.unify(b, a)
        if isinstance(a, Hole):
            return self.bind(a, b)
        if isinstance(b, Hole):
            return self.bind(b, a)
        if isinstance(a, Node) and isinstance(b, Node) and a.op == b.op and len(a.args) == len(b.args):
            made = self.unify(a.type, b.type)
            for one, other in zip(a.args, b.args, strict=True):
                made = made.unify(one, other) if made is not None else None
            return made
        return None


def parts(tree: object) -> Iterator[Leaf | Node | Hole]:
    """All parts of a tree, itself first; of what occurs twice, each occurrence."""
    if isinstance(tree, Leaf | Hole):
        yield tree
    elif isinstance(tree, Node):
        yield tree
        for arg in tree.args:
            yield from parts(arg)


def filled(tree: object, values: Mapping[Any, Any]) -> Any:
    """The tree with what holes, leaves and type variables stand for."""
    if isinstance(tree, Node):
        return Node(tree.op, values.get(tree.type, tree.type), tuple(filled(arg, values) for arg in tree.args))
    if isinstance(tree, Leaf):
        return values.get(tree) or Leaf(tree.number, values.get(tree.type, tree.type))
    return values.get(tree, tree)


def text(tree: object) -> str:
    """A tree as people write it: ``(iadd.i32 v1 (const.i32 h2))``."""
    match tree:
        case Node(op, type_, args):
            return f"({op}.{_type_text(type_)}{''.join(f' {text(arg)}' for arg in args)})"
        case Leaf(number, type_):
            return f"v{number}:{_type_text(type_)}"
        case Hole(number, kind):
            return f"{kind}{number}"
    return str(tree)


def _type_text(type_: Type) -> str:
    return type_ if isinstance(type_, str) else f"t{type_.number}"
