"""Engines that are commands: a case made self-contained, and what a process printed made an outcome again.

That the exports of a self-contained module do what the case's calls do is shown by the reference interpreter, which
runs both. ``tests/engines/test_contract.py`` meets the commands that the examples describe, where they are installed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from generators.config import EVERYTHING
from generators.registry import make_case, wasm_target_names
from oracles.command.description import of_command, read_description
from oracles.command.nesting import nesting
from oracles.command.reading import direct, ending, integers, said_of
from oracles.command.selfcontained import PROOF, READY, Asked, NotPossible, SelfContained, selfcontained
from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, open_engine, risk
from oracles.interpreter import run_case
from oracles.remote.protocol import Flavour, encode_case
from oracles.remote.serving import Channel
from tests.engines.conftest import Wat
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import (
    Crashed,
    Exhausted,
    Invocation,
    Observation,
    Outcome,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)
from wasm.features import ALL
from wasm.traps import TrapKind
from wasm.validate import validate

PLAIN = of_command(f"{sys.executable} {{wasm}} {{export}}")
FLAVOUR = Flavour(frozenset(), False)


def request(case: Case) -> tuple[dict, list[bytes]]:
    """A case as the worker gets it."""
    frame = encode_case(case, FLAVOUR).frame
    pipe = Channel([-1, -1, -1])
    content = memoryview(frame)

    def read(size: int) -> bytes:
        nonlocal content
        taken, content = bytes(content[:size]), content[size:]
        return taken

    pipe._read = read  # type: ignore[method-assign]
    received = pipe._receive()
    assert received is not None
    return received


def printed(outcome: Outcome) -> str:
    """What a command would print of an export that gives integers."""
    assert isinstance(outcome, Returned), outcome
    return " ".join(str(value.bits) for value in outcome.values)


def through_exports(case: Case, *, chained: bool = False) -> tuple[SelfContained, list[Outcome]]:
    """The outcomes of a case's calls, from the exports of its self-contained module run by the interpreter."""
    header, blobs = request(case)
    made = selfcontained(header, blobs, chained=chained)
    module = decode(made.content)
    validate(module, ALL, made.content)
    names = [READY]
    for asked in made.calls:
        names += [asked.name, *(name for name, _ in asked.more)] if isinstance(asked, Asked) else []
    if chained:
        runs = {name: run_case(Case(made.content, (Invocation(name),)), module) for name in names}
        seen = {name: run.outcomes[0] if run.outcomes else run.instantiation for name, run in runs.items()}
    else:
        run = run_case(Case(made.content, tuple(map(Invocation, names))), module)
        seen = dict(zip(names, run.outcomes, strict=False)) if run.outcomes else {READY: run.instantiation}
    if not isinstance(seen[READY], Returned):
        return made, [seen[READY]]
    assert printed(seen[READY]) == str(PROOF)
    return made, [_outcome(asked, seen) for asked in made.calls if isinstance(asked, str) or asked.name in seen]


def _outcome(asked: Asked | str, seen: dict[str, Outcome]) -> Outcome:
    if isinstance(asked, str):
        return Unsupported(asked)
    outcome = seen[asked.name]
    if not isinstance(outcome, Returned):
        return outcome
    return integers(PLAIN, asked, [printed(seen[name]) for name in (asked.name, *(name for name, _ in asked.more))])


def same(want: Outcome, got: Outcome) -> bool:
    """A host's trap is an ``unreachable`` here, references are null or not, and tags have names only if exported."""
    match want, got:
        case Trapped(), Trapped():
            return bool(want.kinds & got.kinds) or want.kinds == {TrapKind.HOST}
        case Threw(), Threw("?"):
            return True
        case Threw(), Threw():
            return same(want.payload, got.payload)
        case Returned(), Returned():
            nulls = [[ref == "null" for ref in one.refs] for one in (want, got)]
            return (want.types, want.slots, nulls[0]) == (got.types, got.slots, nulls[1])
        case _:
            return want == got or isinstance(got, Unsupported)


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("target", [name for name in wasm_target_names() if name != "linked"])
def test_the_exports_of_a_self_contained_module_do_what_the_calls_do(target: str, chained: bool) -> None:
    compared = 0
    for index in range(3):
        case = make_case(target, 11, index, EVERYTHING)
        want: Observation = run_case(case)
        if want.notes is None or want.notes.nan_observed_at is not None:
            continue
        try:
            _, got = through_exports(case, chained=chained)
        except NotPossible:
            continue
        expected = list(want.outcomes) if want.instantiated else [want.instantiation]
        for wanted, given in zip(expected, got, strict=False):
            if chained and isinstance(given, Trapped | Exhausted):
                break  # a process per call does not get behind it
            assert same(wanted, given), (target, index, wanted, given)
            compared += not isinstance(given, Unsupported)
    assert compared


IMPORTS = """(module
  (import "env" "add" (func $h (param i32 f64) (result i64 f32)))
  (import "env" "g" (global $g i64)) (import "env" "m" (memory 1)) (import "env" "t" (table 3 funcref))
  (import "reenter" "back" (func $back (param i32) (result i32)))
  (global (export "copy") i64 (global.get $g))
  (memory (export "own") 1) (table (export "u") 2 funcref) (elem (table 1) (i32.const 0) func $h2) (func $h2)
  (func (export "f") (param f32) (result i64 f32 i64 f32)
    (call $h (i32.const 3) (f64.const nan:0x4000000000001)) (global.get $g) (local.get 0))
  (func (export "back") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "r") (result i32) (call $back (i32.const 14)))
  (func (export "n") (result funcref i32 externref) (ref.null func) (table.size 0) (ref.null extern)))"""


def test_imports_become_a_part_of_the_module(wat: Wat) -> None:
    calls = [Invocation("f", (Value("f32", 0x7FA00002),)), Invocation("r"), Invocation("n")]
    case = wat(IMPORTS, *calls)
    made, got = through_exports(case)
    assert tuple(got) == run_case(case).outcomes
    assert decode(made.content).imports == []
    assert [asked.name for asked in made.globals or ()] == ["g0"]


def test_more_integers_than_an_export_gives_come_by_another(wat: Wat) -> None:
    results, gets = " ".join(["v128"] * 900), " ".join(f"v128.const i64x2 {i} {-i}" for i in range(900))
    case = wat(f'(module (func (export "f") (result {results}) {gets}) (func (export "g")))', *map(Invocation, "fg"))
    for chained in (False, True):
        made, got = through_exports(case, chained=chained)
        assert tuple(got) == run_case(case).outcomes
        first = made.calls[0]
        assert isinstance(first, Asked)
        assert (first.count, first.more) == (1000, (("c0_1", 800),))


def test_what_a_command_line_cannot_be_given_is_said(wat: Wat) -> None:
    text = '(module (func (export "f") (param externref)) (func (export "g")))'
    _, got = through_exports(wat(text, Invocation("f", (Value("ref", 0, "extern:3"),)), Invocation("g")))
    why = "no host value extern:3"
    assert got == [Unsupported(why), Unsupported(f"a call before it cannot be made ({why})")]


# Reading


@pytest.mark.parametrize(
    ("text", "status", "wanted"),
    [
        ("error: unreachable executed", 0, Trapped(frozenset({TrapKind.UNREACHABLE}))),
        ("wasm trap: integer divide by zero", 134, Trapped(frozenset({TrapKind.DIV_BY_ZERO}))),
        ("RuntimeError: memory access out of bounds", 1, Trapped(frozenset({TrapKind.MEMORY_OOB}))),
        ("call stack exhausted", 0, Exhausted("stack")),
        (
            "thread 'main' panicked at src/run.rs:12:5:\nno entry\nnote: run",
            101,
            Crashed(0, "no entry", "src/run.rs:12"),
        ),
        ("", -signal.SIGSEGV, Crashed(signal.SIGSEGV, "SIGSEGV")),
        ("7", 0, None),
    ],
)
def test_what_a_process_came_to(text: str, status: int, wanted: Outcome | None) -> None:
    assert ending(PLAIN, text, status) == wanted


def test_a_file_says_what_a_text_and_an_exit_code_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"""command = "{sys.executable} {{wasm}} {{export}}"
        result = "^{{export}} = (?P<result>.*)$"
        [texts]
        "undefined element" = "bad table slot"
        "uninitialized element" = "bad table slot"
        [exits]
        3 = "exhausted"
        """)
    described = read_description(str(path))
    text = "c0 = 3 -1\nc1 = bad table slot\n"
    assert said_of(described, text, "c0") == "3 -1"
    assert said_of(described, text, "c2") is None
    two = frozenset({TrapKind.UNDEFINED_ELEMENT, TrapKind.UNINITIALIZED_ELEMENT})
    assert ending(described, said_of(described, text, "c1") or "", 0) == Trapped(two)
    assert ending(described, "whatever", 3) == Exhausted("stack")
    got = integers(described, Asked("c0", ("if",), (), 2), ["3 -1"])
    assert got == Returned.of((Value("i32", 3), Value("f32", 0xFFFFFFFF)))
    assert isinstance(integers(described, Asked("c0", ("i",), (), 1), ["no number"]), Unsupported)


def test_calls_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"""command = "{sys.executable} {{wasm}} {{export}} {{args}}"
        wrapper = false
        [arguments]
        i32 = "{{signed}}"
        [results]
        i32 = "i32 (?P<bits>-?[0-9]+)"
        f32 = "f32 bits (?P<bits>0x[0-9a-f]+)"
        """)
    described = read_description(str(path))
    assert direct(described, "if", "i32 -1, f32 bits 0x7fa00002") == Returned.of(
        (Value("i32", 0xFFFFFFFF), Value("f32", 0x7FA00002))
    )
    assert direct(described, "d", "f64 1.5") == Unsupported("results of type f64: its file has no [results] for them")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("command = 1 +", "no TOML file"),
        ("comand = 'x {wasm}'", "did you mean command"),
        ("calls = 'all'", "command is missing"),
        ("command = 'no-such-program {wasm}'", "there is no program no-such-program"),
        (f"command = '{sys.executable}'", "no {wasm}"),
        (f"command = '{sys.executable} {{wasm}}'\ncalls = 'each'", "calls is 'one'"),
        (f"command = '{sys.executable} {{wasm}}'\nresult = '('", "no regular expression"),
        (f"command = '{sys.executable} {{wasm}}'\nresult = 'x'", "no group"),
        (f"command = '{sys.executable} {{wasm}}'\nfeatures = ['simdd']", "did you mean simd"),
        (f"command = '{sys.executable} {{wasm}}'\n[texts]\nboom = 'x'", "there are unreachable"),
        (f"command = '{sys.executable} {{wasm}}'\n[exits]\nx = 'rejected'", "by exit code"),
        (f"command = '{sys.executable} {{wasm}}'\n[arguments]\ni33 = 'x'", "i33 is none"),
        ("command = 7", "command is a command: a text, or a list of its words, and not 7"),
        ("command = ['a', 1]", "a list of its words, and not"),
        (f"command = '{sys.executable} {{wasm}}'\nfeatures = 'simd'", "features is a list of names, and not 'simd'"),
        (f"command = '{sys.executable} {{wasm}}'\nresult = ['x']", "result is a text"),
        (f"command = '{sys.executable} {{wasm}}'\ntexts = 'x'", "texts is a table of texts"),
        (f"command = '{sys.executable} {{wasm}}'\n[texts]\nunreachable = 1", "texts is a table of texts"),
        (f"command = '{sys.executable} {{wasm}}'\n[exits]\n1 = 2", "exits is a table of texts, and not"),
        ("command = '/bin {wasm}'", "there is no program /bin"),
        (f"command = '{sys.executable} {{wasm}}'\nnesting = 0", "nesting is a number from 1 on, and not 0"),
        (f"command = '{sys.executable} {{wasm}}'\nmemory = true", "memory is a number from 1 on, and not True"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_description(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(EngineUnavailable):
        open_engine(f"cmd@{path}")


# How deep expressions are nested


@pytest.mark.parametrize(
    ("code", "deep"),
    [
        ("nop", 2),
        ("i32.const 1  i32.const 2  i32.add  drop", 4),
        ("i32.const 1  i32.eqz  i32.eqz  i32.eqz  drop", 6),
        ("block  block  nop  end  end", 4),
        ("i32.const 1  i32.eqz  if  nop  else  i32.const 1  i32.eqz  i32.eqz  drop  end", 6),
        ("i32.const 1  global.get 0  global.set 0  drop", 5),  # in a block: local.set, global.set, local.get
        ("unreachable  i32.add  drop", 4),
        ("loop  br 0  i32.add  drop  end", 5),
        ("call $two  i32.add  drop", 6 + 3),
        ("call $two  global.set 0  global.set 0", 7 + 3),
        ("call $deep", 2 + 6),
        ("call $deep  i32.const 1  i32.eqz  drop  call $again", 4 + 6),
    ],
)
def test_how_deep_expressions_are_nested(code: str, deep: int) -> None:
    text = f"""(module (global (mut i32) (i32.const 0))
      (func {code})
      (func $two (result i32 i32) i32.const 1  i32.const 1)
      (func $deep i32.const 1  i32.eqz  i32.eqz  i32.eqz  drop)
      (func $again call $again))"""
    module = decode(bytes(wat2wasm(text)))
    module.funcs = module.funcs[: 4 if "call" in code else 1]
    assert nesting(module) == deep


def test_what_calls_in_a_long_chain_is_no_recursion_of_ours() -> None:
    chain = "".join(f"(func call {callee})" for callee in range(1, 5000))
    assert nesting(decode(bytes(wat2wasm(f"(module {chain} (func))")))) == 5000 * 2


def test_in_whichever_order_functions_that_call_each_other_stand() -> None:
    """From $b it goes to $a and on to $deep, also where $a is seen first."""
    funcs = {
        "a": "call $b call $deep", "b": "call $a", "c": "call $b",
        "deep": "i32.const 1  i32.eqz  i32.eqz  i32.eqz  drop",
    }  # fmt: skip
    for names in permutations(funcs):
        text = "".join(f"(func ${name} {funcs[name]})" for name in names)
        assert nesting(decode(bytes(wat2wasm(f"(module {text})")))) == 2 + 2 + 2 + 6, names


def test_uses_of_a_call_s_results_are_nested_in_each_other() -> None:
    """binaryen 132 nests what takes them one by one 1,723 deep."""
    uses = "i32.const 1  i32.add  global.set 0 " * 200
    text = f"""(module (global (mut i32) (i32.const 0)) (func $many (result{" i32" * 200}) unreachable)
      (func call $many {uses}))"""
    assert 600 <= nesting(decode(bytes(wat2wasm(text)))) <= 820


# Ids, and whole engines


def test_an_id_holds_a_command() -> None:
    id = EngineId.parse("cmd:python3 {wasm} --invoke {export} 'a b'")
    assert id.command.startswith("/")
    assert id.command.endswith("/python3 {wasm} --invoke {export} 'a b'")
    assert EngineId.parse(str(id)) == id
    assert risk(id).startswith("the command ")
    for wrong in ("cmd", "cmd@1.0", "cmd:fast", "cmd:python3 run", "wasmtime:python3 {wasm}", "v8:a b"):
        with pytest.raises(UsageError) as caught:
            EngineId.parse(wrong)
        assert "\n" not in str(caught.value)


COMMANDS = {
    "garbage": "print('%&/( 17 !')",
    "hangs at once": "print(int(READY), flush=True)\nwhile True: pass",
    "hang": "import sys, time\nif sys.argv[2] == 'ready': print(int(READY))\nelse:\n    while True: pass",
    "dies": "import sys, os\nif sys.argv[2] == 'ready': print(int(READY))\nelse: os.abort()",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_misbehaves_is_an_outcome_or_a_line(name: str, wat: Wat, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(COMMANDS[name].replace("READY", str(PROOF)))
    file = tmp_path / "engine.toml"
    file.write_text('command = "python3 engine.py {wasm} {export}"\nfeatures = []\n')
    engine = open_engine(f"cmd@{file}", Limits(cpu_seconds=1.0))
    case = wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f"))
    refusals = {"garbage": "%&/( 17 !", "hangs at once": "it does not end within"}
    if name in refusals:
        with pytest.raises(EngineUnavailable, match=f"does not run a small module: {re.escape(refusals[name])}"):
            engine.run(case)
    else:
        outcome = engine.run(case).outcomes[0]
        assert isinstance(outcome, TimedOut if name == "hang" else Crashed)
    engine.close()


def test_what_a_command_s_processes_take_is_the_engine_s_time(wat: Wat, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(f"import sys\nsum(range(2000000))\nprint({PROOF} if sys.argv[2] == 'ready' else 1)")
    file = tmp_path / "engine.toml"
    file.write_text('command = "python3 engine.py {wasm} {export}"\nfeatures = []\n')
    engine = open_engine(f"cmd@{file}", Limits())
    seen = engine.run(wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f")))
    engine.close()
    assert sum(seconds for _, seconds in seen.cpu) > 0, "a process that ran took some"


def test_a_script_around_a_program_leaves_neither_process_nor_file(
    wat: Wat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops the script stops what it has started. Other commands run meanwhile, in folders of their own."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    script = tmp_path / "engine.py"
    script.write_text(
        f"import subprocess, sys\nif sys.argv[2] == 'ready': print({PROOF})\n"
        f"else: subprocess.run([sys.executable, '-c', 'while True: pass', {str(tmp_path)!r}])\n"
    )
    file = tmp_path / "engine.toml"
    file.write_text('command = "python3 engine.py {wasm} {export}"\nfeatures = []\n')
    engine = open_engine(f"cmd@{file}", Limits(cpu_seconds=1.0))
    case = wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f"))
    assert isinstance(engine.run(case).outcomes[0], TimedOut)
    assert list(scratch.glob("fuzz-scratch-command-*"))
    mark = b"while True: pass\0" + str(tmp_path).encode()
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(one)]
    engine.close()
    del engine
    assert not list(scratch.glob("fuzz-scratch-command-*"))


LEAVES = """import pathlib, subprocess, sys
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
if sys.argv[2] == "ready": print(PROOF)
else:
    subprocess.Popen(["setsid", MARK + "-sleep", "61"], **quiet)
    if HANGS: pathlib.Path(MARK).touch(); import time; time.sleep(60)
    print(1)
"""


def _leaving(tmp_path: Path, hangs: bool) -> tuple[str, Path]:
    """The id of a command that leaves a process behind, and a word that this process is known by."""
    mark = tmp_path / "mark"
    script = tmp_path / "engine.py"
    script.write_text(LEAVES.replace("PROOF", str(PROOF)).replace("MARK", repr(str(mark))).replace("HANGS", str(hangs)))
    (tmp_path / "mark-sleep").symlink_to("/bin/sleep")
    file = tmp_path / "engine.toml"
    file.write_text('command = "python3 engine.py {wasm} {export}"\nfeatures = []\n')
    return f"cmd@{file}", mark


def _running(mark: Path) -> list[Path]:
    return [one for one in Path("/proc").glob("[0-9]*/cmdline") if f"{mark}-sleep\0".encode() in _read(one)]


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are told apart by Linux alone")
def test_what_a_command_leaves_running_is_ended_with_it(wat: Wat, tmp_path: Path) -> None:
    id, mark = _leaving(tmp_path, hangs=False)
    engine = open_engine(id)
    case = wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f"))
    assert engine.run(case).outcomes == (Returned.of((Value("i32", 1),)),)
    assert not _running(mark)
    engine.close()


RUNS = """import sys
from oracles.engine import open_engine
from oracles.modules.probes import BASIC
from wasm.case import Case
from wasm.embedding import Invocation
engine = open_engine(sys.argv[1])
engine.run(Case(open(sys.argv[2], "rb").read(), invocations=(Invocation("f"),)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process learns of its parent's end by Linux alone")
def test_a_harness_that_is_killed_leaves_neither_process_nor_folder(wat: Wat, tmp_path: Path) -> None:
    id, mark = _leaving(tmp_path, hangs=True)
    case = tmp_path / "case.wasm"
    case.write_bytes(wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f")).content)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
    harness = subprocess.Popen([sys.executable, "-c", RUNS, id, str(case)], env=env)
    assert _becomes(lambda: mark.exists() and _running(mark))
    harness.kill()
    harness.wait()
    assert _becomes(lambda: not _running(mark) and not list(temporary.iterdir()))


def _becomes(so: Callable[[], object]) -> bool:
    end = time.monotonic() + 20
    while not so() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(so())


def test_a_command_that_can_no_longer_be_run_is_a_line(wat: Wat, tmp_path: Path) -> None:
    script = tmp_path / "engine"
    script.write_text(f"#!/bin/sh\necho {PROOF}\n")
    script.chmod(0o755)
    engine = open_engine(f"cmd:{script} {{wasm}} {{export}}")
    assert engine.capabilities.version == "0"
    script.write_text("no program")
    with pytest.raises(EngineUnavailable, match=f"{script} cannot be run: Exec format error"):
        engine.run(wat('(module (func (export "f") (result i32) (i32.const 1)))', Invocation("f")))
    engine.close()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
