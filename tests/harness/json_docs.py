"""What docs/json.md says of an object."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def documented(command: str, kind: str) -> set[str]:
    """The fields that docs/json.md lists for a type of object of a command."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    part = re.split(r"^## ", text, flags=re.M)
    (section,) = (one for one in part if one.startswith(f"{command}\n"))
    (table,) = (one for one in re.split(r"^### ", section, flags=re.M) if one.startswith(f"{kind}\n"))
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
