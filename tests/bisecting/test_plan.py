"""Which releases are asked: few, enough for what is said, and never the same twice."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fuzz.bisect.plan import IN_A_ROW, most_runs, next_to_ask
from fuzz.records.strip import State, Strip, Tried
from fuzz.records.strip_text import signs, words

LETTERS = {"+": State.GOOD, "-": State.BAD, "?": State.CANNOT}
Histories = st.text("+-?", max_size=60)


def searched(history: str, begin: tuple[int, ...] = ()) -> dict[int, State]:
    known: dict[int, State] = {}
    while wave := next_to_ask(len(history), known, begin):
        assert not set(wave) & known.keys()
        assert len(set(wave)) == len(wave)
        known |= {place: LETTERS[history[place]] for place in wave}
    return known


def strip_of(history: str, known: dict[int, State]) -> Strip:
    names = tuple(f"{number}.0" for number in range(1, len(history) + 1))
    tried = tuple(Tried(names[place], known[place], "why") for place in sorted(known))
    return Strip("sold", "0" * 64, names, tried)


def place(release: str) -> int:
    return int(release.partition(".")[0]) - 1


@given(Histories, st.data())
def test_what_is_said_was_asked(history: str, data: st.DataObject) -> None:
    """Each end of each range was asked, and so was all between it and its neighbour."""
    begin = tuple(data.draw(st.lists(st.integers(0, len(history) - 1), max_size=2))) if history else ()
    known = searched(history, begin)
    strip = strip_of(history, known)
    for one in strip.ranges():
        assert history[place(one.first_bad)] == history[place(one.last_bad)] == "-"
        ends = ((one.last_good, one.first_bad, -1), (one.first_fixed, one.last_bad, 1))
        for good, bad, step in ends:
            beyond = range(place(bad) + step, len(history) if step > 0 else -1, step)
            if good:
                assert history[place(good)] == "+"
                between = beyond[: beyond.index(place(good))]
                assert all(history[it] == "?" and it in known for it in between)
            else:
                assert all(history[it] == "?" and it in known for it in beyond[:IN_A_ROW])
    for number, sign in enumerate(signs(strip)):
        assert (sign == "-") is (number not in known)
    for line in words(strip):
        assert line


@given(st.integers(0, 300), st.integers(1, 300), st.integers(0, 300), st.data())
def test_one_range_has_its_ends_found_in_few_runs(before: int, bad: int, after: int, data: st.DataObject) -> None:
    history = "+" * before + "-" * bad + "+" * after
    begin = before + data.draw(st.integers(0, bad - 1))
    known = searched(history, (begin,))
    ranges = strip_of(history, known).ranges()
    assert [(place(one.first_bad), place(one.last_bad), one.exact) for one in ranges] == [
        (before, before + bad - 1, True)
    ]
    count = len(history)
    sides = [begin if before else 0, count - 1 - begin if after else 0]
    assert len(known) <= 3 + sum(math.ceil(math.log2(side)) for side in sides if side)
    if not before or not after:
        assert len(known) <= math.log2(count) + 4


@given(st.integers(1, 300), st.integers(1, 100), st.integers(1, 100))
def test_a_beginning_that_cannot_be_asked_costs_no_more(lacking: int, good: int, bad: int) -> None:
    history = "?" * lacking + "+" * good + "-" * bad
    known = searched(history)
    (only,) = strip_of(history, known).ranges()
    assert (place(only.last_good), place(only.first_bad), only.exact) == (lacking + good - 1, lacking + good, True)
    assert len(known) <= math.log2(len(history)) + 4


@given(st.integers(1, 300), st.integers(1, 100))
def test_where_nothing_older_is_good_two_in_a_row_are_asked(lacking: int, bad: int) -> None:
    history = "?" * lacking + "-" * bad
    known = searched(history)
    (only,) = strip_of(history, known).ranges()
    assert (only.last_good, place(only.first_bad)) == ("", lacking)
    assert all(beside in known for beside in range(lacking - 1, -1, -1)[:IN_A_ROW])
    assert len(known) <= math.log2(len(history)) + 5


@given(st.integers(1, 1000))
def test_where_nothing_is_bad_the_search_ends(count: int) -> None:
    known = searched("+" * count)
    assert len(known) <= most_runs(count)


def test_ranges_that_contradict_each_other_are_both_exact() -> None:
    history = "++--++++--------++++++"
    known = searched(history, (3, 5, 10))
    ranges = strip_of(history, known).ranges()
    assert [(one.first_bad, one.last_bad, one.exact) for one in ranges] == [
        ("3.0", "4.0", True), ("9.0", "16.0", True)
    ]  # fmt: skip


def test_a_release_that_cannot_be_asked_sends_the_search_to_its_neighbours() -> None:
    history = "+++???---"
    known = searched(history)
    assert {3, 4, 5} <= known.keys()
    lines = list(words(strip_of(history, known)))
    assert lines[0] == "bad from 7.0 to 9.0 (2 of these 3 were asked): last good 3.0, not fixed in the newest release"
    assert lines[1] == "between 3.0 (good) and 7.0 (bad): 4.0, 5.0, 6.0 cannot be asked"
