"""A search over releases that are sold by a shop: what is asked, remembered, fetched and taken away."""

from __future__ import annotations

import hashlib
import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest
from sold_engine import Shop
from wasmtime import wat2wasm

from fuzz.bisect.history import NOT_AT_HAND, Bisected, Options, bisect
from fuzz.bisect.outcomes import NAME, Outcomes
from fuzz.bisect.question import Answer, Question
from fuzz.records.finding import Signature
from fuzz.records.strip import State
from fuzz.records.strip_text import signs, words
from oracles import provision, versions
from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, released
from wasm.case import Case
from wasm.embedding import Invocation

CASE = Case(bytes(wat2wasm('(module (func (export "f") (result i32) i32.const 7))')), (Invocation("f"),))
QUESTION = Question(CASE)
VALUE = Signature("sold", "invoke", "value", provisional=True).bucket


def search(shop: Shop, question: Question = QUESTION, begin: tuple[str, ...] = (), **options: object) -> Bisected:
    return bisect(EngineId("sold"), shop, question, Options(**options), begin, None, shop.open)  # type: ignore[arg-type]


def test_a_history_with_both_ends(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+++++---------+++")
    found = search(shop, begin=("9.0",))
    (only,) = found.strip.ranges()
    assert (only.last_good, only.first_bad, only.last_bad, only.first_fixed) == ("5.0", "6.0", "14.0", "15.0")
    assert only.exact
    assert found.complete
    assert found.runs == found.fetched == len(found.strip.tried) == len(shop.fetched)
    assert found.runs <= 3 + 3 + 3
    assert found.strip.case == hashlib.sha256(CASE.content).hexdigest()
    why = {one.release: one.why for one in found.strip.tried}
    assert why["9.0"] == "invoke 0: result 0 of 1: expected i32:0x7, got i32:0x6"
    assert why["1.0"] == "as the reference"


def test_all_and_bounds(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+-+?-+")
    assert signs(search(shop, every=True).strip) == ".X.?X."
    within = search(shop, every=True, first="2", last="4.0", remembered=False).strip
    assert signs(within) == "-X+?--".replace("+", ".")
    assert next(words(within)) == "bad in 2.0: no older release was asked, first fixed 3.0"
    again = search(shop, first="2", last="4").strip
    assert signs(again) == ".X.?X.", "what is known of the others is not forgotten"
    with pytest.raises(UsageError, match=r"no release from 9 to the last: there are 6, from 1\.0 to 6\.0"):
        search(shop, first="9")
    with pytest.raises(UsageError, match="'new' is no release to search from or to"):
        search(shop, last="new")
    with pytest.raises(EngineUnavailable, match="no release of other is at hand"):
        search(Shop(tmp_path / "other", "", name="other"), offline=True)


def test_what_was_asked_is_not_asked_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "++?--++")
    first = search(shop, begin=("4.0",))
    again = search(shop, begin=("4.0",))
    assert (again.runs, again.known, again.strip) == (0, first.runs, first.strip)
    assert again.showing == first.showing == {"4.0", "5.0"}
    assert search(shop, begin=("4.0",), remembered=False).runs == first.runs
    other = Question(Case(CASE.content, (Invocation("f"), Invocation("f"))))
    assert search(shop, other, ("4.0",)).known == 0


def test_a_release_that_is_wrong_in_another_way_is_bad_and_told_of(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "++x--+")
    found = search(shop, Question(CASE, bucket=VALUE, where="invoke 0"), ("4.0",))
    assert found.showing == {"4.0", "5.0"}
    (only,) = found.strip.ranges()
    assert (only.first_bad, only.last_bad) == ("3.0", "5.0")
    (crash,) = [one for one in found.strip.tried if one.release == "3.0"]
    assert crash.why.startswith('wrong in another way, sold crash in compile "index out of bounds"')
    assert any(line.startswith("3.0 is wrong in another way") for line in words(found.strip))


def test_one_bad_try_of_many_is_enough(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+~")
    assert search(shop).strip.ranges() == ()
    shop.runs.clear()
    (only,) = search(shop, Question(CASE, bucket=VALUE, tries=9)).strip.ranges()
    assert only.first_bad == "2.0"
    assert shop.runs == {"1.0": 9, "2.0": 3}


def test_offline_only_what_is_at_hand_is_asked(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+++---")
    for release in ("1.0", "2.0", "4.0", "6.0"):
        shop.fetch(release)
    shop.fetched.clear()
    alone = search(shop, offline=True)
    assert alone.strip.offered == ("1.0", "2.0", "4.0", "6.0")
    assert shop.asked_for_list == 0
    shop.offered()
    search(shop)
    shop.fetched.clear()
    (shop.folder / "3.0").unlink()
    known = search(shop, offline=True, remembered=False)
    assert known.strip.offered == tuple(shop.names())
    assert signs(known.strip) == "..?X?X"
    assert {one.why for one in known.strip.tried if one.state is State.CANNOT} == {NOT_AT_HAND}
    assert f"cannot be asked: 3.0, 5.0: {NOT_AT_HAND}" in list(words(known.strip))
    assert shop.fetched == []


def test_a_network_that_is_gone_is_not_asked_for_ever(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+" + "/" * 100 + "-")
    found = search(shop)
    assert found.strip.ranges()[0].last_good == "1.0"
    why = [one.why for one in found.strip.tried if one.state is State.CANNOT]
    assert len(why) == 100
    assert why.count("could not be fetched: no network") == 3
    assert sum(one.startswith("not fetched, as the last 3 could not be: sold 5") for one in why) == 97
    assert search(shop).known == 2, "what could not be fetched is tried again another time"


def test_the_disk_budget_takes_the_oldest_use_first(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+" * 9)
    for release in ("1.0", "5.0"):
        shop.fetch(release)
    shop.fetched.clear()
    found = search(shop, every=True, disk=250, parallel=1)
    assert found.fetched == 7
    assert found.removed == len(shop.removed) == 5
    assert shop.removed == ["9.0", "8.0", "7.0", "6.0", "4.0"]
    assert shop.at_hand() == ["1.0", "2.0", "3.0", "5.0"]


def test_the_time_may_be_over_first(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "+" * 50 + "-" * 50)
    found = search(shop, deadline=time.monotonic())
    assert (found.runs, found.complete) == (1, False)


def test_what_cannot_be_compared_is_not_good(tmp_path: Path) -> None:
    """The finding is in a call that the reference does not come to an end of: nobody can say."""
    text = '(module (func (export "f") (result i32) (loop (br 0)) unreachable))'
    case = Case(bytes(wat2wasm(text)), (Invocation("f"),))
    question = Question(case, bucket=VALUE, where="invoke 0", limits=Limits(steps=1000))
    found = search(Shop(tmp_path / "shop", "+-"), question)
    assert {one.state for one in found.strip.tried} == {State.CANNOT}
    assert found.strip.tried[0].why.startswith("call 0 was not compared")


# --- the file of what was asked -------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"no database at all", None])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, damage: bytes | None) -> None:
    shop = Shop(tmp_path / "shop", "++--")
    search(shop)
    path = provision.cache_root() / NAME
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096) if damage is None else damage)
    outcomes = Outcomes(provision.cache_root())
    outcomes.close()
    assert bool(outcomes.notes) is (damage != b"")
    assert path.with_suffix(".damaged-1").exists() is (damage != b"")
    assert search(shop).known == 0
    assert search(shop).known == 4


def test_a_file_that_is_damaged_under_way_is_begun_anew(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path)
    outcomes.keep("sold", "q", "1.0", Answer(State.GOOD))
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("DROP TABLE outcomes")
    other.commit()
    other.close()
    assert outcomes.known("sold", "q") == {}
    assert outcomes.notes
    outcomes.close()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcomes = Outcomes(tmp_path / "file")
    outcomes.keep("sold", "q", "1.0", Answer(State.GOOD))
    assert outcomes.known("sold", "q") == {}
    assert len(outcomes.notes) == 1


def _keep_many(folder: Path, word: str) -> None:
    outcomes = Outcomes(folder)
    for number in range(40):
        outcomes.keep("sold", word, f"{number}.0", Answer(State.BAD, word, True))
        outcomes.keep("sold", "all", f"{number}.0", Answer(State.BAD, "all", True))
    outcomes.close()


def test_several_processes_share_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_keep_many, args=(tmp_path, word)) for word in "abc"]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    outcomes = Outcomes(tmp_path)
    assert outcomes.notes == []
    assert [len(outcomes.known("sold", word)) for word in ("a", "b", "c", "all")] == [40] * 4
    outcomes.close()


# --- the releases' own cache ----------------------------------------------------------------------------------------


def test_a_release_in_use_is_not_taken_away() -> None:
    def install(folder: Path) -> None:
        (folder / "file").write_bytes(bytes(1000))

    provision.provide("thing", "1.0.0", install, False)
    registry = provision.Registry(
        "thing", lambda version, offline: provision.provide("thing", version, install, offline)
    )
    assert registry.at_hand() == ["1.0.0"]
    assert registry.size("1.0.0") == 1000
    reader = multiprocessing.get_context("spawn")
    ready, over = reader.Event(), reader.Event()
    user = reader.Process(target=_use, args=(ready, over))
    user.start()
    assert ready.wait(60)
    assert not registry.remove("1.0.0")
    assert registry.at_hand() == ["1.0.0"]
    over.set()
    user.join()
    assert registry.remove("1.0.0")
    assert registry.at_hand() == []
    registry.fetch("1.0.0")
    assert registry.at_hand() == ["1.0.0"]
    with pytest.raises(EngineUnavailable, match="--offline is set"):
        provision.provide("thing", "2.0.0", install, True)


def test_every_adapter_with_releases_keeps_the_contract() -> None:
    for name, releases in released().items():
        at_hand = list(releases.at_hand())
        assert releases.name
        assert at_hand == sorted(at_hand, key=versions.version_key)
        assert all(map(versions.is_release, at_hand)), name
    assert set(released()) >= {"jsc", "v8", "wasmtime"}


def _use(ready: object, over: object) -> None:
    from oracles.provision import provide

    def refuse(_folder: Path) -> None:
        raise AssertionError

    provide("thing", "1.0.0", refuse, False)
    ready.set()  # type: ignore[attr-defined]
    over.wait(60)  # type: ignore[attr-defined]
