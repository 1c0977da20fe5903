"""Reducing cases: ``reduce_case`` is the way in, ``fuzz/reduce/passes`` where a new pass goes."""

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
