"""Scalar instructions in deep expressions, with constants at every edge on either side and values used again.

Shifts by any amount, chains of comparisons that decide a select or a branch, conversions at their limits, divisions by
constants, loops that compute a value from itself. Results leave as they are, hashed, or through memory and globals.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.draw.edges import conversion_ends
from generators.draw.values import CONST, FORMATS
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.arguments import Exported, draw_arguments, invocations
from generators.program.calls import site
from generators.program.parts import Part
from generators.program.program import Program
from generators.scalar.candidates import Nan
from generators.scalar.trees import PLAIN, Tree
from generators.scalar.uses import used
from wasm.case import Case
from wasm.embedding import Invocation, Value
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.isa import OPS, Op
from wasm.valtypes import F32, F64, I32, I64, NumType, ValType

NEEDS: Final[frozenset[Feature]] = frozenset()
BASE: Final = True
WEIGHT: Final = 7.0
COST: Final = 16.0

_SCALARS: Final = weighted((I32, 32), (I64, 30), (F64, 22), (F32, 16))
_FUNCTIONS: Final = weighted((1, 50), (2, 35), (3, 15))
_STATEMENTS: Final = weighted((1, 10), (2, 24), (4, 60), (7, 80), (12, 60), (20, 22))
_ROOM: Final = tuple(round(30 * (1000 / 30) ** (i / 63)) for i in range(64))
"""Nodes of one function's expressions: log-uniform, 30 to 1,000."""

_PARAMS: Final = weighted((0, 8), (1, 30), (2, 60), (3, 50), (4, 50), (6, 40), (9, 18))
_ENDS: Final = weighted(("fold", 40), ("result", 36), ("store", 12), ("global", 12))
_MOST_RESULTS: Final = 4
_DIVISIONS: Final = ("drawn", "zero", "minus one", "overflow")
"""The operands of a division: any, by 0, by -1, the least number by -1."""

_PUSH: Final = template("local.get $at")
_DROP: Final = code("drop")
_KEEP: Final = template("local.set $at")
_XOR: Final = {t: template(f"local.get $at  {t}.xor") for t in (I32, I64)}

_TRAPPING: Final = tuple(
    OPS[f"{t}.{word}"]
    for t in ("i32", "i64")
    for word in (
        "div_s", "div_u", "rem_s", "rem_u", "trunc_f32_s", "trunc_f32_u", "trunc_f64_s", "trunc_f64_u",
    )
)  # fmt: skip


def generate(source: ChoiceSource, config: Config) -> Case:
    """One to three functions of scalars, called with related arguments."""
    config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
    if not source.one_in(16):
        config = config.without(Feature.WIDE_ARITHMETIC)
    if source.chance(6, 16):
        config = config.without(Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.GC)
    shell = Shell.open(source.fork("shell"), config)
    exports = [_function(shell, source.fork(i), f"f{i}") for i in range(source.weighted(_FUNCTIONS))]
    arguments = source.fork("arguments")
    for exported in exports:
        shell.sites.append(site("host", -1, len(shell.invocations), exported.type))
        shell.invocations += invocations(arguments, exported)
    if source.one_in(4):
        traps = source.fork("traps")
        for i in range(traps.between(2, 6)):
            _trapping(shell, traps, f"t{i}")
    return shell.case()


def _function(shell: Shell, source: ChoiceSource, name: str) -> Exported:
    """Some values, each computed from those before it, and each used in its own way."""
    params: list[ValType] = [source.weighted(_SCALARS) for _ in range(source.weighted(_PARAMS))]
    count = source.weighted(_STATEMENTS)
    types = [source.weighted(_SCALARS) for _ in range(count)]
    ends = [source.weighted(_ENDS) for _ in range(count)]
    most = _MOST_RESULTS if shell.config.allows(Feature.MULTI_VALUE) else 0
    returned = [i for i, end in enumerate(ends) if end == "result"][:most]
    results: list[ValType] = [*(types[i] for i in returned), I64]
    f = shell.builder.func(params, results, export=name)
    fn = Function.of(shell, f, source)
    fn.seed(source.bits(16))
    tree = Tree(fn, source, PLAIN, _ROOM[source.below(64)])
    values = [tree.statement(type_, source.between(4, 11)) for type_ in types]
    for i, (type_, (local, nan)) in enumerate(zip(types, values, strict=True)):
        if i in returned:
            continue
        used(tree, ends[i], type_, local, nan)
    if source.one_in(2):
        fn.publish()
    # A result may be a NaN with open bits: the host sees which ones are.
    for i in returned:
        fn += _PUSH(at=values[i][0])
    fn += _PUSH(at=fn.acc)
    return Exported(name, f.type, source.between(1, 3))


def _trapping(shell: Shell, source: ChoiceSource, name: str) -> None:
    """A function around one instruction that traps for some operands, called at and beyond the ends of its range, or
    with them as constants; now and then nobody needs what it gives."""
    op = source.pick(_TRAPPING)
    assert op.params is not None
    assert op.results is not None
    (result,) = op.results
    types = tuple(type_ for type_ in op.params if isinstance(type_, NumType))
    assert isinstance(result, NumType)
    fixed = source.one_in(4)
    f = shell.builder.func(() if fixed else types, (result,), export=name)
    fn = Function.of(shell, f, source)
    tree = Tree(fn, source, PLAIN, 8)
    if fixed:
        f.body += [(CONST[type_], v.bits) for type_, v in zip(types, _edge_arguments(source, op, types), strict=True)]
    else:
        for i in range(len(types)):
            fn += _PUSH(at=i)
    f.body.append(op.bare)
    if source.one_in(4):
        fn += _DROP
        tree.clean(result, 2)
    else:
        local = fn.local(result)
        fn += _KEEP(at=local)
        tree.know(result, local, Nan.NONE)
        tree.clean(result, 2)
        fn += _XOR[result](at=local)
    shell.labels.add("traps")
    for _ in range(1 if fixed else source.between(1, 4)):
        shell.last.append(Invocation(name, () if fixed else _edge_arguments(source, op, types)))


def _edge_arguments(source: ChoiceSource, op: Op, params: tuple[NumType, ...]) -> tuple[Value, ...]:
    if len(params) == 1:
        inside, outside = conversion_ends(op.name)
        bits = source.pick(inside) if source.one_in(2) else source.pick(outside)
        # A host in JavaScript may change a NaN's bits; an infinity traps alike.
        return (Value(params[0].name, bits if not _is_nan(bits, params[0]) else outside[2]),)
    dividend, divisor = draw_arguments(source, params, plain=True)
    minus_one, least = (1 << params[0].bits) - 1, 1 << params[0].bits - 1
    match source.pick(_DIVISIONS):
        case "zero":
            divisor = Value(divisor.type, 0)
        case "minus one":
            divisor = Value(divisor.type, minus_one)
        case "overflow":
            dividend, divisor = Value(dividend.type, least), Value(divisor.type, minus_one)
    return dividend, divisor


def _is_nan(bits: int, type_: NumType) -> bool:
    format_ = FORMATS.get(type_.name)
    return format_ is not None and bits & ~format_.sign > format_.infinity


def _scalars(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """A few values, each computed from those before it, and each used in its own way."""
    del program
    tree = Tree.within(fn, source, PLAIN, room)
    for _ in range(source.between(1, 1 + min(room // 16, 7))):
        type_ = source.weighted(_SCALARS)
        local, nan = tree.statement(type_, source.between(3, 9))
        used(tree, source.weighted(_ENDS), type_, local, nan)
        if nan is Nan.NONE:
            fn.sources.setdefault(type_, []).append(local)


PARTS: Final = (Part("scalars", frozenset(), _scalars, often=True),)
