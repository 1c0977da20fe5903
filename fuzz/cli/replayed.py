"""What ``fuzz replay`` prints: every engine's outcome of every call that was made, and how much was compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fuzz import VERSION
from fuzz.cli.streams import say
from fuzz.records.printable import one_line
from fuzz.report.live import emit
from fuzz.triage.signature import split
from fuzz.trial.bench import Trial
from fuzz.trial.compared import Compared
from oracles.judge.equality import show
from oracles.judge.verdict import Disagree, verdict_to_json
from wasm.case import Case
from wasm.embedding import Observation, Outcome, outcome_to_json


@dataclass(frozen=True, slots=True)
class Shown:
    """A trial of the calls from ``first`` on, all on one instance."""

    first: int
    trial: Trial
    compared: Compared

    @property
    def everyone(self) -> tuple[Observation, ...]:
        return (self.trial.reference, *self.trial.observations)


def print_text(case: Case, shown: Sequence[Shown], releases: Mapping[str, str]) -> None:
    """For a person. Calls that nobody came to are one line."""
    width = max(len(item.engine) for one in shown for item in one.everyone)
    for name, release in releases.items():
        say(f"{name:{width}}  release {release}")
    for number, one in enumerate(shown):
        _print_trial(case, one, width, again=number > 0)
    for one in shown:
        _print_verdict(one, len(shown) > 1)
    say(_summary(case, shown))


def _print_trial(case: Case, one: Shown, width: int, again: bool) -> None:
    say(f"\ninstantiation{f', fresh for the calls from {one.first} on' if again else ''}")
    for item in one.everyone:
        say(f"  {item.engine:{width}}  {'done' if item.instantiated else _line(item.instantiation)}")
    last = max(len(item.outcomes) for item in one.everyone)
    for i in range(last):
        invocation = case.invocations[one.first + i]
        say(f"\n{str(invocation)[:300]} by {invocation.entry.value}")
        for item in one.everyone:
            say(f"  {item.engine:{width}}  {_line(item.outcomes[i]) if i < len(item.outcomes) else 'not reached'}")


def _print_verdict(one: Shown, several: bool) -> None:
    print()
    if several:
        say(f"Calls from {one.first} on:")
    verdict = one.trial.verdict
    for poison in verdict.poisons:
        where = "altogether" if poison.start < 0 else f"from call {one.first + poison.start} on"
        say(f"not counted: {poison.engine}, {poison.reason}, {where}")
    if not isinstance(verdict, Disagree):
        say("nothing compared: no two engines have an answer" if one.compared.nothing else "all agree")
        return
    for signature, dissents in split(verdict):
        say(f"DISAGREEMENT: {signature}")
        for dissent in dissents:
            say(f"  {dissent.engine}, {dissent.where}: {dissent.detail}")
    say(f"agreeing: {', '.join(verdict.agreeing) or 'nobody'}")
    say(f"probably wrong: {', '.join(verdict.suspects)}")


def _summary(case: Case, shown: Sequence[Shown]) -> str:
    """``72 of 210 calls compared, 3 not reached: why``, over all instances."""
    total = len(case.invocations)
    if total == 0 or not any(one.compared.instantiated for one in shown):
        return str(shown[-1].compared) + _because(shown)
    done = {one.first + call for one in shown for call in one.compared.compared}
    begun = {one.first + call for one in shown for item in one.everyone for call in range(len(item.outcomes))}
    left = total - len(begun)
    text = f"{len(done)} of {total} calls compared"
    text += f", {left} not reached" if left else ""
    return text + (_because(shown) if len(done) < total else "")


def _because(shown: Sequence[Shown]) -> str:
    reasons = list(dict.fromkeys(reason for one in shown for reason in one.compared.reasons))
    more = f"; and {len(reasons) - 4} more reasons" if len(reasons) > 4 else ""
    return f": {'; '.join(reasons[:4])}{more}" if reasons else ""


def _line(outcome: Outcome) -> str:
    """An outcome in one line, whatever an engine's message looks like."""
    return one_line(show(outcome))


def print_json(shown: Sequence[Shown], releases: Mapping[str, str], broken: Mapping[str, str]) -> None:
    """JSON lines (docs/json.md): for each instance a line an engine, then the verdict on it."""
    for one in shown:
        for row in _json_rows(one, releases):
            emit(sys.stdout, row)
        verdict = one.trial.verdict
        signatures = [signature.to_json() for signature, _ in split(verdict)] if isinstance(verdict, Disagree) else []
        counted = one.compared
        row = {"type": "verdict", "version": 1, **verdict_to_json(verdict), "first": one.first}
        row |= {"calls": counted.calls, "compared": len(counted.compared), "not_reached": len(counted.not_reached)}
        row |= {"reasons": list(counted.reasons), "signatures": signatures, "broken": dict(broken)}
        emit(sys.stdout, row | {"nothing_compared": counted.nothing})


def _json_rows(one: Shown, releases: Mapping[str, str]) -> Iterator[dict[str, object]]:
    for item in one.everyone:
        row = {"type": "engine", "version": 1, "id": item.engine, "release": releases.get(item.engine, VERSION)}
        outcomes = [outcome_to_json(outcome) for outcome in item.outcomes]
        instantiation = outcome_to_json(item.instantiation)
        yield row | {
            "phase": item.phase.value,
            "instantiation": instantiation,
            "outcomes": outcomes,
            "first": one.first,
        }
