"""One edit of a whole module: surgery on its functions together with its types, items, tables and calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fuzz.reduce.effects import default_value
from fuzz.reduce.subject import Subject
from fuzz.reduce.surgery import Surgery
from fuzz.reduce.usage import declare_refs, func_names, used_types
from wasm.embedding import Invocation
from wasm.isa import Instr
from wasm.module import Elem, Expr, ExternKind, Module, SegmentMode, Table
from wasm.rewrite.index_map import Dangling, names_in
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Frame, Graph, Node
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space
from wasm.valtypes import I32, FuncType, SubType, ValType

Positions = frozenset[int]
NONE: Positions = frozenset()

_LIFTERS: list[tuple[Module, ModuleGraphs]] = []


def lifter_of(module: Module) -> ModuleGraphs:
    """The graphs of a module's functions. The last few modules' are kept: a pass asks again and again for the same."""
    for known, lifter in _LIFTERS:
        if known is module:
            return lifter
    made = ModuleGraphs(module)
    _LIFTERS.append((module, made))
    del _LIFTERS[:-2]
    return made


class Operation:
    """An edit in the making. Function indices in ``surgery`` count defined functions; everywhere else, all of them.

    Say what goes, then call ``finish`` for the new subject. ``finish`` raises ``Dangling`` where that is not possible.
    """

    def __init__(self, subject: Subject, *, collapse: bool = False, keep_traps: bool = False) -> None:
        self.subject, self.module = subject, subject.module
        self.collapse, self.keep_traps = collapse, keep_traps
        self.lifter = lifter_of(self.module)
        self.plans: dict[int, Surgery] = {}
        self.removal = Removal()
        self.lost: dict[int, tuple[Positions, Positions]] = {}
        self._types: list[tuple[SubType, ...]] = list(self.module.types)
        self._pool: dict[FuncType, int] | None = None
        self._type_count = 0

    def graph(self, func: int) -> Graph:
        return self.lifter.graph(func)

    def surgery(self, func: int) -> Surgery:
        plan = self.plans.get(func)
        if plan is None:
            plan = self.plans[func] = Surgery(self.graph(func), self.collapse, self.keep_traps)
        return plan

    # Items.

    def remove(self, items: Iterable[tuple[Space, int]]) -> None:
        """Take items out together with every instruction and segment that names them."""
        for space, index in items:
            self.removal.add(space, index)
        gone = self.removal.gone
        for index, elem in enumerate(self.module.elems):
            if elem.mode is SegmentMode.ACTIVE and elem.table in gone[Space.TABLE]:
                self.removal.add(Space.ELEM, index)
        for index, data in enumerate(self.module.datas):
            if data.mode is SegmentMode.ACTIVE and data.memory in gone[Space.MEMORY]:
                self.removal.add(Space.DATA, index)
        first = self.lifter.first
        for number, func in enumerate(self.module.funcs):
            if number + first not in gone[Space.FUNC] and any(index in gone[s] for s, index in func_names(func)):
                self._cut_users(number)

    def _cut_users(self, number: int) -> None:
        plan, gone = self.surgery(number), self.removal.gone
        for index, node in enumerate(plan.graph.nodes):
            if node.op.name == "try_table":
                lost = {k for k, clause in enumerate(node.imm[1]) if clause.tag in gone[Space.TAG]}
                plan.lost_clauses.setdefault(index, set()).update(lost)
            elif node.opens is None and node.op.name != "catch" and self._names_gone((node.op, node.imm)):
                plan.delete(index)

    def _names_gone(self, instr: Instr) -> bool:
        gone: list[bool] = []
        names_in(instr, lambda space, index: gone.append(index in self.removal.gone[space]))
        return any(gone)

    # Signatures.

    def narrow(self, type_index: int, params: Positions, results: Positions) -> None:
        """Take parameters and results out of a function type wherever it is used.

        Subtypes and supertypes lose the same; so do the results of functions that tail-call one another.
        """
        flat = self.module.flat_types()
        work = [(type_index, params, results)]
        while work:
            index, more_params, more_results = work.pop()
            old = self.lost.get(index, (NONE, NONE))
            new = (old[0] | more_params, old[1] | more_results)
            if new == old:
                continue
            composite = flat[index].composite
            if not isinstance(composite, FuncType):
                raise Dangling(f"type {index} is no function type")
            if max(new[0], default=-1) >= len(composite.params) or max(new[1], default=-1) >= len(composite.results):
                raise Dangling(f"type {index} has fewer positions")
            self.lost[index] = new
            work += [(other, *new) for other in self._related(index, flat)]
            if new[1]:
                work += [(other, NONE, new[1]) for other in self._tail_called(index)]

    def _related(self, index: int, flat: list[SubType]) -> list[int]:
        children = [i for i, sub in enumerate(flat) if index in sub.supertypes]
        return [*flat[index].supertypes, *children]

    def _tail_called(self, index: int) -> list[int]:
        """Types of functions that tail-call, or are tail-called by, functions of a type."""
        types = []
        for func in self.module.funcs:
            for op, imm in func.body:
                if op.name.startswith("return_call"):
                    callee = self._callee_type(op.name, imm)
                    if callee == index:
                        types.append(func.type_index)
                    if func.type_index == index:
                        types.append(callee)
        return types

    def _callee_type(self, name: str, imm: Any) -> int:
        if name.endswith("call"):
            return int(self.lifter.context.funcs[imm])
        return int(imm[0] if name.endswith("indirect") else imm)

    def _apply_narrowing(self) -> None:
        for number, func in enumerate(self.module.funcs):
            lost = self.lost.get(func.type_index)
            uses = {index for space, index in func_names(func) if space in (Space.FUNC, Space.TYPE, Space.TAG)}
            if lost is None and not uses:
                continue
            plan = self.surgery(number)
            if lost is not None:
                plan.function_results = lost[1]
                plan.lost_locals.update(lost[0])
            for index, node in enumerate(plan.graph.nodes):
                self._narrow_node(plan, index, node)

    def _narrow_node(self, plan: Surgery, index: int, node: Node) -> None:
        name, imm = node.op.name, node.imm
        match name:
            case "call" | "call_indirect" | "call_ref" | "return_call" | "return_call_indirect" | "return_call_ref":
                lost = self.lost.get(self._callee_type(name, imm))
                if lost is not None:
                    plan.lost_args[index] = lost[0]
                    if not node.transfer:
                        plan.lost_results[index] = lost[1]
            case "throw" | "catch":
                params = self.lost.get(self.lifter.context.tags[imm], (NONE, NONE))[0]
                (plan.lost_args if name == "throw" else plan.lost_results)[index] = params
            case "try_table":
                for clause, target in zip(imm[1], node.targets, strict=True):
                    if clause.tag is not None:
                        self._narrow_label(plan, target, self.lost.get(self.lifter.context.tags[clause.tag]))

    def _narrow_label(self, plan: Surgery, target: Frame, lost: tuple[Positions, Positions] | None) -> None:
        if lost is None or not lost[0]:
            return
        if target.opener < 0:
            raise Dangling("a catch clause that returns")
        plan.lost_labels[target.opener] = plan.lost_labels.get(target.opener, NONE) | lost[0]

    def replace_types(self, types: list[tuple[SubType, ...]]) -> None:
        """Give the types new contents, index by index; what that asks of the code is the caller's business."""
        self._types = types

    # The result.

    def finish(self) -> Subject:
        """The edited subject: valid, if what was asked for is possible. Types that fall out of use go as well."""
        if self.lost:
            self._apply_narrowing()
            self._types = self._narrowed_types()
        before = used_types(self.module)
        funcs = list(self.module.funcs)
        for number, plan in self.plans.items():
            funcs[number] = plan.emit(funcs[number], self._block_type)
        module = replace(self.module, funcs=funcs, types=self._types)
        if self.removal:
            module = self._without_items(module)
        after = used_types(module)
        count = sum(map(len, module.types))
        fallen = Removal()
        for index in range(count):
            if index not in after and (index in before or index >= sum(map(len, self.module.types))):
                fallen.add(Space.TYPE, index)
        if fallen:
            module = remove_items(module, fallen)
        if self.removal or self.plans:
            module = declare_refs(module)
        return Subject(module, self._calls(module))

    def _narrowed_types(self) -> list[tuple[SubType, ...]]:
        index, groups = 0, []
        for group in self.module.types:
            members = []
            for sub in group:
                members.append(self._narrowed(sub, index))
                index += 1
            groups.append(tuple(members))
        return groups

    def _narrowed(self, sub: SubType, index: int) -> SubType:
        lost = self.lost.get(index)
        if lost is None or not isinstance(sub.composite, FuncType):
            return sub
        return replace(
            sub, composite=FuncType(without(sub.composite.params, lost[0]), without(sub.composite.results, lost[1]))
        )

    def _block_type(self, old: Any, type_: FuncType, changed: bool) -> Any:
        if not changed and not (isinstance(old, int) and old in self.lost):
            return old
        return self.block_type(type_)

    @property
    def types(self) -> list[tuple[SubType, ...]]:
        """The types so far, with those that ``block_type`` added at the end."""
        return self._types

    def block_type(self, type_: FuncType) -> Any:
        """The shortest immediate for a block of this type; a new type is added if it takes one."""
        if not type_.params and len(type_.results) <= 1:
            return type_.results[0] if type_.results else None
        if self._pool is None:
            self._pool, index = {}, 0
            for group in self._types:
                if len(group) == 1 and isinstance(group[0].composite, FuncType) and group[0] == SubType(
                    group[0].composite
                ):  # fmt: skip
                    self._pool.setdefault(group[0].composite, index)
                index += len(group)
            self._type_count = index
            self._types = list(self._types)
        known = self._pool.get(type_)
        if known is None:
            known = self._pool[type_] = self._type_count
            self._types.append((SubType(type_),))
            self._type_count += 1
        return known

    def _without_items(self, module: Module) -> Module:
        module.globals = [replace(g, init=self._mended(g.init, g.type.type)) for g in module.globals]
        module.tables = [
            t if t.init is None else Table(t.type, self._mended(t.init, t.type.ref)) for t in module.tables
        ]
        module.elems = [self._mended_elem(elem) for elem in module.elems]
        module.datas = [
            replace(d, offset=self._mended_offset(d.offset)) if d.mode is SegmentMode.ACTIVE else d
            for d in module.datas
        ]
        return remove_items(module, self.removal)

    def _mended(self, expr: Expr, type_: ValType) -> Expr:
        if not any(map(self._names_gone, expr)):
            return expr
        value = default_value(type_)
        if len(value) > 1:
            raise Dangling(f"{type_} has no constant")
        return value

    def _mended_offset(self, expr: Expr) -> Expr:
        return self._mended(expr, I32)

    def _mended_elem(self, elem: Elem) -> Elem:
        kept = tuple(e for e in elem.init if not any(map(self._names_gone, e)))
        offset = self._mended_offset(elem.offset) if elem.mode is SegmentMode.ACTIVE else elem.offset
        return replace(elem, init=kept, offset=offset)

    def _calls(self, module: Module) -> tuple[Invocation, ...]:
        """The calls that still name an exported function, without the arguments that its type lost."""
        old = {e.name: e.index for e in self.module.exports if e.kind is ExternKind.FUNC}
        names = {e.name for e in module.exports if e.kind is ExternKind.FUNC}
        calls = []
        for call in self.subject.invocations:
            if call.export in names and call.export in old:
                lost = self.lost.get(self.lifter.context.funcs[old[call.export]], (NONE, NONE))[0]
                calls.append(replace(call, args=without(call.args, lost)))
        return tuple(calls)


def without(items: tuple[Any, ...], gone: Positions) -> tuple[Any, ...]:
    return tuple(item for k, item in enumerate(items) if k not in gone)


def with_module(subject: Subject, module: Module) -> Subject:
    """A subject around a changed module; calls of exports that are gone go."""
    names = {item.name for item in module.exports if item.kind is ExternKind.FUNC}
    return Subject(module, tuple(call for call in subject.invocations if call.export in names))


def function_exports(module: Module) -> dict[str, int]:
    return {item.name: item.index for item in module.exports if item.kind is ExternKind.FUNC}
