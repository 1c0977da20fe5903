"""A module whose host functions do nothing besides computing, otherwise as it was: for engines without hosts that act.

(import "grow" "memory0" (func (param i32) (result i32)))

becomes

(import "idle+grow" "memory0" (func (param i32) (result i32)))
"""

from __future__ import annotations

from dataclasses import replace

from wasm.hostmix import idle
from wasm.module import ImportedFunc, Module


def idle_hosts(module: Module) -> bool:
    """Give the imports of functions that act, or call back through a table, other modules' names (``hostmix.idle``);
    the module is changed. Whether there were any."""
    renamed = [
        replace(one, module=idle(one.module)) if isinstance(one.type, ImportedFunc) else one for one in module.imports
    ]
    changed = renamed != module.imports
    module.imports = renamed
    return changed
