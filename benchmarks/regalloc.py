"""How the allocators and the checker grow: CPU seconds for one wide instruction, and for many virtual registers.

    python benchmarks/regalloc.py [--top 65536]

The last column is the cost per operand or register at the largest size over that at the smallest: 1 is linear.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compiler.abi import Abi
from compiler.machine import ANY, MachineBlock, MachineFunc, MachineInst, define, reuse, use
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS
from wasm.valtypes import I64


def wide(count: int) -> MachineFunc:
    """One instruction that defines ``count`` values, and one that uses them all."""
    func = MachineFunc("wide", [I64] * count)
    makes = MachineInst("call", tuple(define(vreg, ANY) for vreg in range(count)))
    takes = MachineInst("ret", tuple(use(vreg, ANY) for vreg in range(count)), edges=())
    func.blocks = [MachineBlock((), [makes, takes])]
    return func


def chain(count: int) -> MachineFunc:
    """``count`` registers, each made from the one before and one from 40 back."""
    func = MachineFunc("chain", [I64] * count)
    insts = [MachineInst("start", (define(0),))]
    for vreg in range(1, count):
        operands = (use(vreg - 1), use(max(0, vreg - 40), ANY), define(vreg, reuse(0)))
        insts.append(MachineInst("add", operands))
    insts.append(MachineInst("ret", (use(count - 1),), edges=()))
    func.blocks = [MachineBlock((), insts)]
    return func


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--top", type=int, default=65_536, help="operands of the widest instruction")
    args = parser.parse_args()
    env = Abi().env
    for name, make, top in (("operands", wide, args.top), ("registers", chain, 100_000)):
        sizes = [top // 16, top // 4, top]
        print(f"{name:<28}" + "".join(f"{size:>10}" for size in sizes) + f"{'growth':>10}")
        for allocator, allocate in ALLOCATORS.items():
            allocating, checking = [], []
            for size in sizes:
                func = make(size)
                start = time.process_time()
                answer = allocate(func, env)
                middle = time.process_time()
                assert not check(func, env, answer)
                allocating.append(middle - start)
                checking.append(time.process_time() - middle)
            for what, seconds in ((allocator, allocating), (f"{allocator}, checker", checking)):
                growth = seconds[-1] / sizes[-1] / (seconds[0] / sizes[0])
                print(f"  {what:<26}" + "".join(f"{one:>10.2f}" for one in seconds) + f"{growth:>10.2f}")


if __name__ == "__main__":
    main()
