"""Whether aims reach the rules that they are for: a sample, compiled by the release itself.

    python benchmarks/aims.py wasmtime@50.0.1 --sample 50 [--show]

Of each aim of the sample (``random.Random(14)``) the function alone is compiled, with the first constants inside of its
conditions. What the rule makes of it is compiled as well, where its right-hand side can be built. A rule of the mid-end
is reached where both give the same machine code and without optimization do not; or where they are the same as they
are written. The others are shown with their machine code, for a person to judge: for a lowering rule that is whether
the instructions that it names are there.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from fuzz.cli.commands.rules import crate_version
from fuzz.explain.disassembly import disassembled
from generators.aims.aim import Address, Aim, Apply, Leaf, Open, Tree, parts, result_type, text
from generators.rules.deriving import Derived
from generators.rules.reaching import Reacher
from generators.rules.reading import read_programs
from generators.rules.results import NotBuilt, result
from generators.rules.skeletons import NotDerived
from oracles.crates import sources
from oracles.engine import EngineId
from oracles.engines.wasmtime import machine_code
from wasm.builder import ModuleBuilder
from wasm.encode import encode
from wasm.isa import OPS, Imm, Instr, MemArg
from wasm.valtypes import NUM_TYPES

_TYPES = {t.name: t for t in NUM_TYPES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", help="wasmtime@VERSION")
    parser.add_argument("--sample", type=int, default=50)
    parser.add_argument("--show", action="store_true", help="show the code of all, not only of what a person must judge")
    args = parser.parse_args()
    version = args.engine.partition("@")[2]
    home = sources("cranelift-codegen", crate_version(version), ".isle", False)
    chosen = random.Random(14).sample(list(_all(home)), args.sample)
    proved = 0
    for number, (deriver, derived, at) in enumerate(chosen, 1):
        aim, tree = derived.aims[at], derived.trees[at]
        reached = Reacher(deriver.other)
        try:
            made, _ = Reacher(deriver.other).root(result(deriver.program, derived.rule, tree))
            after = made
        except (NotBuilt, NotDerived, KeyError) as why:
            after = None
            reason = str(why)
        del reached
        verdict = ""
        codes = {opt: _compiled(args.engine, opt, aim, after) for opt in ("speed", "none")}
        if after is not None:
            same = codes["speed"][0] == codes["speed"][1]
            trivially = codes["none"][0] == codes["none"][1]
            verdict = "the same code as its result" + (", as without optimization" if trivially else "") if same else ""
            proved += same
        print(f"{number}. {derived.rule.place} {text(aim.tree)} {aim.inside[0]}: {verdict or 'to be judged'}")
        if after is not None:
            print(f"    becomes {text(after)}")
        if not verdict or args.show:
            print(*(f"      {line}" for line in codes["speed"][0]), sep="\n")
            if after is not None:
                print("    its result:", *(f"      {line}" for line in codes["speed"][1]), sep="\n")
            else:
                print(f"    ({reason})")
    print(f"{proved} of {len(chosen)} have the same code as their results")


def _all(home: Path):
    for deriver, rules in read_programs(home):
        for rule in rules:
            derived: Derived = deriver.derive(rule)
            for at in range(len(derived.aims)):
                yield deriver, derived, at


def _compiled(engine: str, opt: str, aim: Aim, after: Tree | None) -> list[list[str]]:
    """The machine code of an aim's function, and of its result's, with the same parameters."""
    leaves = list(dict.fromkeys(part for part in parts(aim.tree) if isinstance(part, Leaf)))
    builder = ModuleBuilder()
    builder.memory(1, 1)
    trees = [aim.tree] + ([after] if after is not None else [])
    for tree in trees:
        type_ = result_type(tree)
        function = builder.func([_TYPES["i32"], *(_TYPES[leaf.type] for leaf in leaves)], [type_] if type_ else [])
        function.body += _body(tree, leaves, aim.inside[0])
        builder.export_func(f"f{function.index}", function.index) if hasattr(builder, "export_func") else None
    codes = machine_code(EngineId.parse(f"{engine}:opt={opt}"), encode(builder.finish()), False)
    return [disassembled(codes[number]) for number in range(len(trees))]


def _body(tree: Tree, leaves: list[Leaf], values: tuple[int, ...]) -> list[Instr]:
    match tree:
        case Address():
            return [(OPS["local.get"], 0)]
        case Leaf():
            return [(OPS["local.get"], 1 + leaves.index(tree))]
        case Apply(row, imms, args):
            given = iter(values[one.number] if isinstance(one, Open) else one for one in imms)
            made = [
                MemArg(0, 0, 0) if kind is Imm.MEMARG
                else tuple(next(given).to_bytes(16, "little")) if kind is Imm.LANES else next(given)
                for kind in OPS[row].imms
            ]  # fmt: skip
            imm = None if not made else made[0] if len(made) == 1 else tuple(made)
            return [*(instr for arg in args for instr in _body(arg, leaves, values)), (OPS[row], imm)]
    raise AssertionError(tree)


if __name__ == "__main__":
    main()
