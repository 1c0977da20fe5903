"""The same module with narrow calls: parameters or results of wide functions travel in globals.

    (func $f (result i32 i64 f32) ...)                (func $f ... global.set $f32  global.set $i64  global.set $i32)
    call $f                                     ->    call $f  global.get $i32  global.get $i64  global.get $f32

Nothing runs between the writing of a value and its reading, so that every call gets what it got before, recursive ones
and tail calls too. Types are changed in place: what is called through a table or a reference changes with its caller.
From outside the parts are set and read by exports of their own:

    f()                                         ->    f()  f>0()  f>1()  f>2()
    f(1, 2)                                     ->    f<0(1)  f<1(2)  f()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wasm.isa import OPS, Instr, Op
from wasm.module import Elem, Export, ExternKind, Func, Global, Import, ImportedFunc, Module, SegmentMode
from wasm.rewrite.index_map import map_instr, map_module
from wasm.rewrite.spaces import Space
from wasm.valtypes import (
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    FuncType,
    GlobalType,
    NumType,
    RefType,
    SubType,
    TagType,
    ValType,
    ref,
)

_CONST: Final = {type_: OPS[f"{type_}.const"] for type_ in (I32, I64, F32, F64, V128)}
_END: Final = OPS["end"].bare
_INDIRECT: Final = frozenset(
    OPS[name] for name in ("call_indirect", "return_call_indirect", "call_ref", "return_call_ref")
)
_TAIL: Final = {
    OPS["return_call"]: OPS["call"], OPS["return_call_indirect"]: OPS["call_indirect"],
    OPS["return_call_ref"]: OPS["call_ref"],
}  # fmt: skip
_CALLS: Final = frozenset({*_INDIRECT, *_TAIL, OPS["call"]})


@dataclass(frozen=True, slots=True)
class Parts:
    """The exports that set an export's parameters and read its results, in order."""

    params: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


def through_globals(module: Module, params: range, results: range) -> dict[str, Parts] | None:
    """Change the module: functions with so many parameters or results pass them in globals. Gives the parts of each
    export that changed; None where there is no such function, or where types of a hierarchy would part."""
    return _Writer(module, params, results).write()


@dataclass(slots=True)
class _Writer:
    module: Module
    params: range
    results: range
    before: list[SubType] = field(init=False)
    """The types as they were, by index."""
    pool: dict[tuple[str, ValType, int], int] = field(default_factory=dict)
    wrapped: dict[int, int] = field(default_factory=dict)
    """Imported functions that are wide: the function that is called instead."""

    def __post_init__(self) -> None:
        self.before = self.module.flat_types()

    def write(self) -> dict[str, Parts] | None:
        module = self.module
        wide = {i for i in range(len(self.before)) if self._wide_params(i) or self._wide_results(i)}
        used = {*module.func_type_indices(), *(imm if isinstance(imm, int) else imm[0] for func in module.funcs
                for op, imm in func.body if op in _INDIRECT)}  # fmt: skip
        if not wide & used or any(self.before[i].supertypes for i in wide):
            return None
        types, bodies = module.func_type_indices(), len(module.funcs)
        numbers = iter(range(len(self.before)))
        module.types = [tuple(self._narrow(next(numbers), sub) for sub in group) for group in module.types]
        imports = [item for item in module.imports if isinstance(item.type, ImportedFunc)]
        for number, item in enumerate(imports):
            if item.type.type_index in wide:  # type: ignore[union-attr]
                self.wrapped[number] = len(types) + len(self.wrapped)
        for func in module.funcs[:bodies]:
            self._rewrite(func, types)
        for number in self.wrapped:
            module.funcs.append(self._import_wrapper(number, types[number]))
        self._refer_to_wrappers()
        module.imports = [self._original(item, wide) for item in module.imports]
        module.tags = [
            replace(tag, type_index=self._as_it_was(tag.type_index)) if tag.type_index in wide else tag
            for tag in module.tags
        ]
        return self._exports(types)

    # --- types -------------------------------------------------------------------------------------------------------

    def _wide_params(self, index: int) -> bool:
        return len(self._type(index).params) in self.params

    def _wide_results(self, index: int) -> bool:
        return len(self._type(index).results) in self.results

    def _type(self, index: int) -> FuncType:
        """The function type as it was; an empty one for another type."""
        composite = self.before[index].composite
        return composite if isinstance(composite, FuncType) else FuncType()

    def _narrow(self, index: int, sub: SubType) -> SubType:
        if not isinstance(sub.composite, FuncType):
            return sub
        params = () if self._wide_params(index) else sub.composite.params
        results = () if self._wide_results(index) else sub.composite.results
        return replace(sub, composite=FuncType(params, results))

    def _as_it_was(self, index: int) -> int:
        return self.module.type_index(self._type(index))

    def _original(self, item: Import, wide: set[int]) -> Import:
        """Hosts are not changed: what is imported keeps its type, and so does a tag, whose type is no call's."""
        if not isinstance(item.type, ImportedFunc | TagType) or item.type.type_index not in wide:
            return item
        return replace(item, type=replace(item.type, type_index=self._as_it_was(item.type.type_index)))

    # --- globals -----------------------------------------------------------------------------------------------------

    def _global(self, side: str, type_: ValType, number: int) -> int:
        key = (side, type_, number)
        if key not in self.pool:
            self.pool[key] = len(self.module.global_types())
            self.module.globals.append(_zeroed(type_))
        return self.pool[key]

    def _globals(self, side: str, types: Iterable[ValType]) -> list[tuple[int, ValType]]:
        """For each value the global that holds it: the first i32, the first i64, the second i32 ..."""
        count: dict[ValType, int] = {}
        found: list[tuple[int, ValType]] = []
        for type_ in types:
            found.append((self._global(side, type_, count.get(type_, 0)), type_))
            count[type_] = count.get(type_, 0) + 1
        return found

    def _sets(self, side: str, types: Iterable[ValType]) -> list[Instr]:
        return [(OPS["global.set"], index) for index, _ in reversed(self._globals(side, types))]

    def _gets(self, side: str, types: Iterable[ValType]) -> list[Instr]:
        return [instr for place in self._globals(side, types) for instr in _get(place)]

    # --- code --------------------------------------------------------------------------------------------------------

    def _rewrite(self, func: Func, types: list[int]) -> None:
        own = self._type(func.type_index)
        leaving = self._sets("result", own.results) if self._wide_results(func.type_index) else []
        written: list[Instr] = []
        scratch: list[tuple[int, ValType]] = []
        first = len(own.params) + sum(count for count, _ in func.locals)
        for op, imm in func.body:
            if op in _CALLS:
                callee = types[imm] if op not in _INDIRECT else imm if isinstance(imm, int) else imm[0]
                written += self._call(op, imm, callee, func.type_index, scratch, first)
            elif op.imms and op.imms[0].name == "BLOCK_TYPE":
                written.append((op, self._block(imm)))
            else:
                written += [*leaving, (op, imm)] if op.name == "return" else [(op, imm)]
        if leaving:
            block = (OPS["block"], self.module.type_index(FuncType((), own.results)))
            written = [block, *written, *leaving, _END]
        if self._wide_params(func.type_index):
            entering = []
            for number, place in enumerate(self._globals("param", own.params)):
                entering += [*_get(place), (OPS["local.set"], number)]
            written = [*entering, *written]
            func.locals = [*((1, type_) for type_ in own.params), *func.locals]
        func.locals = [*func.locals, *scratch]
        func.body = written

    def _block(self, imm: Any) -> Any:
        """A block keeps its type."""
        type_, rest = (imm[0], imm[1:]) if isinstance(imm, tuple) else (imm, None)
        if isinstance(type_, int) and (self._wide_params(type_) or self._wide_results(type_)):
            type_ = self._as_it_was(type_)
        return type_ if rest is None else (type_, *rest)

    def _call(
        self, op: Op, imm: Any, callee: int, own: int, scratch: list[tuple[int, ValType]], first: int
    ) -> list[Instr]:
        type_ = self._type(callee)
        before: list[Instr] = []
        if self._wide_params(callee):
            before = self._sets("param", type_.params)
            if op in _INDIRECT:
                # The entry's index or the reference lies above the arguments.
                through = ref(callee, True) if isinstance(imm, int) else self.module.table_types()[imm[1]].index_type
                scratch.append((1, through))
                local = first + len(scratch) - 1
                before = [(OPS["local.set"], local), *before, (OPS["local.get"], local)]
        if not self._wide_results(callee):
            return [*before, (op, imm)]
        if op not in _TAIL:
            return [*before, (op, imm), *self._gets("result", type_.results)]
        if type_.results == self._type(own).results:
            return [*before, (op, imm)]
        again = [*self._gets("result", type_.results), *self._sets("result", self._type(own).results)]
        return [*before, (_TAIL[op], imm), *again, OPS["return"].bare]

    # --- imports and exports -----------------------------------------------------------------------------------------

    def _import_wrapper(self, number: int, type_index: int) -> Func:
        type_ = self._type(type_index)
        given = self._gets("param", type_.params) if self._wide_params(type_index) else _locals(type_.params)
        taken = self._sets("result", type_.results) if self._wide_results(type_index) else []
        return Func(type_index, [], [*given, (OPS["call"], number), *taken, _END])

    def _refer_to_wrappers(self) -> None:
        if not self.wrapped:
            return

        def to(space: Space, index: int) -> int:
            return self.wrapped.get(index, index) if space is Space.FUNC else index

        made = map_module(replace(self.module, funcs=[]), to)
        own = {id(func) for func in self.module.funcs[-len(self.wrapped) :]}
        for func in self.module.funcs:
            if id(func) not in own:
                func.body = [map_instr(instr, to) for instr in func.body]
        self.module.globals, self.module.elems, self.module.tables = made.globals, made.elems, made.tables
        if any(op.name == "ref.func" for func in self.module.funcs for op, _ in func.body):
            inits = tuple(((OPS["ref.func"], index),) for index in self.wrapped.values())
            self.module.elems.append(Elem(FUNCREF, inits, SegmentMode.DECLARATIVE))

    def _exports(self, types: list[int]) -> dict[str, Parts]:
        """Exports of changed functions lead to a function that takes nothing and gives nothing."""
        module = self.module
        imported = len(module.imported(ExternKind.FUNC))
        names = {export.name for export in module.exports}
        parts: dict[str, Parts] = {}
        exports: list[Export] = []
        for export in module.exports:
            index = export.index
            changed = export.kind is ExternKind.FUNC and imported <= index < len(types) and (
                self._wide_params(types[index]) or self._wide_results(types[index])
            )  # fmt: skip
            exports.append(export)
            if changed:
                type_ = self._type(types[index])
                params = self._parts(names, export.name, "<", type_.params) if self._wide_params(types[index]) else {}
                results = (
                    self._parts(names, export.name, ">", type_.results) if self._wide_results(types[index]) else {}
                )
                for name, (func_type, body) in {**params, **results}.items():
                    exports.append(Export(name, ExternKind.FUNC, imported + len(module.funcs)))
                    module.funcs.append(Func(module.type_index(func_type), [], [*body, _END]))
                parts[export.name] = Parts(tuple(params), tuple(results))
        module.exports = exports
        return parts

    def _parts(
        self, names: set[str], export: str, sign: str, types: tuple[ValType, ...]
    ) -> Mapping[str, tuple[FuncType, list[Instr]]]:
        found = {}
        side = "param" if sign == "<" else "result"
        for number, (place, type_) in enumerate(zip(self._globals(side, types), types, strict=True)):
            name = f"{export}{sign}{number}"
            while name in names:
                name += "'"
            names.add(name)
            if sign == "<":
                found[name] = FuncType((type_,), ()), [(OPS["local.get"], 0), (OPS["global.set"], place[0])]
            else:
                found[name] = FuncType((), (type_,)), list(_get(place))
        return found


def _zeroed(type_: ValType) -> Global:
    if isinstance(type_, NumType):
        return Global(GlobalType(type_, True), ((_CONST[type_], 0),))
    return Global(GlobalType(_nullable(type_), True), ((OPS["ref.null"], type_.heap),))


def _nullable(type_: RefType) -> RefType:
    return ref(type_.heap, True)


def _get(place: tuple[int, ValType]) -> list[Instr]:
    index, type_ = place
    get: list[Instr] = [(OPS["global.get"], index)]
    sure = isinstance(type_, RefType) and not type_.nullable
    return [*get, OPS["ref.as_non_null"].bare] if sure else get


def _locals(types: tuple[ValType, ...]) -> list[Instr]:
    return [(OPS["local.get"], number) for number in range(len(types))]
