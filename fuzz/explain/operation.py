"""The first operation whose operands are right and whose result is wrong: a probed module's log on the engine beside
that of the reference (``probing``, ``tracing``).

Probes may hide what they look for: a probed module counts only if it is still wrong in the same way. Where all places
at once hide it, as many are probed as do not. What was found is probed once more alone, operands and result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from fuzz.explain.asking import Answer, Asker
from fuzz.explain.followed import At, Followed, Hidden, Logged, Way
from fuzz.explain.parting import Parted, part
from fuzz.explain.probing import PLUMBING, STRIDE, Probed, probed
from fuzz.explain.tracing import blocks_of, expected, read_log
from fuzz.records.explanation import Operation
from wasm.decode import decode
from wasm.isa import Op

_MOST_ASKED: Final = 80
"""Questions at most about which places can be probed together."""
_PAGE: Final = 1 << 16


class Finder:
    """Looks for the first wrong operation of an asker's finding."""

    def __init__(self, asker: Asker, followed: Followed) -> None:
        self.asker, self.followed = asker, followed
        self.asked = self.hidden = 0

    def operation(self) -> Operation:
        """Raises ``Hidden`` where none is found, and ``OutOfTime``."""
        said: list[str] = []
        for way in self._ways():
            logged = self.logged(way)
            if logged is None:
                continue
            parted = part(self.followed, logged)
            if isinstance(parted, Parted):
                return self._confirmed(parted)
            said.append(f"{way.words}: {parted}")
        if said:
            raise Hidden(said[0])
        raise Hidden(f"probes hide it: {self.hidden} probed modules were tried, and none is wrong in the same way")

    def _ways(self) -> Iterator[Way]:
        """From all places to as many as can be."""
        functions = frozenset(func for func, _ in self.followed.executed)

        def executed(func: int, _at: int, _op: Op) -> bool:
            return func in functions

        def computed(func: int, _at: int, op: Op) -> bool:
            return func in functions and op.name not in PLUMBING

        yield Way("every value probed", executed, all_values=True)
        yield Way("every computed value probed", computed)
        yield Way("every value probed by calls", executed, called=True, all_values=True)
        possible = self._together()
        if possible:
            yield self._some(possible)

    def _some(self, places: Sequence[At]) -> Way:
        chosen = frozenset(places)
        count = len(self._places())
        return Way(f"{len(chosen)} of {count} places probed", lambda func, at, _op: (func, at) in chosen)

    def _places(self) -> list[At]:
        """All places, those that compute first."""
        functions = dict.fromkeys(func for func, _ in self.followed.executed)
        places = [*self.followed.executed, *((func, -1) for func in functions)]
        return sorted(places, key=lambda place: place[1] < 0 or self.followed.op(place).name in PLUMBING)

    def _together(self) -> list[At]:
        """As many places as can be probed without hiding it, half by half."""
        kept: list[At] = []
        self.asked = 0

        def add(places: list[At]) -> None:
            nonlocal kept
            if not places or self.asked > _MOST_ASKED:
                return
            self.asked += 1
            if self.shows(self._some([*kept, *places])):
                kept += places
            elif len(places) > 1:
                half = len(places) // 2
                add(places[:half])
                add(places[half:])

        places = self._places()
        half = max(1, len(places) // 2)
        add(places[:half])
        add(places[half:])
        return kept

    def shows(self, way: Way) -> bool:
        """Whether a module probed this way is wrong in the same way."""
        made = self._probed(way, 16)
        if made is None:
            return False
        answer = self.asker.ask(self.followed.with_module(made.module))
        self.hidden += answer is not Answer.WRONG
        return answer is Answer.WRONG

    def logged(self, way: Way) -> Logged | None:
        """The logs of a module probed this way; None if it is not wrong in the same way any more."""
        pages = 16
        while True:
            made = self._probed(way, pages)
            if made is None:
                return None
            case = self.followed.with_module(made.module)
            wanted = expected(case, made, self.followed.takes, self.asker.profile())
            needed = (len(wanted.entries) + 64) * 2 * STRIDE
            if needed <= pages * _PAGE or not wanted.whole or pages >= 1024:
                break
            pages = min(1024, needed // _PAGE + 1)
        answer, trial = self.asker.look(case)
        if answer is not Answer.WRONG or trial is None:
            self.hidden += 1
            return None
        seen = next(one for one in trial.observations if one.engine == self.asker.name())
        if not seen.memories:
            raise Hidden("the engine ends with it, and its memory cannot be read any more")
        got = read_log(self.asker.dump(case, blocks_of(seen, made.export)), made)
        return Logged(way, made, wanted, got, seen)

    def _probed(self, way: Way, pages: int) -> Probed | None:
        module = decode(self.followed.case.content)
        several = "multi_memory" in self.asker.features()
        made = probed(module, way.wanted, pages=pages, called=way.called, operands=way.operands, multi_memory=several)
        if made is None:
            raise Hidden("there is no room for a log: the memory is imported, or there are several")
        return made if made.places else None

    def _confirmed(self, parted: Parted) -> Operation:
        """The same by a module in which this instruction alone is probed, if that shows it."""
        operation = parted.operation
        if not parted.value:
            return operation
        here = (operation.function, operation.position)
        for operands, words in ((True, "operands and result"), (False, "result")):
            way = Way(f"its {words} probed alone", lambda func, at, _op: (func, at) == here, operands=operands)
            logged = self.logged(way)
            if logged is None or logged.first is None:
                continue
            again = part(self.followed, logged)
            if isinstance(again, Parted) and again.value:
                return replace(operation, how=f"{operation.how}; again with {way.words}")
            if isinstance(again, str) and operands:
                return replace(operation, how=f"{operation.how}; but with {way.words}, {again}")
        return replace(operation, how=f"{operation.how}; probed alone it does not show")


def find_operation(asker: Asker) -> Operation:
    """The first wrong operation. Raises ``Hidden`` and ``OutOfTime``."""
    return Finder(asker, Followed(asker.subject)).operation()
