"""Modules with probes, and with values replayed, as text; and that they compute what they did before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from fuzz.explain.asking import Subject
from fuzz.explain.followed import Followed
from fuzz.explain.probing import Form, probed
from fuzz.explain.replaying import replayed
from fuzz.explain.tracing import expected, first_difference, read_log, same_bits
from fuzz.records.finding import Signature
from generators.registry import make_case
from oracles.engine import EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine
from oracles.interpreter import run_case
from oracles.judge.verdict import Dissent, Kind
from tests.texts import cases, meets, settings
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Exhausted, Invocation, Value
from wasm.text import print_wat
from wasm.validate import validate

HERE = Path(__file__).parent
DISSENT = Dissent("compiler", "compiler", Kind.VALUE, "invoke", "invoke 0")


def subject(case: Case) -> Subject:
    return Subject(case, "compiler", Signature("compiler", "invoke", "value"), DISSENT)


@pytest.mark.parametrize("path", cases(HERE, "wat"), ids=lambda path: path.stem)
def test_texts(path: Path, request: pytest.FixtureRequest) -> None:
    def make(text: str) -> dict[str, str]:
        chosen = settings(text)
        wat = "".join(f";{line}\n" if line.startswith(";") else f"{line}\n" for line in text.splitlines())
        content = bytes(wat2wasm(wat))
        if chosen["form"] == "replayed":
            calls = (Invocation("f", tuple(Value.parse(one) for one in chosen["args"].split(",") if one)),)
            followed = Followed(subject(Case(content, calls)))
            places = frozenset(place for place in followed.executed if followed.op(place).name == chosen["what"])
            made = replayed(followed, places, True)
            assert made is not None
            module = decode(made.case.content)
        else:
            module = decode(content)
            wanted = chosen.get("what")
            several = chosen.get("memories") == "several"
            assert probed(
                module, lambda _f, at, op: wanted in (None, op.name) if at >= 0 else wanted is None, pages=1,
                form=Form(chosen["form"]), operands=chosen.get("operands") == "on", multi_memory=several,
            )  # fmt: skip
        validate(module)
        return {"made": print_wat(module)}

    meets(path, make, request)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("target", ["arith", "calls", "memory", "control", "returns"])
def test_probes_change_nothing(target: str, form: Form) -> None:
    """A generated case with everything probed gives what it gives without."""
    case = make_case(target, 5, 3)
    module = decode(case.content)
    made = probed(module, lambda *_: True, pages=64, form=form, operands=True, multi_memory=True)
    assert made is not None
    validate(made.module)
    before, after = run_case(case), run_case(replace(case, sites=()), made.module)
    assert before.outcomes == after.outcomes
    assert not any(isinstance(one, Exhausted) for one in after.outcomes)
    assert before.memories == tuple(one for one in after.memories if one.export != made.export)


def test_a_log_is_what_the_tracer_says_it_is() -> None:
    """What the reference writes into the log is what is expected there, NaNs included."""
    case = replace(make_case("arith", 7, 11), sites=())
    followed = Followed(replace(subject(case), dissent=replace(DISSENT, where="global x")))
    made = probed(decode(case.content), lambda *_: True, pages=64, multi_memory=True)
    assert made is not None
    changed = followed.with_module(made.module)
    wanted = expected(changed, made, followed.takes)
    engine = InterpreterEngine(EngineId("interpreter"), Limits())
    blocks = tuple((made.export, block) for block in range(64))
    got = read_log(engine.dump(changed, blocks), made)
    assert len(got) > 100
    assert first_difference(wanted, got, made) is None
    number, bits = got[60]
    got[60] = (number, bits ^ 1 << 3)
    assert first_difference(wanted, got, made) == 60


def test_open_bits_of_a_nan_are_not_wrong() -> None:
    nan, sign = 0x7FC00000, 1 << 31
    assert same_bits(nan | sign << 32, nan | sign, 32)
    assert not same_bits(nan | sign << 32, nan | 1, 32)
    assert not same_bits(nan, nan | sign, 32)


@pytest.mark.parametrize("target", ["arith", "calls", "control", "simd"])
def test_replayed_values_are_the_reference_s(target: str) -> None:
    """With all that can be replaced replaced, a case gives the same."""
    case = replace(make_case(target, 5, 2), sites=())
    followed = Followed(replace(subject(case), dissent=replace(DISSENT, where="global x")))
    made = replayed(followed, frozenset(followed.executed), True)
    assert made is not None
    assert made.case.content != case.content
    before, after = run_case(case), run_case(made.case)
    assert before.outcomes == after.outcomes
