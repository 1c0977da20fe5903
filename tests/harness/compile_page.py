"""The blocks of docs/compiler.md that the tool makes: ``python tests/harness/compile_page.py`` writes them anew."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "compiler.md"
_BLOCK = re.compile(r"^    \$ fuzz (compile .*)\n((?:    .*\n)*)", re.M)


def blocks(text: str) -> dict[str, str]:
    """What the page shows, by command."""
    return {match[1]: match[2] for match in _BLOCK.finditer(text)}


def made(command: str) -> str:
    """What a command of the page prints now, as a block."""
    sys.path.insert(0, str(ROOT))
    from fuzz.cli.main import main

    words = command.split()
    words[1] = str(ROOT / words[1])
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = main(words)
    if code:
        raise SystemExit(code)
    return "".join(f"    {line}".rstrip() + "\n" for line in output.getvalue().splitlines())


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_BLOCK.sub(lambda m: f"    $ fuzz {m[1]}\n{made(m[1])}", page), encoding="utf-8")
