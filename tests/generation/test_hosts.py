"""Host functions that act: how often references live over a collecting call, and memories change before an access."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from generators.registry import make_case
from oracles.interpreter import Budget, run_case
from oracles.interpreter.values import Aggregate
from wasm.case import Case
from wasm.decode import decode
from wasm.hostmix import Act, Behaviour, acts, behaviour
from wasm.isa import OPS, Op
from wasm.module import ExternKind, Module

COUNT = 120
CALL, GET, SET, TEE = (OPS[name] for name in ("call", "local.get", "local.set", "local.tee"))


class Held:
    """Watches calls of host functions that collect: objects below the arguments on the operand stack, and objects in
    locals that are read again before they are set."""

    def __init__(self, module: Module) -> None:
        imports = module.imported(ExternKind.FUNC)
        self.collecting = {i for i, item in enumerate(imports) if Act.COLLECT in acts(item.module)}
        self.params = [len(type_.params) for type_ in module.func_types()[: len(imports)]]
        self.waiting: dict[int, set[int]] = {}
        self.calls = self.on_stack = self.in_locals = 0

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:
        del at
        if op is CALL and imm in self.collecting:
            self.calls += 1
            below = stack[: len(stack) - self.params[imm]]
            self.on_stack += any(isinstance(value, Aggregate) for value in below)
            self.waiting[func] = {i for i, value in enumerate(locals_) if isinstance(value, Aggregate)}
        elif (waiting := self.waiting.get(func)) and op in (GET, SET, TEE) and imm in waiting:
            waiting.discard(imm)
            if op is GET:
                self.in_locals += 1


def watched(case: Case) -> Held:
    held = Held(decode(case.content))
    run_case(case, budget=Budget(steps=60_000), tracer=held)
    return held


def test_references_live_over_collecting_calls() -> None:
    """Of 250 cases of gc 133 collect; in 95 an object is on the operand stack of the function that waits for the host,
    in 93 in one of its locals that is read behind the call, in 116 one or the other. Missed once in 100 seeds."""
    seen: Counter[str] = Counter()
    for index in range(COUNT):
        held = watched(make_case("gc", 6, index))
        seen["collects"] += held.calls > 0
        seen["stack"] += held.on_stack > 0
        seen["locals"] += held.in_locals > 0
    assert seen["collects"] >= COUNT * 0.39, seen
    assert seen["stack"] >= COUNT // 4, seen
    assert seen["locals"] >= COUNT // 4, seen


@pytest.mark.parametrize(("target", "least"), [("refs", 0.2), ("mixed", 0.05), ("startup", 0.08)])
def test_hosts_collect_in_other_targets(target: str, least: float) -> None:
    """In about two of seven cases of refs, one in nine of mixed and one in seven of startup: of two seeds together,
    fewer than so many have a probability below 2 in 1,000."""
    found = 0
    for seed in (6, 7):
        for index in range(COUNT):
            seen = run_case(make_case(target, seed, index), budget=Budget(steps=60_000))
            found += any(Act.COLLECT in acts(call.module) for call in seen.host_calls)
    assert found >= 2 * COUNT * least, found


def test_hosts_throw_set_and_grow_what_references_are_held_by() -> None:
    """Each in one of 50 cases of gc and refs at least: expected of a call back 1 in 12, of the others 1 in 20."""
    seen: Counter[str] = Counter()
    for target in ("gc", "refs"):
        for index in range(COUNT):
            found = set()
            for call in run_case(make_case(target, 6, index), budget=Budget(steps=60_000)).host_calls:
                found |= {act.value for act in acts(call.module)} | {behaviour(call.module).value}
            seen.update(found)
    for word in (Act.GROW, Act.WRITE, Behaviour.THROW, Behaviour.CALLBACK):
        assert seen[word.value] * 50 >= 2 * COUNT, (word, seen)


@pytest.mark.parametrize(("target", "least"), [("memory", 0.1), ("startup", 0.08), ("mixed", 0.03)])
def test_hosts_grow_and_write_memories(target: str, least: float) -> None:
    """In one of five cases of memory, one of six of startup and one of ten of mixed the host is asked to grow or to
    write an exported memory, and in some it has grown at the end."""
    asked = grown = 0
    for index in range(COUNT):
        case = make_case(target, 6, index)
        module = decode(case.content)
        seen = run_case(case, module, budget=Budget(steps=60_000))
        exported = {item.name: item.index for item in module.exports if item.kind is ExternKind.MEMORY}
        calls = [c for c in seen.host_calls if acts(c.module) & {Act.GROW, Act.WRITE} and c.name in exported]
        asked += bool(calls)
        imported = [item.type for item in module.imported(ExternKind.MEMORY)]
        types = [*imported, *module.memories]
        grows = {call.name for call in calls if Act.GROW in acts(call.module)}
        for state in seen.memories:
            grown += state.export in grows and state.pages > types[exported[state.export]].limits.minimum  # type: ignore[union-attr]
    assert asked >= COUNT * least, asked
    assert grown >= 2, grown


def test_an_access_follows_the_host_with_its_address_on_the_stack() -> None:
    """In the target memory, one case in eight has a host that changes memories between an address and its access."""
    between = 0
    for index in range(COUNT):
        case = make_case("memory", 6, index)
        module = decode(case.content)
        imports = module.imported(ExternKind.FUNC)
        acting = {i for i, item in enumerate(imports) if acts(item.module)}
        between += any(
            op is CALL and imm in acting and any(later.access is not None for later, _ in func.body[at + 1 : at + 14])
            for func in module.funcs
            for at, (op, imm) in enumerate(func.body)
        )
    assert between >= COUNT // 12, between
