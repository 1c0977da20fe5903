"""How functions end: the ways in which results leave one, and traps for some arguments.

A function's results fall off its end, or a ``return`` or a branch carries them. The way ``br_table``:

    block (result i32 f64)
      ...                     ;; what pushes the results
      i32.const 1
      br_table 0 1 0
    end
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.module.function import Function
from wasm.fragment import code, template

_WAYS_OUT: Final = weighted(("fall", 40), ("return", 24), ("br", 12), ("block", 12), ("br_table", 12))
"""fall      off the function's end
return    by the instruction
br        to the function's own label
block     off the end of a block around everything
br_table  to the label of such a block or the function's own, by a constant index
"""

_TRAPS: Final = ("unreachable", "division", "memory")
"""The ways in which a function traps at its end; a call that traps is drawn as one of them too."""

_INDEX: Final = template("i32.const $index")
_RETURN: Final = code("return")
_BIT_IS_CLEAR: Final = template("local.get $acc  i64.const $bit  i64.and  i64.eqz")
_UNREACHABLE: Final = code("unreachable")
_DIVIDE_BY_ZERO: Final = {
    name: template(f"local.get $acc  i64.const 0  {name}  drop") for name in ("i64.rem_s", "i64.div_u")
}
_LOAD_PAST_THE_END: Final = code("i32.const -1  i64.load  drop")


@contextmanager
def leaving(fn: Function, source: ChoiceSource) -> Iterator[None]:
    """Around the code that puts a function's results on the stack, at its end: how they leave it is drawn before."""
    way = source.weighted(_WAYS_OUT)
    if way not in ("block", "br_table"):
        yield
        if way == "return":
            fn += _RETURN
        elif way == "br":
            fn.br(None)
        return
    with fn.block("block", (), fn.f.type.results) as out:
        yield
        if way == "br_table":
            fn += _INDEX(index=fn.f.index % 3)
            fn.br_table((out, None), out)


def trap(
    fn: Function, source: ChoiceSource, division: str = "i64.rem_s", call: Callable[[], None] | None = None
) -> None:
    """Trap for some values of the hash: what was computed before must still be seen in the state.

    ``division`` is the instruction that divides by zero, ``i64.rem_s`` or ``i64.div_u``. ``call`` writes a call that
    traps, in place of the drawn way; it leaves the stack as it was.
    """
    shell = fn.shell
    shell.labels.add("traps")
    fn += _BIT_IS_CLEAR(acc=fn.acc, bit=1 << source.below(8))
    with fn.block("if"):
        kind = source.pick(_TRAPS)
        if call is not None:
            call()
        elif kind == "unreachable":
            fn += _UNREACHABLE
        elif kind == "division":
            fn += _DIVIDE_BY_ZERO[division](acc=fn.acc)
        else:
            shell.uses_memory = True
            fn += _LOAD_PAST_THE_END
