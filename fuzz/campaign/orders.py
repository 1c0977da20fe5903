"""What each slot is told to do next: cases, disagreements to ask again, findings to minimize."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from fuzz.campaign.crew import BATCH, Crew, Runner
from fuzz.campaign.desk import Desk
from fuzz.campaign.messages import Minimize, Order, Reconsider, RunCases
from fuzz.campaign.numbering import Numbers
from fuzz.campaign.settings import Settings
from fuzz.records.history import SetAside


@dataclass(slots=True)
class Slot:
    """The parent's side of a slot; ``numbers`` are the cases of the order under way, ``items`` those that it asks
    again, ``bundle`` what it minimizes; ``since`` is when it was given, ``triage`` whether it is about causes."""

    runner: Runner
    idle: bool = False
    since: float = 0.0
    triage: bool = False
    numbers: tuple[int, ...] = ()
    bundle: str = ""
    items: tuple[SetAside, ...] = ()
    greeted: bool = False

    @property
    def pipe(self) -> Connection:
        return self.runner.pipe


@dataclass(slots=True)
class Orders:
    """Gives idle slots something to do. ``deadline`` (by ``time.monotonic``) is for cases; ``triage_seconds`` and
    ``case_seconds`` are what slots have spent on causes and on cases."""

    settings: Settings
    desk: Desk
    numbers: Numbers
    crew: Crew
    slots: list[Slot] = field(default_factory=list)
    deadline: float | None = None
    triage_seconds: float = 0.0
    case_seconds: float = 0.0

    def hand_out(self) -> None:
        """Causes first: what is known of them saves work on everything else. But not for more than half of the time:
        what cannot be told apart quickly must not keep the night from finding something else."""
        for slot in self.slots:
            if not slot.idle:
                continue
            # One slot runs cases while all others find out about causes, so that no night comes to a standstill.
            last = len(self.slots) > 1 and all(other.bundle for other in self.slots if other is not slot)
            if (last or self._owes_cases()) and (numbers := self._next_numbers()):
                self._run(slot, numbers)
            elif (task := self.desk.next_task()) is not None:
                self._minimize(slot, task)
            elif items := self._next_waiting():
                slot.items = items
                self.send(slot, Reconsider(items, self.desk.knowledge(), self.desk.stored(items)))
            elif numbers := self._next_numbers():
                self._run(slot, numbers)
            elif not self.late and (task := self.desk.next_smaller()) is not None:
                self._minimize(slot, task)

    def send(self, slot: Slot, order: Order) -> None:
        slot.idle, slot.since = False, time.monotonic()
        slot.triage = not isinstance(order, RunCases)
        with suppress(BrokenPipeError, ConnectionResetError):  # its death is noticed when it is read from
            slot.pipe.send(order)

    def account(self, slot: Slot) -> None:
        """Count the time of the order that a slot is done with."""
        spent = time.monotonic() - slot.since if slot.since else 0.0
        if slot.triage:
            self.triage_seconds += spent
        else:
            self.case_seconds += spent

    @property
    def late(self) -> bool:
        """Whether the time is over by as long as minimizing one finding may take."""
        return self.deadline is not None and time.monotonic() > self.deadline + self.settings.minimize_seconds

    def _owes_cases(self) -> bool:
        """Whether finding out about causes has had more of the slots' time than running cases, by so much as two
        minimizations may take."""
        return self.triage_seconds > self.case_seconds + 2 * self.settings.minimize_seconds

    def _run(self, slot: Slot, numbers: tuple[int, ...]) -> None:
        slot.numbers = numbers
        place = self.numbers.epochs.case(numbers[0])
        self.send(slot, RunCases(numbers, self.desk.knowledge(), self.deadline, place))

    def _minimize(self, slot: Slot, task: Minimize) -> None:
        slot.bundle = task.bundle
        self.send(slot, task)

    def _next_waiting(self) -> tuple[SetAside, ...]:
        """Disagreements that waited; sorting them may go on after the deadline for as long as minimizing one finding.
        What still waits then stays recorded, and the next run in the folder goes on."""
        return () if self.late else self.desk.next_waiting(BATCH)

    def _next_numbers(self) -> tuple[int, ...]:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return ()
        return self.numbers.batch(self.crew.batch, self._may_begin)

    def _may_begin(self, index: int) -> bool:
        """Whether all is known that the cases of an epoch rest on, which is what the last epoch but one has taught. An
        epoch that has not begun yet begins with that."""
        epochs = self.numbers.epochs
        before = epochs.begun[index - 1].first if 0 < index <= len(epochs.begun) else 0
        if before > 0 and self.desk.learning.goes_on:
            running = any(slot.numbers and min(slot.numbers) < before for slot in self.slots)
            if running or not self.desk.settled_before(before):
                return False
        if index == len(epochs.begun) and epochs.length:
            self.desk.begin_epoch()
        return True
