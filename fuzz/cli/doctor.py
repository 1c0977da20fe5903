"""Starting engines and running a small case on each: ``fuzz engines doctor``."""

from __future__ import annotations

import statistics
import time
from typing import Final

from fuzz.cli.asked import asked_engines
from fuzz.records.exit_code import ExitCode
from fuzz.trial.bench import DEFAULT_ENGINES, Bench
from oracles.engine import EngineUnavailable, UsageError, configurations, open_engine
from oracles.judge.equality import show
from oracles.judge.verdict import Disagree
from oracles.remote.confinement import describe
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.embedding import Entry, Invocation, Returned, Unsupported, Value
from wasm.encode import encode
from wasm.features import Hosting
from wasm.valtypes import I32

_TIMES: Final = 15
"""How often the small case is run; the median counts."""


def doctor(ids: list[str]) -> int:
    """Start each engine, say what it is, and run one case on it."""
    bench = Bench(asked_engines(ids or DEFAULT_ENGINES, offline=False))
    try:
        for name, seat in bench.seats.items():
            capabilities = seat.capabilities
            print(f"{name}: release {capabilities.version}, family {capabilities.family}")
            if capabilities.library:
                print(f"    {capabilities.library} (sha256 {capabilities.sha256[:16]})")
            features = sorted(feature.value for feature in capabilities.features)
            if features:
                print(f"    features: {', '.join(features)}")
            not_hosted = sorted(one.value for one in seat.lacks if isinstance(one, Hosting))
            if not_hosted and CaseKind.WASM in capabilities.kinds:
                print(f"    its host lacks: {', '.join(not_hosted)}")
            for note in seat.notes:
                print(f"    {note}")
        good = True
        for case, asked in ((_smoke(), "19 + 23"), (_machine_smoke(), "a function of three instructions")):
            takers = [name for name, seat in bench.seats.items() if case.kind in seat.capabilities.kinds]
            if takers or not bench.seats:
                good &= _asked(bench, case, asked, takers)
        for reason in bench.broken.values():
            print(f"unusable: {reason}")
        print("what a worker may do on this machine:")
        for line in describe(bench.limits.memory_bytes):
            print(f"    {line}")
        good &= not bench.broken
    finally:
        bench.close()
    return ExitCode.CLEAN if good else ExitCode.UNUSABLE


def _asked(bench: Bench, case: Case, asked: str, takers: list[str]) -> bool:
    """Run a case on those that take it and print what they did; whether nobody was wrong."""
    trial = bench.run(case, takers)
    reference = () if isinstance(trial.reference.instantiation, Unsupported) else (trial.reference,)
    for seen in (*reference, *trial.observations):
        outcome = seen.outcomes[0] if seen.outcomes else seen.instantiation
        print(f"{seen.engine}: {asked} {show(outcome)}")
    return not isinstance(trial.verdict, Disagree)


def _machine_smoke() -> Case:
    text = """registers int:0 int:1 float:0
scratch int:15 float:15
function add
block 0
  args v0:i32>fixed(int:0) v1:i32>fixed(int:1)
  add v0<reg v1<any v2:i32>reuse(0)
  ret v2<fixed(int:0) => .
"""
    return Case(text.encode(), kind=CaseKind.MACHINE)


def _smoke() -> Case:
    m = ModuleBuilder()
    f = m.func([I32, I32], [I32], export="add")
    for name, imm in (("local.get", 0), ("local.get", 1), ("i32.add", None)):
        f.emit(name, imm)
    return Case(encode(m.finish()), (Invocation("add", (Value("i32", 19), Value("i32", 23)), Entry.WRAPPER),))


def survey() -> int:
    """Start every configuration that is known, one after another: a line each, with milliseconds of a small case as
    seen from here, or why it cannot be had. Nothing is fetched or built."""
    families: set[str] = set()
    missing = 0
    ids = configurations()
    for id in ids:
        try:
            release, family, milliseconds = _tried(id)
        except (EngineUnavailable, UsageError) as error:
            print(f"{id}: cannot be had: {error}", flush=True)
            missing += 1
            continue
        families.add(family)
        print(f"{id}: release {release}, family {family}, {milliseconds:.1f} ms a case", flush=True)
    print(f"of {len(ids)} configurations {len(ids) - missing} can be had here, of {len(families)} families")
    return ExitCode.CLEAN


def _tried(id: str) -> tuple[str, str, float]:
    """Release, family and the median. Raises ``EngineUnavailable``, for a wrong answer too."""
    engine = open_engine(id, offline=True)
    try:
        capabilities = engine.capabilities
        case = _machine_smoke() if CaseKind.MACHINE in capabilities.kinds else _smoke()
        took = []
        for _ in range(_TIMES):
            start = time.perf_counter()
            seen = engine.run(case)
            took.append(time.perf_counter() - start)
            got = seen.outcomes[0] if seen.outcomes else seen.instantiation
            if not isinstance(got, Returned) or got.slots[:1] not in (b"", b"\x2a"):
                raise EngineUnavailable(f"19 + 23 {show(got)}")
        return capabilities.version, capabilities.family, 1000 * statistics.median(took)
    finally:
        engine.close()
