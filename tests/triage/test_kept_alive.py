"""Objects that are taken for garbage too early as what a finding is about, whatever is in their place then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest
from wasmtime import wat2wasm

from fuzz.triage.causes import Sighting, Suspect, Unknown, classify, name_of
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kept_alive import forgotten, is_early, kept_alive
from fuzz.triage.kin import same_cause
from generators.registry import make_case
from oracles.interpreter import run_case
from tests.triage.mistaken import BUCKET
from tests.triage.test_causes import cause_about
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.module import Export, ExternKind
from wasm.rewrite.kept import ITEMS, Kept, kept
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph
from wasm.validate import validate

HEAD = """(module
  (type $s (struct (field i32)))
  (type $a (array i32))
  (import "collect" "garbage" (func $collect))
  (data $d "\\01\\00\\00\\00")
  (global $other (mut anyref) (ref.null any))
  (table $t 1 (ref null $s))
  (elem (table $t) (i32.const 0) (ref null $s) (item i32.const 1 struct.new $s))
"""
FROM_DATA = """(func (export "f") (param i32) (result i32)
  (array.new_data $a $d (i32.const 0) (i32.const 1))
  (call $collect)
  (global.set $other (array.new $a (i32.const 2) (i32.const 1)))
  i32.const 0  array.get $a)"""
CHOSEN = """(func (export "f") (param i32) (result i32)
  (select (result (ref null $s)) (struct.new $s (i32.const 1)) (struct.new $s (i32.const 3)) (local.get 0))
  (call $collect)
  (global.set $other (struct.new $s (i32.const 2)))
  struct.get $s 0)"""
CHOSEN_AGAIN = """(func $id (param (ref null $s)) (result (ref null $s)) local.get 0)
(func (export "f") (param i32) (result i32)
  (select (result (ref null $s)) (struct.new_default $s) (call $id (struct.new $s (i32.const 3))) (local.get 0))
  (call $collect)
  struct.get $s 0)"""
BOTH = """(func (export "f") (param i32) (result i32)
  (array.new_data $a $d (i32.const 0) (i32.const 1))
  (select (result (ref null $s)) (struct.new $s (i32.const 1)) (struct.new $s (i32.const 3)) (local.get 0))
  (call $collect)
  struct.get $s 0
  drop
  i32.const 0
  array.get $a)"""
AT_START = """(func (export "f") (param i32) (result i32)
  (call $collect)
  (struct.get $s 0 (table.get $t (i32.const 0))))"""


def case_of(code: str) -> Case:
    content = bytes(wat2wasm(HEAD + code + ")"))
    module = decode(content)
    validate(module)
    features = frozenset(feature.value for feature in required_features(module))
    return Case(content, (Invocation("f", (Value("i32", 1),)),), features=features)


@dataclass(frozen=True)
class Forgets:
    """An engine that is wrong where a result of this row lies on the operand stack during a call."""

    row: str

    def __call__(self, case: Case) -> bool:
        module = decode(case.content)
        graphs = ModuleGraphs(module)
        return any(self._in(graphs.graph(number)) for number in range(len(module.funcs)))

    def _in(self, graph: Graph) -> bool:
        calls = [at for at, node in enumerate(graph.nodes) if node.op.name == "call"]
        made = {slot: at for at, node in enumerate(graph.nodes) if node.op.name == self.row for slot in node.outs}
        used = {slot: at for at, node in enumerate(graph.nodes) for slot in node.ins}
        return any(made[slot] < call < used.get(slot, 0) for slot in made for call in calls)


def never_kept(case: Case) -> bool:
    """An engine that takes the items of a table for garbage, unless somebody puts them elsewhere before."""
    module = decode(case.content)
    if module.start is None:
        return True
    start = module.funcs[module.start - len(module.imported(ExternKind.FUNC))]
    return not any(op.name == "table.get" for op, _ in start.body)


def dies_of_init(case: Case) -> bool:
    """An engine that dies of ``table.init``; as the module is instantiated that is another finding than in a call."""
    module = decode(case.content)
    imported = len(module.imported(ExternKind.FUNC))
    inits = [any(op.name == "table.init" for op, _ in func.body) for func in module.funcs]
    return any(inits) and (module.start is None or not inits[module.start - imported])


def test_what_keeps_a_segment_is_no_cure_if_it_dies_of_reading_one() -> None:
    text = """(module (table 1 externref) (elem $e externref (ref.null extern))
      (func (export "f") (param i32) (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))))"""
    content = bytes(wat2wasm(text))
    features = frozenset(feature.value for feature in required_features(decode(content)))
    case = Case(content, (Invocation("f", (Value("i32", 1),)),), features=features)
    alive = kept_alive(case, None)
    assert dies_of_init(case)
    assert alive is not None
    assert not dies_of_init(alive)
    assert not is_early(case, dies_of_init)


def mistakes_what_it_reads(case: Case) -> bool:
    """An engine that takes what ``table.get`` gives for a number, unless it comes from a local again."""
    module = decode(case.content)
    graphs = ModuleGraphs(module)
    nodes = [node for number in range(len(module.funcs)) for node in graphs.graph(number).nodes]
    read = {slot for node in nodes if node.op.name == "table.get" for slot in node.outs}
    return any(not read.isdisjoint(node.ins) for node in nodes if node.op.name == "ref.is_null")


@pytest.mark.parametrize(
    ("item", "early"),
    [("ref.null extern", False), ("ref.null any", False), ("ref.i31 (i32.const 1)", True)],
)  # fmt: skip
def test_null_is_never_collected(item: str, early: bool) -> None:
    kind = "externref" if "extern" in item else "anyref"
    text = f"""(module (table 3 {kind}) (elem (table 0) (i32.const 1) {kind} (item ({item})))
      (func (export "f") (param i32) (result i32) (ref.is_null (table.get (local.get 0)))))"""
    content = bytes(wat2wasm(text))
    features = frozenset(feature.value for feature in required_features(decode(content)))
    case = Case(content, (Invocation("f", (Value("i32", 1),)),), features=features)
    alive, control = kept_alive(case, None), kept_alive(case, None, Kept.CONTROL)
    assert alive is not None
    assert control is not None
    assert not mistakes_what_it_reads(alive)
    assert mistakes_what_it_reads(control)
    assert is_early(case, mistakes_what_it_reads) is early


@pytest.mark.parametrize(("items", "there"), [("ref.null any", False), ("ref.i31 (i32.const 1)", True)])
def test_items_of_segments_are_asked_for_objects(items: str, there: bool) -> None:
    module = decode(bytes(wat2wasm(f"(module (elem anyref (item (ref.null any)) (item ({items}))))")))
    assert kept(module, None, Kept.QUESTION)
    validate(module)
    seen = run_case(Case(encode(module), features=frozenset({"gc"})))
    assert ("unreachable" in str(seen.instantiation)) is there


@pytest.mark.parametrize(
    ("code", "wrong", "lost"),
    [
        (FROM_DATA, Forgets("array.new_data"), "array.new_data"),
        (CHOSEN, Forgets("select_t"), "select"),
        (AT_START, never_kept, ITEMS),
    ],
)
def test_what_was_forgotten(code: str, wrong: Callable[[Case], bool], lost: str) -> None:
    case = case_of(code)
    assert wrong(case)
    about = essentials(case, wrong)
    assert about.early
    assert about.lost == {lost}
    assert not about.specific
    assert Essentials.of_words(about.words()) == about
    assert "collected too early" in name_of(BUCKET, about)


def test_one_mistake_is_one_cause_and_two_are_two() -> None:
    chosen, again, data = (
        cause_about(essentials(case_of(code), Forgets(row)), number)
        for number, (code, row) in enumerate(
            ((CHOSEN, "select_t"), (CHOSEN_AGAIN, "select_t"), (FROM_DATA, "array.new_data")), 1
        )
    )
    assert same_cause(chosen, again)
    assert not same_cause(chosen, data)
    # Not even where an engine says the same of both.
    assert not same_cause(chosen, data, telling=True)


def test_a_further_case_is_a_sighting_and_another_mistake_beside_it_is_not() -> None:
    known = cause_about(essentials(case_of(CHOSEN), Forgets("select_t")))
    suspect = Suspect(case_of(CHOSEN_AGAIN), BUCKET, (("mistaken", "1"),))
    assert classify(suspect, [known], Forgets("select_t")) == Sighting((known,))
    answer = classify(
        Suspect(case_of(BOTH), BUCKET, (("mistaken", "1"),)),
        [known],
        lambda case: Forgets("select_t")(case) or Forgets("array.new_data")(case),
    )
    assert isinstance(answer, Unknown)
    assert answer.without == (known,)


def test_what_is_wrong_with_any_code_between_is_not_about_objects() -> None:
    case = case_of(CHOSEN)
    length = len(case.content)

    def only_as_it_is(changed: Case) -> bool:
        return len(changed.content) == length

    assert not is_early(case, only_as_it_is)


def test_what_there_is_no_time_for_is_not_known() -> None:
    assert forgotten(case_of(CHOSEN), Forgets("select_t"), deadline=0.0) is None


def test_what_is_there_at_the_start_is_kept_side_by_side() -> None:
    """Two passive segments, a table and a global of one hierarchy: none takes another's place."""
    module = decode(
        bytes(
            wat2wasm("""(module (type $s (struct (field i32))) (global $g anyref (struct.new $s (i32.const 9)))
  (table 2 anyref (ref.i31 (i32.const 5))) (elem anyref (item (ref.i31 (i32.const 1))) (item (ref.i31 (i32.const 2))))
  (elem anyref (item (ref.i31 (i32.const 3)))))""")
        )
    )
    assert kept(module, {ITEMS})
    validate(module)
    place = len(module.table_types()) - 1
    module.exports.append(Export("kept", ExternKind.TABLE, place))
    seen = run_case(Case(encode(module), features=frozenset({"gc"})))
    (table,) = seen.tables
    assert table.elements[:7] == ("i31:1", "i31:2", "i31:3", "struct(i32:0x9)", "i31:5", "i31:5", "null")


@pytest.mark.parametrize("form", [Kept.KEEPS, Kept.CONTROL])
def test_cases_mean_the_same(form: Kept) -> None:
    changed = 0
    for target, index in product(("gc", "refs", "tries", "mixed"), range(8)):
        case = make_case(target, 5, index)
        alive = kept_alive(case, None, form)
        if alive is None:
            continue
        changed += 1
        module = decode(alive.content)
        validate(module)
        before, after = run_case(case), run_case(alive)
        assert (before.outcomes, before.memories, before.globals) == (after.outcomes, after.memories, after.globals)
    assert changed >= 12
