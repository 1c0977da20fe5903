"""regalloc2 by itself: what it is asked is what we have, its answers are judged by our checker, its deaths are values.

What needs a release is skipped where none is in the cache (`fuzz engines install regalloc2@0.15.2`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.machine import (
    ANY,
    ConstraintKind,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    PReg,
    RegClass,
    SpillSlot,
    define,
    use,
)
from compiler.machine_text import parse_case, parse_machine, print_env, print_machine
from compiler.machine_verify import verify
from compiler.regalloc.run import ALLOCATORS
from fuzz.cli.main import main
from generators.choices import ChoiceSource
from generators.hypothesis import sources
from generators.machine.funcs import make_function
from generators.registry import make_case
from oracles import crates
from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, open_engine
from oracles.engines.regalloc2 import RELEASES, Regalloc2Engine
from oracles.machine import flat
from oracles.machine.dialect import REUSABLE, Dialect, adapted, certainly_enough, is_forward
from oracles.machine.judging import judged
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour, encode_frame
from oracles.remote.replies import Reply
from oracles.remote.worker_calls import await_reply
from oracles.remote.worker_engine import Worker
from wasm.case import Case, CaseKind
from wasm.embedding import Crashed, Outcome, Rejected, Returned, TimedOut, Unsupported
from wasm.valtypes import I64

SLOW = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
ALL = frozenset(ConstraintKind)
OLD = ALL - {ConstraintKind.STACK, ConstraintKind.LIMIT}
DIALECTS = [Dialect(some, fast, known) for some in (ALL, OLD) for fast in (False, True) for known in (False, True)]
NEWEST, WRAPS = "0.15.2", "0.12.1"
SCRATCH = "scratch int:31 float:31\nfunction f\nblock 0\n"
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


def case_of(text: str) -> Case:
    return Case(text.encode(), kind=CaseKind.MACHINE)


def outcome(engine: Regalloc2Engine, text: str) -> Outcome:
    return engine.run(case_of(text)).instantiation


def nameless(func: MachineFunc) -> MachineFunc:
    """What an allocator has to know of a function."""
    blocks = [
        MachineBlock(b.params, [replace(i, name="", imm=None, is_move=False) for i in b.insts]) for b in func.blocks
    ]
    return replace(func, name="", blocks=blocks)


# --- the flat form --------------------------------------------------------------------------------------------------


@settings(SLOW, max_examples=80)
@given(sources())
def test_a_function_comes_back_out_of_its_words(source: ChoiceSource) -> None:
    func, env = make_function(source)
    assert flat.read(flat.written(func, env)) == (nameless(func), env)


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def test_an_answer_out_of_its_words() -> None:
    func = parse_machine("function f\nblock 0\n  a v0:i32>any v1:f64>any\n  ret v0<any => .")
    reg, slot = 1 << 29, 2 << 29
    content = words(3, 1, 1 << 1, reg | 64, slot | 0, reg | 5, slot | 2, reg | 64)
    read = flat.answer(content, func)
    assert read.slots == 3
    assert print_machine(func, read).splitlines()[2:] == [
        "  a v0:i32>any=int:5 v1:f64>any=[2]",
        "    ; [0] <- float:0 v128",
        "  ret v0<any=float:0 => .",
    ]
    assert read.operands[0] == (PReg(RegClass.INT, 5), SpillSlot(2))
    with pytest.raises(flat.NoAnswer, match="7 words for 3 operands"):
        flat.answer(content[:-4], func)
    with pytest.raises(flat.NoPlace, match="operand 1 of inst 0 has no place"):
        flat.answer(words(3, 0, reg, 0, reg), func)


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


# --- what an allocator can be asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: f"{len(d.constraints)}{d.fast}{d.known}")
@settings(SLOW, max_examples=40)
@given(sources())
def test_an_adapted_function_is_valid_and_in_the_dialect(dialect: Dialect, source: ChoiceSource) -> None:
    func, env = make_function(source)
    asked = adapted(func, env, dialect)
    assert verify(asked) == []
    assert adapted(asked, env, dialect) == asked
    assert dialect.known or is_forward(asked)
    assert certainly_enough(asked, env)
    for block in asked.blocks:
        for inst in block.insts:
            kinds = [operand.constraint.kind for operand in inst.operands]
            assert set(kinds) <= dialect.constraints
            assert dialect.known or kinds.count(ConstraintKind.REUSE) <= 1
            reuses = [o.constraint.number for o in inst.operands if o.constraint.kind is ConstraintKind.REUSE]
            assert max(reuses, default=0) < REUSABLE


def test_what_is_in_the_dialect_stays_as_it_is() -> None:
    text = """registers int:0 int:1 float:0
scratch int:31 float:31
function f
block 0
  args v0:i64>fixed(int:0) v1:f64>any
  op v0<reg v1<limit(8) v2:i64>reuse(0) !int:1
  call v2<fixed(int:1) v3:i64>any v4:i64>stack => 1(v2) 2()
block 1 (v5:i64)
  ret v5<any v3<any v4<reg => .
block 2
  ret v1<late:any => .
"""
    func, env = parse_case(text.replace("late:", ""))
    assert adapted(func, env, Dialect(ALL)) == func
    for dialect in DIALECTS:
        assert [len(block.insts) for block in adapted(func, env, dialect).blocks] == [3, 1, 1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("op v0<reg v1<any v2:i64>reuse(1)", "op v0<reg v1<reg v2:i64>reuse(1)"),
        ("op v0<fixed(int:1) v2:i64>reuse(0)", "op v0<fixed(int:1) v2:i64>fixed(int:1)"),
        ("op v0<reg v1<reg v2:i64>reuse(0) v3:i64>reuse(1)", "op v0<reg v1<reg v2:i64>reuse(0) v3:i64>any"),
        ("op v0<limit(5) v1<limit(64)", "op v0<limit(8) v1<reg"),
        ("op v0<stack v0<any v1<stack", "op v0<any v0<any v1<stack"),
        ("op v0<fixed(int:31) v1<fixed(int:9)", "op v0<any v1<any"),
        ("op v0<reg v2:i64>fixed(int:0) !int:0 !int:1", "op v0<reg v2:i64>fixed(int:0) !int:1"),
        ("op v2:i64>reg v3:i64>reg !int:0 !int:1", "op v2:i64>reg v3:i64>reg"),
        ("op v0<late:fixed(int:0) v0<late:fixed(int:1)", "op v0<late:fixed(int:0) v0<late:any"),
        ("op v0<limit(1) v0<fixed(int:1) v0<fixed(int:2)", "op v0<limit(1) v0<fixed(int:1) v0<any"),
        (
            "op v0<fixed(int:1) v0<fixed(int:2) v1<reg v2:i64>reuse(2)",
            "op v0<fixed(int:1) v0<any v1<reg v2:i64>reuse(2)",
        ),
    ],
)
def test_how_a_function_is_adapted(before: str, after: str) -> None:
    registers = "int:0 int:1" if "v3:i64>reg" in before else "int:0 int:1 int:2"
    head = f"registers {registers} float:0\n{SCRATCH}  args v0:i64>any v1:i64>any\n"
    func, env = parse_case(f"{head}  {before}\n  ret => .\n")
    assert verify(func) == []
    assert print_machine(adapted(func, env, Dialect(ALL))).splitlines()[3].strip() == after


def test_a_reuse_far_behind_comes_to_the_front() -> None:
    uses = " ".join(["v0<any"] * 40)
    func, env = parse_case(
        f"registers int:0 int:1 float:0\n{SCRATCH}  args v0:i64>any v1:i64>any\n"
        f"  op {uses} v1<reg v2:i64>reuse(40)\n  ret => .\n"
    )
    inst = adapted(func, env, Dialect(ALL)).blocks[0].insts[1]
    assert inst.operands[0] == use(1)
    assert inst.operands[-1].constraint.number == 0


# --- judging --------------------------------------------------------------------------------------------------------


def encoded(func: MachineFunc, env: MachineEnv) -> bytes:
    """A right answer of one of our allocators, as a worker would give it."""

    def place(allocation: object) -> int:
        if isinstance(allocation, PReg):
            return 1 << 29 | (allocation.cls is RegClass.FLOAT) << 6 | allocation.hw
        assert isinstance(allocation, SpillSlot)
        return 2 << 29 | allocation.word

    right = ALLOCATORS["single_pass"](func, env)
    edits = [
        word
        for e in right.edits
        for word in (e.point.inst << 1 | e.point.after, place(e.move.source), place(e.move.target))
    ]
    return words(right.slots, len(right.edits), *edits, *(place(a) for row in right.operands for a in row))


TEXT = """registers int:0 int:1 float:0
scratch int:31 float:31
function f
block 0
  args v0:i64>any v1:i64>any
  op v0<reg v1<reg v2:i64>reuse(0)
  ret v2<any v1<any => .
"""


def test_a_planted_wrong_allocation_is_caught() -> None:
    func, env = parse_case(TEXT)
    right = encoded(func, env)
    dialect = Dialect(ALL)
    assert judged(func, env, {"own": ""}, right, "x/y", dialect) == Returned()
    caught = 0
    for at in range(8, len(right), 4):  # the two numbers in front are no places
        for wrong in (0, 1 << 29, 1 << 29 | 1, 2 << 29):
            planted = right[:at] + words(wrong) + right[at + 4 :]
            got = judged(func, env, {"own": ""}, planted, "x/y", dialect)
            if planted != right and isinstance(got, Crashed):
                assert got.location == "x/y:wrong"
                caught += 1
    assert caught >= 12


def test_both_checkers_are_heard_and_refusals_need_a_reason() -> None:
    func, env = parse_case(TEXT)
    right, dialect = encoded(func, env), Dialect(ALL)
    doubt = judged(func, env, {"own": "CheckerErrors"}, right, "x/y", dialect)
    assert doubt == Crashed(0, "right to our checker; its own checker: CheckerErrors", "x/y:own-checker")
    wrong = judged(func, env, {"own": None}, right[:8] + words(0) + right[12:], "x/y", dialect)
    assert isinstance(wrong, Crashed)
    assert "its own checker was not asked" in wrong.text
    refused = judged(func, env, {"refused": "TooManyLiveRegs"}, b"", "x/y", dialect)
    assert isinstance(refused, Crashed)
    assert refused.location == "x/y:refused"
    assert isinstance(judged(func, env, {"refused": "CritEdge(0, 1)"}, b"", "x/y", dialect), Crashed)
    full, env = parse_case(TEXT.replace("v0<reg v1<reg", "v0<late:reg v1<late:reg").replace("reuse(0)", "reg"))
    assert isinstance(judged(full, env, {"refused": "TooManyLiveRegs"}, b"", "x/y", dialect), Unsupported)


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


# --- the engine -----------------------------------------------------------------------------------------------------


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


def test_what_takes_too_long_is_stopped() -> None:
    engine = open_cached(f"regalloc2@{NEWEST}:ion", Limits(cpu_seconds=0.02, least_wall=0.02, wall_factor=1.0))
    assert isinstance(outcome(engine, wide(50_000)), TimedOut)
    engine.close()


FACES = {
    "two-reuses": ("ion", "refused: TooManyLiveRegs"),
    "two-reuses-wrong": ("ion", "wrong"),
    "reuse-any": ("ion", "refused: TooManyLiveRegs"),
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
    with pytest.raises(EngineUnavailable, match=r"^regalloc2 is built by cargo, which is not installed$"):
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
