"""Becomes Firefox: ``python -I -S firefox_worker.py FOLDER TIER IN OUT PROGRESS PROGRAM``.

FOLDER has a Firefox that runs ``firefox.cfg`` as it starts, which finds the other words in its environment. It wants a
profile, an empty folder, which ``firefox.cfg`` takes away again.
"""

import os
import sys
import tempfile

NAMES = ("TIER", "IN", "OUT", "PROGRESS", "PROGRAM")

folder, *words = sys.argv[1:]
profile = tempfile.mkdtemp(prefix="wasm-codegen-fuzz-firefox-")
given = {f"WASM_FUZZ_{name}": word for name, word in zip(NAMES, words, strict=True)}
quiet = {"MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1", "HOME": profile, "XDG_CACHE_HOME": profile}
os.execve(
    os.path.join(folder, "firefox"),
    ["firefox", "--headless", "--no-remote", "--profile", profile],
    {**os.environ, **given, **quiet, "WASM_FUZZ_PROFILE": profile},
)
