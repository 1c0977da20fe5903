"""One function under construction: its running hash, its scratch locals, and what values it can draw on.

A function of one i32 that folds its parameter and a constant, and returns the hash, is

    fn.seed(7)                     # i64.const 7  local.set $acc
    fn.fold_local(I32, 0)          # local.get 0  i64.extend_i32_u  local.get $acc  i64.xor  ...  local.set $acc
    fn += code("f64.const 1.5")
    fn += fn.fold(F64)             # i64.reinterpret_f64  local.get $acc  i64.xor  ...  local.set $acc
    fn.get(fn.acc)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.values import CANONICAL_NAN
from generators.module.loops import AGAIN
from generators.module.shell import INLINE_STORES, MULTIPLIER, Shell
from wasm.builder import FuncBuilder, Label, Opened
from wasm.fragment import Code, Template, code, template
from wasm.isa import OPS, Instr
from wasm.valtypes import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, RefType, ValType

BARE: Final = {name: row.bare for name, row in OPS.items()}
GET: Final = OPS["local.get"]
SET: Final = OPS["local.set"]
TEE: Final = OPS["local.tee"]
I32_CONST: Final = OPS["i32.const"]

_EXTEND: Final = code("i64.extend_i32_u")
_THROUGH_F64: Final = code("f64.convert_i32_u  i64.reinterpret_f64")
"""From an i32 to 64 bits that tell it from any other. It shows what stands above the 32 bits where a compiler takes a
register as it is, which an extension that clears them does not (CVE-2021-32629: a reload that extended the sign)."""

TO_I64: Final[dict[ValType, Code]] = {
    I32: _EXTEND,
    I64: (),
    F32: code("i32.reinterpret_f32  i64.extend_i32_u"),
    F64: code("i64.reinterpret_f64"),
}
"""From a number on the stack to all its bits as i64."""

_SEED: Final = template("i64.const $value  local.set $acc")
_SELECT: Final = template("local.get $acc  i64.const 41  i64.shr_u  i32.wrap_i64  local.set $selector")
"""Bits from the hash's upper half: a multiplication leaves its lowest bits hardly mixed."""

_MIX: Final = (
    template("local.get $acc  i64.xor  i64.const $times  i64.mul  i64.const $turn  i64.rotl  local.set $acc"),
    template("local.get $acc  i64.add  i64.const $turn  i64.rotl  i64.const $times  i64.mul  local.set $acc"),
    template("local.get $acc  i64.const $times  i64.mul  i64.const $turn  i64.rotl  i64.sub  local.set $acc"),
)
"""By style: fold the i64 on the stack into the hash. A rotation alone would come round: values 64 or 256 places apart
could be swapped unseen. A multiplication alone keeps the highest bit where it is: two wrong signs would cancel out."""

_MIX_VECTOR: Final = template(
    "local.get $acc  v128.xor  v128.const $factor  i32x4.mul  v128.const $turned  i8x16.swizzle  local.set $acc"
)
_LANES: Final = tuple(template(f"local.get $acc  i64x2.extract_lane {i}") for i in (0, 1))

_CANONICAL: Final[dict[ValType, Template]] = {
    V128: template("local.tee $t  v128.const $nan  local.get $t  local.get $t  f32x4.eq  v128.bitselect"),
    **{t: template(f"local.tee $t  {t}.const $nan  local.get $t  local.get $t  {t}.eq  select") for t in (F32, F64)},
}
_CANONICAL_BITS: Final[dict[ValType, int]] = {
    F32: CANONICAL_NAN[F32],
    F64: CANONICAL_NAN[F64],
    V128: sum(CANONICAL_NAN[F32] << i for i in range(0, 128, 32)),
}
_ASK: Final = template(
    "local.set $t  i32.const 0  local.get $t  table.set $scratch  i32.const 0  call_indirect $scratch (type $type)"
)
_CALL: Final = template("call_ref $type")
_I31_VALUE: Final = code("i31.get_s")
_SINK: Final = template("local.set $t  i32.const $slot  local.get $t  table.set $sink")
_SINK_FAR: Final = template("i32.const $slot  call $sinker")
_SPEND: Final = template(
    "global.get $fuel  local.tee $t  local.get $t  i32.const 0  i32.ne  i32.sub  global.set $fuel  local.get $t"
)
_PUBLISH: Final = template(
    "global.get $sum  local.get $acc  i64.xor  i64.const 29  i64.rotl  i64.const $times  i64.mul  global.set $sum"
)
"""The rotation keeps errors in high bits from cancelling out."""

LANE_FACTOR: Final = sum(0x01000193 + 2 * i << 32 * i for i in range(4))

TURNED_BYTES: Final = int.from_bytes(bytes((i + 3) % 16 for i in range(16)), "little")
"""Lane indices that turn a vector by three bytes: every lane's highest byte moves on."""


@dataclass(slots=True)
class Function:
    """A function body with a 64-bit running hash ``acc`` into which every value is folded in order.

    ``style`` picks one of the ways to fold; all lose no bit and tell positions apart. ``sources`` lists the locals
    (parameters, mostly) that may be read for a value of a type. ``selector`` is an i32 local by which the host decides
    what runs, once ``select`` has made sure that there is one. ``scratch`` has the local of ``temp`` by type, ``folds``
    the instructions of ``fold`` by type, ``vector_acc`` the hash of vectors if any was folded.
    """

    shell: Shell
    f: FuncBuilder
    source: ChoiceSource
    acc: int
    style: int
    sources: dict[ValType, list[int]]
    rotation: int = 29
    scratch: dict[ValType, int] = field(default_factory=dict)
    vector_acc: int | None = None
    folds: dict[ValType, Code] = field(default_factory=dict)
    selector: int = -1

    @staticmethod
    def of(shell: Shell, f: FuncBuilder, source: ChoiceSource) -> Function:
        """A function that draws from its parameters; how it folds is drawn from ``source``."""
        sources: dict[ValType, list[int]] = {}
        for i, type_ in enumerate(f.type.params):
            sources.setdefault(type_, []).append(i)
        style, rotation = source.below(len(_MIX)), source.between(29, 52)
        return Function(shell, f, source, f.local(I64), style, sources, rotation)

    # Writing: ``fn += code`` adds instructions, the rest is ``FuncBuilder``'s

    def __iadd__(self, code: Iterable[Instr]) -> Function:
        self.f.body.extend(code)
        return self

    def local(self, type_: ValType, count: int = 1) -> int:
        """New locals of one type; gives the first one's index."""
        return self.f.local(type_, count)

    def block(self, name: str = "block", params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Opened:
        """A ``block``, ``loop`` or ``if`` around what a ``with`` statement writes; gives its label."""
        return self.f.block(name, params, results)

    def try_table(
        self, catches: Iterable[tuple[str, int | None, Label]], params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
    ) -> Opened:  # fmt: skip
        """A ``try_table`` around what a ``with`` statement writes."""
        return self.f.try_table(catches, params, results)

    @contextmanager
    def repeat(self, count: int, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Iterator[Label]:
        """A loop around what a ``with`` statement writes: it runs as often as the local ``count``, 1 and more, says."""
        with self.block("loop", params, results) as again:
            yield again
            self.f.body += AGAIN(count=count)

    def else_(self) -> None:
        """From the first arm of the innermost ``if`` to its second."""
        self.f.else_()

    def br(self, label: Label | None, name: str = "br") -> None:
        """A branch to an open block; None is the function's own label."""
        self.f.br(label, name)

    def br_table(self, targets: Iterable[Label | None], default: Label | None) -> None:
        """A branch to one of open blocks by the i32 on the stack."""
        self.f.br_table(targets, default)

    def get(self, *locals: int) -> None:
        """Put the values of locals on the stack, the first one lowest."""
        self.f.body += [(GET, local) for local in locals]

    def set(self, *locals: int) -> None:
        """Take values off the stack into locals, the topmost value into the first."""
        self.f.body += [(SET, local) for local in locals]

    @property
    def here(self) -> int:
        """The flat index of the instruction that comes next, as call sites count."""
        return len(self.f.body)

    # Locals with a meaning

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Around code that may be skipped: what it adds to ``sources`` is forgotten behind.

        A reference that a skipped branch should have set is null, which nothing outside may read.
        """
        known = {type_: list(locals_) for type_, locals_ in self.sources.items()}
        yield
        self.sources = known

    def temp(self, type_: ValType) -> int:
        """A local for values in passing, one per type."""
        local = self.scratch.get(type_)
        if local is None:
            local = self.scratch[type_] = self.f.local(type_)
        return local

    def select(self) -> None:
        """Make ``selector`` the first i32 parameter, or a number out of the hash in a function without one."""
        if self.selector >= 0:
            return
        first = next((i for i, type_ in enumerate(self.f.type.params) if type_ is I32), None)
        if first is None:
            first = self.f.local(I32)
            self.f.body += _SELECT(acc=self.acc, selector=first)
        self.selector = first

    def seed(self, value: int) -> None:
        """Start the hash from a constant."""
        self.f.body += _SEED(value=value & (1 << 64) - 1, acc=self.acc)

    def _mix(self) -> Code:
        """Fold an i64."""
        return _MIX[self.style](acc=self.acc, times=MULTIPLIER, turn=self.rotation)

    def fold(self, type_: ValType) -> Code:
        """Instructions that fold the value on the stack into the hash; ``take`` is for externrefs as well."""
        made = self.folds.get(type_)
        if made is None:
            made = self.folds[type_] = self._fold(type_)
        return made

    def fold_local(self, type_: ValType, local: int) -> None:
        """Fold a local's value into the hash; ``take`` is for externrefs as well."""
        self.f.body += ((GET, local), *self.fold(type_))

    def fold_params(self) -> None:
        """Fold all parameters in order: none is an externref."""
        for i, type_ in enumerate(self.f.type.params):
            self.fold_local(type_, i)

    def take_params(self, count: int | None = None) -> None:
        """Fold or store the first ``count`` parameters, or all, in order."""
        body = self.f.body
        for i, type_ in enumerate(self.f.type.params[:count]):
            body.append((GET, i))
            self.take(type_)

    def _fold(self, type_: ValType) -> Code:
        if type_ is V128:
            return self._fold_vector()
        if isinstance(type_, RefType):
            return (*self._answer(type_), *_EXTEND, *self._mix())
        bits = TO_I64[type_]
        if bits[-1:] == _EXTEND and self.rotation % 4 == 0:
            # In a quarter of the functions, so that both ways are met whatever the style.
            bits = (*bits[:-1], *_THROUGH_F64)
        return (*self.observable(type_), *bits, *self._mix())

    def observable(self, type_: ValType) -> Code:
        """What must be done to a float on the stack before its bits may be looked at."""
        return self.canonical(type_) if self.shell.free_nans and type_ in CANONICAL_NAN else ()

    def _fold_vector(self) -> Code:
        """Fold into a vector hash of its own; ``close_vectors`` moves that into ``acc``."""
        if self.vector_acc is None:
            self.vector_acc = self.f.local(V128)
        return _MIX_VECTOR(acc=self.vector_acc, factor=LANE_FACTOR, turned=TURNED_BYTES)

    def close_vectors(self) -> None:
        """Move what was folded of vectors into the hash; needed once before ``acc`` is read."""
        if self.vector_acc is not None:
            for lane in _LANES:
                self.f.body += (*lane(acc=self.vector_acc), *self.fold(I64))

    def canonical(self, type_: ValType) -> Code:
        """Replace a NaN on the stack by the canonical one (each lane of a vector of f32 where it is a vector)."""
        return _CANONICAL[type_](t=self.temp(type_), nan=_CANONICAL_BITS[type_])

    def _answer(self, type_: RefType) -> Code:
        """From a reference that is not null to the i32 that tells it apart."""
        shell = self.shell
        if type_.heap == "i31":
            return _I31_VALUE
        if isinstance(type_.heap, int):
            return _CALL(type=type_.heap)
        table, t = shell.table("scratch", FUNCREF), self.temp(FUNCREF)
        return _ASK(t=t, scratch=table, type=shell.answer_type)

    def take(self, type_: ValType) -> None:
        """Use the value on the stack: fold it, or put an externref into the next slot of the sink table."""
        body = self.f.body
        if type_ is not EXTERNREF:
            body += self.fold(type_)
            return
        shell = self.shell
        slot = shell.sink()
        if slot >= INLINE_STORES:
            body += _SINK_FAR(slot=slot, sinker=shell.sinker())
            return
        body += _SINK(t=self.temp(type_), slot=slot, sink=shell.tables["sink"])

    def spend_fuel(self, amount: int) -> Code:
        """Instructions for an i32: 0 once the module's fuel, ``amount`` at first, is used up; else they take one."""
        fuel = self.shell.fuel_global(amount)
        return _SPEND(fuel=fuel, t=self.temp(I32))

    def publish(self) -> None:
        """Fold the hash into the module's checksum."""
        self.close_vectors()
        self.f.body += _PUBLISH(sum=self.shell.checksum, acc=self.acc, times=MULTIPLIER)
