"""What a rule makes of a tree that it takes: its right-hand side, built. For checking that a release applies it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from generators.isle.program import Call, Int, Let, Name, Program, Rule, Term, Var
from generators.rules.clif import OPERATORS
from generators.rules.functions import Free, NotKnown, ones
from generators.rules.matching import SAME, Matcher, type_of
from generators.rules.trees import Leaf, Node

_MOST: Final = 6
"""Terms within terms."""


class NotBuilt(Exception):
    """A right-hand side that is no tree of operators that are known here."""


def result(program: Program, rule: Rule, tree: Leaf | Node) -> Leaf | Node:
    """The tree that a rule puts in the place of another one, in which nothing but leaves is open. Raises
    ``NotBuilt``."""
    matcher = Matcher(program)
    for env in matcher.match(rule.left.args[0], tree, {}):
        for held in matcher.conditions(rule.conditions, env):
            made = _Builder(matcher).build(rule.right, held, 0)
            if isinstance(made, Leaf | Node):
                return made
            raise NotBuilt("it is no value")
    raise NotBuilt("the rule does not take it")


class _Builder:
    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher

    def build(self, term: Term, env: Mapping[str, Any], depth: int) -> Any:
        match term:
            case Var(name):
                return env[name]
            case Let(names, body):
                for name, value in names:
                    env = {**env, name: self.build(value, env, depth)}
                return self.build(body, env, depth)
            case Call(name, args) if name in SAME:
                return self.build(args[-1], env, depth)
            case Call(name, args) if name in ("iconst", "iconst_u", "iconst_s", "all_zero", "f32const", "f64const"):
                type_ = self.value(args[0], env)
                number = 0 if name == "all_zero" else self.value(args[1], env)
                if isinstance(number, Free):
                    raise NotBuilt("a constant that is computed elsewhere")
                return Node("const", type_, (number & ones(type_),))
            case Call(name, args) if name in OPERATORS:
                return self.operator(name, args, env, depth)
            case Call(name, args) if depth < _MOST:
                for rule in self.matcher.program.of(name):
                    params = rule.left.args
                    if not rule.conditions and all(isinstance(param, Var) for param in params):
                        given = [self.build(arg, env, depth) for arg in args]
                        inner = {one.name: value for one, value in zip(params, given, strict=True)}  # type: ignore[union-attr]
                        return self.build(rule.right, inner, depth + 1)
        return self.value(term, env)

    def operator(self, name: str, args: tuple[Term, ...], env: Mapping[str, Any], depth: int) -> Node:
        kinds = OPERATORS[name].args
        if len(args) != len(kinds) + 1 or set(kinds) & set("Faox"):
            raise NotBuilt(f"{name} without its type")
        made = [
            self.build(arg, env, depth) if kind == "v" else self.value(arg, env)
            for arg, kind in zip(args[1:], kinds, strict=True)
        ]
        return Node(name, self.value(args[0], env), tuple(made))

    def value(self, term: Term, env: Mapping[str, Any]) -> Any:
        """A number, a type or a condition."""
        if isinstance(term, Var | Int | Name | Call):
            try:
                found = next(self.matcher.evaluate(term, env), None)
            except NotKnown:
                found = None
            if found is not None and not isinstance(found, Free):
                return type_of(found) if term == Call("value_type", ()) else found
        raise NotBuilt("a term that is not built here")
