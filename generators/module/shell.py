"""The shell that every generated module has: memory, checksum, tables, what is exported, and the digest of the rest.

State is a checksum global, one memory and tables for references. Half of the modules export them; the others keep them
private and export a function ``digest`` instead, since exporting changes the code that is generated. An exported one:

    (global $checksum (export "g0") (mut i64) (i64.const 77))     every function folds its hash into it
    (memory (export "memory") 1)                                  stores go to regions from 4096 on
    (table $functions 5 5 funcref)                                what call_indirect calls
    (table $tokens 16 16 externref)                               host tokens to draw from, set by the first calls
    (table $sink (export "sink") 3 3 externref)                   host tokens that the code has got
    (func (export "tokens") (param i32 externref ...) ...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from generators.choices import ChoiceSource
from generators.config import Config
from wasm.at_hand import keep
from wasm.builder import ModuleBuilder, const
from wasm.case import CallSite, Case
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.isa import OPS, Instr
from wasm.module import ExternKind, Module
from wasm.valtypes import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    Limits,
    NumType,
    RefType,
    ValType,
    ref,
)

DATA_BYTES: Final = 256
"""Memory starts with this many bytes of data to load from."""

STORE_BASE: Final = 4096
"""Stores go to regions from here on."""

PAGE: Final = 65536
_KEPT_BACK: Final = 256
"""Bytes at the end of a memory of a fixed size that are left to others."""

MULTIPLIER: Final = 0x100000001B3
"""The checksum's factor (FNV's 64-bit prime): odd, so that no bit of what went in is lost."""

_TOKENS: Final = 16
"""Host tokens that are stored by one call."""
INLINE_STORES: Final = 16
"""So many host tokens of a module are stored in place, the others by a function: a store is several basic blocks of
barriers, and of a row of 700 a checker of allocations makes 10 s."""

TYPED_ANSWERS: Final = 5
"""So many functions are there for function references to point to."""

_ANSWER_STEP: Final = 0x01000193
"""FNV's 32-bit prime: answers differ in high and in low bits."""

_TOKEN: Final = template("i32.const $slot  table.get $tokens")
_SET_TOKEN: Final = template("local.get 0  i32.const $i  i32.add  local.get $token  table.set $tokens")
_SINK: Final = template("local.get 1  local.get 0  table.set $sink")
_SUNK: Final = template("local.get 0  table.get $sink")
_GLOBAL: Final = template("global.get $index")
_RESULT: Final = template("local.get $h")

_FOLD_TEXT: Final = f"local.get $h  i64.xor  i64.const {MULTIPLIER}  i64.mul  i64.const 29  i64.rotl  local.set $h"
_FOLD: Final = template(_FOLD_TEXT)
"""Fold the i64 on the stack into local ``h``: h = rotl((h ^ value) * MULTIPLIER, 29), so that order matters."""

_FOLD_MEMORY: Final = template(
    f"""
    i32.const {STORE_BASE}  local.set $at
    loop
      local.get $at  i64.load  {_FOLD_TEXT}
      local.get $at  i32.const 8  i32.add  local.tee $at
      i32.const $end  i32.lt_u  br_if 0
    end
    """
)

_WORDS: Final[dict[NumType, tuple[Code, ...]]] = {
    I32: (code("i64.extend_i32_u"),),
    I64: ((),),
    F32: (code("i32.reinterpret_f32  i64.extend_i32_u"),),
    F64: (code("i64.reinterpret_f64"),),
    V128: (code("i64x2.extract_lane 0"), code("i64x2.extract_lane 1")),
}
"""From a number on the stack to all its bits, as words of 64 bits."""

_Kit = TypeVar("_Kit")


@dataclass(slots=True)
class Shell:
    """One module under construction, and the case around it.

    ``first`` and ``last`` are invocations that go before and after all others. ``free_nans``: floats that functions of
    the module hand to each other, or return to the host, may be NaNs whose bits the specification leaves open, so
    whoever looks at their bits makes them canonical first. ``pages`` is the size of a memory that was made ahead by
    ``claim_memory``. ``kits`` is for ``kit``; ``closers`` run before the module is
    closed: they add the functions and calls that show what a kit keeps.
    """

    config: Config
    source: ChoiceSource
    private: bool
    builder: ModuleBuilder = field(default_factory=ModuleBuilder)
    checksum: int = 0
    sites: list[CallSite] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    invocations: list[Invocation] = field(default_factory=list)
    first: list[Invocation] = field(default_factory=list)
    last: list[Invocation] = field(default_factory=list)
    top: int = STORE_BASE
    uses_memory: bool = False
    slots: list[int | None] = field(default_factory=list)
    declared: set[int] = field(default_factory=set)
    answer_type: int = -1
    answers: list[int] = field(default_factory=list)
    tokens: dict[int, int] = field(default_factory=dict)
    sunk: int = 0
    sinks_by: int = -1
    tables: dict[str, int] = field(default_factory=dict)
    free_nans: bool = False
    fuel: int | None = None
    pages: int = 0
    kits: dict[Callable[[Shell], Any], Any] = field(default_factory=dict)
    closers: list[Callable[[], None]] = field(default_factory=list)

    @staticmethod
    def open(source: ChoiceSource, config: Config, imports: Callable[[ModuleBuilder], None] | None = None) -> Shell:
        """A new module with its checksum. Functions, memories and tables can still be imported after it.

        ``imports`` adds imports before anything is defined: imported globals can come in no other way.
        """
        shell = Shell(config, source, private=source.chance(1, 2))
        builder = shell.builder
        if imports is not None:
            imports(builder)
        shell.answer_type = builder.func_type((), (I32,))
        shell.checksum = shell.global_(I64, source.below(256))
        return shell

    def kit(self, make: Callable[[Shell], _Kit]) -> _Kit:
        """What one kind of statements keeps in this module: one object per class, made from the shell at first."""
        kept: _Kit | None = self.kits.get(make)
        if kept is None:
            kept = self.kits[make] = make(self)
        return kept

    def draw_nans(self, source: ChoiceSource) -> None:
        """In a minority of modules NaNs stay as they are: ``free_nans``, which is a label of the case too."""
        if source.chance(3, 16):
            self.free_nans = True
            self.labels.add("free_nans")

    # Types

    def references(self) -> tuple[ValType, ...]:
        """The reference types that a wide signature may contain."""
        config = self.config
        types: list[ValType] = []
        if config.allows(Feature.REFERENCE_TYPES):
            types += [EXTERNREF, EXTERNREF, FUNCREF]
        if config.allows(Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES):
            types.append(ref(self.answer_type))
        if config.allows(Feature.GC):
            types.append(ref("i31"))
        return tuple(types)

    # State

    def global_(self, type_: ValType, value: int, name: str = "") -> int:
        """A mutable number global, exported as ``g`` and its index unless the state is private."""
        export = None if self.private else name or f"g{len(self.builder.module.global_types())}"
        return self.builder.global_(type_, const(f"{type_}.const", value), True, export)

    def fuel_global(self, amount: int) -> int:
        """The global that unbounded code counts down; what is left of it is part of the state that is compared."""
        if self.fuel is None:
            self.fuel = self.global_(I32, amount, "fuel")
        return self.fuel

    def reserve(self, size: int) -> int:
        """The address of ``size`` bytes of memory for stores, 16-aligned."""
        self.uses_memory = True
        address = self.top
        self.top += size + 15 & ~15
        if self.pages and self.top > self.pages * PAGE - _KEPT_BACK:
            # Full: from the start again, over what was stored there before.
            address, self.top = STORE_BASE, self.pages * PAGE - _KEPT_BACK
        return address

    def claim_memory(self, pages: int) -> None:
        """Make the memory, index 0, ahead and with a fixed size, for code that must know where it ends."""
        assert not self.builder.module.memories
        self.uses_memory, self.pages = True, pages
        self.builder.memory(pages, min(pages + 1, self.config.max_pages), export=None if self.private else "memory")

    def table(self, name: str, type_: RefType) -> int:
        """The index of a table by name, made when first asked for; its size is set at the end."""
        index = self.tables.get(name)
        if index is None:
            export = name if name == "sink" and not self.private else None
            index = self.tables[name] = self.builder.table(0, 0, type_, export=export)
        return index

    def slot(self, func: int, *alternatives: int) -> int:
        """The first of new, consecutive slots of the function table that hold ``func`` and its alternatives."""
        self.table("functions", FUNCREF)
        if not self.slots:
            self.slots += [None, self.answer(0)]
        index = len(self.slots)
        self.slots += [func, *alternatives]
        return index

    def declare(self, func: int) -> Instr:
        """``ref.func``, with the declaration that the validator asks for."""
        self.declared.add(func)
        return OPS["ref.func"], func

    def answer(self, index: int) -> int:
        """One of ``TYPED_ANSWERS`` functions without parameters whose results differ, by ``index`` modulo that."""
        if not self.answers:
            for i in range(TYPED_ANSWERS):
                f = self.builder.func((), (I32,))
                f.i32(_ANSWER_STEP * (i + 1))
                self.answers.append(f.index)
        return self.answers[index % TYPED_ANSWERS]

    def token(self, index: int) -> Code:
        """Instructions for a host token that belongs to a position: the host stores them by the export ``tokens``."""
        table = self.table("tokens", EXTERNREF)
        slot = self.tokens.setdefault(index % self.config.max_params, len(self.tokens))
        return _TOKEN(slot=slot, tokens=table)

    def sink(self) -> int:
        """The next slot of the table in which references end up."""
        self.table("sink", EXTERNREF)
        self.sunk += 1
        return self.sunk - 1

    # The end

    def finish(self) -> tuple[Module, bytes, frozenset[str]]:
        """Close everything: tables, segments, the digest. Gives the module, its binary form and needed features."""
        builder = self.builder
        for close in self.closers:
            close()
        if self.tokens:
            self._token_setter()
        if self.private:
            self._digest()
            if self.sunk:
                self._sink_getter()
        if self.declared:
            builder.elem(sorted(self.declared), declarative=True)
        self._fill_tables()
        if self.uses_memory:
            if not self.pages:
                self.claim_memory(-(-self.top // PAGE))
            data = self.source.fork("data").bytes(DATA_BYTES)
            builder.data(data if any(data) else b"", 0)  # memory is zeros to begin with: the simplest case is small
        self.invocations[:0] = self.first
        if self.first:
            ahead = len(self.first)
            self.sites = [replace(s, use_at=s.use_at + ahead) if s.func < 0 else s for s in self.sites]
        self.invocations += self.last
        module = builder.finish()
        needed = frozenset(feature.value for feature in required_features(module))
        return module, encode(module), needed

    def case(self) -> Case:
        """Close everything, as a case with the calls, call sites and labels gathered so far."""
        module, content, features = self.finish()
        keep(content, module)
        return Case(
            content=content,
            invocations=tuple(self.invocations),
            features=features,
            sites=tuple(self.sites),
            labels=frozenset(self.labels),
        )

    def _fill_tables(self) -> None:
        tokens = -(-len(self.tokens) // self._tokens_at_once()) * self._tokens_at_once()
        sizes = {"functions": len(self.slots), "tokens": tokens, "sink": self.sunk, "scratch": 1}
        tables = self.builder.module.tables
        imported = len(self.builder.module.imported(ExternKind.TABLE))
        for name, index in self.tables.items():
            limits = Limits(sizes[name], sizes[name])
            index -= imported
            tables[index] = replace(tables[index], type=replace(tables[index].type, limits=limits))
        run: list[int] = []
        table = self.tables.get("functions", 0)
        for i, func in enumerate([*self.slots, None]):
            if func is not None:
                run.append(func)
            elif run:
                self.builder.elem(run, i - len(run), table)
                run = []

    def _token_setter(self) -> None:
        """A function (first slot, tokens) that the host calls until all are stored.

        A few at once: a store of a reference is several basic blocks, over all of which the other tokens live, and
        checkers of allocations are quadratic in that (Wasmtime's took over 10 s for 700 at once).
        """
        width = self._tokens_at_once()
        f = self.builder.func((I32, *(EXTERNREF,) * width), (), export="tokens")
        for i in range(width):
            f.body += _SET_TOKEN(i=i, token=i + 1, tokens=self.tables["tokens"])
        for base in range(0, len(self.tokens), width):
            given = (Value("ref", 0, f"extern:{base + i}") for i in range(width))
            self.first.append(Invocation("tokens", (Value("i32", base), *given)))

    def _tokens_at_once(self) -> int:
        return max(1, min(len(self.tokens), _TOKENS, self.config.max_params - 1))

    def sinker(self) -> int:
        """The function (token, slot) that stores a host token where the host sees it."""
        if self.sinks_by < 0:
            f = self.builder.func((EXTERNREF, I32), ())
            f.body += _SINK(sink=self.tables["sink"])
            self.sinks_by = f.index
        return self.sinks_by

    def _sink_getter(self) -> None:
        f = self.builder.func((I32,), (EXTERNREF,), export="sunk")
        f.body += _SUNK(sink=self.tables["sink"])
        for i in sorted({0, self.sunk // 2, self.sunk - 1}):
            self.invocations.append(Invocation("sunk", (Value("i32", i),)))

    def _digest(self) -> None:
        """Fold the globals and the stored-to memory into one number; the last call of every invocation list."""
        f = self.builder.func((), (I64,), export="digest")
        h, at = f.local(I64), f.local(I32)
        for index, item in enumerate(self.builder.module.global_types()):
            if item.mutable and isinstance(item.type, NumType):
                for word in _WORDS[item.type]:
                    f.body += (*_GLOBAL(index=index), *word, *_FOLD(h=h))
        if self.top > STORE_BASE:
            f.body += _FOLD_MEMORY(at=at, h=h, end=self.top)
        f.body += _RESULT(h=h)
        self.invocations.append(Invocation("digest"))
