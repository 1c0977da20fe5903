"""A case whose guilty instructions are neutralized: what the reference saw them compute stands there instead.

If such a case is still wrong, something else in it is wrong as well: that is how a rare bug is told from a frequent one
that shows in the same module, before either is minimized.

Two forms, since each hides something. ``INLINE`` puts the value itself where an instruction always gave the same one
(elsewhere it is the other form):

    local.get 0  local.get 1  i32.rotl      ->      local.get 0  local.get 1  drop  drop  i32.const 0x1234

and ``CALLED`` calls a function that knows the operands and results that the reference saw. With any other operands (an
engine that was wrong before this point) it executes the instruction itself, so that what is wrong upstream still shows:

    (func (param i32 i32) (result i32)
      (block (br_if 0 (i32.ne (local.get 0) (i32.const 7))) (br_if 0 (i32.ne (local.get 1) (i32.const 3)))
             (return (i32.const 0x1234)))
      (i32.rotl (local.get 0) (local.get 1)))

That goes for what computes numbers and vectors from numbers and vectors, and for what loads them from memory. Choosing,
storing and ``br_table`` are written by other instructions instead (``fuzz.triage.equivalent``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from fuzz.triage.branch_tables import BR_TABLE
from fuzz.triage.equivalent import SELECTS, has_equivalent
from fuzz.triage.neutral_code import Form, Seen, with_values
from fuzz.triage.readable import module_of
from oracles.interpreter import Budget, run_case
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Trapped
from wasm.encode import encode
from wasm.errors import Invalid, WasmError
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.isa import ADDR, OPS, Op
from wasm.module import Module
from wasm.validate import validate
from wasm.valtypes import NumType, ValType

_WAYS: Final = {"select": tuple(sorted(SELECTS, key=lambda op: op.name))}
"""Instructions that are written in two ways (spec 3.4.7): both are the row of this name."""
_NAMES: Final = {op: name for name, ways in _WAYS.items() for op in ways}
STEPS: Final = 2_000_000
"""Longer runs are not recorded: nothing is neutralized in them."""


def neutralizable(op: Op) -> bool:
    """Whether a row's instructions can be replaced: by what they gave, where they make numbers from numbers without
    another effect, or by others that do the same."""
    return _gives_values(op) or has_equivalent(op)


def _gives_values(op: Op) -> bool:
    if op.params is None or not op.results or not op.params:
        return False
    numeric = all(isinstance(t, NumType) or t == ADDR for t in (*op.params, *op.results))
    return numeric and (op.pure is not None or (op.access is not None and op.access.kind == "load"))


class Recorder:
    """Takes down operands and results of the wanted rows, by place: (function index, position in the flat body). Those
    of selections are operands only, as the interpreter has them."""

    wanted: dict[Op, tuple[tuple[int | None, ...], tuple[int, ...]]]

    def __init__(self, wanted: Collection[Op]) -> None:
        self.wanted = {op: (_bits(op.params or ()), _bits(op.results or ())) for op in wanted if op not in SELECTS}
        # What a selection chooses from is of any type, references among them.
        self.wanted |= dict.fromkeys(SELECTS.intersection(wanted), ((None,) * 3, ()))
        self.seen: dict[tuple[int, int], Seen] = {}
        self.executed: set[Op] = set()
        self._open: tuple[int, int, list[Any], tuple[int, ...], Seen, int] | None = None

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:  # noqa: ARG002
        """See ``oracles.interpreter.Tracer``. An instruction's results are on top when the next one of its frame is
        about to run; after a trap there is no such step."""
        self.executed.add(op)
        if self._open is not None:
            where, behind, values, masks, seen, execution = self._open
            self._open = None
            if where == func and behind == at and values is stack:
                given = tuple(v & m for v, m in zip(stack[len(stack) - len(masks) :], masks, strict=True))
                seen.runs[execution] = (seen.runs[execution][0], given)
        masks_of = self.wanted.get(op)
        if masks_of is not None:
            takes, gives = masks_of
            top = stack[len(stack) - len(takes) :]
            operands = tuple(v if m is None else v & m for v, m in zip(top, takes, strict=True))
            seen = self.seen.setdefault((func, at), Seen())
            seen.runs.append((operands, None))
            self._open = (func, at + 1, stack, gives, seen, len(seen.runs) - 1)


def _bits(types: tuple[ValType | str, ...]) -> tuple[int, ...]:
    """Masks that leave a value's own bits (the interpreter keeps open bits of NaNs above them)."""
    return tuple((1 << (t.bits if isinstance(t, NumType) else 64)) - 1 for t in types)


def row_of(op: Op) -> str:
    """What findings call an instruction: its row's name, but ``select`` for ``select_t`` too."""
    return _NAMES.get(op, op.name)


def ways_of(name: str) -> tuple[Op, ...]:
    """The instructions of a name that ``row_of`` gave; none for a word that is no row."""
    return _WAYS.get(name) or tuple(OPS[one] for one in (name,) if one in OPS)


def executed_rows(case: Case, *, static: bool = False) -> frozenset[str]:
    """The names of the rows that a case executes on the reference, as far as its first ``STEPS`` steps go; with
    ``static``, or for bytes that are not run, of the rows that stand in it. What is no module has none."""
    if case.kind is CaseKind.MACHINE:
        return frozenset()
    try:
        module = decode(case.content)
    except WasmError:
        return frozenset()
    if static or case.kind is CaseKind.BYTES:
        return present_rows(module)
    recorder = Recorder(())
    run_case(case, None, Budget(steps=STEPS), tracer=recorder)
    return frozenset(map(row_of, recorder.executed))


class Trapping(NamedTuple):
    """The name of the row at which a case traps; where that accesses memory, the address that it gets, else -1."""

    row: str
    address: int = -1


def trapping(case: Case) -> Trapping | None:
    """Where the last invocation of a case traps on the reference; None if it does not."""
    if case.kind is not CaseKind.WASM:
        return None
    last = _Last()
    seen = run_case(case, None, Budget(steps=STEPS), tracer=last)
    ends = (seen.instantiation, *seen.outcomes)[-1]
    return Trapping(row_of(last.op), last.address) if isinstance(ends, Trapped) and last.op is not None else None


class _Last:
    """Which row was executed last, and what it had for an address."""

    op: Op | None = None
    address = -1

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:  # noqa: ARG002
        self.op = op
        accesses = op.access is not None and op.params is not None
        self.address = stack[-len(op.params)] if accesses and op.params else -1


def present_rows(module: Module) -> frozenset[str]:
    """The names of the rows that stand in a module's functions."""
    return frozenset(row_of(op) for func in module.funcs for op, _ in func.body)


def neutralized(case: Case, names: Collection[str], form: Form, *, dead: bool = False) -> Case | None:
    """The case without the rows of these names, as far as they can be neutralized; None if nothing was changed.

    ``dead`` is for bugs of a compiler that shows them without running anything: then the instruction does not stand in
    the module at all any more; where it would have to be executed, there is ``unreachable``.
    """
    module = module_of(case)
    if module is None:
        return None
    wanted = {op for name in names for op in ways_of(name) if neutralizable(op)}
    if not any(op in wanted for func in module.funcs for op, _ in func.body):
        return None
    recorder = Recorder([op for op in wanted if _gives_values(op)])
    run_case(case, None, Budget(steps=STEPS), tracer=recorder)
    if not with_values(module, wanted, recorder.seen, form, dead):
        return None
    required = required_features(module)
    # Functions of a second value, or vectors, may be what the case did not use before.
    if not {feature.value for feature in required} <= case.features:
        return None
    return case.with_content(encode(module)) if BR_TABLE not in wanted or _is_valid(module, required) else None


def _is_valid(module: Module, features: frozenset[Feature]) -> bool:
    try:
        validate(module, features)
    except Invalid:
        return False
    return True
