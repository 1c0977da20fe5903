"""When a slot's garbage collector looks: rarely, and never at what stays.

By default Python looks after every 700 new objects, which is several times a case, and each time at what the case holds
at that moment; now and then at all that there is, which is the instruction table and all modules. That took a sixth of
the harness's CPU time. Nearly all of what a case leaves is freed without it, since the interpreter takes its instances
apart (``oracles.interpreter.store.Store.release``).
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 50_000
"""New objects after which it looks: what some fifty cases leave."""
_OLDER: Final = 10
"""Of that many looks at what is new, one is at what outlived one look too, and of that many of these one at all."""


def rarely() -> None:
    """Have the collector look rarely, and leave out what there is now. To be called where little of a case lives."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
