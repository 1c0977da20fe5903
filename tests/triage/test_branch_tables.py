"""``br_table`` as what a finding is about: it is neutralized by ``br_if``."""

from __future__ import annotations

import pytest
import wasmtime

from fuzz.triage.branch_tables import MOST
from fuzz.triage.causes import Sighting, Suspect, Unknown, classify
from fuzz.triage.essentials import essentials
from fuzz.triage.neutral import neutralized
from fuzz.triage.neutral_code import Form
from oracles.interpreter import Budget, run_case
from tests.triage.mistaken import BUCKET, Mistaken
from tests.triage.test_causes import ROTL, cause_about
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Value
from wasm.encode import encode
from wasm.isa import OPS
from wasm.text import print_function
from wasm.validate import validate

CHOOSES = """
(module
  (func (export "f") (param i32) (result i32)
    block
      block
        block
          local.get 0
          br_table 0 1 0 2
        end
        i32.const 10
        return
      end
      i32.const 20
      return
    end
    i32.const 30
    USE
  )
)
"""


def case_of(text: str, *calls: int, use: str = "") -> Case:
    asked = tuple(Invocation("f", (Value("i32", one),)) for one in calls)
    return Case(
        bytes(wasmtime.wat2wasm(text.replace("USE", use))), asked, features=frozenset({"gc", "reference_types"})
    )


def takes_the_last(case: Case) -> bool:
    """An engine that takes the last label of a ``br_table`` for the second one."""
    module = decode(case.content)
    for func in module.funcs:
        for at, (op, imm) in enumerate(func.body):
            if op is OPS["br_table"]:
                func.body[at] = (op, ((*imm[0][:1], imm[1], *imm[0][2:]), imm[1]))
    mine = run_case(case.with_content(encode(module)), module, Budget(steps=10_000))
    return mine.outcomes != run_case(case, None, Budget(steps=10_000)).outcomes


def test_one_branch_for_each_label() -> None:
    case = case_of(CHOOSES, 0, 1, 2, 3, 0xFFFFFFFF)
    without = neutralized(case, {"br_table"}, Form.INLINE)
    assert without is not None
    text = print_function(decode(without.content), 0)
    written = [line.partition(" (;")[0].strip() for line in text[text.index("local.set 1") :].split("\n")]
    assert written[: written.index("end")] == [
        "local.set 1",
        "local.get 1", "i32.const 0", "i32.eq", "br_if 0",
        "local.get 1", "i32.const 1", "i32.eq", "br_if 1",
        "local.get 1", "i32.const 2", "i32.eq", "br_if 0",
        "br 2",
    ]  # fmt: skip
    validate(decode(without.content))
    assert run_case(without).outcomes == run_case(case).outcomes


def test_it_is_what_the_case_is_about() -> None:
    about = essentials(case_of(CHOOSES, 1, use="i32.clz"), takes_the_last)
    assert about.specific == {"br_table"}


def test_a_right_one_is_not_what_the_case_is_about() -> None:
    about = essentials(case_of(CHOOSES, 7, use="i32.const 3\ni32.rotl"), Mistaken((ROTL,)).wrong)
    assert about.specific == {"i32.rotl"}


def test_one_more_sighting_and_what_is_none() -> None:
    known = cause_about(essentials(case_of(CHOOSES, 1), takes_the_last))
    suspect = Suspect(case_of(CHOOSES, 1, use="i32.ctz"), BUCKET, (("mistaken", "1"),))
    assert classify(suspect, [known], takes_the_last) == Sighting((known,))
    beside = Suspect(case_of(CHOOSES, 7, use="i32.const 3\ni32.rotl"), BUCKET, (("mistaken", "1"),))
    assert isinstance(classify(beside, [known], Mistaken((ROTL,)).wrong), Unknown)


@pytest.mark.parametrize(
    ("guilty", "compares"),
    [
        ({"br_table"}, ["i32.eq"]),
        ({"br_table", "i32.eq"}, ["i32.xor", "i32.eqz"]),
        ({"br_table", "i32.eq", "i32.eqz"}, ["i32.sub", "i32.const", "i32.lt_u"]),
    ],
)
def test_what_compares_is_not_guilty(guilty: set[str], compares: list[str]) -> None:
    case = case_of(CHOOSES, 0, 1, 3)
    without = neutralized(case, guilty, Form.CALLED)
    assert without is not None
    body = [op.name for op, _ in decode(without.content).funcs[0].body]
    at = body.index("local.set")
    assert body[at + 3 : at + 4 + len(compares)] == [*compares, "br_if"]
    assert run_case(without).outcomes == run_case(case).outcomes


def test_labels_that_differ_by_subtyping_leave_it_as_it_is() -> None:
    """What a ``br_if`` leaves is of its label's type, which the next label may not take."""
    text = """
    (module
      (func (export "f") (param i32) (result i32)
        block (result (ref null eq))
          block (result (ref null i31))
            ref.null i31
            local.get 0
            br_table ORDER
          end
        end
        ref.is_null
      )
    )"""
    narrow_first, wide_first = (case_of(text.replace("ORDER", order), 0, 1) for order in ("0 1", "1 0"))
    assert neutralized(narrow_first, {"br_table"}, Form.INLINE) is not None
    assert neutralized(wide_first, {"br_table"}, Form.INLINE) is None


def test_a_long_table_is_left_as_it_is() -> None:
    labels = " ".join(["0", "1"] * MOST)
    text = f'(func (export "f") (param i32) (result i32) block block local.get 0 br_table {labels} end end i32.const 1)'
    assert neutralized(case_of(f"(module {text})", 0), {"br_table"}, Form.INLINE) is None
