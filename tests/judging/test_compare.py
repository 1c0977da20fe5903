"""Every rule of the judge, biting and not biting (docs/judging.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.triage.signature import signature
from oracles.interpreter import run_case
from oracles.judge.compare import judge
from oracles.judge.verdict import Agree, Disagree, Kind, Poison, Verdict
from oracles.judge.vote import Voter
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.embedding import (
    Crashed,
    Entry,
    Exhausted,
    FreeNan,
    HostCall,
    Invocation,
    MemoryState,
    Observation,
    Outcome,
    OutOfMemory,
    Phase,
    ReferenceNotes,
    Rejected,
    Returned,
    TableState,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)
from wasm.encode import encode
from wasm.module import Module, Table
from wasm.traps import TrapKind
from wasm.valtypes import FUNCREF, I32, ArrayType, FieldType, Limits, MemType, StructType, TableType

VOTERS = {
    "a": Voter("cranelift"),
    "a2": Voter("cranelift"),
    "b": Voter("winch"),
    "c": Voter("liftoff"),
    "d": Voter("turbofan"),
}
ONE, TWO, THREE = (Returned.of([Value("i32", bits)]) for bits in (1, 2, 3))
NAN = 0x7FC00000
MODEST = ReferenceNotes(steps=10, depth=1, pages=1)


def trapped(*kinds: TrapKind) -> Trapped:
    return Trapped(frozenset(kinds))


def module_bytes(
    results: int = 1, local_count: int = 0, labels: int = 0, memory_max: int | None = 1, grows: bool = False,
    table_max: int | None = 1, grows_table: bool = False, exported: bool = True,
) -> bytes:  # fmt: skip
    """A module with a memory ``m``, a table ``t`` and a function ``f``; it is never run here."""
    m = ModuleBuilder()
    f = m.func([], [I32] * results, export="f")
    if local_count:
        f.local(I32, local_count)
    if grows:
        f.i32(1)
        f.emit("memory.grow", 0)
        f.emit("drop")
    if grows_table:
        f.emit("table.size", 0)
        f.emit("drop")
        f.emit("ref.func", f.index)
        f.i32(1)
        f.emit("table.grow", 0)
        f.emit("drop")
    if labels:
        f.i32(0)
        f.br_table([None] * labels, None)
    m.memory(1, memory_max, export="m" if exported else None)
    m.table(1, table_max, export="t" if exported else None)
    return encode(m.finish())


def case(count: int = 3, content: bytes = b"", entry: Entry = Entry.WRAPPER, features: str = "") -> Case:
    calls = tuple(Invocation("f", (), entry) for _ in range(count))
    return Case(content or module_bytes(), calls, features=frozenset(features.split()))


def seen(engine: str, *outcomes: Outcome, phase: Phase = Phase.INVOKE, **state: object) -> Observation:
    return Observation(engine, Returned(), phase, outcomes, **state)  # type: ignore[arg-type]


def failed(engine: str, outcome: Outcome, phase: Phase = Phase.COMPILE) -> Observation:
    return Observation(engine, outcome, phase)


def reference(*outcomes: Outcome, notes: ReferenceNotes = MODEST, **state: object) -> Observation:
    return replace(seen("interpreter", *outcomes), notes=notes, **state)  # type: ignore[arg-type]


def kinds(verdict: Verdict) -> dict[str, Kind]:
    assert isinstance(verdict, Disagree), verdict
    return {dissent.engine: dissent.kind for dissent in verdict.dissents}


def verdict(want: Observation | None, *others: Observation, given: Case | None = None, **more: object) -> Verdict:
    count = len(want.outcomes) if want is not None else len(others[0].outcomes)
    return judge(given or case(count), others, want, VOTERS, **more)  # type: ignore[arg-type]


# --- values -----------------------------------------------------------------------------------------------------------


def test_equal_results_agree_and_another_bit_is_a_finding() -> None:
    assert verdict(reference(ONE, TWO), seen("a", ONE, TWO)) == Agree()
    found = verdict(reference(ONE, TWO), seen("a", ONE, ONE), seen("b", ONE, TWO))
    assert isinstance(found, Disagree)
    assert kinds(found) == {"a": Kind.VALUE}
    dissent = found.dissents[0]
    assert (dissent.where, dissent.phase, dissent.family) == ("invoke 1", "invoke", "cranelift")
    assert "expected i32:0x2, got i32:0x1" in dissent.detail
    assert found.agreeing == ("interpreter", "b")


def test_the_reference_is_not_compared_with_itself() -> None:
    want = reference(ONE)
    assert judge(case(1), [want, seen("a", ONE)], want, VOTERS) == Agree()


def test_another_type_or_number_of_results_is_a_finding() -> None:
    more = Returned.of([Value("i32", 1), Value("i32", 1)])
    assert kinds(verdict(reference(ONE), seen("a", more))) == {"a": Kind.VALUE}
    assert kinds(verdict(reference(ONE), seen("a", Returned.of([Value("i64", 1)])))) == {"a": Kind.VALUE}


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("null", "null", True),
        ("null", "nonnull", False),
        ("extern:3", "extern:3", True),
        ("extern:3", "extern:4", False),
        ("extern:3", "nonnull", True),
        ("func:f", "func", True),
        ("func:f", "func:g", False),
        ("extern:3", "func", False),
        ("i31:5", "null", False),
        ("struct(i32:0x1)", "struct(i32:0x2)", False),
    ],
)
def test_references_are_compared_by_identity_as_far_as_both_can_tell(want: str, got: str, same: bool) -> None:
    left, right = (Returned.of([Value("ref", 0, text)]) for text in (want, got))
    for a, b in ((left, right), (right, left)):
        found = verdict(reference(a), seen("a", b))
        assert (found == Agree()) if same else (kinds(found) == {"a": Kind.VALUE})


# --- NaNs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("canonical", "bits", "same"),
    [
        (True, 0xFFC00000, True),
        (True, 0x7FC00001, False),
        (False, 0x7FC00001, True),
        (False, 0x7FA00000, False),  # a signalling NaN is no arithmetic one
        (False, 0x3F800000, False),
        (True, 0x7F800000, False),
    ],
)
def test_a_free_nan_equals_any_that_the_spec_allows(canonical: bool, bits: int, same: bool) -> None:
    want = Returned.of([Value("f32", NAN)], (FreeNan(0, 0, 32, canonical),))
    found = verdict(reference(want), seen("a", Returned.of([Value("f32", bits)])))
    assert (found == Agree()) if same else (kinds(found) == {"a": Kind.VALUE})


def test_a_nan_that_is_not_free_is_compared_by_its_bits() -> None:
    want = reference(Returned.of([Value("f32", NAN)]))
    assert kinds(verdict(want, seen("a", Returned.of([Value("f32", 0xFFC00000)])))) == {"a": Kind.VALUE}


def test_only_the_free_lane_of_a_vector_is_free() -> None:
    want = reference(Returned.of([Value("v128", NAN << 32 | 7)], (FreeNan(0, 32, 32, True),)))
    assert verdict(want, seen("a", Returned.of([Value("v128", 0xFFC00000 << 32 | 7)]))) == Agree()
    assert kinds(verdict(want, seen("a", Returned.of([Value("v128", 0xFFC00000 << 32 | 8)])))) == {"a": Kind.VALUE}


def test_an_observed_nan_poisons_from_there_on_and_not_before() -> None:
    want = reference(ONE, TWO, TWO, notes=replace(MODEST, nan_observed_at=1))
    assert verdict(want, seen("a", ONE, ONE, ONE)) == Agree((Poison("a", "nan", 1),))
    assert kinds(verdict(want, seen("a", TWO, TWO, TWO))) == {"a": Kind.VALUE}


def test_who_is_not_counted_later_has_a_vote_before() -> None:
    """Two engines dissent at the first call; the third did as the reference there, and what followed was poisoned."""
    notes = replace(MODEST, nan_observed_at=1)
    want = reference(ONE, TWO, notes=notes)
    found = verdict(want, seen("a", ONE, THREE), seen("c", TWO, TWO), seen("d", TWO, TWO))
    assert isinstance(found, Disagree)
    assert kinds(found) == {"c": Kind.VALUE, "d": Kind.VALUE}
    assert found.suspects == ("liftoff", "turbofan")
    alone = verdict(want, seen("c", TWO, TWO), seen("d", TWO, TWO))
    assert isinstance(alone, Disagree)
    assert alone.suspects == ("interpreter",), "two families against one"


def test_a_crash_after_an_observed_nan_still_counts() -> None:
    want = reference(ONE, TWO, notes=replace(MODEST, nan_observed_at=0))
    assert kinds(verdict(want, seen("a", ONE, Crashed(11)))) == {"a": Kind.CRASH}


# --- traps and exceptions ---------------------------------------------------------------------------------------------


def test_traps_agree_when_their_sets_meet() -> None:
    want = reference(trapped(TrapKind.INT_OVERFLOW))
    assert verdict(want, seen("a", trapped(TrapKind.INT_OVERFLOW, TrapKind.BAD_CONVERSION))) == Agree()
    assert kinds(verdict(want, seen("a", trapped(TrapKind.DIV_BY_ZERO)))) == {"a": Kind.TRAP}


def test_trapping_and_returning_differ_in_both_directions() -> None:
    trap = trapped(TrapKind.MEMORY_OOB)
    assert kinds(verdict(reference(ONE), seen("a", trap))) == {"a": Kind.TRAP}
    assert kinds(verdict(reference(trap), seen("a", ONE))) == {"a": Kind.TRAP}


def test_instantiation_is_a_step_like_any_other() -> None:
    trap = failed("interpreter", trapped(TrapKind.TABLE_OOB), Phase.INSTANTIATE)
    assert verdict(trap, failed("a", trapped(TrapKind.TABLE_OOB), Phase.INSTANTIATE)) == Agree()
    assert kinds(verdict(trap, seen("a"))) == {"a": Kind.TRAP}


def test_exceptions_are_compared_by_tag_and_payload() -> None:
    want = reference(Threw("t", ONE))
    assert verdict(want, seen("a", Threw("t", ONE))) == Agree()
    assert verdict(want, seen("a", Threw("?", ONE))) == Agree()
    assert verdict(want, seen("a", Threw("?"))) == Agree()
    assert kinds(verdict(want, seen("a", Threw("?", TWO)))) == {"a": Kind.EXCEPTION}
    assert kinds(verdict(want, seen("a", Threw("t")))) == {"a": Kind.EXCEPTION}
    for other in (Threw("u", ONE), Threw("t", TWO), ONE, trapped(TrapKind.UNREACHABLE)):
        assert kinds(verdict(want, seen("a", other))) == {"a": Kind.EXCEPTION}
    assert kinds(verdict(reference(ONE), seen("a", Threw("t", ONE)))) == {"a": Kind.EXCEPTION}


def test_only_the_first_deviation_of_an_engine_is_named() -> None:
    found = verdict(reference(ONE, TWO), seen("a", TWO, trapped(TrapKind.UNREACHABLE)))
    assert isinstance(found, Disagree)
    assert [(d.kind, d.where) for d in found.dissents] == [(Kind.VALUE, "invoke 0")]


# --- crashes, hangs, exhaustion ---------------------------------------------------------------------------------------


def test_a_crash_is_always_a_finding() -> None:
    crash = Crashed(6, "thread panicked", "regalloc2/src/lib.rs:1")
    for want in (reference(ONE), reference(Exhausted("fuel")), None):
        found = judge(case(1), [failed("a", crash)], want, VOTERS)
        assert kinds(found) == {"a": Kind.CRASH}
    assert isinstance(found, Disagree)
    assert (found.dissents[0].phase, found.dissents[0].location) == ("compile", "regalloc2/src/lib.rs:1")


@pytest.mark.parametrize(("outcome", "kind"), [(TimedOut(10), Kind.HANG), (OutOfMemory(), Kind.MEMORY)])
@pytest.mark.parametrize("phase", [Phase.DECODE, Phase.COMPILE])
def test_no_end_in_decode_or_compile_is_never_poison(outcome: Outcome, kind: Kind, phase: Phase) -> None:
    immodest = replace(MODEST, steps=49_000_000)
    assert kinds(verdict(reference(ONE, notes=immodest), failed("a", outcome, phase))) == {"a": kind}
    assert kinds(judge(case(1), [failed("a", outcome, phase)], None, VOTERS)) == {"a": kind}


@pytest.mark.parametrize(
    ("outcome", "kind", "reason"),
    [
        (Exhausted("stack"), Kind.EXHAUST, "exhausted"),
        (TimedOut(10), Kind.HANG, "timed out"),
        (OutOfMemory(), Kind.MEMORY, "out of memory"),
    ],
)
def test_running_out_is_a_finding_for_a_modest_case_only(outcome: Outcome, kind: Kind, reason: str) -> None:
    assert kinds(verdict(reference(ONE, TWO), seen("a", ONE, outcome))) == {"a": kind}
    for notes in (
        replace(MODEST, steps=500_000),
        replace(MODEST, depth=301),
        replace(MODEST, pages=65),
    ):
        assert verdict(reference(ONE, TWO, notes=notes), seen("a", ONE, outcome)) == Agree((Poison("a", reason, 1),))
    edge = ReferenceNotes(steps=499_999, depth=300, pages=64)
    assert kinds(verdict(reference(ONE, TWO, notes=edge), seen("a", ONE, outcome))) == {"a": kind}


def test_poison_belongs_to_one_vote_from_one_invocation_on() -> None:
    want = reference(ONE, TWO, THREE, notes=replace(MODEST, depth=1000))
    found = verdict(want, seen("a", ONE, Exhausted("stack")), seen("b", ONE, TWO, ONE))
    assert kinds(found) == {"b": Kind.VALUE}
    assert found.poisons == (Poison("a", "exhausted", 1),)
    early = verdict(want, seen("a", TWO, Exhausted("stack")))
    assert kinds(early) == {"a": Kind.VALUE}


def test_where_both_run_out_nobody_is_wrong() -> None:
    want = reference(ONE, Exhausted("stack"))
    assert not isinstance(verdict(want, seen("a", ONE, Exhausted("stack"))), Disagree)


def test_unsupported_is_never_a_finding() -> None:
    assert verdict(reference(ONE), failed("a", Unsupported("simd"))) == Agree((Poison("a", "unsupported", -1),))
    assert verdict(reference(ONE), seen("a", Unsupported("v128"))) == Agree((Poison("a", "unsupported", 0),))


def test_a_crash_of_the_reference_is_our_own_finding() -> None:
    found = judge(case(1), [seen("a", ONE)], failed("interpreter", Crashed(0, "KeyError")), VOTERS)
    assert kinds(found) == {"interpreter": Kind.CRASH}


# --- refusing and accepting -------------------------------------------------------------------------------------------


def initializing(fields: int) -> bytes:
    """A function that initializes so many fields and elements, in structs of 1,000 and an array."""
    m = ModuleBuilder()
    struct = m.type(StructType((FieldType(I32, False),) * 1000))
    array = m.type(ArrayType(FieldType(I32, False)))
    f = m.func([], [])
    for _ in range(fields // 1000):
        f.emit("struct.new_default", struct)
        f.emit("drop")
    for _ in range(fields % 1000):
        f.i32(0)
    f.emit("array.new_fixed", (array, fields % 1000))
    f.emit("drop")
    return encode(m.finish())


def test_refusing_within_the_limits_is_a_finding() -> None:
    found = verdict(reference(ONE), failed("a", Rejected("no")))
    assert kinds(found) == {"a": Kind.REJECT}
    for content in (
        module_bytes(results=1000),
        module_bytes(local_count=50_000),
        module_bytes(labels=65_520),
        initializing(50_000),
    ):
        assert kinds(verdict(reference(ONE), failed("a", Rejected("no")), given=case(1, content))) == {"a": Kind.REJECT}


def test_refusing_beyond_a_limit_is_legal() -> None:
    contents = [
        module_bytes(results=1001),
        module_bytes(local_count=50_001),
        module_bytes(labels=65_521),
        initializing(50_001),
        module_bytes() + b"\0" + b"\xfe\xff\x7f" * 2_600_000,
    ]
    for content in contents:
        found = verdict(reference(ONE), failed("a", Rejected("no")), given=case(1, content))
        assert found == Agree((Poison("a", "limits", -1),))


def test_refusing_a_feature_that_the_engine_does_not_claim_is_legal() -> None:
    voters = {"a": Voter("cranelift", frozenset({"simd"}))}
    legal = judge(case(1, features="gc"), [failed("a", Rejected("gc"))], reference(ONE), voters)
    assert legal == Agree((Poison("a", "feature", -1),))
    claimed = judge(case(1, features="simd"), [failed("a", Rejected("simd"))], reference(ONE), voters)
    assert kinds(claimed) == {"a": Kind.REJECT}


def test_the_two_exception_proposals_need_not_go_together() -> None:
    voters = {"a": Voter("liftoff", frozenset({"exceptions", "legacy_exceptions"}))}
    refused = failed("a", Rejected("a mix of legacy and new exception handling"))
    both = judge(case(0, features="exceptions legacy_exceptions"), [refused], seen("interpreter"), voters)
    assert both == Agree((Poison("a", "feature", -1),))
    assert kinds(judge(case(0, features="exceptions"), [refused], seen("interpreter"), voters)) == {"a": Kind.REJECT}


@pytest.mark.parametrize(
    ("memory", "table", "legal"),
    [
        (Limits(1, 262_144), 10_000_000, False),
        (Limits(1, 262_145), 1, True),
        (Limits(262_145), 1, True),
        (Limits(1), 10_000_001, True),
    ],
)
def test_sizes_that_an_engine_may_refuse(memory: Limits, table: int, legal: bool) -> None:
    module = Module(memories=[MemType(memory, index64=True)], tables=[Table(TableType(FUNCREF, Limits(table)))])
    large = Case(encode(module), kind=CaseKind.BYTES)
    found = judge(large, [failed("a", Rejected("no"))], run_case(large), VOTERS)
    assert isinstance(found, Agree) is legal


def test_accepting_beyond_a_limit_is_legal() -> None:
    """Where only a limit of the interpreter's is passed, it has no answer, and the engines may differ."""
    many = Case(module_bytes(results=1001), kind=CaseKind.BYTES)
    reference_ = run_case(many)
    assert isinstance(reference_.instantiation, Unsupported)
    for first, second in ((seen("a"), failed("b", Rejected("no"))), (failed("a", Rejected("no")), seen("b"))):
        found = judge(many, [first, second, seen("c")], reference_, VOTERS)
        assert isinstance(found, Agree)
    broken = Case(module_bytes()[:-1], kind=CaseKind.BYTES)
    found = judge(broken, [seen("a"), failed("b", Rejected("no"))], run_case(broken), VOTERS)
    assert kinds(found) == {"a": Kind.ACCEPT}


def test_what_is_wrongly_accepted_is_told_apart_by_the_rule_that_it_breaks() -> None:
    texts = ("type mismatch: expected i32, found i64 (at byte 0x22)", "unknown label 3 (at byte 0x9)")
    found = [judge(case(0), [seen("a")], failed("interpreter", Rejected(text)), VOTERS) for text in texts]
    signatures = [signature(verdict.dissents[0]) for verdict in found if isinstance(verdict, Disagree)]
    assert [item.message for item in signatures] == [
        "type mismatch: expected T, found T (at byte N)", "unknown label N (at byte N)",
    ]  # fmt: skip


def test_accepting_what_is_invalid_is_a_finding() -> None:
    invalid = failed("interpreter", Rejected("type mismatch"))
    assert verdict(invalid, failed("a", Rejected("other words"))) == Agree()
    assert kinds(judge(case(0), [seen("a")], invalid, VOTERS)) == {"a": Kind.ACCEPT}


# --- state ------------------------------------------------------------------------------------------------------------


def test_host_calls_are_compared_in_order_with_their_arguments() -> None:
    calls = tuple(HostCall("env", name, ONE) for name in ("x", "y"))
    want = reference(ONE, host_calls=calls)
    assert verdict(want, seen("a", ONE, host_calls=calls)) == Agree()
    for other in (calls[::-1], calls[:1], (*calls, calls[0]), (calls[0], HostCall("env", "y", TWO))):
        assert kinds(verdict(want, seen("a", ONE, host_calls=other))) == {"a": Kind.HOST_CALLS}


def test_host_calls_before_a_failed_instantiation_are_compared() -> None:
    calls = tuple(HostCall("env", "x", value) for value in (ONE, TWO))
    for end in (trapped(TrapKind.UNREACHABLE), Threw("e", ONE)):
        want = replace(failed("interpreter", end), host_calls=calls, notes=MODEST)
        assert verdict(want, replace(failed("a", end), host_calls=calls)) == Agree()
        assert kinds(verdict(want, failed("a", end))) == {"a": Kind.HOST_CALLS}
        open_ = replace(want, notes=replace(MODEST, nan_observed_at=-1))
        assert not isinstance(judge(case(1), [failed("a", end)], open_, VOTERS), Disagree)


def test_globals_are_compared_by_name_where_both_can_read_them() -> None:
    want = reference(ONE, globals=(("g", Value("i32", 1)), ("h", Value("f32", NAN))))
    assert verdict(want, seen("a", ONE, globals=(("g", Value("i32", 1)),))) == Agree()
    assert kinds(verdict(want, seen("a", ONE, globals=(("g", Value("i32", 2)),)))) == {"a": Kind.STATE}
    other = (("h", Value("f32", 0xFFC00000)),)
    assert kinds(verdict(want, seen("a", ONE, globals=other))) == {"a": Kind.STATE}
    free = replace(want, notes=replace(MODEST, free_globals=(FreeNan(1, 0, 32, True),)))
    assert verdict(free, seen("a", ONE, globals=other)) == Agree()


def test_tables_are_compared_by_size_and_identity() -> None:
    want = reference(ONE, tables=(TableState("t", 2, ("null", "func:f")),))
    assert verdict(want, seen("a", ONE, tables=(TableState("t", 2, ("null", "func")),))) == Agree()
    for table in (TableState("t", 3, ("null", "func:f", "null")), TableState("t", 2, ("null", "null"))):
        assert kinds(verdict(want, seen("a", ONE, tables=(table,)))) == {"a": Kind.STATE}


def test_state_is_compared_after_traps_and_not_after_running_out() -> None:
    trap = trapped(TrapKind.UNREACHABLE)
    state = (("g", Value("i32", 1)),), (("g", Value("i32", 2)),)
    want, got = reference(trap, globals=state[0]), seen("a", trap, globals=state[1])
    assert kinds(verdict(want, got)) == {"a": Kind.STATE}
    deep = replace(want, outcomes=(ONE,), notes=replace(MODEST, depth=1000))
    assert not isinstance(verdict(deep, replace(got, outcomes=(Exhausted("stack"),))), Disagree)


def test_memories_differ_by_content_unless_only_free_nan_bits_do() -> None:
    want = reference(ONE, memories=(MemoryState("m", 1, ((0, 111),)),))
    got = seen("a", ONE, memories=(MemoryState("m", 1, ((0, 222),)),))
    contents = {"interpreter": bytes(65536), "a": bytes(8) + b"\x01" + bytes(65527)}

    def fetch(of: Observation, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        return dict.fromkeys(blocks, contents[of.engine])

    found = verdict(want, got, fetch=fetch)
    assert kinds(found) == {"a": Kind.STATE}
    assert isinstance(found, Disagree)
    assert "byte 0x8" in found.dissents[0].detail
    tainted = replace(want, notes=replace(MODEST, tainted=((0, 8, 12),)))
    assert verdict(tainted, got, fetch=fetch) == Agree()
    beside = replace(want, notes=replace(MODEST, tainted=((0, 9, 12),)))
    assert kinds(verdict(beside, got, fetch=fetch)) == {"a": Kind.STATE}
    other_memory = replace(want, notes=replace(MODEST, tainted=((1, 8, 12),)))
    assert kinds(verdict(other_memory, got, fetch=fetch)) == {"a": Kind.STATE}
    assert verdict(tainted, got) == Agree((Poison("a", "nan in memory", 1),))
    assert kinds(verdict(want, got)) == {"a": Kind.STATE}


# --- growth -----------------------------------------------------------------------------------------------------------


def pages(engine: str, count: int) -> Observation:
    return seen(engine, ONE, memories=(MemoryState("m", count, ()),))


def test_deviating_growth_is_a_finding_within_the_guaranteed_size_only() -> None:
    small = replace(pages("interpreter", 64), notes=replace(MODEST, pages=64))
    assert kinds(verdict(small, pages("a", 1))) == {"a": Kind.STATE}
    large = replace(pages("interpreter", 65), notes=replace(MODEST, pages=65))
    assert verdict(large, pages("a", 1)) == Agree((Poison("a", "grow", 1),))
    slots = [seen(engine, ONE, tables=(TableState("t", size, ()),)) for engine, size in (("i", 10_000), ("i", 10_001))]
    got = seen("a", ONE, tables=(TableState("t", 1, ()),))
    within, above = (replace(item, engine="interpreter", notes=MODEST) for item in slots)
    assert kinds(verdict(within, got)) == {"a": Kind.STATE}
    assert verdict(above, got) == Agree((Poison("a", "grow", 1),))


def test_growth_that_no_export_shows_excuses_only_modules_that_may_have_grown_far() -> None:
    def found(notes: ReferenceNotes, **shape: object) -> Verdict:
        content = module_bytes(exported=False, **shape)  # type: ignore[arg-type]
        return verdict(reference(ONE, notes=notes), seen("a", TWO), given=case(1, content))

    large = replace(MODEST, pages=65)
    assert found(large, memory_max=100, grows=True) == Agree((Poison("a", "grow", 0),))
    assert kinds(found(MODEST, memory_max=100, grows=True)) == {"a": Kind.VALUE}
    assert kinds(found(large, memory_max=64, grows=True)) == {"a": Kind.VALUE}
    assert kinds(found(large, memory_max=100, grows=False)) == {"a": Kind.VALUE}
    assert found(MODEST, table_max=None, grows_table=True) == Agree((Poison("a", "grow", 0),))
    assert kinds(found(MODEST, table_max=10_000, grows_table=True)) == {"a": Kind.VALUE}


def test_growth_excuses_no_crash() -> None:
    large = replace(pages("interpreter", 65), notes=replace(MODEST, pages=65))
    assert kinds(verdict(large, seen("a", Crashed(11)))) == {"a": Kind.CRASH}


# --- relaxed SIMD -----------------------------------------------------------------------------------------------------

RELAXED = replace(MODEST, relaxed_used=True)
PROFILED = {"a": Voter("cranelift", profile="fused"), "b": Voter("winch"), "c": Voter("liftoff", contradicts=True)}


def relaxed(*others: Observation) -> Verdict:
    under = {"": reference(ONE, notes=RELAXED), "fused": reference(TWO, notes=RELAXED)}
    return judge(case(1, features="relaxed_simd"), others, under, PROFILED)


def test_relaxed_results_are_compared_under_the_engines_own_profile() -> None:
    assert relaxed(seen("a", TWO), seen("b", ONE)) == Agree()
    assert kinds(relaxed(seen("a", THREE))) == {"a": Kind.VALUE}


def test_an_engine_that_contradicts_its_own_probe_has_a_kind_of_its_own() -> None:
    assert kinds(relaxed(seen("a", ONE))) == {"a": Kind.PROFILE}
    assert kinds(relaxed(seen("c", TWO))) == {"c": Kind.PROFILE}
    assert kinds(relaxed(seen("a", Crashed(6)))) == {"a": Kind.CRASH}


def test_without_relaxed_instructions_profiles_play_no_part() -> None:
    under = {"": reference(ONE), "fused": reference(TWO)}
    assert kinds(judge(case(1), [seen("b", TWO)], under, PROFILED)) == {"b": Kind.VALUE}


# --- without the reference, and the vote ------------------------------------------------------------------------------


def test_where_the_reference_gave_up_engines_are_compared_among_themselves() -> None:
    want = reference(ONE, Exhausted("fuel"))
    agree = verdict(want, seen("a", ONE, TWO, THREE), seen("b", ONE, TWO, THREE), given=case(3))
    assert agree == Agree()
    found = verdict(want, *(seen(name, ONE, TWO, THREE) for name in "ab"), seen("d", ONE, TWO, TWO), given=case(3))
    assert kinds(found) == {"d": Kind.VALUE}
    assert isinstance(found, Disagree)
    assert found.suspects == ("turbofan",)
    assert kinds(verdict(want, seen("a", TWO, TWO, THREE), seen("b", ONE, TWO, THREE), given=case(3))) == {
        "a": Kind.VALUE
    }


def test_without_the_reference_nobody_knows_which_nans_are_free() -> None:
    left, right = (Returned.of([Value("f32", bits)]) for bits in (NAN, 0xFFC00001))
    assert judge(case(1), [seen("a", left), seen("b", right)], None, VOTERS) == Agree()
    assert kinds(judge(case(1), [seen("a", left), seen("b", ONE)], None, VOTERS)) == {"b": Kind.VALUE}


def test_without_the_reference_engines_of_different_profiles_are_not_compared() -> None:
    for others in ([seen("a", TWO), seen("b", ONE)], [seen("c", TWO), seen("b", ONE)]):
        assert not isinstance(judge(case(1, features="relaxed_simd"), others, None, PROFILED), Disagree)
        assert isinstance(judge(case(1), others, None, PROFILED), Disagree)


def test_running_out_where_the_reference_did_too_is_poison() -> None:
    want = reference(Exhausted("fuel"))
    found = verdict(want, seen("a", ONE), seen("b", Exhausted("stack")), seen("d", ONE))
    assert found == Agree((Poison("b", "exhausted", 0),))


def test_a_family_has_one_vote() -> None:
    others = [seen("a", TWO), seen("a2", TWO), seen("b", ONE)]
    found = verdict(reference(ONE), *others)
    assert isinstance(found, Disagree)
    assert found.suspects == ("cranelift",)


def test_more_families_outvote_the_reference() -> None:
    found = verdict(reference(ONE), *(seen(name, TWO) for name in "abd"))
    assert isinstance(found, Disagree)
    assert found.suspects == ("interpreter",)
    divided = verdict(reference(ONE), seen("a", TWO), seen("b", THREE), seen("d", ONE))
    assert isinstance(divided, Disagree)
    assert divided.suspects == ("cranelift", "winch")


def test_a_tie_goes_to_the_reference() -> None:
    found = verdict(reference(ONE), seen("a", TWO))
    assert isinstance(found, Disagree)
    assert found.suspects == ("cranelift",)


def test_without_the_reference_a_tie_suspects_both() -> None:
    found = judge(case(1), [seen("a", ONE), seen("b", TWO)], None, VOTERS)
    assert isinstance(found, Disagree)
    assert found.suspects == ("cranelift", "winch")


def test_a_family_at_odds_with_itself_has_no_vote_and_is_suspected() -> None:
    found = verdict(reference(ONE), seen("a", TWO), seen("a2", ONE), seen("b", TWO))
    assert isinstance(found, Disagree)
    assert found.suspects == ("cranelift", "winch")
    outvoting = verdict(reference(ONE), seen("a", TWO), seen("a2", ONE), seen("b", TWO), seen("d", TWO))
    assert isinstance(outvoting, Disagree)
    assert "interpreter" in outvoting.suspects


def test_all_tiers_of_an_engine_have_one_vote_on_what_is_valid() -> None:
    """Three tiers behind one decoder do not outvote the reference, and their finding is one."""
    tiers = {name: Voter(name, validator="jsc") for name in ("ipint", "bbq", "omg")}
    others = {"a": Voter("cranelift", validator="wasmtime"), "b": Voter("winch", validator="wasmtime")}
    refused = [failed(name, Rejected("no")) for name in tiers]
    found = judge(case(1), refused, reference(ONE), tiers)
    assert isinstance(found, Disagree)
    assert found.suspects == ("jsc",)
    assert {dissent.family for dissent in found.dissents} == {"jsc"}
    more = judge(case(1), [*refused, failed("a", Rejected("no")), seen("b", ONE)], reference(ONE), tiers | others)
    assert isinstance(more, Disagree)
    assert more.suspects == ("cranelift", "jsc")
    assert judge(case(1), [failed("a", Rejected("no")), *refused], reference(ONE), tiers | others).suspects == (
        "interpreter",
    )


def test_crashes_have_no_majority() -> None:
    found = verdict(reference(ONE), *(seen(name, Crashed(6)) for name in "abd"))
    assert isinstance(found, Disagree)
    assert found.suspects == ("cranelift", "turbofan", "winch")
