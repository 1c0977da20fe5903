"""Why a reduction cannot begin: one line each, with what to do."""

from __future__ import annotations

from wasm.errors import UserError


class ReduceError(UserError):
    """The reduction cannot begin; the text is for the user."""


class NotInteresting(ReduceError):
    """The input itself is not interesting."""

    def __init__(self) -> None:
        super().__init__(
            "the predicate does not find the input interesting: it must exit with 0 for it (run it by hand on the file)"
        )


class TooEasy(ReduceError):
    """The empty module is interesting too."""

    def __init__(self) -> None:
        super().__init__(
            "the predicate finds the empty module interesting too, so there is nothing to reduce to: make it check for "
            "the failure itself, not only for an exit status"
        )


class Unsteady(ReduceError):
    """The result was interesting and is not any more."""

    def __init__(self) -> None:
        super().__init__(
            "the predicate no longer finds the result interesting: it does not answer the same for the same file "
            "(look for time limits and randomness in it)"
        )


class Unreadable(ReduceError):
    """The input is no valid module, so the module reducer has nothing to hold on to."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the input is not a valid module: {why}; reduce it as raw bytes (a case of kind bytes)")


class UnreadableMachine(ReduceError):
    """The input is no machine function in text form with its registers."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the input is not a machine function: {why}")
