"""Foreign engines as judges of the semantics: one module with a function per row, operands and results in memory.

Each function runs its instruction on a range of operand tuples, so that one call does thousands and every value crosses
as bytes. The tuple in work is kept at address 0: after a trap the caller knows which one it was and goes on behind it.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import wasmtime

from tests.language.semantics_operands import Operands, Row
from wasm.features import Feature
from wasm.semantics import SEMANTICS, Pure
from wasm.semantics.floats import F32, F64, FloatFormat
from wasm.semantics.relaxed_probe import probe_cases
from wasm.traps import Trap, TrapKind

BATCH = 4096
"""Most tuples in one call."""
_SLOT = 16
_IN = 1 << 16
_OUT = _IN + BATCH * 4 * _SLOT
_PAGES = (_OUT + BATCH * 2 * _SLOT >> 16) + 1

Result = tuple[int, ...] | TrapKind
"""Bit patterns, or how the instruction trapped."""
Answer = tuple[int, ...] | frozenset[TrapKind]
"""Bit patterns, or the kinds that an engine's trap may stand for."""

_KINDS = {
    1: frozenset({TrapKind.DIV_BY_ZERO}),
    2: frozenset({TrapKind.INT_OVERFLOW}),
    3: frozenset({TrapKind.INT_OVERFLOW, TrapKind.BAD_CONVERSION}),  # V8 has one message for both
    4: frozenset({TrapKind.BAD_CONVERSION}),
}


def _function(index: int, row: Row) -> str:
    params = [str(t) for t in row.op.params or ()]
    results = [str(t) for t in row.op.results or ()]
    stride, out = len(params) * _SLOT, len(results) * _SLOT
    loads = " ".join(
        f"({t}.load offset={_IN + i * _SLOT} (i32.mul (local.get $i) (i32.const {stride})))"
        for i, t in enumerate(params)
    )
    locals_ = " ".join(f"(local $r{i} {t})" for i, t in enumerate(results))
    sets = " ".join(f"local.set $r{i}" for i in reversed(range(len(results))))
    stores = " ".join(
        f"({t}.store offset={_OUT + i * _SLOT} (i32.mul (local.get $i) (i32.const {out})) (local.get $r{i}))"
        for i, t in enumerate(results)
    )
    return f"""(func (export "f{index}") (param $i i32) (param $end i32) {locals_}
      (loop $again (i32.store (i32.const 0) (local.get $i))
        {loads} {row.text} {sets} {stores}
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get $end)))))"""


def harness(rows: Sequence[Row]) -> bytes:
    """The module, in binary."""
    functions = "\n".join(_function(i, row) for i, row in enumerate(rows))
    return bytes(
        wasmtime.wat2wasm(
            f'(module (memory (export "memory") {_PAGES}) (global (export "in") i32 (i32.const {_IN}))'
            f' (global (export "out") i32 (i32.const {_OUT})) {functions})'
        )
    )


def _pack(batch: Sequence[Operands]) -> bytes:
    return b"".join(value.to_bytes(_SLOT, "little") for operands in batch for value in operands)


def _answers(row: Row, count: int, out: bytes, traps: dict[int, int]) -> list[Answer]:
    # A result narrower than its slot leaves an earlier one's bytes behind it.
    sizes = [int(str(t)[1:]) // 8 for t in row.op.results or ()]
    step = len(sizes) * _SLOT
    values = [
        tuple(
            int.from_bytes(out[at : at + size], "little")
            for at, size in zip(range(i, i + step, _SLOT), sizes, strict=True)
        )
        for i in range(0, count * step, step)
    ]
    return [_KINDS.get(traps[i], frozenset()) if i in traps else value for i, value in enumerate(values)]


class Engine(Protocol):
    """Answers for up to ``BATCH`` operand tuples of the row with the given index."""

    def run(self, index: int, row: Row, batch: Sequence[Operands]) -> list[Answer]: ...


class Wasmtime:
    """Cranelift in this process."""

    def __init__(self, rows: Sequence[Row], *, deterministic: bool = False) -> None:
        config = wasmtime.Config()
        config.wasm_wide_arithmetic = True
        config.wasm_relaxed_simd = True
        config.wasm_relaxed_simd_deterministic = deterministic
        engine = wasmtime.Engine(config)
        self._store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self._store, wasmtime.Module(engine, harness(rows)), [])
        self._exports = instance.exports(self._store)
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory

    def run(self, index: int, row: Row, batch: Sequence[Operands]) -> list[Answer]:
        function = self._exports[f"f{index}"]
        assert isinstance(function, wasmtime.Func)
        length = len(batch) * len(row.op.results or ()) * _SLOT
        self._memory.write(self._store, _pack(batch), _IN)
        traps: dict[int, int] = {}
        start = 0
        while start < len(batch):
            try:
                function(self._store, start, len(batch))
                break
            except wasmtime.Trap as trap:
                at = int.from_bytes(self._memory.read(self._store, 0, 4), "little")
                traps[at] = {7: 1, 6: 2, 8: 4}.get(int(trap.trap_code.value) if trap.trap_code else -1, 0)
                start = at + 1
        return _answers(row, len(batch), bytes(self._memory.read(self._store, _OUT, _OUT + length)), traps)


NODE = shutil.which("node")


class Node:
    """V8 in one node process for everything; a context manager."""

    def __init__(self, rows: Sequence[Row]) -> None:
        assert NODE is not None
        script = Path(__file__).with_name("semantics_node.cjs")
        self._process = subprocess.Popen([NODE, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        module = harness(rows)
        self._write(struct.pack("<I", len(module)) + module)

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait(timeout=10)

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _read(self, length: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(length)
        assert len(data) == length, "node ended early"
        return data

    def run(self, index: int, row: Row, batch: Sequence[Operands]) -> list[Answer]:
        data = _pack(batch)
        length = len(batch) * len(row.op.results or ()) * _SLOT
        self._write(struct.pack("<4I", index, len(batch), len(data), length) + data)
        count = int.from_bytes(self._read(4), "little")
        pairs = struct.unpack(f"<{2 * count}I", self._read(8 * count))
        return _answers(row, len(batch), self._read(length), dict(zip(pairs[::2], pairs[1::2], strict=True)))


def node_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows that every node with vector instructions knows: no relaxed ones, no wide arithmetic."""
    return [row for row in rows if row.op.feature not in (Feature.RELAXED_SIMD, Feature.WIDE_ARITHMETIC)]


def probe(engine: Engine, rows: Sequence[Row]) -> list[int]:
    """An engine's answers to ``probe_cases()``."""
    index = {row.op.name: i for i, row in enumerate(rows)}
    answers = [engine.run(index[name], rows[index[name]], [operands])[0] for name, operands in probe_cases()]
    return [result for answer in answers for result in answer if isinstance(result, int)]


def expected(row: Row, operands: Operands, meaning: Pure | None = None) -> Result:
    """What our semantics say, always as a tuple."""
    try:
        result = (meaning or SEMANTICS[row.op.name])(*operands, *row.immediates)
    except Trap as trap:
        return trap.kind
    return result if isinstance(result, tuple) else (result,)


_FORMATS = {"f32": F32, "f64": F64, "f32x4": F32, "f64x2": F64}


def _split(form: FloatFormat, value: int) -> list[int]:
    return [value >> at & (1 << form.width) - 1 for at in range(0, 128, form.width)]


def _nan_agrees(row: Row, operands: Operands, want: int, got: int) -> bool:
    """Lane by lane: equal bits, or a NaN that the spec allows there (4.3.3: canonical unless a payload came in)."""
    target = _FORMATS[row.op.name.split(".")[0]]
    source = target
    if "demote" in row.op.name or "promote" in row.op.name:
        source = F64 if target is F32 else F32
    lanes = [_split(source, value) for value in operands]
    quiet = 1 << (target.fraction_bits - 1)
    for i, (x, y) in enumerate(zip(_split(target, want), _split(target, got), strict=True)):
        if x == y:
            continue
        if not (target.is_nan(x) and target.is_nan(y) and y & quiet):
            return False
        nans = [lane[i] for lane in lanes if i < len(lane) and source.is_nan(lane[i])]
        if (
            all(nan & (source.sign - 1) == source.canonical_nan for nan in nans)
            and y & (target.sign - 1) != target.canonical_nan
        ):
            return False
    return True


def agrees(row: Row, operands: Operands, want: Result, got: Answer) -> bool:
    """Whether an engine's answer is one that our result stands for."""
    if isinstance(want, TrapKind) or isinstance(got, frozenset):
        return isinstance(want, TrapKind) and isinstance(got, frozenset) and want in got
    if want == got:
        return True
    return row.op.nan and len(want) == len(got) == 1 and _nan_agrees(row, operands, want[0], got[0])


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement, readable."""

    row: Row
    operands: Operands
    want: Result
    got: Answer

    def __str__(self) -> str:
        def show(result: Result | Answer) -> str:
            return " ".join(f"{x:#x}" for x in result) if isinstance(result, tuple) else str(result)

        return f"{self.row.text} ({show(self.operands)}): ours {show(self.want)}, engine {show(self.got)}"


def differences(
    engine: Engine, index: int, row: Row, tuples: Sequence[Operands], meaning: Pure | None = None
) -> list[Difference]:
    """Every disagreement of an engine with our semantics (or with ``meaning``) on the tuples."""
    found = []
    for at in range(0, len(tuples), BATCH):
        batch = tuples[at : at + BATCH]
        for operands, got in zip(batch, engine.run(index, row, batch), strict=True):
            want = expected(row, operands, meaning)
            if not agrees(row, operands, want, got):
                found.append(Difference(row, operands, want, got))
    return found
