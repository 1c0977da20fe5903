"""Hand-assembled code at the border between host and compiled code: ``python -m tests.native.border``.

Prints one JSON object. Runs in a process of its own: it takes over signals and makes faults on purpose.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections import Counter
from typing import Any

from compiler.emit import CodeBuffer, CompiledFunction
from compiler.helper_table import number
from compiler.layout import STATUS, STATUS_TRAP, TRAP
from compiler.x64.encode import RBP, RSP, Mem, Place, encode
from compiler.x64.insts import ROWS
from oracles.compiled.machine import NESTING, Machine, machine
from oracles.compiled.regions import Region, write_word
from oracles.compiled.stops import Fault, TimeUp
from oracles.stops import Exhaustion
from wasm.traps import Trap

ROUNDS = 500
"""Of four faults, a trap and a call that returns each."""
_RAX, _RCX, _RSI, _RDI, _RUNTIME = 0, 1, 6, 7, 10


class Code:
    """One function."""

    def __init__(self) -> None:
        self.buffer = CodeBuffer()
        self.asm("push", RBP)
        self.asm("mov64", RBP, RSP)

    def asm(self, name: str, *places: Place, imm: int = 0) -> None:
        self.buffer.code += encode(ROWS[name], places, imm)

    def raw(self, code: bytes, reloc: str = "") -> None:
        self.buffer.code += code
        if reloc:
            self.buffer.reloc(reloc)

    def spoil(self) -> None:
        """Leave no register but the stack's as it was."""
        for register in range(16):
            if register not in (RSP, RBP):
                self.asm("xor64", register, register)

    def done(self, name: str) -> CompiledFunction:
        return self.buffer.finish(name, 0, [])


def returning() -> CompiledFunction:
    code = Code()
    code.spoil()
    code.asm("pop", RBP)
    code.asm("ret")
    return code.done("returning")


def trapping() -> CompiledFunction:
    code = Code()
    code.spoil()
    code.raw(b"\x49\xba", "runtime")
    code.asm("mov64_store_i32", Mem(_RUNTIME, TRAP), imm=1)
    code.asm("mov64_store_i32", Mem(_RUNTIME, STATUS), imm=STATUS_TRAP)
    code.raw(b"\xe9", "exit")
    return code.done("trapping")


def faulting(kind: str) -> CompiledFunction:
    code = Code()
    code.spoil()
    if kind == "read":
        code.asm("mov64_load", _RAX, Mem(_RAX))
    elif kind == "divide":
        code.asm("idiv32", _RCX)
    elif kind == "illegal":
        code.asm("ud2")
    else:
        code.raw(b"\xff\xe0")  # jmp rax: into nothing
    return code.done(kind)


def endless() -> CompiledFunction:
    code = Code()
    code.spoil()
    code.raw(b"\xeb\xfe")
    return code.done("endless")


def recursive() -> CompiledFunction:
    """Calls itself without looking at the stack's limit: runs into the guard pages."""
    code = Code()
    here = len(code.buffer.code)
    code.raw(b"\xe8" + (-here - 5).to_bytes(4, "little", signed=True))
    return code.done("recursive")


def asking() -> CompiledFunction:
    """Asks its context's owner for help, and returns."""
    code = Code()
    code.asm("mov64", _RSI, _RDI)
    code.asm("mov32_imm", _RDI, imm=number(("test",)))
    code.raw(b"\xe8", "thunk")
    code.asm("pop", RBP)
    code.asm("ret")
    return code.done("asking")


class Bench:
    def __init__(self, machine_: Machine) -> None:
        self.machine = machine_
        made = [
            returning(), trapping(), faulting("read"), faulting("divide"), faulting("illegal"), faulting("jump"),
            endless(), recursive(), asking(),
        ]  # fmt: skip
        self.names = {function.name: index for index, function in enumerate(made)}
        self.loaded = machine_.load(dict(enumerate(made)))
        self.block = Region(16, 16)
        self.context = self.block.address
        write_word(self.context, machine_.runtime)

    def enter(self, name: str) -> None:
        self.machine.enter(self.context, self.loaded.address(self.names[name]))

    def run(self, name: str) -> str:
        """What became of one call."""
        try:
            self.enter(name)
        except Trap as trap:
            return f"trap {trap.kind.name}"
        except Fault as fault:
            return str(fault).partition("+")[0]
        except TimeUp:
            return "time"
        except Exhaustion as exhaustion:
            return f"exhausted {exhaustion.what}"
        return "returned"


def faults(bench: Bench) -> dict[str, int]:
    """Faults and traps in turn, with Python's own memory management between them."""
    found: Counter[str] = Counter()
    for _ in range(ROUNDS):
        for name in ("read", "divide", "illegal", "jump", "trapping", "returning"):
            found[bench.run(name)] += 1
        gc.collect(0)
    return dict(found)


def deadlines(bench: Bench) -> list[str]:
    """An endless loop; a host function that is busy when the time is over; a call afterwards."""
    found = []
    for _ in range(5):
        with bench.machine.deadline(0.02):
            found.append(bench.run("endless"))

    def busy(_request: tuple[Any, ...]) -> None:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    bench.machine.owners[bench.context] = busy
    with bench.machine.deadline(0.02):
        found.append(bench.run("asking"))
        found.append(bench.run("returning"))
    found.append(bench.run("returning"))
    return found


def nested(bench: Bench) -> list[object]:
    """Entries inside helpers: as deep as is allowed, one too deep, and what stops an inner one stops the outer."""
    found: list[object] = []
    depth = limit = 0

    def deeper(_request: tuple[Any, ...]) -> None:
        nonlocal depth
        depth += 1
        if depth < limit:
            bench.enter("asking")

    for wanted in (1, NESTING, NESTING + 1):
        depth, limit = 0, wanted
        bench.machine.owners[bench.context] = deeper
        found += [bench.run("asking"), depth]
    for inner in ("read", "trapping", "recursive"):

        def stopped(_request: tuple[Any, ...], inner: str = inner) -> None:
            bench.enter(inner)

        bench.machine.owners[bench.context] = stopped
        found.append(bench.run("asking"))

    def survives(_request: tuple[Any, ...]) -> None:
        found.append(bench.run("illegal"))

    bench.machine.owners[bench.context] = survives
    found.append(bench.run("asking"))

    def fails(_request: tuple[Any, ...]) -> None:
        raise KeyError("of the helper")

    bench.machine.owners[bench.context] = fails
    try:
        bench.enter("asking")
    except KeyError as error:
        found.append(str(error))
    return found


def main() -> int:
    bench = Bench(machine())
    report = {
        "faults": faults(bench),
        "stack": [bench.run("recursive") for _ in range(50)],
        "deadlines": deadlines(bench),
        "nested": nested(bench),
        "afterwards": bench.run("returning"),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
