"""What is aimed at: a tree of instructions, what stays open in it, and the constants that are worth trying.

As text, a tree is

    (i32.or (i32.shl x:i32 (i32.const $0)) (i32.shr_u x:i32 (i32.const $1)))
    (i64.add y:i64 (i64.load @))
    (i32.extend8_s (i8x16.extract_lane_u $0 v:v128))

Names with a type are leaves, any values; the same name is the same value. ``@`` is an address. ``$0`` is the first of
the constants that an aim lists, and may stand for a lane or for a shuffle's mask (a number whose bytes are the lanes).
A row without a memory's immediates, as all are written, accesses memory at offset 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from generators.isle.syntax import Form, Group, Number, Word, read_forms
from wasm.errors import UserError
from wasm.isa import ADDR, OPS, Imm
from wasm.valtypes import NUM_TYPES, NumType

VERSION: Final = 1
"""Of the JSON form."""
_TYPES: Final = {t.name: t for t in NUM_TYPES}


class BadAim(UserError):
    """A text or a file that is no aim: what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Any value; where the name is the same, the value is."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Open:
    """The constant of that number."""

    number: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a row accesses memory: ``@``."""


@dataclass(frozen=True, slots=True)
class Apply:
    """An instruction by its row's name, its immediates and operands."""

    row: str
    imms: tuple[int | Open, ...]
    args: tuple[Tree, ...]


Tree: TypeAlias = Apply | Leaf | Address


@dataclass(frozen=True, slots=True)
class Aim:
    """``inside`` and ``outside`` are constants by number with which the rule holds, and just does not.

    ``rules`` are the places of the rules that this is one of; ``open`` names conditions that are the compiler's own
    code, so that nobody here knows which constants fulfil them. ``branch``: the value decides a branch.
    """

    tree: Tree
    inside: tuple[tuple[int, ...], ...] = ((),)
    outside: tuple[tuple[int, ...], ...] = ()
    rules: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    branch: bool = False

    def to_json(self) -> dict[str, Any]:
        """The form in a file of aims (docs/json.md)."""
        found: dict[str, Any] = {"tree": text(self.tree), "rules": list(self.rules)}
        if self.inside != ((),):
            found["inside"] = [list(map(str, one)) for one in self.inside]
        if self.outside:
            found["outside"] = [list(map(str, one)) for one in self.outside]
        if self.open:
            found["open"] = list(self.open)
        if self.branch:
            found["branch"] = True
        return found


def from_json(data: Any) -> Aim:
    """The opposite of ``Aim.to_json``. Raises ``BadAim``."""
    try:
        inside, outside = (
            tuple(tuple(map(int, one)) for one in data.get(key, default))
            for key, default in (("inside", ((),)), ("outside", ()))
        )
        made = Aim(parse(data["tree"]), inside, outside, tuple(data.get("rules", ())), tuple(data.get("open", ())))
        return replace(made, branch=bool(data.get("branch", False)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAim(f"{json.dumps(data)[:80]} is no aim: {error}") from None


# --- text -------------------------------------------------------------------------------------------------------------


def text(tree: Tree) -> str:
    """A tree as text."""
    match tree:
        case Leaf(name, type_):
            return f"{name}:{type_}"
        case Address():
            return "@"
        case Apply(row, imms, args):
            said = [f"${one.number}" if isinstance(one, Open) else str(one) for one in imms]
            return f"({' '.join([row, *said, *map(text, args)])})"


def parse(said: str) -> Tree:
    """The tree of a text. Raises ``BadAim``."""
    forms = read_forms(said, "an aim")
    if len(forms) != 1:
        raise BadAim(f"{said!r} is not one tree")
    tree = _tree(forms[0])
    result_type(tree)
    return tree


def _tree(form: Form) -> Tree:
    match form:
        case Word("@"):
            return Address()
        case Word(word) if ":" in word:
            name, _, type_ = word.partition(":")
            if type_ not in _TYPES:
                raise BadAim(f"{word} is no leaf: its type is one of {', '.join(_TYPES)}")
            return Leaf(name, type_)
        case Group(items) if form.head in OPS:
            imms: list[int | Open] = []
            args: list[Tree] = []
            for one in items[1:]:
                if isinstance(one, Number):
                    imms.append(one.value)
                elif isinstance(one, Word) and one.text.startswith("$") and one.text[1:].isdigit():
                    imms.append(Open(int(one.text[1:])))
                else:
                    args.append(_tree(one))
            return Apply(form.head, tuple(imms), tuple(args))
    raise BadAim(f"line {form.line}: neither an instruction of the table with operands, nor a leaf x:i32, nor @")


def result_type(tree: Tree) -> NumType | None:
    """What a tree gives; None for a store. Raises ``BadAim`` where operands and rows do not fit each other."""
    match tree:
        case Leaf(_, type_):
            return _TYPES[type_]
        case Address():
            return None
    op = OPS[tree.row]
    given = [result_type(arg) for arg in tree.args]
    if tree.row == "select":
        fits = len(given) == 3 and given[0] == given[1] and given[2] == _TYPES["i32"]
        if not fits:
            raise BadAim(f"{text(tree)}: select takes two values of one type and an i32")
        return given[0]
    expected = [None if one == ADDR else one for one in op.params or ()]
    missing = sum(kind is not Imm.MEMARG for kind in op.imms) - len(tree.imms)
    if given != expected or missing or any(isinstance(one, Address) != (type_ is None) for one, type_ in
                                           zip(tree.args, expected, strict=False)):  # fmt: skip
        raise BadAim(f"{text(tree)}: {tree.row} takes other operands or immediates")
    results = op.results or ()
    return results[0] if results and isinstance(results[0], NumType) else None


def parts(tree: Tree) -> Iterator[Tree]:
    """A tree and everything in it, in the order of the text; of what occurs twice each occurrence."""
    yield tree
    if isinstance(tree, Apply):
        for arg in tree.args:
            yield from parts(arg)


# --- many -------------------------------------------------------------------------------------------------------------


def merged(aims: Iterable[Aim]) -> tuple[Aim, ...]:
    """Each tree with its constants once, with all rules that it is one of; in order of first appearance."""
    found: dict[tuple[object, ...], Aim] = {}
    for aim in aims:
        key = aim.tree, aim.inside, aim.outside, aim.branch
        known = found.get(key)
        found[key] = aim if known is None else replace(known, rules=tuple(dict.fromkeys((*known.rules, *aim.rules))))
    return tuple(found.values())


def digest(aims: Iterable[Aim]) -> str:
    """Twelve hexadecimal digits that stand for these aims in this order."""
    whole = hashlib.sha256()
    for aim in aims:
        whole.update(json.dumps(replace(aim, rules=()).to_json(), sort_keys=True).encode() + b"\n")
    return whole.hexdigest()[:12]
