"""Whether a rule takes a tree: patterns and conditions as the rule language defines them, on values that are known.

What the compiler's own code decides is taken to hold, and its name is kept (``Matcher.undecided``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from generators.isle.program import All, Anything, Bind, Call, Condition, Int, Let, Name, Program, Rule, Term, Var
from generators.rules.clif import CONSTS, OPERATORS, is_int, shape
from generators.rules.functions import FREE, TYPE_CHECKS, Free, NotKnown, call, extract, signed
from generators.rules.trees import Leaf, Node

Env = Mapping[str, Any]

SAME: Final = frozenset({
    "def_inst", "first_result", "inst_data", "result_of", "put_in_reg", "put_in_regs", "put_in_xmm", "put_in_gpr",
    "inst_results", "put_in_xmm_mem", "subsume", "remat",
})  # fmt: skip
"""Terms between an instruction and its value, or a value and a register: nothing to a tree."""
TUPLED: Final = ("inst_data_value_tupled", "inst_data_tupled")
LOADS: Final = ("sinkable_load", "is_sinkable_inst")
_DEPTH: Final = 12


def substituted(body: Term, by: Mapping[str, Term]) -> Term:
    """The body of a macro with patterns for its parameters."""
    match body:
        case Var(name):
            return by.get(name, body)
        case Bind(name, inner):
            return Bind(name, substituted(inner, by))
        case All(items):
            return All(tuple(substituted(one, by) for one in items))
        case Call(term, args):
            return Call(term, tuple(substituted(one, by) for one in args))
    return body


def macro(program: Program, term: Call) -> Term | None:
    """What an internal extractor stands for; None if it is none."""
    found = program.macros.get(term.term)
    if found is None or len(found.params) != len(term.args):
        return None
    return substituted(found.body, dict(zip(found.params, term.args, strict=True)))


def named(name: str) -> object:
    """``$I32X4``, ``true``. Raises ``NotKnown``."""
    word = name.removeprefix("$").lower()
    if word in ("true", "false"):
        return word == "true"
    try:
        shape(word)
    except ValueError:
        raise NotKnown(name) from None
    return word


def type_of(value: object) -> object:
    return value.type if isinstance(value, Leaf | Node) else FREE


def constant(value: object) -> int | None:
    """The bits of a constant."""
    if isinstance(value, Node) and value.op == "const" and isinstance(value.args[0], int):
        return value.args[0]
    return None


def _equal(a: object, b: object) -> bool:
    if isinstance(a, Free) or isinstance(b, Free) or a == b:
        return True
    if isinstance(a, int) and isinstance(b, int) and not isinstance(a, bool) and (a < 0) != (b < 0):
        return (a - b) % (1 << 64) == 0
    return False


@dataclass(slots=True)
class Matcher:
    """Patterns of one program."""

    program: Program
    undecided: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    """The places of rules that conditions asked for, and that held."""
    _depth: int = 0

    def takes(self, rule: Rule, tree: object) -> bool:
        """Whether the rule's pattern and conditions hold on a tree without anything open but its leaves."""
        for env in self.match(rule.left.args[0], tree, {}):
            for _ in self.conditions(rule.conditions, env):
                return True
        return False

    def conditions(self, conditions: Sequence[Condition], env: Env) -> Iterator[Env]:
        if not conditions:
            yield env
            return
        first = conditions[0]
        for value in self.evaluate(first.value, env):
            for found in self.match(first.pattern, value, env):
                yield from self.conditions(conditions[1:], found)

    # --- patterns ----------------------------------------------------------------------------------------------------

    def match(self, pattern: Term, value: Any, env: Env) -> Iterator[Env]:
        match pattern:
            case Anything():
                yield env
            case Var(name):
                if name not in env:
                    yield {**env, name: value}
                elif _equal(env[name], value):
                    yield env
            case Int(number):
                if _equal(number, value):
                    yield env
            case Name(name):
                if _equal(named(name), value):
                    yield env
            case Bind(name, inner):
                for found in self.match(inner, value, env):
                    yield from self.match(Var(name), value, found)
            case All(items):
                yield from self._all([(one, value) for one in items], env)
            case Call():
                yield from self._extract(pattern, value, env)

    def _all(self, pairs: Sequence[tuple[Term, Any]], env: Env) -> Iterator[Env]:
        if not pairs:
            yield env
            return
        for found in self.match(*pairs[0], env):
            yield from self._all(pairs[1:], found)

    def _extract(self, pattern: Call, value: Any, env: Env) -> Iterator[Env]:
        term, args = pattern.term, pattern.args
        expanded = macro(self.program, pattern)
        if expanded is not None:
            yield from self.match(expanded, value, env)
        elif "." in term:
            if not args and _equal(term.partition(".")[2], value):
                yield env
        elif term in OPERATORS or term in CONSTS:
            yield from self._operator(pattern, value, env)
        elif term in SAME and args:
            yield from self.match(args[-1], value, env)
        elif term == "value_type":
            yield from self.match(args[0], type_of(value), env)
        elif term in TUPLED and isinstance(args[0], Call):
            yield from self._tupled(args[0], value, env)
        elif term in ("uextend_maybe_etor", "sextend_maybe_etor"):
            if isinstance(value, Node) and value.op == term[:7]:
                yield from self._all([(args[0], value.type), (args[1], value.args[0])], env)
            yield from self._all([(args[0], type_of(value)), (args[1], value)], env)
        elif term == "maybe_uextend":
            inner = value.args[0] if isinstance(value, Node) and value.op == "uextend" else value
            yield from self.match(args[0], inner, env)
        elif term.startswith(LOADS):
            if isinstance(value, Node) and value.op == "load":
                yield from self.match(args[0], value, env)
        else:
            yield from self._of_number(pattern, value, env)

    def _operator(self, pattern: Call, value: Any, env: Env) -> Iterator[Env]:
        if not isinstance(value, Node):
            return
        args = pattern.args
        pairs: list[tuple[Term, Any]]
        if pattern.term in CONSTS:
            kinds_ = {"iconst": is_int(str(value.type)), "vconst": shape(str(value.type)).lanes > 1}
            if value.op == "const" and kinds_.get(pattern.term, value.type == CONSTS[pattern.term]):
                pairs = [(args[-1], value.args[0])] + ([(args[0], value.type)] if len(args) == 2 else [])
                yield from self._all(pairs, env)
            return
        if value.op != pattern.term:
            return
        kinds = OPERATORS[pattern.term].args
        typed = len(args) == len(kinds) + 1
        pairs = [(args[0], value.type)] if typed else []
        rest = iter(value.args)
        for arg, kind in zip(args[typed:], kinds, strict=False):
            pairs.append((arg, FREE if kind in "Faox" else next(rest)))
        yield from self._all(pairs, env)

    def _tupled(self, inner: Call, value: Any, env: Env) -> Iterator[Env]:
        bits = constant(value)
        if bits is None:
            return
        if inner.term == "iconst_sextend_etor" and is_int(value.type):
            yield from self._all([(inner.args[0], value.type), (inner.args[1], signed(value.type, bits))], env)
        elif inner.term == "all_zero_etor" and bits == 0:
            yield from self.match(inner.args[0], value.type, env)

    def _of_number(self, pattern: Call, value: Any, env: Env) -> Iterator[Env]:
        """Extractors of types and numbers, and of constants among values."""
        term, args = pattern.term, pattern.args
        if isinstance(value, str) and term == "type_register_class" and isinstance(args[0], Call):
            check = "a vector register" if args[0].term.endswith("Xmm") else "an integer register"
            if TYPE_CHECKS[check](value):
                yield env
        elif isinstance(value, str) and term == "multi_lane":
            parts = shape(value)
            if parts.lanes > 1:
                yield from self._all([(args[0], parts.bits), (args[1], parts.lanes)], env)
        elif isinstance(value, str) and term in TYPE_CHECKS:
            if TYPE_CHECKS[term](value):
                yield from self._all([(one, value) for one in args], env)
        elif isinstance(value, Leaf | Node):
            bits = constant(value)
            if bits is None:
                return
            number = from_value(term, str(value.type), bits)
            if number is not None:
                yield from self._all([(one, number) for one in args], env)
        else:
            try:
                found = extract(term, value)
            except NotKnown:
                self.undecided.add(term)
                found = [FREE] * len(args)
            if found is not None and len(found) == len(args):
                yield from self._all(list(zip(args, found, strict=True)), env)

    # --- expressions -------------------------------------------------------------------------------------------------

    def evaluate(self, expression: Term, env: Env) -> Iterator[Any]:
        match expression:
            case Var(name):
                yield env.get(name, FREE)
            case Int(number):
                yield number
            case Name(name):
                yield named(name)
            case Let(names, body):
                for name, value in names:
                    found = next(self.evaluate(value, env), None)
                    if found is None:
                        return
                    env = {**env, name: found}
                yield from self.evaluate(body, env)
            case Call():
                yield from self._call(expression, env)
            case _:
                yield FREE

    def _call(self, expression: Call, env: Env) -> Iterator[Any]:
        term = expression.term
        if "." in term and not expression.args:
            yield term.partition(".")[2]
            return
        for args in self._arguments(expression.args, env):
            if term in OPERATORS or term in CONSTS:
                yield FREE
            elif term in SAME:
                yield args[-1]
            elif self.program.of(term):
                yield from self._constructed(term, args)
            elif term == "zero_value":
                yield from [args[0]] if constant(args[0]) == 0 else []
            elif term.startswith(LOADS):
                yield from [args[0]] if isinstance(args[0], Node) and args[0].op == "load" else []
            else:
                yield from self._function(term, args)

    def _function(self, term: str, args: list[Any]) -> Iterator[Any]:
        try:
            if any(isinstance(one, Leaf | Node) for one in args):
                raise NotKnown(term)
            value = call(term, args)
        except (NotKnown, TypeError, ValueError):
            self.undecided.add(term)
            value = FREE
        if value is not None:
            yield value

    def _arguments(self, expressions: Sequence[Term], env: Env) -> Iterator[list[Any]]:
        if not expressions:
            yield []
            return
        for first in self.evaluate(expressions[0], env):
            for rest in self._arguments(expressions[1:], env):
                yield [first, *rest]

    def _constructed(self, term: str, args: list[Any]) -> Iterator[Any]:
        """A term that has rules: of the first one that holds, or of all where there may be several."""
        several = "multi" in self.program.decls[term].words if term in self.program.decls else False
        if self._depth > _DEPTH:
            yield FREE
            return
        self._depth += 1
        try:
            for rule in self.program.of(term):
                held = False
                for env in self._all(list(zip(rule.left.args, args, strict=False)), {}):
                    for found in self.conditions(rule.conditions, env):
                        for value in self.evaluate(rule.right, found):
                            held = True
                            self.used.add(rule.place)
                            yield value
                if held and not several:
                    return
        finally:
            self._depth -= 1


def from_value(term: str, type_: str, bits: int) -> int | Free | None:
    """The number that an extractor of constants reads from one; None if it is none of its kind."""
    match term:
        case "i64_from_iconst":
            return signed(type_, bits) if is_int(type_) else None
        case "simm32_from_value" | "simm32_from_imm64":
            value = signed(type_, bits) if is_int(type_) else 1 << 40
            return value if -(1 << 31) <= value < 1 << 31 else None
        case "imm8_from_value":
            value = signed(type_, bits) if is_int(type_) else 1 << 40
            return value if -128 <= value < 128 else None
        case "u64_from_constant" | "u128_from_constant":
            return bits
    return None
