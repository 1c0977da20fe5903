"""``python -m fuzz``, and what the installed ``fuzz`` calls. All else is imported where interrupts are heard."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line and give its exit code; an interrupt while it is being loaded is one too."""
    try:
        if "_ARGCOMPLETE" in os.environ:
            from fuzz.cli.completion import complete

            complete()
        from fuzz.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        print("fuzz: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
