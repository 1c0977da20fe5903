"""The exit codes of every command."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a command ends with; the README says it to users.

    ``FINDINGS`` are new ones: engines disagree and no known issue explains it. ``USAGE`` and ``UNUSABLE`` are also the
    codes of ``wasm.errors.UserError``. ``PIPE`` is what a shell makes of SIGPIPE: whoever read the output has gone.
    """

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    UNUSABLE = 3
    INTERRUPTED = 130
    PIPE = 141
