"""One function under construction: its running hash, its scratch locals, and what values it can draw on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.values import CANONICAL_NAN
from generators.module.shell import INLINE_STORES, MULTIPLIER, Shell
from wasm.builder import FuncBuilder
from wasm.isa import OPS, Instr
from wasm.valtypes import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, NumType, RefType, ValType

BARE: Final = {name: row.bare for name, row in OPS.items()}
GET: Final = OPS["local.get"]
SET: Final = OPS["local.set"]
TEE: Final = OPS["local.tee"]
I32_CONST: Final = OPS["i32.const"]
I64_CONST: Final = OPS["i64.const"]

_EXTEND: Final = BARE["i64.extend_i32_u"]
_THROUGH_F64: Final = (BARE["f64.convert_i32_u"], BARE["i64.reinterpret_f64"])
"""From an i32 to 64 bits that tell it from any other. It shows what stands above the 32 bits where a compiler takes a
register as it is, which an extension that clears them does not (CVE-2021-32629: a reload that extended the sign)."""

TO_I64: Final[dict[ValType, tuple[Instr, ...]]] = {
    I32: (_EXTEND,),
    I64: (),
    F32: (BARE["i32.reinterpret_f32"], _EXTEND),
    F64: (BARE["i64.reinterpret_f64"],),
}
"""From a number on the stack to all its bits as i64."""

LANE_FACTOR: Final = sum(0x01000193 + 2 * i << 32 * i for i in range(4))

TURNED_BYTES: Final = int.from_bytes(bytes((i + 3) % 16 for i in range(16)), "little")
"""Lane indices that turn a vector by three bytes: every lane's highest byte moves on."""


@dataclass(slots=True)
class Function:
    """A function body with a 64-bit running hash ``acc`` into which every value is folded in order.

    ``style`` picks one of the ways to fold; all lose no bit and tell positions apart. ``sources`` lists the locals
    (parameters, mostly) that may be read for a value of a type. ``selector`` is an i32 local by which the host decides
    what runs, once ``select`` has made sure that there is one.
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
    fragments: dict[ValType, tuple[Instr, ...]] = field(default_factory=dict)
    selector: int = -1

    @staticmethod
    def of(shell: Shell, f: FuncBuilder, source: ChoiceSource) -> Function:
        sources: dict[ValType, list[int]] = {}
        for i, type_ in enumerate(f.type.params):
            sources.setdefault(type_, []).append(i)
        return Function(shell, f, source, f.local(I64), source.below(3), sources, 29 + source.below(24))

    def temp(self, type_: ValType) -> int:
        """A local for values in passing, one per type."""
        found = self.scratch.get(type_)
        if found is None:
            found = self.scratch[type_] = self.f.local(type_)
        return found

    def select(self) -> None:
        """Make ``selector`` the first i32 parameter, or a number out of the hash in a function without one."""
        if self.selector >= 0:
            return
        found = next((i for i, type_ in enumerate(self.f.type.params) if type_ is I32), None)
        if found is None:
            found = self.f.local(I32)
            self.f.body += (
                (GET, self.acc), (I64_CONST, 41), BARE["i64.shr_u"], BARE["i32.wrap_i64"], (SET, found),
            )  # fmt: skip
        self.selector = found

    def seed(self, value: int) -> None:
        """Start the hash from a constant."""
        self.f.body += ((I64_CONST, value & (1 << 64) - 1), (SET, self.acc))

    def _mix(self) -> tuple[Instr, ...]:
        """Fold an i64.

        A rotation alone would come round: values 64 or 256 places apart could be swapped unseen. A multiplication alone
        keeps the highest bit where it is: two wrong signs would cancel out.
        """
        get, put = (GET, self.acc), (SET, self.acc)
        turn = (I64_CONST, self.rotation), BARE["i64.rotl"]
        times = (I64_CONST, MULTIPLIER), BARE["i64.mul"]
        if self.style == 0:
            return get, BARE["i64.xor"], *times, *turn, put
        if self.style == 1:
            return get, BARE["i64.add"], *turn, *times, put
        return get, *times, *turn, BARE["i64.sub"], put

    def fold(self, type_: ValType) -> tuple[Instr, ...]:
        """Instructions that fold the value on the stack into the hash; ``take`` is for externrefs as well."""
        found = self.fragments.get(type_)
        if found is None:
            found = self.fragments[type_] = self._fold(type_)
        return found

    def _fold(self, type_: ValType) -> tuple[Instr, ...]:
        if type_ is V128:
            return self._fold_vector()
        if isinstance(type_, RefType):
            return (*self._answer(type_), BARE["i64.extend_i32_u"], *self._mix())
        bits = TO_I64[type_]
        if bits and bits[-1] is _EXTEND and self.rotation % 4 == 0:
            bits = (*bits[:-1], *_THROUGH_F64)
        return (*self.observable(type_), *bits, *self._mix())

    def observable(self, type_: ValType) -> tuple[Instr, ...]:
        """What must be done to a float on the stack before its bits may be looked at."""
        return self.canonical(type_) if self.shell.free_nans and type_ in CANONICAL_NAN else ()

    def _fold_vector(self) -> tuple[Instr, ...]:
        """Fold into a vector hash of its own; ``close_vectors`` moves that into ``acc``."""
        if self.vector_acc is None:
            self.vector_acc = self.f.local(V128)
        return (
            (GET, self.vector_acc), BARE["v128.xor"], (OPS["v128.const"], LANE_FACTOR), BARE["i32x4.mul"],
            (OPS["v128.const"], TURNED_BYTES), BARE["i8x16.swizzle"], (SET, self.vector_acc),
        )  # fmt: skip

    def close_vectors(self) -> None:
        """Move what was folded of vectors into the hash; needed once before ``acc`` is read."""
        if self.vector_acc is not None:
            lane = OPS["i64x2.extract_lane"]
            for i in (0, 1):
                self.f.body += ((GET, self.vector_acc), (lane, i), *self.fold(I64))

    def canonical(self, type_: ValType) -> tuple[Instr, ...]:
        """Replace a NaN on the stack by the canonical one (each lane of a vector of f32 where it is a vector)."""
        t = self.temp(type_)
        if type_ is V128:
            nan = sum(CANONICAL_NAN[F32] << i for i in range(0, 128, 32))
            return (
                (TEE, t), (OPS["v128.const"], nan), (GET, t), (GET, t), BARE["f32x4.eq"], BARE["v128.bitselect"],
            )  # fmt: skip
        assert isinstance(type_, NumType)
        nan_const = OPS[f"{type_}.const"], CANONICAL_NAN[type_]
        return (TEE, t), nan_const, (GET, t), (GET, t), BARE[f"{type_}.eq"], BARE["select"]

    def _answer(self, type_: RefType) -> tuple[Instr, ...]:
        """From a reference that is not null to the i32 that tells it apart."""
        shell = self.shell
        if type_.heap == "i31":
            return (BARE["i31.get_s"],)
        if isinstance(type_.heap, int):
            return ((OPS["call_ref"], type_.heap),)
        table, t = shell.table("scratch", FUNCREF), self.temp(FUNCREF)
        return (
            (SET, t), (I32_CONST, 0), (GET, t), (OPS["table.set"], table), (I32_CONST, 0),
            (OPS["call_indirect"], (shell.answer_type, table)),
        )  # fmt: skip

    def take(self, type_: ValType) -> None:
        """Use the value on the stack: fold it, or put an externref into the next slot of the sink table."""
        body = self.f.body
        if type_ is not EXTERNREF:
            body += self.fold(type_)
            return
        shell = self.shell
        slot = shell.sink()
        if slot >= INLINE_STORES:
            body += ((I32_CONST, slot), (OPS["call"], shell.sinker()))
            return
        t = self.temp(type_)
        body += ((SET, t), (I32_CONST, slot), (GET, t), (OPS["table.set"], shell.tables["sink"]))

    def spend_fuel(self, amount: int) -> None:
        """Leave an i32 that is 0 once the module's fuel, ``amount`` at first, is used up; else take one from it."""
        g = self.shell.fuel_global(amount)
        t = self.temp(I32)
        self.f.body += (
            (OPS["global.get"], g), (TEE, t), (GET, t), (I32_CONST, 0), BARE["i32.ne"], BARE["i32.sub"],
            (OPS["global.set"], g), (GET, t),
        )  # fmt: skip

    def publish(self) -> None:
        """Fold the hash into the module's checksum. The rotation keeps errors in high bits from cancelling out."""
        self.close_vectors()
        g = self.shell.checksum
        self.f.body += (
            (OPS["global.get"], g), (GET, self.acc), BARE["i64.xor"], (I64_CONST, 29), BARE["i64.rotl"],
            (I64_CONST, MULTIPLIER), BARE["i64.mul"], (OPS["global.set"], g),
        )  # fmt: skip
