"""Whether a case shows what another one did, where the answer is yes, no, or that it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fuzz.campaign.sorting import _shows
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from oracles.engine import Capabilities, EngineId
from oracles.engines.interpreter import InterpreterEngine
from oracles.judge.verdict import Disagree
from tests.triage.mistaken import Mistaken
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Invocation, Observation, Value
from wasm.encode import encode
from wasm.features import DEFAULT
from wasm.fragment import code
from wasm.valtypes import I32


@dataclass(slots=True)
class Rotating(InterpreterEngine):
    """Rotates the wrong way."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, "rotating")

    def run(self, case: Case) -> Observation:
        module = Mistaken(((("i32.rotl",), "i32.rotr"),)).compiled(decode(case.content))
        return replace(
            InterpreterEngine.run(self, replace(case, content=encode(module))), engine="rotating", notes=None
        )


def case_of(text: str) -> Case:
    builder = ModuleBuilder()
    builder.func([I32], [I32], export="f").body += code(text)
    return Case(encode(builder.finish()), (Invocation("f", (Value("i32", 5),)),))


def test_what_cannot_be_compared_is_not_taken_for_right_each_time() -> None:
    bench = Bench(("rotating",), opener=lambda id, limits, _: Rotating(EngineId.read(id), limits))
    trial = bench.run(case_of("local.get 0  i32.const 3  i32.rotl"))
    assert isinstance(trial.verdict, Disagree)
    ((signature, dissents),) = split(trial.verdict)
    shows = _shows(bench, signature.bucket, dissents)
    assert shows(case_of("local.get 0  i32.const 7  i32.rotl"))
    right = [shows(case_of(f"local.get 0  i32.const {number}  i32.xor")) for number in range(40)]
    assert not any(right)
    # The bits of a NaN are anyone's choice.
    nan = "f32.const 0  f32.const 0  f32.div  i32.reinterpret_f32"
    nans = [case_of(f"{nan}  i32.const {number}  i32.xor") for number in range(80)]
    taken = [shows(case) for case in nans]
    assert 8 <= sum(taken) <= 32
    assert [shows(case) for case in nans] == taken
