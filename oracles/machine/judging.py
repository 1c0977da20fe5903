"""What an allocator did with a machine function, as an outcome: our checker decides, its own is heard."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from compiler.machine import MAX_OPERANDS, Allocations, MachineEnv, MachineFunc
from compiler.machine_text import MachineTextError, parse_case, print_machine
from compiler.machine_verify import verify
from compiler.regalloc.checker import check
from oracles.machine.dialect import Dialect, certainly_enough, is_forward
from oracles.machine.flat import NoPlace, answer
from wasm.embedding import Crashed, Outcome, Returned, Unsupported

_ERRORS: Final = 3
"""So many of the checker's complaints are told."""
_SMALL: Final = 2500
"""Characters of a function that is told."""


class NoFunction(ValueError):
    """The text is no valid machine function; the message says why, in a line."""


@lru_cache(maxsize=4)
def parsed(content: bytes) -> tuple[MachineFunc, MachineEnv]:
    """A case's function and registers, not to be changed. Raises ``NoFunction``."""
    try:
        func, env = parse_case(content.decode("utf-8", "replace"))
    except MachineTextError as error:
        raise NoFunction(str(error)) from None
    if errors := verify(func):
        raise NoFunction(f"not a valid machine function: {errors[0]}")
    return func, env


def judged(
    func: MachineFunc, env: MachineEnv, header: dict[str, Any], body: bytes, name: str, dialect: Dialect
) -> Outcome:
    """The outcome of a worker's reply about a function; what is wrong is a ``Crashed`` at ``name:KIND``.

    The header has ``refused``, an error's name and what belongs to it, or ``own``: what the allocator's own checker
    says of the allocation in the body, null where it was not asked. That one loses what it knows where a block stands
    before all that lead to it: there it is heard with ``known`` only, as are refusals of fastalloc, which counts
    registers short. Raises ``NoAnswer`` for what is no answer.
    """
    if "refused" in header:
        return _refusal(func, env, header["refused"], name, dialect)
    own = _own(header["own"])
    try:
        found: Allocations = answer(body, func)
    except NoPlace as error:
        return _crash("wrong", f"wrong: {error}", [own], name, func)
    if errors := check(func, env, found):
        # What tells one kind of mistake from another stands in the first line; which instruction it was does not.
        return _crash("wrong", f"wrong: {errors[0].reason}", [own, *map(str, errors[:_ERRORS])], name, func, found)
    if header["own"] and (dialect.known or is_forward(func)):
        return _crash("own-checker", "right to our checker, wrong to its own", [own], name, func, found)
    return Returned()


def _crash(
    kind: str, first: str, more: list[str], name: str, func: MachineFunc, found: Allocations | None = None
) -> Crashed:
    """The function that was asked and the answer are told as well if they are small: a report needs them."""
    asked = print_machine(func, found)
    lines = [first, *more, *(["asked:", asked.rstrip()] if len(asked) <= _SMALL else [])]
    return Crashed(0, "\n".join(lines), f"{name}:{kind}")


def _own(said: str | None) -> str:
    if said is None:
        return "its own checker was not asked"
    return f"its own checker: {said}" if said else "its own checker finds nothing"


def _refusal(func: MachineFunc, env: MachineEnv, said: str, name: str, dialect: Dialect) -> Outcome:
    """A refusal with a reason is no finding: there may be too few registers, or too many operands."""
    if said.startswith("TooManyLiveRegs"):
        if not certainly_enough(func, env):
            return Unsupported("an instruction that may need more registers than there are")
        if dialect.fast and not dialect.known:
            return Unsupported("any beside reg in one instruction, where registers are few")
    widest = max(len(inst.operands) for block in func.blocks for inst in block.insts)
    if said.startswith("TooManyOperands") and widest > MAX_OPERANDS:
        return Unsupported(f"{widest} operands")
    first = f"refused: {said}, for no reason that our verifier and our count of registers know"
    return _crash("refused", first, [], name, func)
