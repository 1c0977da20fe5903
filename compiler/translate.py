"""From a validated Wasm function body to SSA.

One pass over the flat body with an abstract operand stack of values (the validation algorithm's shape, spec appendix).
Unreachable code is skipped. Every branch to a label passes the label's values as block arguments; branches to the
function's own label are returns. Calls inside try_table end their block (``TryCall``); each clause that may catch gets
a landing block per call, which fetches the payload and goes to the clause's label.
"""

from __future__ import annotations

import compiler.translate_rules  # noqa: F401  (registers the rules)
from compiler.ir import Function
from compiler.translator import Translator
from wasm.context import ModuleContext
from wasm.module import Module


def translate(module: Module, context: ModuleContext, index: int, fuel: bool = False) -> Function:
    """The SSA form of defined function ``index`` (counting imports). The module must be valid.

    With ``fuel``, function entry and loop heads have ``fuel`` instructions. Raises ``Unsupported`` for an instruction
    that is not compiled yet.
    """
    func = module.funcs[index - (len(context.funcs) - len(module.funcs))]
    type_ = context.func_type(index)
    return Translator(context, func, type_, f"func{index}", fuel).run()
