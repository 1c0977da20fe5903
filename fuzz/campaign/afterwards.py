"""What is found out about new causes when the cases of a run are over, as far as the time for that goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from fuzz.campaign.deadline import TimeIsOver
from fuzz.records.summary import SLOW, Observer, Stored, Summary
from wasm.errors import UserError


def for_each_new(
    summary: Summary, deadline: float, what: str, observer: Observer, work: Callable[[Stored], Iterable[str]]
) -> None:
    """Find out ``what`` (a word for it) by doing ``work`` on the smallest finding of each new cause, until the
    ``deadline`` (by ``time.monotonic``); it gives lines to tell. Those that were not reached are told too, and so is
    whatever goes wrong: the run is over and recorded, and nothing here may take that back."""
    groups = [group for group in summary.by_cause() if group[0].fresh and not group[0].known]
    groups = [group for group in groups if group[0].signature.kind != SLOW]
    groups.sort(key=lambda group: not group[0].cause)  # what nobody could minimize yet comes last
    for number, group in enumerate(groups):
        about = f"{what} of {name_of(group[0])}"
        if time.monotonic() >= deadline:
            left = ", ".join(name_of(others[0]) for others in groups[number:])
            observer.note(f"the time for {what} is over; not reached: {left}")
            return
        try:
            for line in work(group[0]):
                observer.note(f"{about}: {line}")
        except TimeIsOver:
            observer.note(f"the time for {what} is over; not finished: {name_of(group[0])}")
            return
        except KeyboardInterrupt:
            summary.interrupted = True
            return
        except UserError as error:
            observer.note(f"{about}: {error}")
        except Exception as error:
            observer.note(f"{about}: failed: {type(error).__name__}: {error}")


def name_of(stored: Stored) -> str:
    """A cause by its number, or a finding without one by its bundle."""
    return f"cause {stored.cause}" if stored.cause else stored.path.name
