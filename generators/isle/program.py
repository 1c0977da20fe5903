"""What rule files say: declarations, extractors that are macros, and rules with their patterns and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from generators.isle.syntax import Form, Group, Number, RuleSyntaxError, Word, read_forms


@dataclass(frozen=True, slots=True)
class Anything:
    """``_``: anything."""


@dataclass(frozen=True, slots=True)
class Var:
    name: str


@dataclass(frozen=True, slots=True)
class Int:
    value: int


@dataclass(frozen=True, slots=True)
class Name:
    """A constant by its name: ``$I32``, ``true``."""

    name: str


@dataclass(frozen=True, slots=True)
class Bind:
    """``name @ inner``."""

    name: str
    inner: Term


@dataclass(frozen=True, slots=True)
class All:
    """``(and ...)``: all of these patterns."""

    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A term with arguments: an extractor in a pattern, a constructor in an expression; ``IntCC.Equal`` too."""

    term: str
    args: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Let:
    """``(let ((name Type value) ...) body)``: an expression."""

    names: tuple[tuple[str, Term], ...]
    body: Term


Term: TypeAlias = Anything | Var | Int | Name | Bind | All | Call | Let


@dataclass(frozen=True, slots=True)
class Condition:
    """``(if-let pattern value)``; ``(if value)`` has the pattern ``_``."""

    pattern: Term
    value: Term


@dataclass(frozen=True, slots=True)
class Rule:
    """``file`` and ``line`` say where it stands; ``left`` is what it rewrites, a ``Call``."""

    file: str
    line: int
    priority: int
    left: Call
    conditions: tuple[Condition, ...]
    right: Term

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Decl:
    """Argument types and result type of a term, and its words: pure, partial, multi, rec."""

    args: tuple[str, ...]
    result: str
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Macro:
    """An internal extractor: its parameters, and the pattern that it stands for."""

    params: tuple[str, ...]
    body: Term


@dataclass(slots=True)
class Program:
    """Rule files read together. ``externs`` are the terms whose meaning is code of the compiler's own."""

    decls: dict[str, Decl] = field(default_factory=dict)
    macros: dict[str, Macro] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    externs: set[str] = field(default_factory=set)
    _by_term: dict[str, list[Rule]] | None = None

    def of(self, term: str) -> list[Rule]:
        """The rules of a term, the highest priority first."""
        if self._by_term is None:
            self._by_term = {}
            for rule in self.rules:
                self._by_term.setdefault(rule.left.term, []).append(rule)
            for found in self._by_term.values():
                found.sort(key=lambda rule: -rule.priority)
        return self._by_term.get(term, [])


_SKIPPED: Final = frozenset({
    "spec", "model", "form", "instantiate", "attr", "pragma", "convert", "type", "state", "macro",
})  # fmt: skip
"""Forms that say nothing about which instructions a rule looks at."""


def read_program(files: Mapping[str, str]) -> Program:
    """Read files, by name. Raises ``RuleSyntaxError``."""
    program = Program()
    for name, text in files.items():
        for form in read_forms(text, name):
            if not isinstance(form, Group) or not form.head:
                raise RuleSyntaxError(f"{name}:{form.line}: a form begins with its name in parentheses")
            _read(program, form, name)
    return program


def _read(program: Program, form: Group, file: str) -> None:
    match form.head:
        case "decl":
            _decl(program, form, file)
        case "rule":
            program.rules.append(_rule(form, file))
        case "extractor":
            _extractor(program, form, file)
        case "extern":
            # (extern constructor TERM rust), (extern extractor [infallible] TERM rust), (extern const $NAME Type)
            names = [one.text for one in form.items[1:] if isinstance(one, Word) and one.text != "infallible"]
            if len(names) > 1 and names[0] in ("constructor", "extractor"):
                program.externs.add(names[1])
        case word if word in _SKIPPED:
            pass
        case word:
            raise RuleSyntaxError(f"{file}:{form.line}: ({word} ...) is no form that is known here")


def _decl(program: Program, form: Group, file: str) -> None:
    words: list[str] = []
    name = ""
    for at, one in enumerate(form.items[1:], 1):
        if isinstance(one, Group):
            rest = form.items[at + 1 :]
            if not name or len(rest) != 1:
                break
            args = tuple(_text(item) for item in one.items)
            program.decls[name] = Decl(args, _text(rest[0]), frozenset(words[:-1]))
            return
        name = _text(one)
        words.append(name)
    raise RuleSyntaxError(f"{file}:{form.line}: a declaration is (decl name (types) type)")


def _extractor(program: Program, form: Group, file: str) -> None:
    items = form.items
    if len(items) != 3 or not isinstance(items[1], Group) or not items[1].head:
        raise RuleSyntaxError(f"{file}:{form.line}: an extractor is (extractor (name params) pattern)")
    params = tuple(_text(one) for one in items[1].items[1:])
    program.macros[items[1].head] = Macro(params, term(items[2], file))


def _text(form: Form) -> str:
    return form.text if isinstance(form, Word) else ""


def _rule(form: Group, file: str) -> Rule:
    rest = list(form.items[1:])
    priority = 0
    while rest and not isinstance(rest[0], Group):  # a name, a priority, in either order
        first = rest.pop(0)
        if isinstance(first, Number):
            priority = first.value
    if len(rest) < 2:
        raise RuleSyntaxError(f"{file}:{form.line}: a rule is (rule pattern conditions expression)")
    left = term(rest[0], file)
    if not isinstance(left, Call):
        raise RuleSyntaxError(f"{file}:{form.line}: a rule rewrites (a term with arguments)")
    conditions = tuple(_condition(one, file) for one in rest[1:-1])
    return Rule(file, form.line, priority, left, conditions, term(rest[-1], file))


def _condition(form: Form, file: str) -> Condition:
    if isinstance(form, Group):
        if form.head == "if-let" and len(form.items) == 3:
            return Condition(term(form.items[1], file), term(form.items[2], file))
        if form.head == "if" and len(form.items) == 2:
            return Condition(Anything(), term(form.items[1], file))
    raise RuleSyntaxError(f"{file}:{form.line}: a condition is (if-let pattern expression) or (if expression)")


def term(form: Form, file: str) -> Term:
    """A pattern or an expression. Raises ``RuleSyntaxError``."""
    match form:
        case Number():
            return Int(form.value)
        case Word():
            return _word(form.text)
        case Group(items) if items and isinstance(items[0], Word):
            head = items[0].text
            if head == "let" and len(items) == 3 and isinstance(items[1], Group):
                return Let(tuple(_let(one, file) for one in items[1].items), term(items[2], file))
            args = tuple(_terms(items[1:], file))
            return All(args) if head == "and" else Call(head, args)
    raise RuleSyntaxError(f"{file}:{form.line}: neither a pattern nor an expression")


def _word(text: str) -> Term:
    if text == "_":
        return Anything()
    if text.startswith("$") or text in ("true", "false"):
        return Name(text)
    # ``=x`` is an older way to write a variable that stands for what it stood for before.
    return Var(text.removeprefix("="))


def _let(form: Form, file: str) -> tuple[str, Term]:
    if not isinstance(form, Group) or len(form.items) != 3:
        raise RuleSyntaxError(f"{file}:{form.line}: let binds (name Type value)")
    return _text(form.items[0]), term(form.items[2], file)


def _terms(forms: Sequence[Form], file: str) -> Iterable[Term]:
    """Terms, where ``name @ pattern`` is one."""
    at = 0
    while at < len(forms):
        one = forms[at]
        following = forms[at + 1] if at + 2 < len(forms) else None
        if isinstance(one, Word) and isinstance(following, Word) and following.text == "@":
            yield Bind(one.text, term(forms[at + 2], file))
            at += 3
        else:
            yield term(one, file)
            at += 1
