"""regalloc2 by itself: its answers are judged by our checker, its deaths and refusals are values, its mistakes show.

What it is asked and how an answer is judged is in ``tests/allocation/test_asking_others.py``.

What needs a release is skipped where none is in the cache (`fuzz engines install regalloc2@0.15.2`).
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.machine import (
    ANY,
    ConstraintKind,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    PReg,
    RegClass,
    define,
    use,
)
from compiler.machine_text import parse_case, print_env, print_machine
from fuzz.cli.main import main
from generators.choices import ChoiceSource
from generators.machine.funcs import make_function
from generators.registry import make_case
from oracles import crates
from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, open_engine
from oracles.engines.regalloc2 import RELEASES, Regalloc2Engine
from oracles.machine import flat
from oracles.machine.dialect import Dialect, adapted
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour, encode_frame
from oracles.remote.replies import Reply
from oracles.remote.worker_calls import await_reply
from oracles.remote.worker_engine import Worker
from wasm.case import Case, CaseKind
from wasm.embedding import Crashed, Outcome, Rejected, Returned, TimedOut, Unsupported
from wasm.valtypes import I64

ALL = frozenset(ConstraintKind)
OLD = ALL - {ConstraintKind.STACK, ConstraintKind.LIMIT}
NEWEST, WRAPS = "0.15.2", "0.12.1"
TEXT = """registers int:0 int:1 float:0
scratch int:31 float:31
function f
block 0
  args v0:i64>any v1:i64>any
  op v0<reg v1<reg v2:i64>reuse(0)
  ret v2<any v1<any => .
"""
FOUND = Path(__file__).parents[2] / "docs" / "found"


def open_cached(name: str, limits: Limits | None = None) -> Regalloc2Engine:
    version = name.partition("@")[2].partition(":")[0]
    if version not in RELEASES.at_hand():
        pytest.skip(f"regalloc2 {version} is not in the cache (fuzz engines install regalloc2@{version})")
    try:
        opened = open_engine(name, limits or Limits(), offline=True)
        _ = opened.capabilities
    except EngineUnavailable as error:
        pytest.skip(str(error))
    assert isinstance(opened, Regalloc2Engine)
    return opened


@pytest.fixture(params=[f"regalloc2@{NEWEST}:ion", f"regalloc2@{NEWEST}:fastalloc", f"regalloc2@{WRAPS}:ion"])
def engine(request: pytest.FixtureRequest) -> Iterator[Regalloc2Engine]:
    opened = open_cached(request.param)
    yield opened
    opened.close()


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def case_of(text: str) -> Case:
    return Case(text.encode(), kind=CaseKind.MACHINE)


def outcome(engine: Regalloc2Engine, text: str) -> Outcome:
    return engine.run(case_of(text)).instantiation


# --- the engine -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [NEWEST, WRAPS])
def test_the_worker_reads_what_we_wrote(version: str) -> None:
    """The blocks as regalloc2's ``Function`` gives them back, clobbers in its own order."""
    engine = open_cached(f"regalloc2@{version}")
    for index in range(40):
        func, env = make_function(ChoiceSource.seeded("echo", index))
        asked = adapted(func, env, Dialect(ALL if version == NEWEST else OLD))
        for block in asked.blocks:
            for inst in block.insts:
                inst.clobbers = tuple(sorted(inst.clobbers, key=lambda preg: (preg.cls is RegClass.FLOAT, preg.hw)))
        blob = flat.written(asked, env)
        process = engine.process()
        process.send(encode_frame({"do": "echo", "blobs": [len(blob)]}, [blob]), 10.0)
        reply = await_reply(process, 10.0)
        assert reply is not None
        assert reply[1] == words(*flat.body(asked)), index
    engine.close()


@pytest.mark.parametrize(
    ("header", "body", "says"),
    [
        ({}, b"", "its worker's reply cannot be read (KeyError: 'own'): docs/protocol.md has the keys"),
        ({"own": ""}, b"", "what its worker answered is no reply: 0 words for 7 operands (docs/protocol.md)"),
        ({"own": ""}, words(0, 1 << 30), "what its worker answered is no reply: 2 words for 7 operands"),
        ({"broken": "a\nb"}, b"", "its worker failed (a | b): please report it"),
    ],
)
def test_an_answer_that_is_none_is_a_line(header: dict[str, object], body: bytes, says: str) -> None:
    worker = Worker(Launch(("worker",)), Flavour(frozenset(), True), "regalloc2-ion", lambda _hello: ("0", ()))
    engine = Regalloc2Engine(EngineId.parse("regalloc2"), worker, Limits(), [Dialect(ALL)])
    text = json.dumps(header).encode()
    reply = Reply(len(text).to_bytes(4, "little") + text + body, (0.0,) * 5)
    with pytest.raises(EngineUnavailable) as error:
        engine.reading(engine.request(case_of(TEXT)), reply)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_many_functions_are_right(engine: Regalloc2Engine) -> None:
    """On 0.12.1 those are left out whose instructions have more than 256 operands (`fuzz run` is the long form)."""
    for index in range(30):
        case = make_case("regalloc", 3, index)
        func, _ = parse_case(case.content.decode())
        if max(len(inst.operands) for block in func.blocks for inst in block.insts) > 256 and WRAPS in str(engine.id):
            continue
        seen = engine.run(case).instantiation
        assert isinstance(seen, Returned | Unsupported), (index, seen)


def test_the_same_answer_every_time_and_in_any_worker(engine: Regalloc2Engine) -> None:
    case = make_case("regalloc", 3, 1)
    first = engine.start(case)
    first.result()
    engine.renew()
    again = engine.start(case)
    again.result()
    assert first.reply is not None
    assert again.reply is not None
    assert first.reply.content == again.reply.content


def test_only_machine_functions(engine: Regalloc2Engine) -> None:
    assert engine.capabilities.kinds == {CaseKind.MACHINE}
    assert isinstance(engine.run(Case(b"\0asm\1\0\0\0")).instantiation, Unsupported)
    assert isinstance(outcome(engine, "no such text"), Rejected)
    assert isinstance(outcome(engine, TEXT.replace(" => .", "")), Rejected)


def wide(count: int) -> str:
    """A function with ``count`` results of one instruction, the last of which is used."""
    env = MachineEnv(
        {cls: tuple(PReg(cls, hw) for hw in range(6)) for cls in RegClass}, {cls: PReg(cls, 31) for cls in RegClass}
    )
    call = MachineInst("call", tuple(define(vreg, ANY) for vreg in range(count)))
    ret = MachineInst("ret", (use(0, ANY), use(count - 1, ANY)), edges=())
    return print_env(env) + print_machine(MachineFunc("f", [I64] * count, [MachineBlock((), [call, ret])]))


def test_the_index_of_an_operand_wraps_around_in_0_12_1() -> None:
    """The bug that the project began with: regalloc2 #226."""
    engine = open_cached(f"regalloc2@{WRAPS}:ion")
    assert outcome(engine, wide(256)) == Returned()
    got = outcome(engine, wide(257))
    assert isinstance(got, Crashed)
    assert got.location == "regalloc2/ion:wrong"
    assert "MissingAllocation" in got.text
    engine.close()
    for algorithm in ("ion", "fastalloc"):
        engine = open_cached(f"regalloc2@{NEWEST}:{algorithm}")
        assert outcome(engine, wide(257)) == Returned()
        engine.close()


def test_a_panic_is_a_crash_with_its_place_and_the_next_function_is_answered() -> None:
    engine = open_cached(f"regalloc2@{NEWEST}:ion+known")
    got = outcome(engine, (FOUND / "regalloc2-order.mach").read_text())
    assert isinstance(got, Crashed)
    assert got.location.startswith(f"regalloc2-{NEWEST}/src/ion/moves.rs:")
    assert outcome(engine, TEXT) == Returned()
    engine.close()


def test_what_takes_too_long_is_stopped_and_the_next_function_is_answered() -> None:
    """A worker that stands still stands for one that goes on for ever: how long a function takes is the machine's."""
    engine = open_cached(f"regalloc2@{NEWEST}:ion", Limits(idle_seconds=0.3))
    os.kill(engine.process().process.pid, signal.SIGSTOP)
    assert isinstance(outcome(engine, TEXT), TimedOut)
    assert outcome(engine, TEXT) == Returned()
    engine.close()


FACES = {
    "two-reuses": ("ion", "refused: TooManyLiveRegs"),
    "two-reuses-wrong": ("ion", "wrong"),
    "reuse-any": ("ion", "refused: TooManyLiveRegs"),
    "reuse-fixed-and-reg": ("ion", "refused: TooManyLiveRegs"),
    "reuse-fixed": ("ion", "Could not allocate minimal bundle"),
    "reuse-clobber": ("ion", "Could not allocate minimal bundle"),
    "reuse-fixed-twice": ("ion", "wrong"),
    "late-fixed-twice": ("ion", "wrong"),
    "limit-fixed-twice": ("ion", "wrong"),
    "order": ("ion", "no entry found for key"),
    "order-checker": ("ion", "right to our checker"),
    "fastalloc-stack": ("fastalloc", "wrong"),
    "fastalloc-passed-twice": ("fastalloc", "wrong"),
    "fastalloc-count": ("fastalloc", "refused: TooManyLiveRegs"),
}


def test_every_function_found_is_listed() -> None:
    assert {path.stem.removeprefix("regalloc2-") for path in FOUND.glob("regalloc2-*.mach")} == set(FACES)
    page = (FOUND / "regalloc2.md").read_text()
    assert all(f"regalloc2-{name}.mach" in page for name in FACES)


@pytest.mark.parametrize("name", FACES)
def test_what_is_known_shows_where_it_is_asked_for_and_not_elsewhere(name: str) -> None:
    algorithm, said = FACES[name]
    text = (FOUND / f"regalloc2-{name}.mach").read_text()
    engine = open_cached(f"regalloc2@{NEWEST}:{algorithm}+known")
    got = outcome(engine, text)
    assert isinstance(got, Crashed)
    assert got.text.startswith(said)
    engine.close()
    engine = open_cached(f"regalloc2@{NEWEST}:{algorithm}")
    assert isinstance(outcome(engine, text), Returned | Unsupported)
    engine.close()


# --- ids, releases, the command line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("regalloc2:ion", "regalloc2"),
        ("regalloc2@0.12.1:fastalloc", "regalloc2@0.12.1:fastalloc"),
        ("regalloc2@0.15.2:known+ion", "regalloc2@0.15.2:known"),
    ],
)
def test_ids(text: str, canonical: str) -> None:
    assert str(EngineId.parse(text)) == canonical


@pytest.mark.parametrize("text", ["regalloc2:linear", "regalloc2:ion+fastalloc", "regalloc2@/a/b", "regalloc2:ion=off"])
def test_other_ids_are_mistakes(text: str) -> None:
    with pytest.raises(UsageError, match="regalloc2"):
        EngineId.parse(text)


def test_without_cargo_it_is_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(EngineUnavailable, match=r"^regalloc2 is built by cargo, which is not installed$"):
        crates.listed("regalloc2")
    with pytest.raises(EngineUnavailable, match=r"^regalloc2 [0-9.]+ is built by cargo, which is not installed$"):
        open_engine("regalloc2@0.15.2:ion")
    with pytest.raises(EngineUnavailable, match=r"is not in the cache and --offline is set: run once without it$"):
        open_engine("regalloc2@0.15.2:ion", offline=True)
    with pytest.raises(EngineUnavailable, match=r"fuzz engines install regalloc2@VERSION$"):
        open_engine("regalloc2")


def test_the_command_line_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_cached(f"regalloc2@{NEWEST}:fastalloc").close()
    open_cached(f"regalloc2@{WRAPS}").close()
    run = ("run", "--target", "regalloc", "--cases", "12", "--seed", "3", "--jobs", "1", "--out", str(tmp_path / "out"))
    code = main([*run, "--engine", f"regalloc2@{NEWEST}:ion", "--engine", "allocators"])
    assert code == 0, capsys.readouterr().out
    capsys.readouterr()
    (tmp_path / "wide.mach").write_text(wide(300))
    assert (
        main(["replay", str(tmp_path / "wide.mach"), "--engine", f"regalloc2@{WRAPS}:ion", "--engine", "allocators"])
        == 1
    )
    assert 'regalloc2-ion crash in compile "wrong: operand N of inst N has no place' in capsys.readouterr().out
    assert main(["bisect", str(tmp_path / "wide.mach"), "--engine", "wasmtime@33.0.0"]) == 2
    line = capsys.readouterr().err.strip()
    assert line.endswith("is a machine function, which wasmtime does not take: name one of regalloc2, or use --command")
