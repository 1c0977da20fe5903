"""A case as one module that imports nothing, and whose exports take nothing and give 64-bit integers.

What a command line can be trusted with are integers, so arguments become constants, floats and vectors are given as
their bits, and a call is an export ``c0``, ``c1``, ... Imports are linked in: the peers that the harness makes for
hosts which carry no values (``oracles.remote.sources``) become a part of the module.

    (module (import "env" "h" (func $h)) (func (export "f") (param f32) (result f32 v128) ...))     f(f32:0x7fa00002)

becomes

    (module (func $peer_of_h ...) (func $f ...)
      (func (export "ready"))
      (func (export "c0") (result i64 i64 i64)
        f32.const nan:0x200002  call $f  ... i32.reinterpret_f32 i64.extend_i32_u ... i64x2.extract_lane 0 ...))
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from oracles.remote.interface import FUNC, GLOBAL, TAG, TYPE_NAMES
from wasm.decode import decode
from wasm.embedding import SLOT
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.fragment import Code, code, template
from wasm.isa import OPS, Catch, Instr
from wasm.module import Elem, Export, Expr, ExternKind, Func, Global, Module, SegmentMode
from wasm.rewrite.index_map import map_module
from wasm.rewrite.merging import Moved, merged
from wasm.rewrite.spaces import SPACE_OF, Space, imported_counts, kind_of_import, space_sizes
from wasm.valtypes import FUNCREF, I64, FuncType, GlobalType, RefType, SubType, ValType, ref

MOST: Final = 1000
"""Integers that one export gives: more results no engine takes. The others wait in globals for exports after it."""
READY: Final = "ready"
"""An export that gives ``PROOF`` and does nothing: its answer says that the module was instantiated."""
PROOF: Final = 0x5EED_600D


class NotPossible(Exception):
    """A case, or one of its calls, that cannot be made self-contained: what it would take, in one line."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One export: ``name``, and the kinds of what it gives (``oracles.remote.interface``), by status: a return and then
    the ``tags`` that have a name. ``count`` is how many integers come out; ``guarded`` says that the first is the
    status, which is beyond the tags for an exception without a name. ``more`` are exports that give the rest of them,
    each by name and count."""

    name: str
    kinds: tuple[str, ...]
    tags: tuple[str, ...] = ()
    count: int = 0
    guarded: bool = False
    more: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class SelfContained:
    """``content`` is ``module``; ``calls`` has an ``Asked`` or the reason why not for every call; ``globals`` one for
    every exported global, None where what they hold cannot be seen. ``host_traps``: an ``unreachable`` may be a trap of
    a host. ``starts``: instantiation can do more than succeed; ``start``: it has a start function."""

    module: Module
    content: bytes
    calls: list[Asked | str]
    globals: list[Asked] | None
    host_traps: bool
    starts: bool
    start: bool
    features: frozenset[str]


def selfcontained(
    header: dict[str, Any], blobs: list[bytes], *, through: int | None = None, chained: bool = False
) -> SelfContained:
    """The module for a request (``oracles.remote.protocol``); for its first ``through`` calls alone if that is given.

    ``chained``: each export makes the calls before its own first, for a process per call. Raises ``NotPossible``, and
    ``WasmError`` for what does not decode.
    """
    linked, host_traps = linked_module(header, blobs)
    writer = _Exports(linked, header, blobs, chained)
    calls = writer.calls(header["calls"][:through])
    seen = writer.complete and not chained and through is None
    globals_ = writer.globals(header["globals"]) if seen else None
    made = writer.finish()
    return SelfContained(
        made, encode(made), calls, globals_, host_traps, starts(made), made.start is not None, features_used(made)
    )


def linked_module(header: dict[str, Any], blobs: list[bytes]) -> tuple[Module, bool]:
    """The module of a request with its imports in it, and whether an ``unreachable`` in it may be a host's trap."""
    return _Linking(decode(blobs[header["module"]]), header, blobs).linked()


def starts(module: Module) -> bool:
    """Whether instantiation may do anything but succeed."""
    return module.start is not None or any(
        part.mode is SegmentMode.ACTIVE for parts in (module.elems, module.datas) for part in parts
    )


def features_used(module: Module) -> frozenset[str]:
    """The names of the features that a module takes."""
    return frozenset(feature.value for feature in required_features(module))


# Linking


_UNREACHABLE: Final = (*code("unreachable"), OPS["end"].bare)
_GLOBAL_GET, _REF_FUNC = OPS["global.get"], OPS["ref.func"]


class _Linking:
    """A module and its peers in one, with what each imports replaced by what another defines."""

    def __init__(self, module: Module, header: dict[str, Any], blobs: list[bytes]) -> None:
        self.module, self.sources = module, header["imports"]["sources"]
        self.blobs = blobs
        store, funcs = header["imports"]["store"], header["imports"]["funcs"]
        self.store = decode(blobs[store]) if store >= 0 else None
        self.funcs = decode(blobs[funcs]) if funcs >= 0 else None

    def linked(self) -> tuple[Module, bool]:
        """The whole, and whether a host may trap in it."""
        if not self.sources:
            return self.module, False
        for source in self.sources:
            if source[3] == "extern":
                raise NotPossible("a global with a reference of the host")
        if self.funcs is not None and any(item.name == "tokens" for item in self.funcs.imports):
            raise NotPossible("a host function that gives references of the host")
        back = [i for i, source in enumerate(self.sources) if source[3] == "funcs" and source[5] == "reenter"]
        if back and self.module.start is not None:
            raise NotPossible("calls back while it starts")
        whole, maps, exports = self._together()
        resolved = self._resolved(whole, maps, exports)
        for position in back:
            self._calls_back(resolved, position, exports["f", "reenter"][1] - imported_counts(whole)[Space.TABLE])
        return resolved, self.funcs is not None

    def _together(self) -> tuple[Module, dict[str, Moved], dict[tuple[str, str], tuple[ExternKind, int]]]:
        """Store, functions, module, in this order: what a constant expression names must stand before it."""
        parts = [(name, part) for name, part in (("s", self.store), ("f", self.funcs)) if part is not None]
        whole, exports, order = Module(), {}, []
        for name, part in [*parts, ("m", self.module)]:
            whole, first, second = merged(whole, part, f"{name} ")
            order.append((name, first, second))
        # How a part's indices read in the whole: its own map when it came, then the first map of each that came later.
        maps = {
            name: _chain([own, *(first for _, first, _ in order[k + 1 :])]) for k, (name, _, own) in enumerate(order)
        }
        for item in whole.exports:
            part_name, _, export = item.name.partition(" ")
            exports[part_name, export] = (item.kind, item.index)
        if self.module.start is not None:
            whole.start = maps["m"](Space.FUNC, self.module.start)
        return whole, maps, exports

    def _resolved(self, whole: Module, maps: Any, exports: Any) -> Module:
        """Every import's index becomes that of a definition, and the definitions move down."""
        counts, sizes = imported_counts(whole), space_sizes(whole)
        target: dict[tuple[Space, int], int] = {}
        trap = sizes[Space.FUNC]
        for name, part in (("f", self.funcs), ("m", self.module)):
            seen = dict.fromkeys(ExternKind, 0)
            for position, item in enumerate(part.imports if part is not None else ()):
                kind = kind_of_import(item)
                index = maps[name](SPACE_OF[kind], seen[kind])
                seen[kind] += 1
                if name == "f":
                    found = trap if item.module == "h" else exports["s", item.name][1]
                else:
                    _, _, _, how, same, *_ = self.sources[position]
                    found = exports["s" if how == "store" else "f", f"i{same}"][1]
                target[SPACE_OF[kind], index] = found

        def to(space: Space, index: int) -> int:
            index = target.get((space, index), index)
            return index - counts[space]

        inits = {g: whole.globals[g - counts[Space.GLOBAL]].init for (space, _), g in target.items()
                 if space is Space.GLOBAL}  # fmt: skip
        self._inline(whole, target, inits)
        if self.funcs is not None:
            whole.types.append((SubType(FuncType((), ())),))
            whole.funcs.append(Func(sizes[Space.TYPE], [], list(_UNREACHABLE)))
        made = map_module(whole, to)
        made.imports = []
        made.exports = [Export(item.name[2:], item.kind, item.index) for item in made.exports if item.name[0] == "m"]
        return made

    def _inline(self, whole: Module, target: Any, inits: dict[int, Expr]) -> None:
        """Constant expressions that name an imported global hold its value instead, which every engine takes."""

        def inlined(expr: Expr) -> Expr:
            out: list[Instr] = []
            for op, imm in expr:
                value = inits.get(target.get((Space.GLOBAL, imm), -1)) if op is _GLOBAL_GET else None
                out += value if value is not None else [(op, imm)]
            return tuple(out)

        whole.globals = [replace(item, init=inlined(item.init)) for item in whole.globals]
        whole.elems = [replace(item, init=tuple(map(inlined, item.init)), offset=inlined(item.offset))
                       for item in whole.elems]  # fmt: skip
        whole.datas = [replace(item, offset=inlined(item.offset)) for item in whole.datas]
        whole.tables = [item if item.init is None else replace(item, init=inlined(item.init)) for item in whole.tables]

    def _calls_back(self, module: Module, position: int, table: int) -> None:
        """What a re-entering function calls stands in the peer's table."""
        name = self.sources[position][1]
        func = next(item.index for item in module.exports if (item.name, item.kind) == (name, ExternKind.FUNC))
        place = code(f"i32.const {position}")
        module.elems.append(Elem(ref("func", False), (((_REF_FUNC, func),),), SegmentMode.ACTIVE, table, place))


def _chain(maps: list[Moved]) -> Any:
    def to(space: Space, index: int) -> int:
        for one in maps:
            index = one(space, index)
        return index

    return to


# Exports


_NUMBER: Final = {kind: template(f"{word}.const $bits") for kind, word in TYPE_NAMES.items()}
_AS_WORDS: Final[dict[str, tuple[Code, ...]]] = {
    "i": (code("i64.extend_i32_u"),),
    "l": ((),),
    "f": (code("i32.reinterpret_f32  i64.extend_i32_u"),),
    "d": (code("i64.reinterpret_f64"),),
    "v": (code("i64x2.extract_lane 0"), code("i64x2.extract_lane 1")),
}
"""How a number becomes 64-bit integers, by kind."""
_NON_NULL: Final = code("ref.is_null  i32.eqz  i64.extend_i32_u")
_GET, _SET, _GLOBAL = template("local.get $local"), template("local.set $local"), template("global.get $index")
_HOLD = template("global.set $index")
_CALL, _CONST, _NULL = template("call $func"), template("i64.const $bits"), OPS["ref.null"]
_DROP, _END, _RETURN = code("drop"), (OPS["end"].bare,), code("return")
_TRY, _BLOCK = OPS["try_table"], OPS["block"]


def words_of(kinds: str) -> int:
    """How many integers the values of some kinds become."""
    return sum(2 if kind == "v" else 1 for kind in kinds)


class _Exports:
    """Functions that take nothing and give integers, put behind a module's own."""

    def __init__(self, module: Module, header: dict[str, Any], blobs: list[bytes], chained: bool = False) -> None:
        self.module, self.blobs, self.chained = module, blobs, chained
        self.own = {(item.name, item.kind.value): item.index for item in module.exports}
        self.next = len(module.funcs)
        self.types = sum(map(len, module.types))
        self.flat = [sub.composite for group in module.types for sub in group]
        self.exports: list[Export] = []
        self.complete = True
        """Whether all calls are made."""
        self.before: list[tuple[int, int]] = []
        """The calls that were made possible so far: function and how many integers it gives."""
        self.tags: list[tuple[str, str, int]] = []
        for name, kinds, at in header["tags"]:
            if at < 0 and (name, TAG) in self.own:
                self.tags.append((name, kinds, self.own[name, TAG]))
        self.caught = bool(header["tags"]) or bool(module.tags)
        self._export(READY, self._func((I64,), [], list(_CONST(PROOF))))

    def finish(self) -> Module:
        """The module, with these exports and no others. What was exported may still be named by ``ref.func``."""
        named = {imm for func in self.module.funcs for op, imm in func.body if op is _REF_FUNC}
        declared = sorted(named & {index for (_, sort), index in self.own.items() if sort == FUNC})
        if declared:
            items = tuple(((_REF_FUNC, index),) for index in declared)
            self.module.elems.append(Elem(FUNCREF, items, SegmentMode.DECLARATIVE))
        self.module.exports = self.exports
        self.module.customs = []
        return self.module

    def calls(self, calls: list[Any]) -> list[Asked | str]:
        found: list[Asked | str] = []
        for k, call in enumerate(calls):
            export, via = call[:2]
            if via not in ("host", "wrapper") or (export, FUNC) not in self.own:
                found.append(via or f"no exported function {export}")  # which no engine calls
                continue
            try:
                found.append(self._call(k, call))
            except NotPossible as error:
                # What that call would have done the later ones may depend on.
                rest = len(calls) - k - 1
                self.complete = False
                return [*found, str(error), *([f"a call before it cannot be made ({error})"] * rest)]
        return found

    def globals(self, globals_: list[Any]) -> list[Asked]:
        found: list[Asked] = []
        for k, (name, kind) in enumerate(globals_):
            index = self.own[name, GLOBAL]
            parts = _AS_WORDS.get(kind, (_NON_NULL,))
            body = [instr for part in parts for instr in (*_GLOBAL(index), *part)]
            self._export(f"g{k}", self._func((I64,) * len(parts), [], body))
            found.append(Asked(f"g{k}", (kind,), (), len(parts)))
        return found

    def _call(self, number: int, call: list[Any]) -> Asked:
        export, _via, params, results, at, refs, _ = call
        index = self.own[export, FUNC]
        type_ = self.flat[self.module.funcs[index].type_index]
        assert isinstance(type_, FuncType)
        outputs = [results, *(kinds for _, kinds, _ in self.tags)]
        # With nothing to give there is a status all the same: words without a number are no answer.
        guarded = self.caught or not any(outputs)
        count = guarded + max(map(words_of, outputs))
        body = [*self._arguments(type_, params, self.blobs[at] if at >= 0 else b"", refs), *_CALL(index)]
        first, held = min(count, MOST), self._held(max(0, count - MOST))
        own = self._func((I64,) * first, *self._kept(body, type_, outputs, count, guarded, held))
        chain = (
            [instr for func, size in self.before for instr in (*_CALL(func), *(_DROP * size))] if self.chained else []
        )
        self._export(f"c{number}", self._func((I64,) * first, [], [*chain, *_CALL(own)]) if chain else own)
        more: list[tuple[str, int]] = []
        again = [*chain, *_CALL(own), *(_DROP * first)] if self.chained else []
        for at in range(held.start, held.stop, MOST):
            some = range(at, min(at + MOST, held.stop))
            gets = [instr for index in some for instr in _GLOBAL(index)]
            more.append((f"c{number}_{len(more) + 1}", len(some)))
            self._export(more[-1][0], self._func((I64,) * len(some), [], [*again, *gets]))
        self.before.append((own, first))
        tags = tuple(name for name, _, _ in self.tags)
        return Asked(f"c{number}", tuple(outputs), tags, first, guarded, tuple(more))

    def _held(self, count: int) -> range:
        """New globals for integers that have no room among an export's results."""
        first = len(self.module.globals)
        self.module.globals += [Global(GlobalType(I64, True), _CONST(0)) for _ in range(count)]
        return range(first, first + count)

    def _arguments(self, type_: FuncType, kinds: str, slots: bytes, refs: list[str]) -> list[Instr]:
        out: list[Instr] = []
        given = iter(refs)
        for i, kind in enumerate(kinds):
            if kind in TYPE_NAMES:
                out += _NUMBER[kind](int.from_bytes(slots[i * SLOT : (i + 1) * SLOT], "little"))
                continue
            identity, wanted = next(given), type_.params[i]
            if identity != "null" or not isinstance(wanted, RefType) or not wanted.nullable:
                raise NotPossible(f"no host value {identity}")
            out.append((_NULL, wanted.heap))
        return out

    def _kept(
        self, call: list[Instr], type_: FuncType, outputs: list[str], count: int, guarded: bool, held: range
    ) -> tuple[list[tuple[int, ValType]], list[Instr]]:
        """Locals and the body: call, keep what comes, and give it as ``count`` integers, the last into ``held``."""
        locals_: list[tuple[int, ValType]] = []

        def given(status: int, kinds: str, types: tuple[ValType, ...]) -> list[Instr]:
            first = len(locals_)
            locals_.extend((1, one) for one in types)
            words: list[Code] = [_CONST(status)] if guarded else []
            for i, kind in enumerate(kinds):
                words += [(*_GET(first + i), *part) for part in _AS_WORDS.get(kind, (_NON_NULL,))]
            words += [_CONST(0)] * (count - len(words))
            out = [instr for i in reversed(range(len(types))) for instr in _SET(first + i)]
            for at, word in enumerate(words):
                out += (*word, *_HOLD(held[at - MOST])) if at >= MOST else word
            return out

        returned = given(0, outputs[0], type_.results)
        if not self.caught:
            return locals_, [*call, *returned]
        # A block per tag and one for all others; behind each block's end stands what was thrown.
        tags = [(index, self._payload(index)) for _, _, index in self.tags]
        catches = (
            *(Catch("catch", index, k) for k, (index, _) in enumerate(tags)),
            Catch("catch_all", None, len(tags)),
        )
        body: list[Instr] = [(_BLOCK, None)]
        body += [(_BLOCK, self._type((), types)) for _, types in reversed(tags)]
        body += [(_TRY, (self._type((), type_.results), tuple(catches))), *call, *_END, *returned, *_RETURN]
        for k, (_, types) in enumerate(tags):
            body += [*_END, *given(k + 1, outputs[k + 1], types), *_RETURN]
        return locals_, [*body, *_END, *given(len(tags) + 1, "", ())]

    def _payload(self, tag: int) -> tuple[ValType, ...]:
        type_ = self.flat[self.module.tags[tag].type_index]
        assert isinstance(type_, FuncType)
        return type_.params

    def _type(self, params: tuple[ValType, ...], results: tuple[ValType, ...]) -> int:
        self.module.types.append((SubType(FuncType(params, results)),))
        self.types += 1
        return self.types - 1

    def _func(self, results: tuple[ValType, ...], locals_: list[tuple[int, ValType]], body: list[Instr]) -> int:
        self.module.funcs.append(Func(self._type((), results), locals_, [*body, *_END]))
        self.next += 1
        return self.next - 1

    def _export(self, name: str, func: int) -> None:
        self.exports.append(Export(name, ExternKind.FUNC, func))
