"""The strip of releases: ranges are told of what was asked, and of nothing else."""

import pytest

from fuzz.records.strip import Range, State, Strip, Tried

LETTERS = {"+": State.GOOD, "-": State.BAD, "?": State.CANNOT}


def strip(drawn: str) -> Strip:
    """Releases ``1.0``, ``2.0`` and so on, a character each: good ``+``, bad ``-``, cannot ``?``, not asked a space."""
    releases = tuple(f"{number}.0" for number in range(1, len(drawn) + 1))
    tried = tuple(Tried(name, LETTERS[one]) for name, one in zip(releases, drawn, strict=True) if one != " ")
    return Strip("wasmtime", "0" * 64, releases, tried)


@pytest.mark.parametrize(
    ("drawn", "ranges"),
    [
        ("+++", ()),
        ("???", ()),
        ("", ()),
        ("++--++", (Range("2.0", "3.0", "4.0", "5.0", True),)),
        ("--+", (Range("", "1.0", "2.0", "3.0", True),)),
        (" -+", (Range("", "2.0", "2.0", "3.0", False),)),
        ("+ --", (Range("1.0", "3.0", "4.0", "", False),)),
        ("+?--", (Range("1.0", "3.0", "4.0", "", True),)),
        ("+-  -+", (Range("1.0", "2.0", "5.0", "6.0", True),)),
        ("-+-", (Range("", "1.0", "1.0", "2.0", True), Range("2.0", "3.0", "3.0", "", True))),
    ],
)
def test_ranges(drawn: str, ranges: tuple[Range, ...]) -> None:
    assert strip(drawn).ranges() == ranges


def test_json_there_and_back() -> None:
    made = strip("+- ?")
    assert Strip.from_json(made.to_json()) == made
    with pytest.raises(ValueError, match="not on offer"):
        Strip.from_json({**made.to_json(), "offered": []})
