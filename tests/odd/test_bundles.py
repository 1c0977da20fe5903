"""A bundle's ``finding.json`` with any one value in it replaced by another kind of value is read or refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fuzz.archive import bundle
from fuzz.archive.bundles import BundleError, read_bundle
from fuzz.cli.asked import need_trust
from fuzz.cli.cases import pinned
from fuzz.intake.bundles import piece_of_files
from fuzz.intake.piece import Wish
from fuzz.records.typed import need_type
from wasm.embedding import Entry
from wasm.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
VALUES: tuple[Any, ...] = (None, 5, -1, "", "x", [], {}, True, 1e300, ["a"], {"a": 1}, "\udcff", "\x1b[2J\n|")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


@pytest.mark.parametrize("value", VALUES, ids=map(repr, VALUES))
def test_any_value_in_a_finding_may_be_wrong(value: Any, tmp_path: Path) -> None:
    (folder,) = (ROOT / "reports" / "example" / "findings").iterdir()
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    data = json.loads(files["finding.json"])
    read, refusals = 0, []
    for path in places(data):
        text = json.dumps(replaced(data, path, value)).encode()
        (tmp_path / "finding.json").write_bytes(text)
        try:
            piece = piece_of_files("b", {**files, "finding.json": text}, Wish((), Entry.WRAPPER))
            assert piece.finding is not None
            read += 1
            need_trust("b", [run.engine for run in piece.finding.runs], trust=False)
            pinned(piece.finding)
            assert bundle.files(piece.finding)["README.md"].decode().replace("\n", "").isprintable()
        except UserError:
            pass
        try:
            read_bundle(tmp_path)
        except BundleError as error:
            refusals.append(str(error))
    assert all(map(str.isprintable, refusals))
    # A text in place of a text is another finding; most of the rest is refused.
    assert 0 < len(refusals) <= len(list(places(data)))
    assert read > 10 if isinstance(value, str) and value != "\udcff" else len(refusals) > read / 2


@dataclass(frozen=True)
class Inner:
    number: int
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner | None
    pairs: tuple[tuple[str, int], ...] = ()
    words: frozenset[str] = frozenset()
    more: dict[str, float] | None = None


def test_types_are_followed_all_the_way_down() -> None:
    need_type(Outer(Inner(1, ("a",)), (("a", 1),), frozenset({"b"}), {"c": 1}), Outer)
    need_type(Outer(None), Outer)
    wrong: list[Any] = [
        Outer(Inner("1")),  # type: ignore[arg-type]
        Outer(Inner(True)),
        Outer(Inner(1, ("a", 2))),  # type: ignore[arg-type]
        Outer(Inner(1, ["a"])),  # type: ignore[arg-type]
        Outer(5),  # type: ignore[arg-type]
        Outer(None, (("a", 1, 2),)),  # type: ignore[arg-type]
        Outer(None, (), frozenset({1})),  # type: ignore[arg-type]
        Outer(None, (), frozenset(), {1: 1.0}),  # type: ignore[dict-item]
        Outer(None, (), frozenset(), {"a": "b"}),  # type: ignore[dict-item]
    ]
    for value in wrong:
        with pytest.raises(TypeError):
            need_type(value, Outer)
