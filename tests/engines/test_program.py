"""Programs that speak the frame protocol: the examples in five languages, and what a program may say of itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fuzz.trial.bench import Bench
from generators.registry import make_case
from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, open_engine, risk
from oracles.judge.verdict import Disagree
from tests.engines.conftest import Wat
from wasm.case import Case
from wasm.embedding import Entry, Invocation, Rejected, Returned, TimedOut, Unsupported, Value
from wasm.features import Feature

EXAMPLES = Path(__file__).parents[2] / "examples" / "programs"
BUILD = {
    "toy.py": "python3 toy.py",
    "toy.mjs": "node toy.mjs",
    "toy.c": "cc -O1 -o toy toy.c",
    "toy.go": "go build -o toy toy.go",
    "toy.rs": "rustc --edition 2021 -O toy.rs",
}
"""By file, what runs or compiles it, as its first lines say."""
MOST_LINES = 100


def start(name: str, folder: Path) -> str:
    """The engine id of an example, compiled if need be; the test is skipped where the toolchain is missing."""
    tool, *words = BUILD[name].split()
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} to build or run {name}")
    if words == [name]:
        return f"program:{tool} {EXAMPLES / name}"
    shutil.copy(EXAMPLES / name, folder)
    subprocess.run([tool, *words], check=True, timeout=300, cwd=folder)
    return f"program@{folder / 'toy'}"


def test_every_example_is_built_here_and_short() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix != ".md"}
    assert files == set(BUILD)
    for name in files:
        lines = (EXAMPLES / name).read_text().splitlines()
        assert len(lines) <= MOST_LINES, name
        assert BUILD[name] in "".join(lines[:2]), name


@pytest.mark.parametrize("name", BUILD)
def test_an_example_gets_on_with_every_case(name: str, tmp_path: Path) -> None:
    """Whatever is asked of it: references as arguments, globals, imports, modules of all kinds."""
    bench = Bench([start(name, tmp_path)])
    asked = [
        make_case(target, 3, index) for target in ("arith", "calls", "globals", "refs", "mixed") for index in range(6)
    ]
    assert bench.seats
    for case in asked:
        assert not isinstance(bench.run(case).verdict, Disagree), case.provenance
    bench.close()


@pytest.mark.parametrize("name", BUILD)
def test_an_example_calls_what_it_can_and_says_of_the_rest_that_it_cannot(name: str, wat: Wat, tmp_path: Path) -> None:
    engine = open_engine(start(name, tmp_path))
    text = """(module
      (func (export "two") (param i32 i32) (result i32 i32)
        (i32.sub (local.get 0) (local.get 1)) (i32.mul (local.get 1) (i32.add (local.get 0) (local.get 1))))
      (func (export "none"))
      (func (export "float") (param f32) (result f32) (local.get 0)))"""
    args = (Value("i32", 5), Value("i32", 0xFFFFFFF0))
    calls = [Invocation("two", args, entry) for entry in Entry]
    seen = engine.run(wat(text, *calls, Invocation("none"), Invocation("float", (Value("f32", 0x7FA00002),))))
    two = Returned.of((Value("i32", 21), Value("i32", 176)))
    assert seen.outcomes[:3] == (two, two, Returned())
    assert isinstance(seen.outcomes[3], Unsupported)
    assert {"host_calls", "globals", "memories", "tables"} == seen.blind
    assert Feature.MULTI_VALUE in engine.capabilities.features
    assert engine.capabilities.family.startswith("toy")
    assert Path(engine.capabilities.library).is_file()
    imports = wat('(module (import "env" "f" (func)) (func (export "f")))', Invocation("f"))
    assert isinstance(engine.run(imports).instantiation, Unsupported)
    assert isinstance(engine.run(Case(b"\0asm")).instantiation, Unsupported | Rejected)
    assert engine.run(wat(text, *calls)).outcomes == (two, two)
    with pytest.raises(UsageError, match="runs no scripts"):
        engine.open_script()
    engine.close()


def test_an_endless_loop_in_an_example_is_stopped(wat: Wat, tmp_path: Path) -> None:
    engine = open_engine(start("toy.mjs", tmp_path), Limits(cpu_seconds=0.5))
    text = '(module (func (export "f") (result i32) (i32.const 3)) (func (export "loop") (loop (br 0))))'
    seen = engine.run(wat(text, Invocation("f"), Invocation("loop")))
    assert seen.outcomes[0] == Returned.of((Value("i32", 3),))
    assert isinstance(seen.outcomes[1], TimedOut)
    engine.close()


def toy(tmp_path: Path, answer: str) -> str:
    """The example in Python, which answers so, by ``header``, ``blobs`` and how many ``cases`` it has had."""
    text = (EXAMPLES / "toy.py").read_text()
    does = 'answer, body = (HELLO, b"") if header["do"] == "hello" else case(header, blobs)'
    assert does in text
    made = text.replace(does, f"{does}\n    cases += header['do'] == 'case'\n    {answer}")
    path = tmp_path / "toy.py"
    path.write_text(made.replace("\nwhile True:\n", "\ncases = 0\nwhile True:\n"))
    return f"program:python3 {path}"


def test_a_worker_that_fails_in_its_second_case_is_asked_again_from_scratch(wat: Wat, tmp_path: Path) -> None:
    """What is left from earlier cases is gone then."""
    bench = Bench([toy(tmp_path, 'if cases == 2: answer, body = {"broken": "first\\nlast"}, b""')])
    case = wat('(module (func (export "f") (result i32) (i32.const 3)))', Invocation("f"))
    for _ in range(5):
        (seen,) = bench.run(case).observations
        assert seen.outcomes == (Returned.of((Value("i32", 3),)),)
    assert bench.faults() == []
    assert not bench.broken
    bench.close()


def test_a_worker_that_fails_in_some_cases_is_given_up_after_three(wat: Wat, tmp_path: Path) -> None:
    fails = 'if header["do"] == "case" and len(header["calls"]) == 2: answer, body = {"broken": "why\\n\\nwhere"}, b""'
    bench = Bench([toy(tmp_path, fails)])
    (name,) = bench.seats
    text = '(module (func (export "f") (result i32) (i32.const 3)))'
    good, bad = wat(text, Invocation("f")), wat(text, Invocation("f"), Invocation("f"))
    for count in (1, 2):
        (seen,) = bench.run(bad).observations
        assert isinstance(seen.instantiation, Unsupported)
        assert "its worker failed (why |  | where)" in seen.instantiation.what
        (seen,) = bench.run(good).observations
        assert seen.outcomes == (Returned.of((Value("i32", 3),)),)
        assert len(bench.faults()) == count
    assert not bench.broken
    assert bench.run(bad).observations == ()
    assert "its worker failed" in bench.broken[name]
    bench.close()


SAYS = """import json, os, struct, sys
requests, replies = (open(int(word), mode + "b", buffering=0) for word, mode in zip(sys.argv[1:3], "rw"))
size = int.from_bytes(requests.read(4), "little")
while size: size -= len(requests.read(size))
text = json.dumps({"protocol": PROTOCOL, "name": NAME, "features": FEATURES}).encode()
replies.write(struct.pack("<II", 44 + len(text), len(text)) + text + bytes(40))
"""


@pytest.mark.parametrize(
    ("protocol", "name", "features", "message"),
    [
        (7, "mine", [], "speaks protocol 7, not 1"),
        (1, "not a name", [], "is no name"),
        (1, "mine", ["simdd"], "no feature 'simdd'"),
    ],
)
def test_what_a_program_says_of_itself_is_checked(
    protocol: int, name: str, features: list[str], message: str, tmp_path: Path
) -> None:
    script = tmp_path / "mine.py"
    said = {"PROTOCOL": protocol, "NAME": name, "FEATURES": features}
    text = SAYS
    for word, value in said.items():
        text = text.replace(word, repr(value))
    script.write_text(text)
    engine = open_engine(f"program:python3 {script}")
    with pytest.raises(EngineUnavailable, match=message) as caught:
        _ = engine.capabilities
    assert "\n" not in str(caught.value)


ANSWERS = """import os, struct, sys, time
requests, replies = int(sys.argv[1]), int(sys.argv[2])
def request():
    size = int.from_bytes(os.read(requests, 4), "little")
    while size: size -= len(os.read(requests, size))
def frame(text, body=b""):
    return struct.pack("<II", 44 + len(text) + len(body), len(text)) + text + body + bytes(40)
HELLO = b'{"protocol":1,"name":"mine","features":[],"carries":"i","exact":true}'
request()
for answer in ANSWERS:
    os.write(replies, answer)
    request()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("[bytes(range(255, 0, -1)) * 99]", "a frame that is to have 4,244,504,319 bytes"),
        ("[bytes([9, 0, 0, 0] + [1] * 9)]", "a frame of 9 bytes"),
        ("[frame(b'{')]", "no JSON: Expecting"),
        ("[frame(b'\\xff')]", "no JSON: "),
        ("[frame(b'[]')]", "no JSON object"),
        ("[frame(b'{}')]", "KeyError: 'protocol'"),
        ("""[frame(HELLO[:-1] + b',"library":"/no/such"}')]""", "names the library /no/such, which cannot be read"),
        ("[frame(HELLO), frame(b'{}')]", "KeyError: 'inst'"),
        ("""[frame(HELLO), frame(b'{"inst":["trapped",["BOOM"],""]}')]""", "KeyError: 'BOOM'"),
        ("""[frame(HELLO), frame(b'{"inst":["returned",[]],"out":[["returned",[]]]}', bytes(15))]""", "a body of 15"),
        ("""[frame(HELLO), frame(b'{"inst":7}')]""", "TypeError"),
    ],
)
def test_an_answer_that_is_no_reply_is_one_line(answers: str, message: str, wat: Wat, tmp_path: Path) -> None:
    """It is the program's fault and nobody's finding; a frame that cannot be is not waited for."""
    script = tmp_path / "mine.py"
    script.write_text(ANSWERS.replace("ANSWERS", answers))
    engine = open_engine(f"program:python3 {script}")
    case = wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f"))
    with pytest.raises(EngineUnavailable, match=message) as caught:
        engine.run(case)
    assert "\n" not in str(caught.value)
    engine.close()


def test_an_id_holds_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("")
    id = EngineId.parse("program:python3 mine.py --fast")
    assert id.command.endswith(f"/python3 {tmp_path / 'mine.py'} --fast")
    assert EngineId.parse(str(id)) == id
    assert risk(id)
    for wrong in ("program", "program@1.0", "program:fast", "program:no-such-program x", "program:python3 'x"):
        with pytest.raises(UsageError):
            EngineId.parse(wrong)
