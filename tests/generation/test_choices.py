"""The choice source: deterministic, monotone, local, and zero past its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.choices import ChoiceSource, weighted


def draws(source: ChoiceSource) -> list[int]:
    found = [source.below(n) for n in (1, 2, 7, 16, 17, 300, 4096, 4097, 1 << 20, (1 << 20) + 1, 1 << 40)]
    found += [source.bits(8), source.bits(32), source.bits(128), int(source.chance(1, 3)), source.between(-5, 5)]
    child = source.fork("child")
    found += [child.below(100) for _ in range(400)]
    return found + [source.below(6) for _ in range(10)]


def test_the_seeded_stream_is_pinned() -> None:
    """These numbers must never change while GENERATOR_VERSION stays: saved seeds would mean other programs."""
    source = ChoiceSource.seeded("1", "returns", 7, 3)
    assert [source.below(10) for _ in range(8)] == [9, 8, 3, 3, 8, 6, 5, 3]
    assert source.bits(64) == 0xEDA85CB2EEE6BBF9
    assert source.fork("leaf0").bits(32) == 0x1EAE2D21


def test_replay_gives_the_same_choices() -> None:
    for seed in range(50):
        source = ChoiceSource.seeded("replay", seed)
        found = draws(source)
        assert draws(ChoiceSource.replay(source.recorded())) == found


@given(st.binary(max_size=300))
def test_recording_a_replay_keeps_it(data: bytes) -> None:
    source = ChoiceSource.replay(data)
    found = draws(source)
    assert draws(ChoiceSource.replay(source.recorded())) == found


@given(st.integers(1, 1 << 48), st.binary(min_size=9, max_size=9))
def test_choices_are_in_range_and_of_fixed_width(n: int, data: bytes) -> None:
    source = ChoiceSource.replay(b"\x02" + data + bytes(8))
    value = source.below(n)
    assert 0 <= value < n
    assert source._position == (1 if n <= 16 else 2 if n <= 4096 else 4 if n <= 1 << 20 else 8)


@given(st.integers(1, 1 << 48), st.tuples(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8)))
def test_smaller_bytes_mean_smaller_choices(n: int, pair: tuple[bytes, bytes]) -> None:
    low, high = sorted(pair)
    assert ChoiceSource.replay(b"\x01" + low).below(n) <= ChoiceSource.replay(b"\x01" + high).below(n)
    chance = ChoiceSource.replay(b"\x01" + low).chance(1, 3), ChoiceSource.replay(b"\x01" + high).chance(1, 3)
    assert chance != (True, False)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 15, 16, 17, 300])
def test_draws_by_name_are_below(n: int) -> None:
    """The same bytes taken, the same answer, at every value of a byte: choices of old runs stay what they were."""
    for value in range(256):
        data = bytes((1, value, value ^ 0x5A, 3, 4, 5, 6, 7, 8))

        def both(draw: Callable[[ChoiceSource], object], data: bytes = data) -> tuple[object, int]:
            source = ChoiceSource.replay(data)
            return draw(source), source.below(16)  # what comes next shows how many bytes were taken

        assert both(lambda source: source.one_in(n)) == both(lambda source: source.below(n) == n - 1)
        assert both(lambda source: source.pick(range(n))) == both(lambda source: source.below(n))
        for numerator in {0, 1, n // 2, n}:
            drawn = both(lambda source, k=numerator: source.chance(k, n))
            assert drawn == both(lambda source, k=numerator: source.below(n) >= n - k)


def test_named_draws_at_the_end_of_the_stream_are_the_simplest() -> None:
    source = ChoiceSource.replay(b"")
    assert [source.one_in(2), source.chance(15, 16), source.pick("ab")] == [False, False, "a"]
    assert source.recorded() == b"\0"


def test_the_exhausted_stream_is_simplest() -> None:
    for data in (b"", b"\x01", b"\xff", b"\x09abc"):
        source = ChoiceSource.replay(data)
        source.bytes(4096)
        assert source.below(1000) == 0
        assert not source.chance(999, 1000)
        assert source.pick(("simple", "rich")) == "simple"
        assert source.fork("any").bits(64) == 0


def test_forks_are_independent() -> None:
    """What one sub-stream is asked for changes nothing in its sisters, in either form."""
    busy, idle = ChoiceSource.seeded("forks"), ChoiceSource.seeded("forks")
    for source, count in ((busy, 500), (idle, 1)):
        source.fork("a").bytes(count)
    assert busy.fork("b").bytes(64) == idle.fork("b").bytes(64)
    data = b"\x01AAAAAAAA\x02BBBBBBBBbbbbbbbb\x01CCCCCCCC"
    found = []
    for count in (1, 500):
        source = ChoiceSource.replay(data)
        source.fork("first").bytes(count)
        found.append(source.fork("second").bytes(8))
    assert found == [b"CCCCCCCC"] * 2


def test_labels_and_keys_separate_streams() -> None:
    source = ChoiceSource.seeded("x", 1)
    streams = [source, source.fork(1), source.fork(2), ChoiceSource.seeded("x", 2), ChoiceSource.seeded("x1")]
    assert len({stream.bytes(16) for stream in streams}) == len(streams)


def test_a_stratum_replaces_the_first_choice_only() -> None:
    plain, even = ChoiceSource.seeded("s"), ChoiceSource.seeded("s", stratum=0x8000)
    assert even.below(4096) == 2048
    plain.below(4096)
    assert plain.bytes(32) == even.bytes(32)


def test_long_streams_have_no_period() -> None:
    source = ChoiceSource.seeded("long")
    blocks = {source.bytes(64) for _ in range(2000)}
    assert len(blocks) == 2000


def test_choices_are_uniform() -> None:
    """For each n the largest deviation in 20,000 draws stays below 6 standard deviations of the binomial."""
    source = ChoiceSource.seeded("uniform")
    for n in (2, 3, 10, 16, 100):
        counts = [0] * n
        for _ in range(20_000):
            counts[source.below(n)] += 1
        mean = 20_000 / n
        # A byte gives up to 16 alternatives within 1/16 of their share.
        slack = mean / 16 if n <= 16 else 0
        assert all(abs(count - mean) < 6 * mean**0.5 + slack for count in counts), n


@settings(max_examples=50)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
def test_weighted_tables_keep_weights(weights: list[int]) -> None:
    table = weighted(*enumerate(weights))
    assert len(table) == 256
    assert list(table) == sorted(table)
    for item, weight in enumerate(weights):
        share = 256 * weight / sum(weights)
        assert abs(table.count(item) - share) <= max(1, len(weights)), item
        assert (table.count(item) > 0) == (weight > 0)


def test_weighted_tables_refuse_nothing() -> None:
    with pytest.raises(ValueError, match="positive weights"):
        weighted(("a", 0))


def test_streams_beyond_the_byte_form_are_refused() -> None:
    source = ChoiceSource.seeded("huge")
    source.bytes(600_000)
    with pytest.raises(ValueError, match="512 KiB"):
        source.recorded()
