"""Where things are kept that can be fetched or made again: releases of engines, what was read from them."""

from __future__ import annotations

import os
from pathlib import Path

from wasm.errors import UserError


class NoHome(UserError):
    """There is no folder to keep anything in. Exit code 3."""

    exit_code = 3


def cache_root() -> Path:
    """``$XDG_CACHE_HOME/wasm-codegen-fuzz``, ``~/.cache`` where that is unset; it need not exist. Raises ``NoHome``."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    try:
        root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    except RuntimeError:
        raise NoHome("this user has no home folder: name a folder by XDG_CACHE_HOME") from None
    return root / "wasm-codegen-fuzz"
