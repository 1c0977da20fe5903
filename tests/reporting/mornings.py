"""Mornings to render, made by hand: an ordinary one with a cause in every state, an empty one, a failed one, one whose
texts are all hostile, and one with very many causes."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from fuzz.records.explanation import Explanation, Fingerprint, Guilty, Item, Operation
from fuzz.records.finding import Signature
from fuzz.records.history import Cause, Ending, EngineNight, Minimization, Night, SeenOn, Series
from fuzz.records.morning import CauseNews, Command, Example, Line, Morning, News, NightNews, Side, Step
from fuzz.records.stats import Stats
from fuzz.records.strip import State, Strip, Tried
from fuzz.records.summary import SeriesCount, Stored, Summary
from fuzz.records.target_yield import TargetYield
from oracles.judge.verdict import Dissent, Kind

SERIES = Series(("simd", "memory"), 7, "7")
ENGINE = "wasmtime@33.0.0:opt=none"
START = 1_800_000_000.0
DAY = 86_400.0
WAT = """(module
  (func (export "f") (result i32)
    i32.const 7
    i32.const 33
    i32.rotl
  )
)"""
STRIP = Strip(
    "wasmtime:opt=none",
    "ab" * 32,
    tuple(f"{number}.0.0" for number in range(30, 42)),
    tuple(
        Tried(f"{number}.0.0", state, why)
        for number, state, why in (
            (30, State.CANNOT, "not offered for this machine"),
            (31, State.GOOD, ""),
            (32, State.GOOD, ""),
            (33, State.BAD, "gives i32:0x7"),
            (36, State.BAD, "gives i32:0x7"),
            (40, State.BAD, "gives i32:0x7"),
            (41, State.GOOD, ""),
        )
    ),
)
EXPLANATION = Explanation(
    ENGINE,
    Fingerprint("it needs opt=none", (ENGINE,), ("wasmtime@33.0.0:opt=speed",), ("wasmtime@33.0.0:winch",)),
    Guilty(0, "f", "", "compiled apart from the others"),
    Operation(0, 2, "i32.rotl", ("i32:0x7", "i32:0x21"), ("i32:0xe",), ("i32:0x7",), 1, "compared value by value"),
    (),
    "0: d3 c0  rol eax, cl",
    ("stages: only our own compiler has them",),
    3.5,
    Item("data", 1, '(data (i32.const 8) "")', "it shows with this one alone"),
)


def example(bundle: str, **changes: Any) -> Example:
    lines = tuple(Line(line, "rotl" in line) for line in WAT.splitlines())
    wrong = (Side((ENGINE,), "returned (i32:0x7)", True), Side(("interpreter", "v8"), "returned (i32:0xe)", False))
    made = Example(
        bundle=bundle,
        signature=Signature("cranelift", "invoke", "value"),
        file="case.wat",
        size=44,
        original_size=1200,
        minimized=True,
        repeats=3,
        tries=3,
        origin="target simd, seed 7, index 12, generators 7",
        lines=lines,
        whole=len(lines),
        marked="the instructions without which it goes away",
        script=f'{WAT}\n\n(assert_return (invoke "f") (i32.const 0xe))\n',
        steps=(
            Step("instantiation", "returned ()", (Side((ENGINE, "interpreter", "v8"), "returned ()", False),)),
            Step("f() by wrapper", "returned (i32:0xe)", wrong),
        ),
        dissents=(
            Dissent(ENGINE, "cranelift", Kind.VALUE, "invoke", "invoke 0", "result 0 of 1: expected i32:0xe, got 0x7"),
        ),
        agreeing=("interpreter", "v8"),
        releases=((ENGINE, "33.0.0"), ("interpreter", "0.1.0"), ("v8", "26.10.0")),
        commands=(Command(ENGINE, "wasmtime wast -O opt-level=0 case.wast", needs="case.wast"),),
        environment=(("harness", "0.1.0"), ("machine", "x86_64"), ("platform", "Linux")),
    )
    return replace(made, **changes)


def cause(id: int, state: News, nights: tuple[tuple[int, int], ...], why: str, **changes: Any) -> CauseNews:
    about = Cause(
        id, "cranelift: wrong value, i32.rotl", "value", "invoke", "cranelift", ("i32.rotl", "~i32.const"),
        ("cranelift-value-0123abcd",), ("wasmtime:opt=none",), ("wasmtime:opt=speed",), ("wasmtime@33.0.0",),
    )  # fmt: skip
    bundle = f"cranelift-value-0123abcd-simd-7-{id}"
    made = CauseNews(
        cause=about,
        state=state,
        why=why,
        nights=nights,
        times=sum(cases for _, cases in nights),
        first=START + DAY * nights[0][0],
        last=START + DAY * nights[-1][0] + 60,
        targets=("simd",),
        seen_on=(SeenOn(ENGINE, "33.0.0", sum(cases for _, cases in nights), START + DAY, START + 2 * DAY),),
        bundles=(bundle, f"{bundle}0"),
        example=example(bundle),
    )
    return replace(made, **changes)


def stats() -> Stats:
    return Stats(
        cases=500, wide_cases=5, compared=310, nan_cases=2, disagreements=40, unstable=1, harness_cpu=12.5,
        outcomes=Counter({"returned": 900, "trapped": 100}), poisons=Counter({"unsupported": 189, "nan": 1}),
        discarded=Counter({"no module": 3}), shapes=Counter({"results 1": 300, "results 2..4": 200, "params 0": 500}),
        targets=Counter({"simd": 250, "memory": 250}), target_cpu={"simd": 4.25, "memory": 2.0},
        engine_cases=Counter({ENGINE: 500, "interpreter": 500}), engine_silent=Counter({ENGINE: 190}),
        engine_cpu={ENGINE: 2.5, "interpreter": 3.0},
        yields={"simd": TargetYield(cases=250, sampled=13, generated=Counter({"i32.add": 9, "i32.rotl": 3}),
                                    executed=Counter({"i32.add": 8}), executed_features=Counter({"simd": 12}))},
    )  # fmt: skip


def night(number: int, **changes: Any) -> Night:
    start = START + DAY * number
    return replace(Night(number, SERIES, start, start + 1800, "0.1.0", "Linux", 1, False, 250), **changes)


def engines(number: int) -> tuple[EngineNight, ...]:
    return EngineNight(number, ENGINE, "33.0.0", ""), EngineNight(number, "interpreter", "0.1.0", "")


def summary(counts: Stats) -> Summary:
    made = Summary(("simd", "memory"), 8, "7", Path("reports/night"), counts)
    made.series = [SeriesCount(("simd", "memory"), 7, "7", 250), SeriesCount(("simd", "memory"), 8, "7", 250)]
    made.engines = {ENGINE: "33.0.0", "interpreter": "0.1.0"}
    made.notes = ["wasmtime: release wheels are built without debug assertions"]
    return made


def plain() -> Morning:
    """A cause in every state, with a strip and an explanation."""
    new = cause(3, News.NEW, ((2, 4),), "first seen in the last night")
    assert new.example is not None
    new = replace(new, example=replace(new.example, strips=(STRIP,), explanations=(EXPLANATION,)))
    again = cause(1, News.AGAIN, ((1, 6), (2, 9)), "seen in the last night and before")
    gone = cause(2, News.GONE, ((1, 3),), f"{ENGINE} (33.0.0) answered on 120 cases of the last night")
    known = cause(4, News.AGAIN, ((1, 1), (2, 1)), "seen in the last night and before")
    link = "https://github.com/bytecodealliance/wasmtime/issues/12318"
    known = replace(known, cause=replace(known.cause, known="12318", link=link))
    unseen = cause(5, News.UNSEEN, ((1, 2),), "the last night did not run v8:turbofan")
    loose = cause(0, News.AGAIN, ((1, 1), (2, 1)), "seen in the last night and before")
    told = summary(stats())
    told.findings = [Stored(Path("reports/night/findings/x-1"), Signature("cranelift", "invoke", "value"), 4, "", True,
                            44, 3, "cranelift: wrong value, i32.rotl")]  # fmt: skip
    nights = (NightNews(night(1), engines(1)), NightNews(night(2), engines(2)))
    return Morning(told, "reports/night", nights, (new, again, loose, gone, known, unseen), stats())


def empty() -> Morning:
    """A folder whose only night found nothing."""
    counts = replace(stats(), disagreements=0, unstable=0)
    return Morning(summary(counts), "reports/night", (NightNews(night(1), engines(1)),), (), counts)


def nothing() -> Morning:
    """A folder in which no night ran."""
    return Morning(Summary((), 0, "", Path("reports/night")), "reports/night")


def failed() -> Morning:
    """Engines that cannot be used, a slot that died, a bundle that cannot be read, nothing compared, no end."""
    broken = EngineNight(1, "v8@1.0.0", "", "v8@1.0.0: node 1.0.0 could not be fetched")
    errors = ("a slot died (exit code -9) in cases [3, 4]", "case simd 7 1: ValueError")
    counts = replace(stats(), compared=0)
    told = summary(counts)
    told.unreadable = ["reports/night/findings/x is no bundle that this release can read: no JSON"]
    tried = Minimization("cranelift-value-1", 1200, 800, 60.0, 400, Ending.BUDGET, START, 1)
    nights = (NightNews(night(1, ended=0.0, exit_code=None), (*engines(1), broken), errors),)
    return Morning(told, "reports/night", nights, (), counts, waiting=12, unfinished=(tried,))


NASTY = (
    "</pre><script>alert(1)</script>\x1b[2J\x00\u202e\udcff\ufffe\r\n::error::owned\n</details>\n"
    "]]>&amp;<!--`````|\\\" onload='x' {{ 7*7 }} {% raw %} %0A"
)


def hostile() -> Morning:
    """``plain`` with every text replaced by one that would break out of its place, wherever it can be anything."""
    made = plain()
    told = _spoiled(made.summary, NASTY)
    assert isinstance(told, Summary)
    told.out, told.broken = Path("reports/night"), {NASTY: NASTY}
    for stored in told.findings:
        assert isinstance(stored, Stored)
    nights = tuple(_spoiled(one, NASTY) for one in made.nights)
    causes = tuple(replace(_spoiled(one, NASTY), state=one.state) for one in made.causes)
    return replace(made, summary=told, place="reports/night", nights=nights, causes=causes)


def _spoiled(value: Any, nasty: str) -> Any:
    """A copy in which all texts are ``nasty``; enumerations, paths and numbers stay."""
    if isinstance(value, Enum | Path):
        return value
    if isinstance(value, str):
        return nasty if value else value
    if isinstance(value, Signature):  # a finding with halves of characters in it is refused when it is read
        whole = nasty.replace("\udcff", "")
        return Signature(whole, whole, whole)
    if isinstance(value, Strip):
        return replace(value, engine=nasty)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _spoiled(getattr(value, item.name), nasty) for item in fields(value)})
    if isinstance(value, Counter):
        return Counter({nasty: 3})
    if isinstance(value, dict):
        return {f"{nasty}{number}": _spoiled(one, nasty) for number, one in enumerate(value.values())}
    if isinstance(value, tuple | list):
        return type(value)(_spoiled(one, nasty) for one in value)
    return value


def huge(causes: int = 300) -> Morning:
    """Very many causes, each with a long text and long messages."""
    long = "x" * 5000
    lines = tuple(Line("    i32.const 1 " + "y" * 100, number == 60) for number in range(120))
    big = example("b", lines=lines, whole=100_000, script="z" * 16_000)
    dissent = replace(big.dissents[0], message=long, detail=long)
    big = replace(big, dissents=(dissent,) * 8)
    found = [
        replace(cause(number, News.NEW, ((1, 1), (2, 2)), long[:300]), example=big, bundles=(f"b{number}",))
        for number in range(1, causes + 1)
    ]
    return replace(plain(), causes=tuple(found))


MORNINGS = {"plain": plain, "empty": empty, "nothing": nothing, "failed": failed, "hostile": hostile}
