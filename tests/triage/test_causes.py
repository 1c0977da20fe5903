"""Causes told apart: a frequent bug does not hide a rare one in the same module, and one bug is not two."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from fuzz.records.finding import Signature
from fuzz.records.history import Cause
from fuzz.reduce import reduce_case
from fuzz.triage.causes import Answer, Sighting, Suspect, Unknown, classify, name_of, says_little, united
from fuzz.triage.equivalent import has_equivalent
from fuzz.triage.equivalent_heap import makes
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import akin, generalized, leaves_anything, same_cause
from fuzz.triage.neutral import executed_rows, neutralizable, neutralized
from fuzz.triage.neutral_code import Form
from fuzz.triage.signature import is_telling
from generators.registry import make_case
from oracles.interpreter import run_case
from tests.triage.mistaken import BUCKET, Mistake, Mistaken
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Value
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS
from wasm.validate import validate
from wasm.valtypes import I32, I64

ROTL: Mistake = (("i32.rotl",), "i32.rotr")
CTZ: Mistake = (("i32.ctz",), "i32.clz")
SHR: Mistake = (("i64.shr_s",), "i64.shr_u")
MULTIPLY_ADD: Mistake = (("i32.mul", "i32.add"), "i32.sub")


def case_of(text: str, *arguments: int) -> Case:
    """One function of one i32, called once with each argument."""
    builder = ModuleBuilder()
    builder.func([I32], [I32], export="f").body += code(text)
    return Case(encode(builder.finish()), tuple(Invocation("f", (Value("i32", value),)) for value in arguments))


def cause_about(about: Essentials, id: int = 1) -> Cause:
    return Cause(id, name_of(BUCKET, about), BUCKET.kind, BUCKET.phase, BUCKET.family, about.words(), (BUCKET.key,),
                 shown_by=("mistaken",), wrong_in=("mistaken@1",))  # fmt: skip


def cause(id: int, case: Case, mistake: Mistake) -> Cause:
    return cause_about(essentials(case, Mistaken((mistake,)).wrong), id)


ROTATES = case_of("local.get 0  i32.const 3  i32.rotl  i32.clz", 5)
COUNTS = case_of("local.get 0  i32.ctz", 5)
A_ROTATION = cause(1, ROTATES, ROTL)
A_COUNT = cause(2, COUNTS, CTZ)


def asked(case: Case, causes: list[Cause], *mistakes: Mistake) -> Answer:
    mistaken = Mistaken(mistakes)
    assert mistaken.wrong(case)
    return classify(Suspect(case, BUCKET, (("mistaken", "1"),)), causes, mistaken.wrong)


def test_what_makes_operands_and_uses_results_is_incidental() -> None:
    assert Essentials.of_words(A_ROTATION.essentials) == Essentials(
        specific=frozenset({"i32.rotl"}), incidental=frozenset({"i32.clz"})
    )
    assert A_ROTATION.name == "mistaken: wrong value, i32.rotl"


@pytest.mark.parametrize("operands", ["0 0.5", "-0 0.5", "2.5 0.5", "-3 0.5", "inf 0"])
@pytest.mark.parametrize(("type_", "bits"), [("f32", "i32"), ("f64", "i64")])
def test_what_looks_at_bits_is_incidental_too(type_: str, bits: str, operands: str) -> None:
    """Operands of a reinterpretation are compared as numbers, since it is what is to be missed: zeros, NaN, others."""
    constants = "  ".join(f"{type_}.const {operand}" for operand in operands.split())
    wrap = "  i32.wrap_i64" if bits == "i64" else ""
    case = case_of(f"{constants}  {type_}.mul  {bits}.reinterpret_{type_}  {bits}.ctz{wrap}", 5)
    found = Essentials.of_words(cause(1, case, ((f"{type_}.mul",), f"{type_}.add")).essentials)
    assert found.specific == {f"{type_}.mul"}


def test_a_pattern_has_all_its_rows() -> None:
    found = cause(3, case_of("i32.const 1  local.get 0  i32.popcnt  local.get 0  i32.mul  i32.add", 5), MULTIPLY_ADD)
    assert found.essentials[:2] == ("i32.add", "i32.mul")


def test_one_more_sighting() -> None:
    answer = asked(case_of("local.get 0  i32.popcnt  local.get 0  i32.rotl", 5, 6), [A_COUNT, A_ROTATION], ROTL, CTZ)
    assert answer == Sighting((A_ROTATION,))


def test_a_rare_mistake_beside_a_frequent_one() -> None:
    """What is handed on to be minimized cannot show the known cause any more."""
    both = case_of("local.get 0  i32.const 3  i32.rotl  local.get 0  i32.ctz  i32.add", 5)
    answer = asked(both, [A_ROTATION], ROTL, CTZ)
    assert isinstance(answer, Unknown)
    assert answer.without == (A_ROTATION,)
    assert not Mistaken((ROTL,)).wrong(answer.case)
    assert Mistaken((CTZ,)).wrong(answer.case)


def test_wrong_operands_still_show_behind_a_known_cause() -> None:
    """A mistake whose result goes through the known cause's instruction is not taken for it."""
    through = case_of("local.get 0  i32.ctz  i32.const 3  i32.rotl", 5)
    answer = asked(through, [A_ROTATION], CTZ)
    assert isinstance(answer, Unknown)


def test_rows_that_are_not_executed_show_nothing() -> None:
    skipped = case_of("i32.const 0  if  local.get 0  local.get 0  i32.rotl  drop  end  local.get 0  i32.ctz", 5)
    assert asked(skipped, [A_ROTATION], ROTL, CTZ) == Unknown(skipped)


def test_two_known_causes_in_one_case() -> None:
    both = case_of("local.get 0  i32.const 3  i32.rotl  local.get 0  i32.ctz  i32.add", 5)
    assert asked(both, [A_ROTATION, A_COUNT], ROTL, CTZ) == Sighting((A_ROTATION, A_COUNT))


@pytest.mark.parametrize("causes", [[A_ROTATION, A_COUNT], [A_COUNT, A_ROTATION]])
@pytest.mark.parametrize(("mistake", "seen"), [(ROTL, A_ROTATION), (CTZ, A_COUNT)])
def test_of_several_that_a_case_executes_the_one_that_is_wrong_was_seen(
    causes: list[Cause], mistake: Mistake, seen: Cause
) -> None:
    both = case_of("local.get 0  i32.const 3  i32.rotl  local.get 0  i32.ctz  i32.add", 5)
    assert asked(both, causes, mistake) == Sighting((seen,))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Essentials(frozenset({"a"})), Essentials(frozenset({"a"}), incidental=frozenset({"b"})), True),
        (Essentials(frozenset({"a"})), Essentials(frozenset({"b"})), False),
        (Essentials(frozenset({"a"})), Essentials(frozenset({"a", "b"}), rough=True), True),
        (Essentials(frozenset({"a"}), rough=True), Essentials(frozenset({"a", "b"})), False),
        (Essentials(frozenset({"select"})), Essentials(frozenset({"select_t"})), True),
        (Essentials(frozenset({"a"})), Essentials(frozenset({"a", "b"})), False),
        (Essentials(frozenset({"a", "b"})), Essentials(frozenset({"a", "b", "c"})), True),
        (Essentials(shape=(("results", 254),)), Essentials(shape=(("results", 240),)), True),
        (Essentials(shape=(("results", 254),)), Essentials(shape=(("params", 254),)), False),
        (Essentials(frozenset({"a"}), shape=(("results", 254),)), Essentials(frozenset({"a"})), False),
    ],
)
def test_the_same_cause_after_minimizing(one: Essentials, other: Essentials, same: bool) -> None:
    first, second = cause_about(one), cause_about(other, 2)
    assert same_cause(first, second) is same_cause(second, first) is same
    # Another face is no other cause where something is known to be essential; engines that share no setting are.
    crash = replace(BUCKET, kind="crash", message="index out of bounds")
    assert same_cause(first, replace(second, faces=(crash.key,))) is same
    assert not same_cause(first, replace(second, shown_by=("another",)))


@pytest.mark.parametrize(
    ("one", "other", "kin"),
    [
        ({"i32.rotl"}, {"i64.rotl"}, True),
        ({"f32.eq"}, {"f64.eq"}, True),
        ({"f32.eq"}, {"i32.eq"}, False),
        ({"f32.eq"}, {"f64.ne"}, True),
        ({"f32.eq"}, {"f32.lt"}, False),
        ({"i32.le_u"}, {"i64.gt_u"}, True),
        ({"i32.le_u"}, {"i32.le_s"}, False),
        ({"i8x16.swizzle"}, {"i8x16.relaxed_swizzle"}, True),
        ({"i64.trunc_f32_u"}, {"i64.trunc_sat_f32_u"}, True),
        ({"i64.trunc_f32_u"}, {"i64.trunc_sat_f32_s"}, False),
        ({"i16x8.q15mulr_sat_s"}, {"i16x8.relaxed_q15mulr_s"}, True),
        ({"table.set"}, {"return_call_indirect"}, True),
        ({"table.set"}, {"global.set"}, False),
        ({"i32.shr_s"}, {"i32.shr_u"}, False),
        ({"i8x16.shl"}, {"i64x2.shl"}, True),
        ({"i32.add"}, {"i32x4.add"}, False),
        ({"i16x8.extmul_high_i8x16_u"}, {"i16x8.extend_high_i8x16_s", "i16x8.mul"}, True),
        ({"i16x8.extmul_high_i8x16_u"}, {"i16x8.extmul_low_i8x16_u"}, False),
        ({"i16x8.extmul_high_i8x16_u"}, {"i16x8.mul"}, False),
        ({"i16x8.extend_low_i8x16_u"}, {"i32x4.extend_low_i16x8_s"}, True),
        ({"i64.load8_s"}, {"i32.load8_s"}, True),
        ({"i64.extend_i32_s", "i64.shl"}, {"i64.extend_i32_s", "i64.mul"}, False),
        ({"f32.load", "f32.ceil"}, {"f32.load", "f32.floor"}, True),
        ({"f32.load", "f32.ceil"}, {"f64.load", "f64.copysign"}, True),
        ({"f32.load"}, {"f32.load", "f32.floor"}, False),
        ({"f32.load", "f32.lt", "select"}, {"f32.load", "f32.ceil"}, True),
        ({"f32.load", "f32.lt", "select"}, {"f64.add", "f32.ceil"}, False),
        (set(), set(), False),
    ],
)
def test_causes_that_hang_together(one: set[str], other: set[str], kin: bool) -> None:
    first, second = (cause_about(Essentials(frozenset(rows))) for rows in (one, other))
    assert akin(first, second) is akin(second, first) is kin
    assert not akin(first, replace(second, shown_by=("another",)))
    assert not akin(first, replace(second, kind="trap"))
    assert akin(first, cause_about(Essentials(frozenset(other), rough=True))) is (kin and len(other) == 1)


@pytest.mark.parametrize(
    ("one", "other", "kin"),
    [
        ({"i8x16.shl"}, {"i64x2.shr_s"}, True),
        ({"i16x8.shr_u"}, {"i16x8.shr_s"}, True),
        ({"i32.shl"}, {"i64.rotl"}, True),
        ({"i32.shl"}, {"i8x16.shl"}, False),
    ],
)
def test_a_count_that_wraps_is_the_same_in_all_shifts(one: set[str], other: set[str], kin: bool) -> None:
    first, second = (Essentials(frozenset(rows), alone=True, wraps=True) for rows in (one, other))
    assert Essentials.of_words(first.words()) == first
    assert akin(cause_about(first), cause_about(second, 2)) is kin
    # Wrong for small counts as well: only the same instruction is the same then.
    assert akin(cause_about(first), cause_about(replace(second, wraps=False), 2)) is (one == {"i8x16.shl"} == other)


def test_a_count_that_wraps_is_found_by_itself() -> None:
    """An engine that takes the count of i32.rotl modulo 31, which is right for small ones."""
    case = case_of("local.get 0  i32.const 33  i32.rotl", 5)

    def wrong(one: Case) -> bool:
        module = decode(one.content)
        for func in module.funcs:
            before = {"i32.rotl": code("i32.const 31  i32.rem_u")}
            func.body = [made for op, imm in func.body for made in (*before.get(op.name, ()), (op, imm))]
        return run_case(replace(one, content=encode(module)), module).outcomes != run_case(one).outcomes

    assert essentials(case, wrong, wrong=wrong).wraps
    assert not essentials(ROTATES, Mistaken((ROTL,)).wrong, wrong=Mistaken((ROTL,)).wrong).wraps


def test_what_most_cases_have_is_no_answer() -> None:
    assert says_little(cause_about(Essentials(fixed=frozenset({"global.get", "global.set"}))))
    assert not says_little(cause_about(Essentials(fixed=frozenset({"global.get", "table.get"}))))
    assert not says_little(cause_about(Essentials(specific=frozenset({"i32.add"}), fixed=frozenset({"global.get"}))))
    assert not says_little(
        cause_about(Essentials(fixed=frozenset({"global.get"}), shape=(("results", 9),), calls=True))
    )
    assert not says_little(cause_about(Essentials(fixed=frozenset({"global.get"}), tails=True)))


def test_a_wrong_answer_is_met_where_somebody_looks_at_it() -> None:
    """One instruction alone, once in a result and once in memory at the end, which is another phase."""
    first, second = (
        cause_about(Essentials(frozenset({name}), alone=True), 2) for name in ("i8x16.shr_s", "i64x2.shr_s")
    )
    assert akin(first, replace(second, kind="state", phase="state"))
    assert not akin(first, replace(second, kind="crash", phase="compile"))


HANDLED = frozenset({"try_table", "throw"})


@pytest.mark.parametrize(
    ("one", "other", "kin"),
    [
        (Essentials(fixed=HANDLED), Essentials(frozenset({"i32.add"}), HANDLED | {"call_ref"}, rough=True), True),
        (Essentials(fixed=HANDLED), Essentials(fixed=frozenset({"try_table", "throw_ref"})), True),
        (Essentials(fixed=HANDLED), Essentials(fixed=HANDLED, payload=True), False),
        (Essentials(fixed=HANDLED, payload=True), Essentials(fixed=HANDLED | {"if"}, payload=True), True),
        (Essentials(fixed=HANDLED), Essentials(fixed=HANDLED | {"if"}, payload=True, rough=True), True),
        (Essentials(fixed=HANDLED, rough=True), Essentials(fixed=HANDLED | {"if"}, payload=True), False),
        (Essentials(fixed=HANDLED), Essentials(fixed=frozenset({"try_table"})), False),
        (Essentials(fixed=HANDLED), Essentials(fixed=HANDLED | set(list(OPS)[:40]), rough=True), False),
        (Essentials(fixed=HANDLED), Essentials(frozenset({"i32.add"}), HANDLED, alone=True), False),
        (Essentials(fixed=HANDLED), Essentials(fixed=HANDLED, tails=True), False),
    ],
)
def test_behind_a_handler(one: Essentials, other: Essentials, kin: bool) -> None:
    first, second = cause_about(one), cause_about(other, 2)
    assert akin(first, second) is akin(second, first) is kin
    assert akin(first, replace(second, kind="state")) is kin
    assert not akin(first, replace(second, kind="crash", phase="compile"))
    assert not akin(first, replace(second, shown_by=("another",)))


def test_a_wrong_landing_may_join_several() -> None:
    """One was seen on one setting, one on another, and one on both."""
    first, second, both = (
        replace(cause_about(Essentials(fixed=HANDLED)), shown_by=who) for who in (("a",), ("b",), ("a", "b"))
    )
    assert not leaves_anything(first, second)
    assert leaves_anything(first, both)
    assert leaves_anything(second, both)
    payload = replace(both, essentials=Essentials(fixed=HANDLED, payload=True).words())
    assert akin(payload, payload)
    assert not leaves_anything(payload, payload), "what is thrown is known to matter"


def test_of_what_cannot_be_neutralized_only_entries_of_tables_hang_together() -> None:
    def about(name: str) -> Cause:
        return cause_about(Essentials(fixed=frozenset({name})))

    assert akin(about("call_indirect"), about("return_call_indirect"))
    assert akin(about("call_indirect"), cause_about(Essentials(frozenset({"table.set"}))))
    assert not akin(about("call"), about("return_call"))


CRASH = Signature("mistaken", "compile", "crash", "index out of bounds: the len is N", "regalloc2/src/ion/moves.rs")
REFUSAL = Signature("mistaken", "compile", "reject", "invalid memory offset")


@pytest.mark.parametrize(
    ("bucket", "one", "other", "same"),
    [
        (CRASH, {"i64x2.extend_low_i32x4_u", "i64x2.mul"}, {"i32x4.extend_low_i16x8_s", "i32x4.mul"}, True),
        (CRASH, {"i64x2.mul"}, {"i32x4.extend_low_i16x8_s", "i32x4.mul"}, True),
        (CRASH, {"i32.rotl"}, {"i32.clz"}, False),
        (CRASH, set(), {"i32.clz"}, True),
        (CRASH, {"i32.rotl", "i32.add", "f32.mul"}, {"i64.clz", "i64.add"}, True),
        (REFUSAL, {"f32.load"}, {"v128.load32_zero"}, True),
    ],
)
def test_a_bucket_that_says_much_decides_more(bucket: Signature, one: set[str], other: set[str], same: bool) -> None:
    assert is_telling(bucket)
    first, second = (
        replace(cause_about(Essentials(frozenset(rows))), faces=(bucket.key,), kind=bucket.kind)
        for rows in (one, other)
    )
    assert same_cause(first, second, telling=True) is same
    assert same_cause(first, replace(second, shown_by=("another",)), telling=True) is same
    assert not same_cause(first, second)
    if same:
        assert united(first, second, telling=True).get("essentials", first.essentials) == tuple(sorted(one & other))


def test_what_is_essential_to_wrong_values_stays() -> None:
    """A wrong value that nothing is essential to would be taken for every other one."""
    one, other = (cause_about(Essentials(frozenset({name}))) for name in ("select", "select_t"))
    assert same_cause(one, other)
    assert "essentials" not in united(one, other)
    pattern = cause_about(Essentials(frozenset({"i32.mul", "i32.add", "i32.shl"})))
    assert united(pattern, cause_about(Essentials(frozenset({"i32.mul", "i32.add"}))))["essentials"] == (
        "i32.add",
        "i32.mul",
    )


def test_what_says_little() -> None:
    assert not is_telling(BUCKET)
    assert not is_telling(Signature("f", "compile", "crash", "SIGSEGV"))
    assert not is_telling(Signature("f", "invoke", "hang", ""))
    assert is_telling(Signature("f", "compile", "crash", "SIGSEGV", "src/a.rs"))


def test_what_is_essential_in_words() -> None:
    about = Essentials(
        frozenset({"i32.rotl"}), frozenset({"call"}), frozenset({"i32.clz"}), (("block values", 20),), True
    )
    assert about.words() == ("i32.rotl", "block values >= 20", "(call)", "~i32.clz", "?")
    assert Essentials.of_words(about.words()) == about


def test_another_release_or_setting_is_asked_anew() -> None:
    """The same bucket in a release that is not known to be wrong, or on a setting that does not show the cause."""
    wrong = Mistaken((ROTL,)).wrong
    for dissenter in (("mistaken", "2"), ("mistaken:opt=none", "1"), ("mistaken@2", "2")):
        assert classify(Suspect(ROTATES, BUCKET, (dissenter,)), [A_ROTATION], wrong) == Unknown(ROTATES)
    assert classify(Suspect(ROTATES, BUCKET, (("mistaken@1", "1"),)), [A_ROTATION], wrong) == Sighting((A_ROTATION,))


def test_what_a_cause_learns() -> None:
    known = replace(A_ROTATION, hidden_by=("mistaken:opt=none", "other"))
    again = replace(A_ROTATION, faces=("another",), shown_by=("mistaken:opt=none",), wrong_in=("mistaken@2",))
    assert united(known, again) == {
        "faces": (BUCKET.key, "another"), "shown_by": ("mistaken", "mistaken:opt=none"), "hidden_by": ("other",),
        "wrong_in": ("mistaken@1", "mistaken@2"),
    }  # fmt: skip
    assert united(known, known) == {}


def test_when_the_time_is_over_nothing_more_is_asked() -> None:
    asked: list[Case] = []

    def slow(case: Case) -> bool:
        asked.append(case)
        return True

    about = essentials(ROTATES, slow, wrong=slow, seconds=-1.0)
    assert asked == []
    assert about.fixed == {"i32.rotl", "i32.clz"}
    assert about.rough


def test_a_crash_that_says_much_needs_less_each_time() -> None:
    """What the reducer could not remove says something only as long as nothing shows the same without it."""
    fewer, more = (
        cause_about(Essentials(fixed=frozenset(rows.split())))
        for rows in ("any.convert_extern ref.test", "any.convert_extern br_on_cast_fail global.get")
    )
    assert "essentials" not in united(more, fewer), "a wrong value says little"
    assert united(more, fewer, telling=True)["essentials"] == ("(any.convert_extern)",)
    assert "essentials" not in united(fewer, fewer, telling=True)


@dataclass
class Night:
    """What a campaign does with the cases of a target, in small."""

    mistaken: Mistaken
    causes: list[Cause] = field(default_factory=list)
    sightings: int = 0
    minimized: int = 0

    def meet(self, case: Case) -> None:
        if not self.mistaken.wrong(case):
            return
        answer = classify(Suspect(case, BUCKET, (("mistaken", "1"),)), self.causes, self.mistaken.wrong)
        if isinstance(answer, Sighting):
            self.sightings += 1
            return
        self.minimized += 1
        small = reduce_case(answer.case, self.mistaken.wrong).case
        new = cause_about(essentials(small, self.mistaken.wrong), self.minimized)
        if not any(same_cause(old, new) for old in self.causes):
            self.causes.append(new)


def test_four_mistakes_of_which_one_is_a_pattern() -> None:
    night = Night(Mistaken((ROTL, CTZ, SHR, MULTIPLY_ADD)))
    for index in range(14):
        night.meet(make_case("arith", 9, index))
    assert {Essentials.of_words(one.essentials).specific for one in night.causes} == {
        frozenset({"i32.rotl"}), frozenset({"i32.ctz"}), frozenset({"i64.shr_s"}), frozenset({"i32.mul", "i32.add"}),
    }  # fmt: skip
    assert night.sightings > 0
    assert night.minimized <= 2 * len(night.causes)


@pytest.mark.parametrize("target", ["arith", "simd", "memory", "calls"])
def test_neutralized_cases_mean_the_same(target: str) -> None:
    """Valid, of the same features, and the reference sees no difference, whatever is taken out in whichever form."""
    changed = 0
    for index in range(3):
        case = make_case(target, 3, index)
        before = run_case(case)
        for name in sorted(name for name in executed_rows(case) if neutralizable(OPS[name]))[::3]:
            for form in Form:
                without = neutralized(case, (name,), form)
                if without is None:
                    continue
                changed += 1
                validate(decode(without.content))
                after = run_case(without)
                assert (after.outcomes, after.memories) == (before.outcomes, before.memories), (index, name, form)
    assert changed > 20


@pytest.mark.parametrize("target", ["arith", "control", "memory", "mixed", "refs", "shapes"])
def test_choosing_and_storing_by_other_instructions(target: str) -> None:
    """Values, state and traps stay, and the instruction is gone from where it was reached."""
    changed = left = 0
    for index in range(6):
        case = make_case(target, 4, index)
        before = run_case(case)
        rows = [OPS[name] for name in executed_rows(case)]
        for name in sorted(op.name for op in rows if has_equivalent(op) and not makes(op)):
            without = neutralized(case, (name,), Form.CALLED)
            if without is None:
                left += 1
                continue
            changed += 1
            validate(decode(without.content))
            after = run_case(without)
            assert (after.outcomes, after.memories, after.globals) == (before.outcomes, before.memories, before.globals)
            left += name in executed_rows(without)
    assert changed > 2
    assert left <= changed // 8  # stores at the end of the index space cannot be written byte by byte


def test_a_cause_that_cannot_be_taken_out_may_be_what_is_left() -> None:
    """A pattern whose rows are all control or calls is told by its rows alone."""
    opaque = cause_about(Essentials(fixed=frozenset({"memory.size"})), 3)
    case = case_of("local.get 0  i32.const 3  i32.rotl  local.get 0  i32.ctz  i32.add", 5)
    assert isinstance(asked(case, [A_ROTATION, opaque], ROTL, CTZ), Unknown)
    builder = ModuleBuilder()
    builder.memory(1)
    builder.func([I32], [I32], export="f").body += code("local.get 0  i32.ctz  memory.size  i32.add")
    sized = Case(encode(builder.finish()), (Invocation("f", (Value("i32", 5),)),))
    assert asked(sized, [A_ROTATION, opaque], CTZ) == Sighting((opaque,))


def test_a_compiler_does_not_see_what_is_dead() -> None:
    """For a crash while compiling the instruction itself must not stand there any more, executed or not."""
    for form in Form:
        without = neutralized(ROTATES, ("i32.rotl",), form, dead=True)
        assert without is not None
        assert not any(op.name == "i32.rotl" for func in decode(without.content).funcs for op, _ in func.body)


def users(*rows: str, id: int = 1) -> Cause:
    return cause_about(Essentials(frozenset(rows)), id)


@pytest.mark.parametrize(
    ("parts", "common"),
    [
        ([users("f32.ceil", "f32.load"), users("f32.copysign", "f32.load", id=2)], ["f32.load"]),
        ([users("f32.ceil", "f32.load"), users("f64.load", "f64.trunc", id=2)], ["f32.load"]),
        ([users("f32.ceil", "f32.load"), users("i32.clz", "i32.load", id=2)], []),  # each of one use only
        ([users("f32.ceil", "f32.load")], []),
        ([users("f32.load"), users("f32.ceil", "f32.load", id=2)], []),
        ([users("f32.ceil", "f32.sub"), users("f32.sub", "f32.trunc", id=2)], []),
    ],
)
def test_a_load_with_several_users_is_what_the_next_one_is_asked_for(parts: list[Cause], common: list[str]) -> None:
    found = list(generalized(parts))
    assert [cause.essentials for cause in found] == [(row,) for row in common]
    assert all(cause.id == parts[0].id for cause in found)


def test_one_more_user_of_a_load_is_a_sighting() -> None:
    """An engine that gets a load wrong where it is folded into one of three users; two of them are known."""
    folded: list[Mistake] = [(("i32.load", f"i32.{user}"), f"i32.{wrong}")
                             for user, wrong in (("clz", "ctz"), ("ctz", "clz"), ("popcnt", "clz"))]  # fmt: skip
    known = [users("i32.clz", "i32.load"), users("i32.ctz", "i32.load", id=2)]
    builder = ModuleBuilder()
    builder.memory(1)
    builder.data(bytes([9]), 0)
    builder.func([I32], [I32], export="f").body += code("i32.const 0  i32.load  i32.popcnt")
    third = Case(encode(builder.finish()), (Invocation("f", (Value("i32", 5),)),))
    assert isinstance(asked(third, known, *folded), Unknown)
    assert asked(third, [*known, *generalized(known)], *folded) == Sighting(tuple(generalized(known)))


ATOMIC = tuple(name for name in OPS if ".atomic." in name)


def trapping(row: str, id: int) -> Cause:
    return replace(cause_about(Essentials(frozenset({row})), id), kind="trap")


def test_what_traps_wrongly_in_three_accesses_is_asked_for_in_any() -> None:
    """Atomic ones, if all three are; one more is a sighting then, and needs no minimizing."""
    known = [
        trapping(row, id) for id, row in enumerate(("i32.atomic.load", "i64.atomic.store", "i32.atomic.rmw.or"), 1)
    ]
    assert list(generalized(known[:2])) == []
    asked_for = list(generalized(known))
    assert {row for cause in asked_for for row in cause.essentials} == set(ATOMIC) - {"i32.atomic.load",
        "i64.atomic.store", "i32.atomic.rmw.or"}  # fmt: skip
    assert all(cause.id == 1 for cause in asked_for)
    mixed = list(generalized([*known[:2], trapping("i32.load8_s", 3)]))
    assert ("v128.load64_lane",) in [cause.essentials for cause in mixed]
    other_face = replace(known[2], faces=("another",))
    assert list(generalized([*known[:2], other_face])) == []

    builder = ModuleBuilder()
    builder.memory(1)
    builder.func([I32], [I64], export="f").body += code("local.get 0  i64.const 1  i64.atomic.rmw8.xor_u")
    case = Case(encode(builder.finish()), (Invocation("f", (Value("i32", 1),)),), features=frozenset({"threads"}))
    unaligned: Mistake = (("i64.atomic.rmw8.xor_u",), "i64.atomic.rmw.xor")
    assert isinstance(asked(case, known, unaligned), Unknown)
    answer = asked(case, [*known, *asked_for], unaligned)
    assert isinstance(answer, Sighting)
    assert [cause.id for cause in answer.causes] == [1]


def test_the_same_instruction_of_another_width_is_a_sighting() -> None:
    """The reducer makes i32 of i64 where it can, so a cause does not tell the width that it is met in."""
    wide: Mistake = (("i64.rotl",), "i64.rotr")
    case = case_of("local.get 0  i64.extend_i32_u  i64.const 3  i64.rotl  i32.wrap_i64", 5)
    assert asked(case, [A_ROTATION], wide) == Sighting((A_ROTATION,))
    both = case_of("local.get 0  i64.extend_i32_u  i64.const 3  i64.rotl  i32.wrap_i64  i32.ctz", 5)
    assert isinstance(asked(both, [A_ROTATION], wide, CTZ), Unknown)
