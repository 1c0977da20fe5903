"""The reference interpreter: what every engine's observation is held against (docs/interpreter.md).

``store``, ``memory``, ``table``, ``values``
    Instances and values at run time. A number is an int: its bits, and above them the mask of its open bits.
``prepare``, ``machine``
    First tier: a body as a list of tuples (``prepare`` has their layouts), and the loop that executes them.
``transpile``, ``flow``, ``writer``, ``inline``
    Second tier: a hot function or loop as Python source.
``operators*``
    Every instruction but control, calls and variables as a function of its operands. Both tiers call these.
``taint``
    Bits that the specification leaves open, followed to where they decide something.
``budget``
    What a run may use, and the meter.
``link``, ``hosting``, ``runner``
    Instantiation and calls over ``oracles.linking``, a case's imports, a whole case.

A pure instruction needs nothing here: its row's function in ``wasm/semantics`` is its meaning. One that needs an
instance gets a ``@binder`` in ``operators_memory`` or ``operators_gc``; control is in ``prepare._CONTROL`` and
``machine.run``, and in ``transpile`` unless it is to stay in the first tier.
"""

from __future__ import annotations

from oracles.interpreter.budget import BLOCK, Budget
from oracles.interpreter.link import instantiate, invoke
from oracles.interpreter.runner import load, run_case
from oracles.interpreter.store import Instance, Store, Tracer

__all__ = ["BLOCK", "Budget", "Instance", "Store", "Tracer", "instantiate", "invoke", "load", "run_case"]
