"""The reference interpreter: the judge of every case (docs/interpreter.md)."""

from __future__ import annotations

from oracles.interpreter.budget import BLOCK, Budget
from oracles.interpreter.link import instantiate, invoke
from oracles.interpreter.runner import load, run_case
from oracles.interpreter.store import Instance, Store, Tracer

__all__ = ["BLOCK", "Budget", "Instance", "Store", "Tracer", "instantiate", "invoke", "load", "run_case"]
