"""From a rule's left-hand side to the trees that have its shape: operators, shared values, and what stays open.

Only the shape is made here: types are ``TypeVar``s with relations, constants are ``Hole``s. Which of them a rule takes
is decided by ``Matcher`` on trees without anything open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from generators.isle.program import All, Anything, Bind, Call, Condition, Int, Name, Program, Rule, Term, Var
from generators.rules.clif import CONSTS, FOREIGN_OPS, OPERATORS
from generators.rules.functions import TYPE_CHECKS, NotKnown
from generators.rules.matching import LOADS, SAME, TUPLED, from_value, macro, named
from generators.rules.trees import Leaf, Node, Relation, State
from generators.rules.typings import VOID

ROOTS: Final = ("simplify", "simplify_skeleton", "lower", "lower_branch", "partial_lower_branch")
"""Terms whose first argument is what the compiler has before it."""
_HOLES: Final = {"c": "intcc", "f": "floatcc", "k": "const", "l": "lane", "m": "mask"}
_SORTS: Final = {"Value": "value", "Inst": "value", "Type": "type", "IntCC": "intcc", "FloatCC": "floatcc"}
_READ: Final = frozenset({"u64_from_imm64", "u8_from_uimm8", "uimm8", "u32_from_ieee32", "u64_from_ieee64"})
"""Extractors that give the number itself."""
_VOIDS: Final = frozenset({"store", "istore8", "istore16", "istore32", "brif"})
_MOST: Final = 16
"""Trees of one rule."""
_DEPTH: Final = 4


class NotDerived(Exception):
    """Why no tree has the shape."""


Env = Mapping[str, Any]
_Grown = Iterator[tuple[Any, Env, State]]


@dataclass(slots=True)
class Grower:
    program: Program
    _depth: int = 0

    def trees(self, rule: Rule) -> list[tuple[Any, State]]:
        """The trees of a rule's shape. Raises ``NotDerived``."""
        if rule.left.term not in ROOTS or not rule.left.args:
            raise NotDerived(f"a rule of {rule.left.term}, a term that other rules use")
        found: list[tuple[Any, State]] = []
        missed: list[str] = []
        try:
            for tree, env, state in self.grow(rule.left.args[0], "value", {}, State()):
                for _, held in self.conditions(rule.conditions, env, state):
                    found.append((tree, held))
                    if len(found) == _MOST:
                        return found
        except NotKnown as name:
            missed.append(f"{name} is the compiler's own code")
        except NotDerived as why:
            missed.append(str(why))
        if not found:
            raise NotDerived(missed[0] if missed else "its pattern and its conditions contradict each other")
        return found

    # --- conditions --------------------------------------------------------------------------------------------------

    def conditions(self, conditions: Sequence[Condition], env: Env, state: State) -> Iterator[tuple[Env, State]]:
        """What conditions say about shapes; what they say about numbers is for later."""
        if not conditions:
            yield env, state
            return
        for found, grown in self._condition(conditions[0], env, state):
            yield from self.conditions(conditions[1:], found, grown)

    def _condition(self, condition: Condition, env: Env, state: State) -> Iterator[tuple[Env, State]]:
        value, pattern = condition.value, condition.pattern
        if isinstance(value, Var) and isinstance(env.get(value.name), Leaf | Node):
            yield from self._one(env[value.name], pattern, env, state)
        elif isinstance(value, Call) and self._about_values(value, env):
            if value.term.startswith(LOADS):
                tree, state = _load(state)
                yield from self._both(env[value.args[0].name], tree, pattern, env, state)  # type: ignore[union-attr]
            elif value.term == "zero_value":
                tree, state = _constant(state)
                yield from self._both(env[value.args[0].name], tree, pattern, env, state)  # type: ignore[union-attr]
            elif self.program.decls[value.term].result in ("Value", "Inst"):
                for result, grown in self._constructed(value, env, state):
                    yield from self._one(result, pattern, env, grown)
            else:
                for _, _, grown in self._applied(value, env, state):
                    yield env, grown
        else:
            yield env, state

    def _about_values(self, value: Call, env: Env) -> bool:
        """Whether a condition asks for the shape of a value."""
        first = value.args[0] if value.args else None
        if not isinstance(first, Var) or not isinstance(env.get(first.name), Leaf | Node):
            return False
        if value.term.startswith(LOADS) or value.term == "zero_value":
            return True
        decl = self.program.decls.get(value.term)
        return decl is not None and decl.args[:1] in (("Value",), ("Inst",)) and bool(self.program.of(value.term))

    def _one(self, tree: Any, pattern: Term, env: Env, state: State) -> Iterator[tuple[Env, State]]:
        for grown, found, then in self.grow(pattern, "value", env, state):
            both = then.unify(tree, grown)
            if both is not None:
                yield found, both

    def _both(self, tree: Any, other: Any, pattern: Term, env: Env, state: State) -> Iterator[tuple[Env, State]]:
        both = state.unify(tree, other)
        if both is not None:
            yield from self._one(tree, pattern, env, both)

    def _constructed(self, value: Call, env: Env, state: State) -> Iterator[tuple[Any, State]]:
        """What a term with rules gives for values."""
        for rule, held, grown in self._applied(value, env, state):
            for tree, _, last in self.grow(rule.right, "value", held, grown):
                yield tree, last

    def _applied(self, value: Call, env: Env, state: State) -> Iterator[tuple[Rule, Env, State]]:
        """The rules of a term whose patterns its arguments can have."""
        if self._depth == _DEPTH:
            return
        self._depth += 1
        try:
            sorts = self.program.decls[value.term].args
            for rule in self.program.of(value.term):
                given = [(env.get(arg.name) if isinstance(arg, Var) else None) for arg in value.args]
                for inner, grown in self._arguments(rule.left.args, sorts, given, {}, state):
                    for held, then in self.conditions(rule.conditions, inner, grown):
                        yield rule, held, replace(then, through=(*then.through, rule.place))
        finally:
            self._depth -= 1

    def _arguments(
        self, patterns: Sequence[Term], sorts: Sequence[str], given: Sequence[Any], env: Env, state: State
    ) -> Iterator[tuple[Env, State]]:
        if not patterns:
            yield env, state
            return
        for tree, found, grown in self.grow(patterns[0], _SORTS.get(sorts[0], "const"), env, state):
            both = grown.unify(tree, given[0]) if given[0] is not None else grown
            if both is not None:
                yield from self._arguments(patterns[1:], sorts[1:], given[1:], found, both)

    # --- patterns ----------------------------------------------------------------------------------------------------

    def grow(self, pattern: Term, sort: str, env: Env, state: State) -> _Grown:
        """The most general things that a pattern takes. ``sort``: value, type, intcc, floatcc, const, lane, mask."""
        match pattern:
            case Anything():
                thing, state = _open(sort, state)
                yield thing, env, state
            case Var(name):
                thing = env.get(name)
                if thing is None:
                    thing, state = _open(sort, state)
                yield thing, {**env, name: thing}, state
            case Int(value):
                thing, state = _open(sort if sort in ("lane", "mask") else "const", state)
                yield thing, env, _named(thing, value, state)
            case Name(name):
                yield named(name), env, state
            case Bind(name, inner):
                for thing, found, grown in self.grow(inner, sort, env, state):
                    both = grown.unify(thing, found[name]) if name in found else grown
                    if both is not None:
                        yield thing, {**found, name: thing}, both
            case All(items):
                yield from self._all(items, sort, env, state)
            case Call():
                yield from self._call(pattern, sort, env, state)
            case _:
                raise NotDerived("an expression stands where a pattern is due")

    def _all(self, items: Sequence[Term], sort: str, env: Env, state: State) -> _Grown:
        for thing, found, grown in self.grow(items[0], sort, env, state):
            if len(items) == 1:
                yield thing, found, grown
                continue
            for other, last, then in self._all(items[1:], sort, found, grown):
                both = then.unify(thing, other)
                if both is not None:
                    yield thing, last, both

    def _call(self, pattern: Call, sort: str, env: Env, state: State) -> _Grown:
        term, args = pattern.term, pattern.args
        expanded = macro(self.program, pattern)
        if expanded is not None:
            yield from self.grow(expanded, sort, env, state)
        elif "." in term and not args:
            yield term.partition(".")[2], env, state
        elif sort == "type":
            yield from self._type(pattern, env, state)
        elif sort != "value":
            thing, state = _open(sort, state)
            number = args[0] if len(args) == 1 and term in _READ else None
            yield thing, env, _named(thing, number.value, state) if isinstance(number, Int) else state
        elif term in OPERATORS:
            yield from self._operator(pattern, env, state)
        elif term in CONSTS or (term in TUPLED and isinstance(args[0], Call)):
            yield from self._constant(pattern, env, state)
        elif term in SAME and args:
            yield from self.grow(args[-1], "value", env, state)
        elif term == "value_type":
            leaf, state = state.leaf()
            for type_, found, grown in self.grow(args[0], "type", env, state):
                both = grown.unify(leaf.type, type_)
                if both is not None:
                    yield leaf, found, both
        else:
            yield from self._special(pattern, env, state)

    def _special(self, pattern: Call, env: Env, state: State) -> _Grown:
        term, args = pattern.term, pattern.args
        if term in ("uextend_maybe_etor", "sextend_maybe_etor"):
            yield from self._operator(Call(term[:7], args), env, state)
            for thing, found, grown in self.grow(args[1], "value", env, state):
                for type_, last, then in self.grow(args[0], "type", found, grown):
                    both = then.unify(type_, _type_of(thing, then))
                    if both is not None:
                        yield thing, last, both
        elif term == "maybe_uextend":
            yield from self._operator(Call("uextend", (Anything(), *args)), env, state)
            yield from self.grow(args[0], "value", env, state)
        elif term.startswith(LOADS):
            tree, state = _load(state)
            yield tree, {**env, args[0].name: tree} if isinstance(args[0], Var) else env, state
        elif from_value(term, "i32", 1) is not None or from_value(term, "i8x16", 1) is not None:
            tree, state = _constant(state)
            number = args[0] if len(args) == 1 else None
            yield tree, env, _named(tree.args[0], number.value, state) if isinstance(number, Int) else state
        elif term in FOREIGN_OPS:
            raise NotDerived(FOREIGN_OPS[term])
        elif term in self.program.externs:
            raise NotDerived(f"{term} is the compiler's own code")
        elif term in self.program.decls:
            raise NotDerived(f"{term} is an operator that no instruction is translated to here")
        else:
            raise NotDerived(FOREIGN_OPS.get(term, f"{term} is an operator that no instruction is translated to here"))

    def _type(self, pattern: Call, env: Env, state: State) -> _Grown:
        term, args = pattern.term, pattern.args
        if term == "type_register_class" and isinstance(args[0], Call):
            type_, state = state.type()
            check = "a vector register" if args[0].term.endswith("Xmm") else "an integer register"
            yield type_, env, state.relate(Relation(check, type_, check=True))
            return
        if term not in TYPE_CHECKS and term not in ("multi_lane", "dynamic_lane"):
            raise NotDerived(f"{term} is the compiler's own code")
        type_, state = state.type()
        numbers = tuple(str(arg.value) if isinstance(arg, Int) else "" for arg in args)
        if term in ("multi_lane", "dynamic_lane"):
            yield type_, env, state.relate(Relation(term, type_, numbers, check=True))
            return
        state = state.relate(Relation(term, type_, check=True))
        for arg in args:
            for thing, found, grown in self.grow(arg, "type", env, state):
                both = grown.unify(type_, thing)
                if both is not None:
                    yield type_, found, both
            return
        yield type_, env, state

    def _operator(self, pattern: Call, env: Env, state: State) -> _Grown:
        operator = OPERATORS[pattern.term]
        args = pattern.args
        typed = len(args) == len(operator.args) + 1
        if not typed and len(args) != len(operator.args):
            raise NotDerived(f"{pattern.term} with {len(args)} operands, which is another one's form")
        result, state = state.type()
        if pattern.term in _VOIDS:
            bound = state.unify(result, VOID)
            assert bound is not None
            state = bound
        starts: _Grown = iter([(result, env, state)])
        if typed:
            starts = self.grow(args[0], "type", env, state)
        for type_, found, grown in starts:
            both = grown.unify(result, type_)
            if both is None:
                continue
            for made, last, then in self._operands(args[typed:], operator.args, found, both):
                node = Node(pattern.term, result, tuple(made))
                types = tuple(_type_of(one, then) for one in made if isinstance(one, Leaf | Node))
                yield node, last, then.relate(Relation(operator.typing, result, types))

    def _operands(
        self, args: Sequence[Term], kinds: str, env: Env, state: State
    ) -> Iterator[tuple[list[Any], Env, State]]:
        if not args:
            yield [], env, state
            return
        if kinds[0] in "Faox":
            if kinds[0] == "a" and isinstance(args[0], Call):
                raise NotDerived("conditions on an address")
            yield from self._operands(args[1:], kinds[1:], env, state)
            return
        sort = "value" if kinds[0] == "v" else _HOLES[kinds[0]]
        for thing, found, grown in self.grow(args[0], sort, env, state):
            for rest, last, then in self._operands(args[1:], kinds[1:], found, grown):
                yield [thing, *rest], last, then

    def _constant(self, pattern: Call, env: Env, state: State) -> _Grown:
        """A constant of whatever kind; in ``iconst`` and its kin the last argument is the number."""
        inner = pattern.args[0] if pattern.term in TUPLED else pattern
        assert isinstance(inner, Call)
        if inner.term not in (*CONSTS, "iconst_sextend_etor", "all_zero_etor"):
            raise NotDerived(f"{inner.term} is the compiler's own code")
        tree, state = _constant(state)
        kind = CONSTS.get(inner.term, "scalar int" if inner.term == "iconst_sextend_etor" else "const")
        number = inner.args[-1] if inner.term in CONSTS else None
        if inner.term == "all_zero_etor":
            state = _named(tree.args[0], 0, state)
        elif inner.term == "iconst_sextend_etor" and isinstance(inner.args[1], Int):
            state = _named(tree.args[0], inner.args[1].value, state)
        if kind in ("f32", "f64"):
            both = state.unify(tree.type, kind)
            assert both is not None
            state = both
        else:
            state = state.relate(Relation(kind, tree.type))
        types = inner.args[:1] if inner.term not in CONSTS or len(inner.args) == 2 else ()
        for type_, found, grown in self.grow(types[0], "type", env, state) if types else [(tree.type, env, state)]:
            both = grown.unify(tree.type, type_)
            if both is None:
                continue
            if number is None or isinstance(number, Anything):
                yield tree, found, both
                continue
            for hole, last, then in self.grow(number, "const", found, both):
                same = then.unify(tree.args[0], hole)
                if same is not None:
                    yield tree, last, same


def _open(sort: str, state: State) -> tuple[Any, State]:
    if sort == "value":
        return state.leaf()
    if sort == "type":
        return state.type()
    return state.hole(sort)


def _named(hole: Any, value: int, state: State) -> State:
    return replace(state, named=(*state.named, (hole, value)))


def _load(state: State) -> tuple[Node, State]:
    type_, state = state.type()
    return Node("load", type_, ()), state.relate(Relation("load", type_))


def _constant(state: State) -> tuple[Node, State]:
    type_, state = state.type()
    hole, state = state.hole("const")
    return Node("const", type_, (hole,)), state


def _type_of(thing: Any, state: State) -> Any:
    thing = state.seen(thing)
    return thing.type if isinstance(thing, Leaf | Node) else thing
