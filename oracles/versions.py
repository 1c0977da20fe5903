"""Releases by number: their order, and what is a release's name."""

from __future__ import annotations

import re
from typing import Final

_UNFINISHED: Final = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
_RELEASE: Final = re.compile(r"[0-9]+(\.[0-9]+)+\Z")


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Orders versions as people do: numbers by value."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version))


def same_release(one: str, other: str) -> bool:
    """Whether two numbers name one release: zeros at the end are nothing to a package index (PEP 440), so that what
    pip has as 1.0.42.0 says 1.0.42 itself."""
    return re.sub(r"(\.0)+$", "", one) == re.sub(r"(\.0)+$", "", other)


def unfinished(version: str) -> bool:
    """Whether this is how a release's name begins, ``33`` or ``33.0``: all that are fetched have three numbers."""
    return _UNFINISHED.match(version) is not None


def is_release(version: str) -> bool:
    """Whether this is a release's number, without letters: candidates and nightly builds are none."""
    return _RELEASE.match(version) is not None


def nearest_to(what: str, known: str, count: int = 2) -> list[str]:
    """The releases just below and above the wanted one, out of pip's list."""
    wanted = version_key(what.split()[-1])
    releases = sorted((one.strip() for one in known.split(",")), key=version_key)
    place = sum(version_key(one) < wanted for one in releases)
    return releases[max(0, place - count) : place + count]
