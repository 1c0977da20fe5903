"""What every engine adapter must do: values, traps, limits, state and deaths, each as one outcome."""

from __future__ import annotations

import gc
import os
import random
import signal
import time
from pathlib import Path

import pytest

from oracles.engine import Engine, Limits, UsageError, open_engine
from oracles.remote.worker_engine import WorkerEngine
from tests.engines.conftest import COLD, LESS, Wat, has, is_slow, only, run, shows
from wasm.case import Case
from wasm.embedding import (
    WIDTHS,
    Crashed,
    Entry,
    Exhausted,
    Invocation,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)
from wasm.features import Feature
from wasm.traps import TrapKind

EXACT = ("i32:0x80000001", "i64:0x8000000000000001", "f32:0x7fa00002", "f64:0xfff4000000000003", "v128:0x1122")
BOTH = (Entry.HOST, Entry.WRAPPER)


def values(*texts: str) -> tuple[Value, ...]:
    return tuple(map(Value.parse, texts))


def kinds_of(engine: Engine) -> list[str]:
    """The number types that an engine has."""
    return [kind for kind in WIDTHS if kind != "v128" or has(engine, Feature.SIMD)]


@pytest.mark.parametrize("entry", BOTH)
def test_values_of_all_types_keep_every_bit(engine: Engine, wat: Wat, entry: Entry) -> None:
    given = [value for value in values(*EXACT) if value.type in kinds_of(engine)]
    funcs = [f'(func (export "{one.type}") (param {one.type}) (result {one.type}) local.get 0)' for one in given]
    calls = [Invocation(one.type, (one,), entry) for one in given]
    outcomes = run(engine, wat(f"(module {' '.join(funcs)})", *calls)).outcomes
    assert outcomes == tuple(Returned.of((one,)) for one in given)


@pytest.mark.parametrize("entry", BOTH)
def test_results_of_all_types_in_one_call_keep_every_bit(engine: Engine, wat: Wat, entry: Entry) -> None:
    given = tuple(value for value in values(*EXACT) if value.type in kinds_of(engine))
    params, results = (" ".join(value.type for value in some) for some in (given, given[::-1]))
    gets = " ".join(f"local.get {i}" for i in reversed(range(len(given))))
    text = f'(module (func (export "f") (param {params}) (result {results}) {gets}))'
    got = only(run(engine, wat(text, Invocation("f", given, entry))))
    assert isinstance(got, Returned)
    assert got.values == given[::-1]


FEW_RESULTS = {"endive": 160, "chicory": 160}
"""The compiler boxes results by a method, and one of the JVM has at most 255 words (docs/found/endive.md)."""


@pytest.mark.parametrize("entry", BOTH)
def test_a_thousand_mixed_results(engine: Engine, wat: Wat, entry: Entry) -> None:
    rng = random.Random(7)
    count = FEW_RESULTS.get(str(engine.id), 1000)
    kinds = [rng.choice(kinds_of(engine)) for _ in range(count)]
    given = tuple(Value(kind, rng.getrandbits(WIDTHS[kind])) for kind in kinds)
    gets = " ".join(f"local.get {i}" for i in range(count))
    text = f'(module (func (export "f") (param {" ".join(kinds)}) (result {" ".join(kinds)}) {gets}))'
    got = only(run(engine, wat(text, Invocation("f", given, entry))))
    assert isinstance(got, Returned)
    assert got.values == given


@pytest.mark.parametrize("entry", BOTH)
def test_references_by_identity(engine: Engine, wat: Wat, entry: Entry) -> None:
    text = """(module (func $g (export "g")) (func $h) (elem declare func $g $h)
      (func (export "f") (param externref funcref) (result externref externref funcref funcref funcref)
        local.get 0 ref.null extern local.get 1 ref.func $g ref.func $h))"""
    case = wat(text, Invocation("f", values("ref:extern:5", "ref:func:g"), entry), needs=("reference_types",))
    got = only(run(engine, case))
    assert isinstance(got, Returned)
    assert got.refs == ("extern:5", "null", "func:g", "func:g", "func")


TRAPS = {
    TrapKind.UNREACHABLE: "unreachable",
    TrapKind.DIV_BY_ZERO: "(drop (i64.rem_u (i64.const 1) (i64.const 0)))",
    TrapKind.INT_OVERFLOW: "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
    TrapKind.BAD_CONVERSION: "(drop (i32.trunc_f32_s (f32.const nan)))",
    TrapKind.MEMORY_OOB: "(drop (i64.load (i32.const 65530)))",
    TrapKind.TABLE_OOB: "(drop (table.get $t (i32.const 9)))",
    TrapKind.UNDEFINED_ELEMENT: "(call_indirect $t (i32.const 9))",
    TrapKind.UNINITIALIZED_ELEMENT: "(call_indirect $t (i32.const 1))",
    TrapKind.INDIRECT_TYPE_MISMATCH: "(drop (call_indirect $t (result i32) (i32.const 0)))",
    TrapKind.HOST: "(call $host)",
}
GC_TRAPS = {
    TrapKind.NULL_REFERENCE: "(drop (array.get $a (ref.null $a) (i32.const 0)))",
    TrapKind.ARRAY_OOB: "(drop (array.get $a (array.new_default $a (i32.const 1)) (i32.const 1)))",
    TrapKind.CAST_FAILURE: "(drop (ref.cast (ref $a) (ref.i31 (i32.const 1))))",
}


@pytest.mark.parametrize("entry", BOTH)
@pytest.mark.parametrize("kind", TRAPS)
def test_every_kind_of_trap(engine: Engine, wat: Wat, kind: TrapKind, entry: Entry) -> None:
    host = '(import "trap" "t" (func $host))' if kind is TrapKind.HOST else ""
    text = f"""(module {host} (memory 1) (table $t 2 funcref) (elem (i32.const 0) $v)
      (func $v) (func (export "f") {TRAPS[kind]}))"""
    got = only(run(engine, wat(text, Invocation("f", (), entry))))
    assert isinstance(got, Trapped)
    assert kind in got.kinds


@pytest.mark.parametrize("kind", GC_TRAPS)
def test_every_kind_of_trap_on_heap_objects(engine: Engine, wat: Wat, kind: TrapKind) -> None:
    text = f'(module (type $a (array i32)) (func (export "f") {GC_TRAPS[kind]}))'
    got = only(run(engine, wat(text, Invocation("f"), needs=("gc",))))
    assert isinstance(got, Trapped)
    assert kind in got.kinds


def test_calls_go_on_after_a_trap_on_the_same_instance(engine: Engine, wat: Wat) -> None:
    text = """(module (global $g (mut i32) (i32.const 0))
      (func (export "bump") (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g))
      (func (export "trap") (global.set $g (i32.const 40)) unreachable))"""
    calls = (Invocation("bump"), Invocation("trap"), Invocation("bump", (), Entry.WRAPPER))
    first, second, third = run(engine, wat(text, *calls)).outcomes
    assert first == Returned.of(values("i32:1"))
    assert isinstance(second, Trapped)
    assert third == Returned.of(values("i32:41"))


def test_endless_recursion_exhausts_the_stack_and_ends_the_case(engine: Engine, wat: Wat) -> None:
    text = '(module (func $r (export "r") (result i32) (i32.add (i32.const 1) (call $r))) (func (export "f")))'
    observation = run(engine, wat(text, Invocation("f"), Invocation("r"), Invocation("f")))
    assert observation.outcomes == (Returned(), Exhausted("stack"))


def test_an_endless_loop_times_out_and_the_worker_is_back(engine: Engine, wat: Wat) -> None:
    assert isinstance(engine, WorkerEngine)
    seconds = 6.0 if is_slow(engine) else 2.0 if engine.id.name in COLD else 0.5
    short = open_engine(str(engine.id), Limits(cpu_seconds=seconds), offline=True)
    text = '(module (func (export "seven") (result i32) (i32.const 7)) (func (export "loop") (loop (br 0))))'
    _ = short.capabilities
    start = time.monotonic()
    observation = run(short, wat(text, Invocation("seven"), Invocation("loop"), Invocation("seven")))
    assert observation.outcomes[0] == Returned.of(values("i32:7"))
    assert isinstance(observation.outcomes[1], TimedOut)
    assert len(observation.outcomes) == 2
    assert observation.phase is Phase.INVOKE
    assert only(short.run(wat(text, Invocation("seven")))) == Returned.of(values("i32:7"))
    assert time.monotonic() - start < 60 * seconds
    short.close()


def test_a_worker_that_does_nothing_is_not_waited_for(engine: Engine, wat: Wat) -> None:
    """It was stopped in the middle of a case, as a deadlock or a lost wake-up would stop it."""
    assert isinstance(engine, WorkerEngine)
    still = WorkerEngine(engine.id, engine._worker, Limits(cpu_seconds=20, idle_seconds=0.5))
    text = '(module (func (export "seven") (result i32) (i32.const 7)) (func (export "loop") (loop (br 0))))'
    assert only(still.run(wat(text, Invocation("seven")))) == Returned.of(values("i32:7"))
    start = time.monotonic()
    pending = still.start(wat(text, Invocation("loop")))
    assert pending.process is not None
    os.kill(pending.process.process.pid, signal.SIGSTOP)
    observation = pending.result()
    assert isinstance((observation.instantiation, *observation.outcomes)[-1], TimedOut)
    assert time.monotonic() - start < 15
    assert only(still.run(wat(text, Invocation("seven")))) == Returned.of(values("i32:7"))
    still.close()


def test_a_memory_grows_to_its_maximum_and_not_beyond(engine: Engine, wat: Wat) -> None:
    text = """(module (memory (export "m") 1 64)
      (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))"""
    calls = [Invocation("f", values(f"i32:{pages}")) for pages in (63, 1, 0)]
    observation = run(engine, wat(text, *calls))
    assert observation.outcomes == tuple(Returned.of(values(text)) for text in ("i32:1", "i32:-1", "i32:64"))
    shows(observation, "memories")
    assert [(memory.pages, memory.blocks) for memory in observation.memories] == [(64, ())]


FEW_ELEMENTS = {"pywasm": 1024}
"""The most that it lets a table grow to."""


def test_a_table_grows_to_its_maximum_and_not_beyond(engine: Engine, wat: Wat) -> None:
    most = FEW_ELEMENTS.get(str(engine.id), 10000)
    text = f"""(module (table (export "t") 1 {most} funcref)
      (func (export "f") (param i32) (result i32) (table.grow 0 (ref.null func) (local.get 0))))"""
    calls = [Invocation("f", values(f"i32:{elements}")) for elements in (most - 1, 1, 0)]
    observation = run(engine, wat(text, *calls))
    assert observation.outcomes == tuple(Returned.of(values(text)) for text in ("i32:1", "i32:-1", f"i32:{most}"))
    shows(observation, "tables")
    assert [(table.size, set(table.elements)) for table in observation.tables] == [(most, {"null"})]


def test_memory_over_the_limit_is_an_outcome(engine: Engine, wat: Wat) -> None:
    assert isinstance(engine, WorkerEngine)
    resident = engine.process().usage()[1]
    limits = Limits(cpu_seconds=20, memory_bytes=resident + (256 << 20))
    small = open_engine(str(engine.id), limits, offline=True)
    text = """(module (memory 32768) (func (export "f") (local i32)
      (loop (i32.store (local.get 0) (i32.const 1))
        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 4096))) (i32.const 0x7fff0000))))
      (loop (br 0))))"""
    observation = run(small, wat(text, Invocation("f")))
    # An engine that writes a memory as it makes it has no room for this one.
    assert isinstance(only(observation) if observation.instantiated else observation.instantiation, OutOfMemory)
    small.close()


GLOBALS = {
    "a": ("i32", "i32.const -1", "i32:0xffffffff"),
    "b": ("(mut i64)", "i64.const 5", "i64:0xfffffffffffffffe"),
    "c": ("(mut f32)", "f32.const nan:0x200001", "f32:0x7fa00001"),
    "d": ("f64", "f64.const -nan:0x4000000000003", "f64:0xfff4000000000003"),
    "e": ("(mut v128)", "v128.const i64x2 3 4", "v128:0x40000000000000003"),
}
"""By export: type, initial value, and what it holds at the end."""


OTHER_OBJECTS = {"webkit"}
"""A function that a segment put into a table is not the object that is exported, in 2.50.6 (docs/found/webkit.md)."""


def test_state_is_read_back_with_every_bit(engine: Engine, wat: Wat) -> None:
    held = {name: row for name, row in GLOBALS.items() if name != "e" or has(engine, Feature.SIMD)}
    made = " ".join(f'(global (export "{name}") {type_} ({init}))' for name, (type_, init, _) in held.items())
    text = f"""(module (memory (export "m") 3) (data (i32.const 65536) "\\01") {made}
      (table (export "t") 3 funcref) (elem (i32.const 1) $f)
      (func $f (export "f")
        (i32.store8 (i32.const 70000) (i32.const 255)) (global.set 1 (i64.const -2)) unreachable))"""
    observation = run(engine, wat(text, Invocation("f")))
    shows(observation, "globals")
    assert {name: str(value) for name, value in observation.globals} == {name: row[2] for name, row in held.items()}
    shows(observation, "memories")
    memory = observation.memories[0]
    assert (memory.export, memory.pages, [index for index, _ in memory.blocks]) == ("m", 3, [1])
    block = engine.dump(wat(text, Invocation("f")), (("m", 1), ("m", 0)))
    assert block["m", 0] == bytes(65536)
    assert [(i, byte) for i, byte in enumerate(block["m", 1]) if byte] == [(0, 1), (70000 - 65536, 255)]
    shows(observation, "tables")
    told = "func" if engine.id.name in OTHER_OBJECTS else "func:f"
    assert observation.tables[0].elements == ("null", told, "null")


MANY_TYPES = """(module
  {types}
  (type $struct (struct (field i32)))
  (type $self (sub (func (result (ref null $self)))))
  (type $returns (func (result (ref null $struct) (ref null $self) (ref null $self))))
  (tag (export "thrown") (param (ref null $struct) i32))
  (elem declare func $itself)
  (func $itself (export "itself") (type $self) (ref.func $itself))
  (func (export "gives") (type $returns) (ref.null $struct) (ref.null $self) (ref.func $itself)))"""


def test_calls_through_types_that_need_two_bytes_or_name_themselves(engine: Engine, wat: Wat) -> None:
    """The wrapper copies a module's types and adds its own after them, and a block's type is a signed number."""
    types = " ".join(f"(type (struct (field i32) {'(field i64) ' * i}))" for i in range(1, 70))
    calls = [Invocation(name, (), Entry.WRAPPER) for name in ("itself", "gives")]
    case = wat(MANY_TYPES.format(types=types), *calls, needs=("gc", "exceptions", "function_references"))
    seen = run(engine, case)
    told = [[str(value) for value in outcome.values] for outcome in seen.outcomes if isinstance(outcome, Returned)]
    itself = "ref:nonnull" if engine.id.name in LESS else "ref:func:itself"
    assert told == [[itself], ["ref:null", "ref:null", itself]]


def test_what_a_host_cannot_read_or_give_is_not_made_up(engine: Engine, wat: Wat) -> None:
    """JavaScript reads no exnref, null or not, and has no global of a reference type that is not nullable to give."""
    needs = ("gc", "exceptions", "reference_types")
    held = run(engine, wat("""(module
      (global (export "g") exnref (ref.null exn))
      (table (export "t") 2 exnref))""", needs=needs))  # fmt: skip
    assert [str(value) for _, value in held.globals] in ([], ["ref:null"])
    if "tables" not in held.blind:
        assert [(table.size, table.elements) for table in held.tables] in ([(2, ())], [(2, ("null", "null"))])
    given = run(engine, wat('(module (import "m" "g" (global (ref extern))))', needs=needs))
    assert isinstance(given.instantiation, Returned | Unsupported)


DIES_OF_VECTOR_PAYLOADS = {"wazero:interpreter"}
"""A known bug (docs/found/wazero.md)."""


@pytest.mark.parametrize("entry", BOTH)
def test_an_uncaught_exception_has_its_tag_and_payload(engine: Engine, wat: Wat, entry: Entry) -> None:
    thrown = {
        "i32": ("i32.const -1", "i32:-1"),
        "f32": ("f32.const nan:0x200001", "f32:0x7fa00001"),
        "f64": ("f64.const 1", "f64:0x3ff0000000000000"),
        "v128": ("v128.const i64x2 3 4", "v128:0x40000000000000003"),
    }
    kinds = [kind for kind in kinds_of(engine) if kind in thrown]
    if str(engine.id) in DIES_OF_VECTOR_PAYLOADS:
        kinds.remove("v128")
    text = f"""(module (tag $t (export "t") (param {" ".join(kinds)})) (tag $private)
      (func (export "f") (throw $t {" ".join(f"({thrown[kind][0]})" for kind in kinds)}))
      (func (export "g") (throw $private)) (func (export "h") (result i32) (i32.const 3)))"""
    calls = [Invocation(name, (), entry) for name in "fgh"]
    first, second, third = run(engine, wat(text, *calls, needs=("exceptions",))).outcomes
    assert first == Threw("t", Returned.of(values(*(thrown[kind][1] for kind in kinds))))
    assert second == Threw("?")
    assert third == Returned.of(values("i32:3"))


NOT_VALIDATING = {"pywasm"}
"""It decodes and asks no more, so that what is no valid module is nothing that it could say."""


def test_what_is_no_module_is_rejected(engine: Engine) -> None:
    undecodable, invalid = (b"", b"\0asm", b"\0asm\1\0\0\0\1"), b"\0asm\1\0\0\0\7\5\1\1f\0\0"
    for content in undecodable if engine.id.name in NOT_VALIDATING else (*undecodable, invalid):
        observation = run(engine, Case(content, (Invocation("f"),)))
        assert isinstance(observation.instantiation, Rejected), observation
        assert observation.outcomes == ()


def test_a_call_that_cannot_be_made_is_unsupported(engine: Engine, wat: Wat) -> None:
    text = '(module (func (export "f") (param i32)))'
    outcomes = run(engine, wat(text, Invocation("g"), Invocation("f"), Invocation("f", values("i64:1")))).outcomes
    assert all(isinstance(one, Unsupported) for one in outcomes)
    assert len(outcomes) == 3


def test_a_start_function_traps_at_instantiation(engine: Engine, wat: Wat) -> None:
    observation = run(engine, wat("(module (func $s unreachable) (start $s))"))
    assert observation.phase is Phase.INSTANTIATE
    assert isinstance(observation.instantiation, Trapped)


def test_a_worker_killed_in_mid_case_is_a_crash_and_the_next_case_runs(engine: Engine, wat: Wat) -> None:
    assert isinstance(engine, WorkerEngine)
    text = '(module (func (export "seven") (result i32) (i32.const 7)) (func (export "loop") (loop (br 0))))'
    pending = engine.start(wat(text, Invocation("seven"), Invocation("loop")))
    process = engine.process()
    while process.progress() != (3, 1):
        time.sleep(0.01)
    os.kill(process.process.pid, signal.SIGKILL)
    observation = pending.result()
    assert observation.outcomes[0] == Returned.of(values("i32:7"))
    assert observation.outcomes[1:] == (Crashed(signal.SIGKILL),)
    assert only(engine.run(wat(text, Invocation("seven")))) == Returned.of(values("i32:7"))


def test_garbage_where_progress_belongs_says_nothing_of_it(engine: Engine, wat: Wat) -> None:
    assert isinstance(engine, WorkerEngine)
    case = wat('(module (func (export "loop") (loop (br 0))))', Invocation("loop"))
    pending = engine.start(case)
    process = engine.process()
    while process.progress() != (3, 0):
        time.sleep(0.01)
    os.pwrite(process.progress_fd, b"\xfe" * 8, 0)
    os.kill(process.process.pid, signal.SIGKILL)
    assert pending.result().instantiation == Crashed(signal.SIGKILL)


GROWS = {"graalwasm:compiled": 256 << 20}
"""What Truffle's compiler leaves is collected by the JVM after some dozens of cases, and this is fewer."""


def descriptors(pid: int) -> int:
    """How many a worker has; one that opens the pipe anew for each reply closes it a moment after we have that."""
    counts = []
    for _ in range(3):
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.02)
    return min(counts)


def test_two_hundred_cases_leave_nothing_behind(engine: Engine, wat: Wat) -> None:
    assert isinstance(engine, WorkerEngine)
    text = """(module (import "env" "f" (func $f (param i32) (result i32)))
      (memory (export "m") 2) (global (export "g") (mut i32) (i32.const {i}))
      (func (export "f") (result i32) (i32.store (i32.const 0) (i32.const {i})) (call $f (i32.const {i}))))"""
    case = [wat(text.format(i=i), Invocation("f", (), BOTH[i % 2])) for i in range(40)]
    case = case[:4] if is_slow(engine) else case
    for one in case * 2:
        run(engine, one)
    pid = engine.process().process.pid
    gc.collect()
    resident, fds = engine.process().usage()[1], len(os.listdir("/proc/self/fd"))
    theirs = descriptors(pid)
    for one in case * 5:
        assert isinstance(only(engine.run(one)), Returned)
    assert engine.process().process.pid == pid
    assert len(os.listdir("/proc/self/fd")) == fds
    assert descriptors(pid) == theirs
    assert engine.process().usage()[1] < resident + GROWS.get(str(engine.id), 48 << 20)


def test_the_library_that_is_loaded_is_known(engine: Engine) -> None:
    found = engine.capabilities
    assert Path(found.library).is_file()
    assert len(found.sha256) == 64
    assert found.version[0].isdigit()


def test_scripts_link_instances(engine: Engine, wat: Wat) -> None:
    try:
        session = engine.open_script()
    except UsageError as error:
        pytest.skip(str(error))
    first = wat("""(module (memory (export "m") 1) (global (export "g") (mut f32) (f32.const nan:0x200001))
      (func (export "f") (param f64) (result f64) (local.get 0)))""")
    second = wat("""(module (import "A" "m" (memory 1)) (import "spectest" "print_i32" (func $p (param i32)))
      (import "A" "f" (func $f (param f64) (result f64))) (func (export "g") (result f64) (call $p (i32.const 1))
        (i32.store (i32.const 0) (i32.const 5)) (call $f (f64.const -nan:0x4000000000003))))""")
    assert session.instantiate("a", first.content) == Returned()
    assert isinstance(session.instantiate("b", second.content), Rejected)
    session.register("a", "A")
    assert session.instantiate("b", second.content) == Returned()
    assert session.invoke("b", Invocation("g")) == Returned.of(values("f64:0xfff4000000000003"))
    assert session.get("a", "g") == Value.parse("f32:0x7fa00001")
    assert session.get("a", "nothing") is None
    session.close()


def test_an_observation_does_not_depend_on_what_ran_before(engine: Engine, wat: Wat) -> None:
    text = """(module (memory (export "m") 1) (func (export "f") (result i32)
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (i32.load (i32.const 0))))"""
    case = wat(text, Invocation("f"), Invocation("f", (), Entry.WRAPPER))
    assert run(engine, case) == run(engine, case)


def test_settings_of_one_engine_are_different_engines() -> None:
    names = {str(open_engine(name, offline=True).id) for name in ("wasmtime:winch", "wasmtime:opt=none", "wasmtime")}
    assert len(names) == 3
