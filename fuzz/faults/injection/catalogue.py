"""All faults: those that the files of ``fuzz/faults`` list."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from fuzz import faults
from fuzz.faults.injection.fault import Fault
from fuzz.faults.injection.patches import FaultError


@lru_cache(maxsize=1)
def all_faults() -> dict[str, Fault]:
    """Every fault by name, in the order of files and lists. Raises ``FaultError`` for a name that comes twice."""
    known: dict[str, Fault] = {}
    for item in sorted(pkgutil.iter_modules(faults.__path__), key=lambda item: item.name):
        if item.ispkg:
            continue
        module = importlib.import_module(f"{faults.__name__}.{item.name}")
        for fault in module.FAULTS:
            if fault.name in known:
                raise FaultError(f"two faults are called {fault.name}")
            known[fault.name] = fault
    return known


def with_partner(name: str) -> tuple[Fault, ...]:
    """A fault and, for one of the checker, the allocator's fault that it is paired with. Raises ``FaultError``."""
    known = all_faults()
    if name not in known:
        raise FaultError(f"there is no fault {name}: fuzz selfcheck --list names them")
    fault = known[name]
    return (fault, *((known[fault.partner],) if fault.partner else ()))
