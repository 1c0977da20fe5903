"""List the causes that a folder's findings have, or say what belongs together."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fuzz.archive.archive import Archive, Reader
from fuzz.cli.arguments import add_json, path, positive
from fuzz.cli.streams import say
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Cause
from fuzz.report.live import emit

EXAMPLES: Final = (
    "causes reports/NIGHT",
    "causes reports/NIGHT show 3",
    "causes reports/NIGHT known 3 --link https://github.com/bytecodealliance/wasmtime/issues/12318",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=path, metavar="DIR", help="the output folder of runs")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listed = actions.add_parser("list", help="all causes, a line each (the default)")
    add_json(listed)
    add_json(parser)
    show = actions.add_parser("show", help="one cause: what it is about, who shows it, its findings")
    show.add_argument("id", type=positive, metavar="ID")
    add_json(show)
    merge = actions.add_parser("merge", help="say that two causes are one")
    merge.add_argument("into", type=positive, metavar="ID")
    merge.add_argument("id", type=positive, metavar="ID")
    words = "take a cause apart: into what was merged, or with bundles, into what these show and the rest"
    split = actions.add_parser("split", help=words)
    split.add_argument("id", type=positive, metavar="ID")
    split.add_argument("bundle", nargs="*", metavar="BUNDLE", help="names of bundles that leave it")
    known = actions.add_parser("known", help="say that a cause is a known issue")
    known.add_argument("id", type=positive, metavar="ID")
    known.add_argument("--link", required=True, metavar="URL", help='where it is reported; "" takes it back')


def run(args: argparse.Namespace) -> int:
    """A person's word outlasts the night: later runs in the folder keep to it."""
    match args.action:
        case "merge" | "split" | "known":
            _change(args)
        case "show":
            with Reader(args.dir) as reader:
                _show(reader, args.id, args.json)
        case _:
            with Reader(args.dir) as reader:
                _list(reader, args.json)
    return ExitCode.CLEAN


def _change(args: argparse.Namespace) -> None:
    Reader(args.dir).close()  # raises where there is none: opening it to write would make one
    archive = Archive(args.dir)
    try:
        causes = archive.causes
        match args.action:
            case "merge":
                print(f"{args.id} is part of {causes.merge(args.into, args.id)} now")
            case "split":
                parts = causes.split(args.id, [Path(name).name for name in args.bundle])
                print(f"{args.id} was taken apart: {', '.join(map(str, parts))} {'is' if len(parts) == 1 else 'are'} "
                      "kept apart from it")  # fmt: skip
            case _:
                root = causes.root(args.id)
                causes.set_known(root, args.link.rstrip("/").rsplit("/", 1)[-1], args.link)
                print(f"{root} is {args.link}" if args.link else f"{root} is no known issue any more")
    finally:
        archive.close()


def _list(reader: Reader, json_lines: bool) -> None:
    causes = reader.causes.all()
    if json_lines:
        for cause in causes:
            emit(sys.stdout, _row(reader, cause))
        return
    if not causes:
        print("no cause is known: no finding was stored")
        return
    print(f"{'id':>4}  {'cases':>7}  {'first seen':16}  {'last seen':16}  cause")
    for cause in causes:
        first, last = reader.first_seen(cause=cause.id), reader.last_seen(cause=cause.id)
        known = f"  ({cause.link or cause.known})" if cause.known else ""
        times = reader.times_seen(cause=cause.id)
        say(f"{cause.id:4}  {times:7}  {_when(first.time if first else 0):16}  "
              f"{_when(last.time if last else 0):16}  {cause.name}{known}")  # fmt: skip


def _show(reader: Reader, id: int, json_lines: bool) -> None:
    cause = reader.causes.get(reader.causes.root(id))
    if json_lines:
        emit(sys.stdout, _row(reader, cause))
        return
    for line in _lines(reader, cause):
        say(line)


def _lines(reader: Reader, cause: Cause) -> Iterator[str]:
    yield f"{cause.id}  {cause.name}"
    for title, values in (
        ("essential", [word for word in cause.essentials if word[0] not in "~?!"]),
        ("incidental", [word[1:] for word in cause.essentials if word[0] == "~"]),
        ("faces", _faces(reader, cause)),
        ("shown by", cause.shown_by),
        ("not by", cause.hidden_by),
        ("wrong in", cause.wrong_in),
        ("right in", cause.right_in),
        ("known as", [cause.link or cause.known] if cause.known else []),
        ("parts", [f"{part.id} {part.name}" for part in reader.causes.members(cause.id)]),
    ):
        if values:
            yield f"  {title}: {', '.join(values)}"
    for seen in reader.seen_on(cause=cause.id):
        yield f"  {seen.engine} ({seen.release}): {seen.cases} cases, {_when(seen.first)} to {_when(seen.last)}"
    for found in reader.findings(cause.id):
        marks = "" if found.stable else f", seen {found.repeats} of {found.tries} times"
        yield f"  {reader.folder / 'findings' / found.bundle} ({found.size} bytes{marks})"


def _faces(reader: Reader, cause: Cause) -> list[str]:
    """A cause's own faces, and those of its parts."""
    parts = (face for part in reader.causes.members(cause.id) for face in part.faces)
    return list(dict.fromkeys((*cause.faces, *parts)))


def _row(reader: Reader, cause: Cause) -> dict[str, object]:
    """A cause as JSON (docs/json.md)."""
    first, last = reader.first_seen(cause=cause.id), reader.last_seen(cause=cause.id)
    row: dict[str, object] = {"type": "cause", "version": 1, "id": cause.id, "name": cause.name, "kind": cause.kind}
    row |= {"phase": cause.phase, "family": cause.family, "known": cause.known, "link": cause.link}
    for name in ("essentials", "shown_by", "hidden_by", "wrong_in", "right_in"):
        row[name] = list(getattr(cause, name))
    row["faces"] = _faces(reader, cause)
    row |= {"cases": reader.times_seen(cause=cause.id), "first": first.time if first else 0}
    row |= {"last": last.time if last else 0, "parts": [part.id for part in reader.causes.members(cause.id)]}
    return row | {"bundles": [found.bundle for found in reader.findings(cause.id)]}


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "unknown"
