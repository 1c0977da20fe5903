"""Wasmtime's settings: one form each, what goes together, and that each changes something or is refused."""

from __future__ import annotations

import pytest
import wasmtime

from fuzz.campaign.drawing import RUN, Benches
from fuzz.campaign.messages import Plan
from fuzz.records.history import Series
from oracles.engine import EngineId, EngineUnavailable, UsageError, draws, open_engine
from oracles.engines._wasmtime_settings import PRESETS, runnable, worker_settings
from oracles.engines.wasmtime import machine_code
from tests.engines.conftest import open_or_skip

CANONICAL = {
    "wasmtime:fuel+cpu=avx+opt=none": "wasmtime:opt=none+cpu=avx+fuel",
    "wasmtime:cpu=host+signals=on+moves=on+unwind=on": "wasmtime:opt=speed",
    "wasmtime:guard=65536+reservation=0+stack=1024K+growth=3": "wasmtime:reservation=0+guard=64K+growth=3+stack=1M",
    "wasmtime:winch+epochs+cpu=avx2": "wasmtime:winch+cpu=avx2+epochs",
    "wasmtime:debug+unwind=off+cow+moves=off+nan=canonical": "wasmtime:nan=canonical+moves=off+cow+unwind=off+debug",
}
WRONG = {
    "wasmtime:winch+nan=canonical": "winch has no nan: it is a compiler of its own",
    "wasmtime:pulley+cpu=avx": "pulley has no CPU flags",
    "wasmtime:cpu=avx1": "cpu=avx1 is not possible (did you mean avx?): cpu is sse2 or ssse3 or avx or avx2 or "
    "avx512 or host or any",
    "wasmtime:guard=1T": "guard=1T is no size: write guard=65536, guard=64K or guard=0",
    "wasmtime:guard": "guard=on is no size: write guard=65536, guard=64K or guard=0",
    "wasmtime:stack=64K": "stack=64K is not possible: stack is from 512K to 4M",
}


@pytest.mark.parametrize("text", CANONICAL)
def test_the_canonical_form(text: str) -> None:
    assert str(EngineId.parse(text)) == CANONICAL[text]
    assert str(EngineId.parse(CANONICAL[text])) == CANONICAL[text]


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        EngineId.parse(text)
    assert str(caught.value) == WRONG[text]


def test_the_worker_gets_bytes_and_the_flags_to_be_off() -> None:
    id = EngineId.parse("wasmtime:cpu=avx+guard=64K+features=exact+flag.enable_pcc=true")
    assert worker_settings(id) == {
        "cpu": "avx2,fma,bmi1,bmi2,lzcnt,avx512bitalg,avx512dq,avx512f,avx512vbmi,avx512vl",
        "guard": "65536",
        "flag.enable_pcc": "true",
    }


# A CPU of which release

SSE = "sse sse2 pni ssse3"
AVX = f"{SSE} sse4_1 sse4_2 popcnt avx"
AVX2 = f"{AVX} avx2 fma bmi1 bmi2 abm"
AVX512 = f"{AVX2} avx512_bitalg avx512dq avx512f avx512vbmi avx512vl"


@pytest.mark.parametrize(
    ("flags", "presets"),
    [
        ("", "host"),
        (SSE, "sse2 host"),
        (AVX, "sse2 ssse3 host"),
        (f"{AVX} avx2", "sse2 ssse3 host"),
        (AVX2, "sse2 ssse3 avx host"),
        (AVX512, "sse2 ssse3 avx avx2 host"),
    ],
)
def test_a_cpu_runs_what_came_before_it(flags: str, presets: str) -> None:
    assert runnable(frozenset(flags.split())) == tuple(presets.split())


def test_any_cpu_is_one_that_this_machine_can_be() -> None:
    drawn = [str(id) for id in draws(EngineId.parse("wasmtime@33.0.0:opt=none+cpu=any"))]
    assert drawn[-1] == "wasmtime@33.0.0:opt=none"
    assert drawn[:-1] == [f"wasmtime@33.0.0:opt=none+cpu={preset}" for preset in PRESETS[: len(drawn) - 1]]
    assert draws(EngineId.parse("v8")) == (EngineId.parse("v8"),)
    with pytest.raises(UsageError, match=r"cpu=any is drawn by fuzz run: here name one of sse2, ssse3, "):
        open_engine("wasmtime:cpu=any")


def test_a_campaign_draws_by_the_numbers_of_its_cases() -> None:
    """Whichever slot has a case, and in whatever order: it meets the same engines."""
    opened: list[str] = []

    def opener(id: str, _limits: object, _offline: bool):
        opened.append(id)
        raise EngineUnavailable("not needed here")

    def slot() -> Benches:
        return Benches(Plan(("wasmtime:cpu=any", "v8"), Series(("arith",), 7, "1"), opener=opener), told.append)

    told: list[object] = []
    first, second = slot(), slot()
    numbers = list(range(0, 40 * RUN, RUN // 2))
    seen = {number: tuple(first.for_case(number).broken) for number in numbers}
    assert {number: tuple(second.for_case(number).broken) for number in reversed(numbers)} == seen
    assert all(engines[1] == "v8" for engines in seen.values())
    assert {engines[0] for engines in seen.values()} == set(map(str, draws(EngineId.parse("wasmtime:cpu=any"))))
    assert len(opened) == 2 * 2 * len({engines[0] for engines in seen.values()}), "each bench is opened once"
    last = next(name for name in opened if name.endswith("cpu=sse2")) if len(draws_here()) > 1 else opened[0]
    assert last in first.for_engines({last, "v8"}).broken


def draws_here() -> tuple[EngineId, ...]:
    return draws(EngineId.parse("wasmtime:cpu=any"))


# That each changes something


EVERYTHING = bytes(
    wasmtime.wat2wasm("""(module (memory 1) (func (param i32 f64) (result f64 v128)
        (loop (br_if 0 (local.tee 0 (i32.sub (i32.load offset=70000 (local.get 0)) (i32.const 1)))))
        (f64.add (f64.sqrt (local.get 1)) (f64.floor (f64.load (local.get 0))))
        (i8x16.swizzle (v128.load (local.get 0)) (v128.load (i32.const 16)))))""")
)
IN_CODE = ("nan=canonical", "fuel", "epochs", "signals=off", "reservation=0", "guard=0", "cpu=sse2")
OUTSIDE = ("growth=0", "stack=1M", "stack=4M", "moves=off", "cow", "unwind=off", "debug")


def code_of(settings: str) -> dict[int, bytes]:
    id = EngineId.parse(f"wasmtime:{settings}")
    open_or_skip(str(id)).close()
    return machine_code(id, EVERYTHING, offline=True)


@pytest.mark.parametrize("setting", IN_CODE)
def test_it_is_in_the_code(setting: str) -> None:
    code = code_of(f"opt=none+{setting}")
    assert code
    assert code != code_of("opt=none")


@pytest.mark.parametrize("setting", OUTSIDE)
def test_it_is_outside_of_the_code(setting: str) -> None:
    """The worker has found it to change the artifact, or how deep calls go; here only that it is taken."""
    open_or_skip(f"wasmtime:{setting}").close()


@pytest.mark.parametrize("setting", ["stack=512K", "growth=2G"])
def test_what_is_so_already_is_refused(setting: str) -> None:
    with pytest.raises(EngineUnavailable, match="has no effect in this release"):
        _ = open_engine(f"wasmtime:{setting}").capabilities


def test_a_release_without_it_says_so() -> None:
    """Before 45.0.0 the C API had fewer of these."""
    old = open_or_skip("wasmtime@31.0.0")
    old.close()
    with pytest.raises(
        EngineUnavailable, match="this release cannot take signals=off: its C API has no wasmtime_config_s"
    ):
        _ = open_engine("wasmtime@31.0.0:signals=off", offline=True).capabilities
