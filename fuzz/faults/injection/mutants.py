"""Mutants of the compiler, made from its syntax tree: one small change each, drawn by a seed.

The changes are the classical ones (DeMillo, Lipton and Sayward, "Hints on test data selection", 1978): a constant one
up or down, another comparison, operands that change places, a statement left out. A mutant is put into a process that
has not imported the module yet, whose import system is given the changed source (``install``), or takes a function's
place for a while (``exchanged``).
"""

from __future__ import annotations

import ast
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

from fuzz.faults.injection.patches import code_of, function_at, running

_PICKED: Final = (
    "abi", "emit", "layout", "lower", "rewrite", "ssa_builder", "translate_rules", "translator", "simplify/*",
    "regalloc/flow", "regalloc/moves", "regalloc/places", "regalloc/positions", "regalloc/requirements",
    "regalloc/backtracking/answer", "regalloc/backtracking/redundant",
    "x64/assembler", "x64/build", "x64/constants", "x64/emission", "x64/encode", "x64/pseudo/*", "x64/rules/*",
    "x64/stubs", "x64/vectors",
)  # fmt: skip
"""The compiler's modules that are mutated: what each function goes through from Wasm to bytes.

Left out are, by the same rule: what prints or parses (``*_text``, ``listing``, ``disassembly``), what only checks
(``ir_verify``, ``machine_verify``, ``checker``, ``enough``), settings and the order of stages (``pipeline``, ``isa``,
``spill_everywhere``), and data without behaviour (``ir``, ``machine``, ``row``, ``insts``: a wrong row is a fault of a
table, not of a statement). Of the allocators only those parts are taken that have to be right. Where the parts that
decide (``process``, ``bundles``, ``carving``) decide otherwise, or weights, hints and ranges that are longer than need
be (``ranges``, and ``single_pass``, which does all of it) come out otherwise, the answer is another right one, and the
change no fault; ``fuzz/faults/allocation.py`` has faults of theirs that are."""

_OTHER: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_SWAPPABLE: Final = (ast.Sub, ast.FloorDiv, ast.Mod, ast.LShift, ast.RShift, ast.Div)


@dataclass(frozen=True, slots=True)
class Mutant:
    """Change number ``site`` of ``module``, in the order in which ``sites`` counts them."""

    module: str
    site: int

    @property
    def name(self) -> str:
        return f"{self.module}#{self.site}"

    @staticmethod
    def parse(name: str) -> Mutant:
        """The mutant of a name. Raises ``ValueError``."""
        module, _, site = name.partition("#")
        if module not in modules() or not site.isdecimal() or int(site) >= len(sites(module)):
            raise ValueError(f"there is no mutant {name}")
        return Mutant(module, int(site))


@dataclass(frozen=True, slots=True)
class Site:
    """A change that can be made: at which line, what, and the place in the tree as ``_walk`` numbers it."""

    line: int
    what: str
    node: int
    kind: str


@lru_cache(maxsize=1)
def modules() -> tuple[str, ...]:
    """The modules that mutants are made of, in order."""
    root = _root()
    paths = sorted({path for pattern in _PICKED for path in root.glob(f"{pattern}.py")})
    names = [".".join(("compiler", *path.relative_to(root).with_suffix("").parts)) for path in paths]
    return tuple(name for name in names if not name.endswith("__init__"))


def _root() -> Path:
    """The compiler's folder, found without importing anything of it."""
    spec = find_spec("compiler")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _path(module: str) -> Path:
    return _root().joinpath(*module.split(".")[1:]).with_suffix(".py")


def _source(module: str) -> str:
    return _path(module).read_text(encoding="utf-8")


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes inside function bodies, in source order. What runs at import only is left alone, and so are texts and
    errors, annotations, assertions (``zip``'s ``strict`` and the test before a lone ``raise`` are such), what is
    counted for reports, infinities, and methods that print."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and node.name not in ("__repr__", "__str__"):
            for statement in node.body:
                yield from _inside(statement)
        elif isinstance(node, ast.ClassDef):
            yield from _walk(node)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
        return
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and "stats" in ast.unparse(_target(node)):
        return
    if (isinstance(node, ast.keyword) and node.arg == "strict") or _endless(node):
        return
    yield node
    if isinstance(node, ast.If) and all(isinstance(statement, ast.Raise) for statement in node.body):
        return
    for field_, value in ast.iter_fields(node):
        if field_ in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _inside(child)


def _endless(node: ast.AST) -> bool:
    """Whether this is an infinity: a power of two beyond what any function has positions."""
    match node:
        case ast.BinOp(op=ast.LShift(), right=ast.Constant(value=int() as by)):
            return by > _POSITIONS
        case _:
            return False


_POSITIONS: Final = 48


def _target(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> ast.expr:
    return node.targets[0] if isinstance(node, ast.Assign) else node.target


@lru_cache(maxsize=64)
def sites(module: str) -> tuple[Site, ...]:
    """Every change of a module, in source order."""
    places: list[Site] = []
    tree = ast.parse(_source(module))
    same = _same_below(tree)
    for number, node in enumerate(_walk(tree)):
        changes = [(kind, what) for kind, what in _changes(node) if kind != "down" or node not in same]
        places += [Site(getattr(node, "lineno", 0), what, number, kind) for kind, what in changes]
    return tuple(places)


def _same_below(tree: ast.AST) -> frozenset[ast.AST]:
    """Constants that mean the same one lower: the 0 of ``x[0]``, since most rows so asked have one element."""
    return frozenset(
        node.slice
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 0
    )


def _changes(node: ast.AST) -> list[tuple[str, str]]:
    match node:
        case ast.Constant(value=bool() as value):
            return [("not", f"{value} becomes {not value}")]
        case ast.Constant(value=int() as value):
            return [("up", f"{value} becomes {value + 1}"), ("down", f"{value} becomes {value - 1}")]
        case ast.Compare(ops=[op]) if type(op) in _OTHER:
            return [("compare", f"{type(op).__name__} becomes {_OTHER[type(op)].__name__}")]
        case ast.BinOp(op=op) if isinstance(op, _SWAPPABLE):
            return [("swap", f"the operands of {type(op).__name__} change places")]
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            return [("drop", f"{_short(ast.unparse(node))} is left out")]
        case ast.If():
            return [("negate", f"if {_short(ast.unparse(node.test))} is negated")]
        case _:
            return []


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."


def describe(mutant: Mutant) -> str:
    """Where and what, in a line."""
    site = sites(mutant.module)[mutant.site]
    return f"{mutant.module.replace('.', '/')}.py:{site.line}: {site.what}"


def mutated_tree(mutant: Mutant) -> ast.Module:
    """The module's syntax tree with the change."""
    site = sites(mutant.module)[mutant.site]
    tree = ast.parse(_source(mutant.module))
    node = next(node for number, node in enumerate(_walk(tree)) if number == site.node)
    if site.kind == "drop":
        _Dropped(node).visit(tree)
    else:
        _change(node, site.kind)
    return ast.fix_missing_locations(tree)


class _Dropped(ast.NodeTransformer):
    """The tree with ``pass`` for one statement."""

    def __init__(self, statement: ast.AST) -> None:
        self.statement = statement

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.Pass() if node is self.statement else self.generic_visit(node)


def mutated_text(mutant: Mutant) -> str:
    """The same as text: what a reader wants to see."""
    return ast.unparse(mutated_tree(mutant))


def _change(node: ast.AST, kind: str) -> None:
    match node, kind:
        case ast.Constant(), "not":
            node.value = not node.value
        case ast.Constant(value=int() as value), "up" | "down":
            node.value = value + (1 if kind == "up" else -1)
        case ast.Compare(ops=[op]), "compare":
            node.ops = [_OTHER[type(op)]()]
        case ast.BinOp(left=left, right=right), "swap":
            node.left, node.right = right, left
        case ast.If(test=test), "negate":
            node.test = ast.UnaryOp(ast.Not(), test)
        case _:
            raise ValueError(f"{kind} does not fit {type(node).__name__}")


def sample(count: int, seed: int) -> tuple[Mutant, ...]:
    """``count`` different mutants (or all that there are), each site with the same chance."""
    every = [Mutant(module, site) for module in modules() for site in range(len(sites(module)))]
    return tuple(random.Random(seed).sample(every, min(count, len(every))))


class _Finder(MetaPathFinder):
    """Gives one module its changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.origin = str(_path(mutant.module))
        self.code = compile(mutated_tree(mutant), self.origin, "exec", dont_inherit=True)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        return spec_from_loader(fullname, _Loader(self), origin=self.origin)


class _Loader(Loader):
    def __init__(self, finder: _Finder) -> None:
        self.finder = finder

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.finder.origin
        exec(self.finder.code, module.__dict__)


def exchanged(mutant: Mutant) -> AbstractContextManager[None]:
    """In this process, which has imported the mutant's module already, the changed function runs inside."""
    return running(*_exchange(mutant))


@lru_cache(maxsize=4)
def _exchange(mutant: Mutant) -> tuple[FunctionType, CodeType]:
    """The function that a mutant changes, and its changed code."""
    tree = ast.parse(_source(mutant.module))
    node = next(node for number, node in enumerate(_walk(tree)) if number == sites(mutant.module)[mutant.site].node)
    (name,) = (name for name, function in _functions(tree) if any(inner is node for inner in ast.walk(function)))
    changed = code_of(compile(mutated_tree(mutant), str(_path(mutant.module)), "exec", dont_inherit=True), name)
    assert changed is not None
    return function_at(f"{mutant.module}:{name}"), changed


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a module and the methods of its classes, by qualified name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def install(mutant: Mutant) -> None:
    """From now on importing the mutant's module gives the mutant. Raises ``ImportError`` if it is imported already."""
    if mutant.module in sys.modules:
        raise ImportError(f"{mutant.module} is imported already")
    sys.meta_path.insert(0, _Finder(mutant))
