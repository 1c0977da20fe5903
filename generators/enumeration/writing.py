"""One meeting as a function: how operands come about, how the result is used, which arguments it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from generators.draw.values import CONST, INTERESTING
from generators.enumeration.rows import access_bytes, immediates, operand_types, takes_address
from generators.program.calls import site
from wasm.at_hand import keep
from wasm.builder import ModuleBuilder
from wasm.case import INDEPENDENT, Case
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.fragment import code
from wasm.isa import OPS, Instr, MemArg, Op
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, NumType

PAGE: Final = 65536
_LOCALS: Final = 1_000_000
"""Locals are numbered from here until the parameters are known."""
CALLS: Final = 3
"""Invocations of each function: with plain arguments, then with edges of their types."""
_LOAD: Final = {type_: OPS[f"{type_}.load"] for type_ in (I32, I64, F32, F64, V128)}
_STORE: Final = {type_: OPS[f"{type_}.store"] for type_ in (I32, I64, F32, F64, V128)}


class Form(Enum):
    """How an operand comes about."""

    PARAM = "a parameter"
    CONSTANT = "an edge constant"
    RELATED = "a constant related to the one before"
    SAME = "the same value as its neighbour"
    LOADED = "loaded"
    AT_END = "loaded at the end of memory"
    KEPT = "through a local that is read again"
    CALLED = "the result of a call"


class Sink(Enum):
    """How a result is used."""

    RETURNED = "returned"
    STORED = "stored at the end of memory"
    BRANCH = "compared and branched on"
    SELECT = "chosen by a select, or choosing"
    ADDRESS = "an address"
    SHIFT = "a shift amount"
    LANE = "a lane"
    ARGUMENT = "the argument of a call"
    DROPPED = "dropped"


FORMS: Final = tuple(Form)
SINKS: Final = tuple(Sink)


@dataclass(slots=True)
class Module:
    """The module of a block: one page of memory that cannot grow, and helpers that only hand a value on."""

    features: frozenset[Feature]
    variation: int
    builder: ModuleBuilder = field(default_factory=ModuleBuilder)
    handed: dict[NumType, int] = field(default_factory=dict)
    kept: dict[NumType, int] = field(default_factory=dict)
    firm: list[Invocation] = field(default_factory=list)
    open: list[Invocation] = field(default_factory=list)
    """Calls of functions in which a bit of a NaN that the specification leaves open might decide: nothing after that is
    compared, so they come last."""

    types: dict[str, FuncType] = field(default_factory=dict)
    touches_memory: bool = False

    def hand(self, type_: NumType) -> int:
        """A function that gives what it gets."""
        if type_ not in self.handed:
            function = self.builder.func([type_], [type_])
            function.emit("local.get", 0)
            self.handed[type_] = function.index
        return self.handed[type_]

    def keep(self, type_: NumType) -> int:
        """A global for what is read again at a function's end."""
        if type_ not in self.kept:
            self.kept[type_] = self.builder.global_(type_, ((CONST[type_], 0),), export=f"kept {type_}")
        return self.kept[type_]

    def case(self) -> Case:
        """The module, and the calls of all of its functions."""
        if self.touches_memory:
            self.builder.memory(1, 1, export="memory")
            # No window of these bytes is a NaN, whatever type it is loaded as.
            self.builder.data(bytes(0x30 + (i * 7 + i // 16) % 16 for i in range(136)), 0)
            self.builder.data(bytes(0x30 + (i * 5 + i // 8) % 16 for i in range(32)), PAGE - 32)
        made = self.builder.finish()
        calls = (*self.firm, *self.open)
        firsts = {call.export: at for at, call in reversed(list(enumerate(calls)))}
        sites = tuple(site("host", -1, at, self.types[name]) for name, at in firsts.items())
        features = frozenset(feature.value for feature in required_features(made))
        content = encode(made)
        keep(content, made)
        return Case(content, calls, features=features, labels=frozenset({INDEPENDENT}), sites=sites)


@dataclass(slots=True)
class Meeting:
    """A function under construction. Parameter 0 is an address: of an access that ends at the end of memory, one before
    and one past it. ``number`` chooses constants, lanes and arguments."""

    module: Module
    name: str
    number: int
    params: list[NumType] = field(default_factory=lambda: [I32])
    body: list[Instr] = field(default_factory=list)
    locals: list[NumType] = field(default_factory=list)
    later: list[tuple[NumType, int]] = field(default_factory=list)
    last: dict[NumType, int] = field(default_factory=dict)
    widest: int = 1
    risky: bool = False
    """A bit of a NaN that the specification leaves open might decide about something else: numbers are ordinary."""
    shift: int = 0
    """The access lies so much further than parameter 0."""
    _count: int = 0

    # --- writing -----------------------------------------------------------------------------------------------------

    def emit(self, op: Op, number: int) -> None:
        """The instruction itself, with immediates."""
        self.body.append((op, immediates(op, number)))
        self.widest = max(self.widest, access_bytes(op))

    def write(self, *instrs: Instr) -> None:
        self.body.extend(instrs)

    def local(self, type_: NumType) -> int:
        """A number for a local that ``finish`` puts behind the parameters."""
        self.locals.append(type_)
        return _LOCALS + len(self.locals) - 1

    def operand(self, type_: NumType, form: Form, *, address: bool = False) -> None:
        """Push one operand."""
        self._count += 1
        if address:
            self._address(form)
            return
        match form:
            case Form.CONSTANT:
                self.write((CONST[type_], self.constant(type_)))
            case Form.RELATED:
                self.write((CONST[type_], self.related(type_)))
            case Form.LOADED:
                self.write((OPS["i32.const"], 16 * (self.number % 8)), (_LOAD[type_], MemArg(0, self.number % 5, 0)))
            case Form.AT_END:
                self.widest = max(self.widest, access_bytes(_LOAD[type_]))
                self.write((OPS["local.get"], 0), (_LOAD[type_], MemArg(0, 0, 0)))
            case Form.KEPT:
                local = self.local(type_)
                self.write((OPS["local.get"], self._param(type_)), (OPS["local.tee"], local))
                self.later.append((type_, local))
            case Form.CALLED:
                self.write((OPS["local.get"], self._param(type_)), (OPS["call"], self.module.hand(type_)))
            case _:
                self.write((OPS["local.get"], self._param(type_)))

    def _param(self, type_: NumType) -> int:
        self.params.append(type_)
        return len(self.params) - 1

    def _address(self, form: Form) -> None:
        """An address: at the end of memory, constant, or computed by masking."""
        match form:
            case Form.CONSTANT | Form.RELATED | Form.LOADED:
                self.write((OPS["i32.const"], 8 * (self.number % 16)))
            case Form.KEPT | Form.CALLED:
                self.write((OPS["local.get"], self._param(I32)), (OPS["i32.const"], 0xFFF8), OPS["i32.and"].bare)
            case _:
                self.write((OPS["local.get"], 0))

    def constant(self, type_: NumType) -> int:
        """An edge, another one for each function and variation; an ordinary number where a NaN would decide."""
        edges = PLAIN[type_] if self.risky else INTERESTING[type_]
        value = edges[(self.number * 7 + self._count * 11 + self.module.variation * 13) % len(edges)]
        self.last[type_] = value
        return value

    def related(self, type_: NumType) -> int:
        """The complement, the negation, the successor of the last constant, or what is left to a type's bits."""
        if self.risky and type_ not in (I32, I64):
            return self.constant(type_)
        base = self.last.get(type_, 1 + self.number % 5)
        mask = (1 << type_.bits) - 1
        way = self.number % 4
        value = (base ^ mask, -base & mask, base + 1 & mask, type_.bits - base & mask)[way]
        self.last[type_] = value
        return value

    # --- using -------------------------------------------------------------------------------------------------------

    def before(self, sink: Sink, type_: NumType) -> None:
        """What a sink pushes before the value."""
        if sink is Sink.STORED:
            self.write((OPS["local.get"], 0))
        elif sink is Sink.SHIFT and type_ in (I32, I64):
            self.write((CONST[type_], 0x8123456789ABCDEF & (1 << type_.bits) - 1))
        elif sink is Sink.LANE and type_ is not V128 and Feature.SIMD in self.module.features:
            self.write((OPS["v128.const"], int.from_bytes(bytes(range(16)), "little")))

    def after(self, sink: Sink, type_: NumType) -> tuple[NumType, ...]:
        """Use the value on the stack; gives the function's results."""
        if sink is Sink.STORED:
            self.widest = max(self.widest, access_bytes(_STORE[type_]))
            self.write((_STORE[type_], MemArg(0, 0, 0)), (OPS["local.get"], 0), (_LOAD[type_], MemArg(0, 0, 0)))
            return (type_,)
        if sink is Sink.BRANCH:
            self.write(*_AS_CONDITION[type_], (OPS["if"], I32), (OPS["i32.const"], 7), OPS["else"].bare,
                       (OPS["i32.const"], 9), OPS["end"].bare)  # fmt: skip
            return (I32,)
        if sink is Sink.SELECT:
            if type_ is I32 and self.number % 2:
                kept = self.local(I32)
                self.write((OPS["local.set"], kept), (OPS["i32.const"], 5), (OPS["local.get"], 0),
                           (OPS["local.get"], kept), OPS["select"].bare)  # fmt: skip
                return (I32,)
            self.write((CONST[type_], self.constant(type_)), (OPS["local.get"], 0), *_BY_PARITY)
            return (type_,)
        if sink is Sink.ADDRESS:
            masked = _MASKED if self.number % 2 else ()
            self.write(*_AS_I32[type_], *masked, (OPS["i64.load"], MemArg(0, 0, 0)))
            return (I64,)
        if sink is Sink.SHIFT and type_ in (I32, I64):
            self.write(OPS[f"{type_}.{('shl', 'shr_s', 'shr_u', 'rotl', 'rotr')[self.number % 5]}"].bare)
            return (type_,)
        if sink is Sink.SHIFT and Feature.SIMD in self.module.features:
            kept = self.local(I32)
            shift = OPS[f"{_SHAPES[self.number % 4]}.{_SHIFTS[self.number % 3]}"]
            self.write(*_AS_I32[type_], (OPS["local.set"], kept), (OPS["v128.const"], _SHIFTED),
                       (OPS["local.get"], kept), shift.bare)  # fmt: skip
            return (V128,)
        if sink is Sink.LANE and Feature.SIMD in self.module.features:
            return self._lane(type_)
        if sink is Sink.ARGUMENT:
            self.write((OPS["call"], self.module.hand(type_)))
        elif sink is Sink.DROPPED:
            self.write(OPS["drop"].bare, (OPS["i32.const"], self.number & 0x7FFFFFFF))
            return (I32,)
        return (type_,)

    def _lane(self, type_: NumType) -> tuple[NumType, ...]:
        if type_ is V128:
            op = OPS[_EXTRACTS[self.number % len(_EXTRACTS)]]
            self.emit(op, self.number // 4)
            assert op.results is not None
            return tuple(t for t in op.results if isinstance(t, NumType))
        narrow = {I32: ("i8x16", "i16x8", "i32x4"), I64: ("i64x2",), F32: ("f32x4",), F64: ("f64x2",)}[type_]
        self.emit(OPS[f"{narrow[self.number % len(narrow)]}.replace_lane"], self.number // 4)
        return (V128,)

    def finish(self, results: Sequence[NumType]) -> None:
        """Add the function, what is read again at its end, and its calls."""
        builder = self.module.builder.func(self.params, results, export=self.name)
        self.module.types[self.name] = builder.type
        self.module.touches_memory |= any(op.access is not None for op, _ in self.body)
        for type_ in self.locals:
            builder.local(type_)
        first = len(self.params)
        builder.body += [_placed(instr, first) for instr in self.body]
        for type_, local in self.later:
            builder.body += [(OPS["local.get"], local - _LOCALS + first), (OPS["global.set"], self.module.keep(type_))]
        calls = self.module.open if self.risky else self.module.firm
        calls += [self._invocation(call) for call in range(CALLS)]

    def _invocation(self, call: int) -> Invocation:
        end = (PAGE - self.widest + (self.number + call) % 3 - 1 - self.shift) & 0xFFFFFFFF
        args = [Value("i32", end)]
        for position, type_ in enumerate(self.params[1:], 1):
            args.append(Value(str(type_), self._argument(type_, position, call)))
        return Invocation(self.name, tuple(args))

    def _argument(self, type_: NumType, position: int, call: int) -> int:
        plain = PLAIN[type_]
        if call == 0 or self.risky:
            return plain[(self.number + position * 3 + call) % len(plain)]
        edges = INTERESTING[type_]
        return edges[(self.number * 5 + position * 17 + call * 29 + self.module.variation * 31) % len(edges)]


def _placed(instr: Instr, first: int) -> Instr:
    """Locals stand behind the parameters, whose number is known at the end only."""
    op, imm = instr
    local = op.name.startswith("local.") and imm >= _LOCALS
    return (op, imm - _LOCALS + first) if local else instr


_MASKED: Final = code("i32.const 0xfff8  i32.and")
_BY_PARITY: Final = code("i32.const 1  i32.and  select")
_SHIFTED: Final = 0x0123456789ABCDEF8123456789ABCDEF
_EXTRACTS: Final = ("i8x16.extract_lane_s", "i16x8.extract_lane_u", "i32x4.extract_lane", "i64x2.extract_lane")
_SHAPES: Final = ("i8x16", "i16x8", "i32x4", "i64x2")
_SHIFTS: Final = ("shl", "shr_s", "shr_u")
_AS_I32: Final[dict[NumType, tuple[Instr, ...]]] = {
    I32: (), I64: code("i32.wrap_i64"), F32: code("i32.trunc_sat_f32_s"), F64: code("i32.trunc_sat_f64_u"),
    V128: ((OPS["i32x4.extract_lane"], 1),),
}  # fmt: skip
_AS_CONDITION: Final[dict[NumType, tuple[Instr, ...]]] = {
    I32: code("i32.const 3  i32.gt_s"), I64: code("i64.eqz"), F32: code("f32.const 1  f32.lt"),
    F64: code("f64.const 1  f64.lt"), V128: code("v128.any_true"),
}  # fmt: skip
PLAIN: Final[dict[NumType, tuple[int, ...]]] = {
    I32: (1, 2, 3, 5, 8, 24, 31), I64: (1, 2, 3, 7, 9, 40, 63),
    F32: (0x3F800000, 0x40000000, 0x40400000, 0x3F000000, 0x40200000),
    F64: (0x3FF0000000000000, 0x4000000000000000, 0x4008000000000000, 0x3FE0000000000000),
    V128: (0x3FF80000402000003FF0000040400000, 0x40000000404000004010000040800000, 0x3FE000003F8000003FF800003F000000),
}  # fmt: skip
"""Positive numbers of ordinary size: no arithmetic on a few of them gives a NaN that was not there, as a rule."""


def with_copies(meeting: Meeting, op: Op, number: int, given: int, have: int) -> None:
    """The instruction on operand ``given``, which is in local ``have``, and as many copies of it as it takes."""
    types = operand_types(op)
    for position, type_ in enumerate(types):
        if type_ is types[given] and (position == given or not takes_address(op, position)):
            meeting.write((OPS["local.get"], have))
        else:
            meeting.operand(type_, Form.PARAM, address=takes_address(op, position))
    meeting.emit(op, number)
