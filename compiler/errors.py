"""What stops a compilation without being a bug."""

from __future__ import annotations


class Unsupported(Exception):
    """An instruction or feature that is not compiled yet; ``what`` names it. An engine reports it as a value."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not compiled yet")
        self.what = what
