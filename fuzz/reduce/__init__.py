"""Reducing: a case comes in that shows something, a small one goes out that shows it still.

    subject     a module with the calls of its case (``subject``), and the order in which one is smaller than another
    predicate   says whether a candidate still shows it (``predicate``); each time it is asked is a *run*
    pass        one kind of edit (``passes/``, one file each; ``contract`` says what it owes)
    edit        one thing that a pass can do to a subject: ``what``, and roughly how many bytes it saves
    search      the best subject so far, and what was asked already (``engine``, ``cache``)
    schedule    which pass comes next, and how many of its edits at once (``schedule``)

How an edit stays valid, from the whole to the parts:

    operation   one edit of a whole module: functions, types, items, tables, calls (``operation``)
    surgery     one edit of one function on its operand graph: what goes (``surgery``), what is wanted then
                (``wanted``), and the body written down (``emission``); ``effects`` knows what instructions do besides
                giving results
    graph       who makes and takes each value: ``wasm.rewrite.operands``
    index map   everything that names an item by its index: ``wasm.rewrite.index_map``

Bytes that are no module are cut by ``bytes_search``, machine functions by ``machine``. ``reducer`` puts it together,
and ``reduce_case`` is the way in. docs/reducing.md has the measurements. To add to it, write a pass: CONTRIBUTING.md
has a whole one.
"""

from __future__ import annotations

from fuzz.reduce.engine import Budget, OutOfBudget, PassStats
from fuzz.reduce.errors import NotInteresting, ReduceError, TooEasy, Unreadable, UnreadableMachine, Unsteady
from fuzz.reduce.predicate import NoCommand, command_predicate
from fuzz.reduce.reducer import Reduction, reduce_case

__all__ = [
    "Budget",
    "NoCommand",
    "NotInteresting",
    "OutOfBudget",
    "PassStats",
    "ReduceError",
    "Reduction",
    "TooEasy",
    "Unreadable",
    "UnreadableMachine",
    "Unsteady",
    "command_predicate",
    "reduce_case",
]
