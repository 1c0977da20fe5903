"""The worker of all JavaScript engines as one text, for an engine that has neither modules nor node's library.

``workers/js_NAME.mjs`` is what such a shell brings (``io`` in ``js_serve.mjs``). Its text, after those that it needs,
is a function of one argument, ``host``, whatever the shell's own program gives it.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from oracles.engine import EngineUnavailable
from oracles.provision import cache_root

_WORKERS: Final = Path(__file__).parents[1] / "workers"
_MODULES: Final = ("js_buffer", "js_crc", "js_values", "js_hosts", "js_case", "js_script", "js_serve")
"""In an order in which each comes after what it imports: in one text there are no imports."""
_PARTS: Final = {"firefox": ("js_firefox", "js_spidermonkey")}
"""What a shell brings in more than one file."""
_BETWEEN: Final = re.compile(r"^import .*;\n|^export (?=\w)", re.MULTILINE)


@lru_cache
def program(name: str) -> str:
    """The text for the shell of ``js_NAME.mjs``."""
    files = (*_MODULES, *_PARTS.get(name, (f"js_{name}",)))
    texts = [_BETWEEN.sub("", (_WORKERS / f"{one}.mjs").read_text(encoding="utf-8")) for one in files]
    return "(host) => {\n'use strict';\n" + "\n".join(texts) + "}\n"


def program_file(name: str) -> Path:
    """A file with ``program(name)``, in the cache. Raises ``EngineUnavailable``."""
    text = program(name).encode()
    path = cache_root() / "programs" / f"{name}-{hashlib.sha256(text).hexdigest()[:12]}.js"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = path.with_suffix(f".{os.getpid()}")
            made.write_bytes(text)
            made.replace(path)
    except OSError as error:
        raise EngineUnavailable(f"{path} cannot be kept: {error.strerror}; name a folder by XDG_CACHE_HOME") from None
    return path
