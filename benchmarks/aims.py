"""Whether aims reach the rules that they are for: a sample, compiled by the release itself.

    python benchmarks/aims.py wasmtime@50.0.1 [--sample 50]      # after fuzz rules wasmtime@50.0.1

Of each aim of the sample (``random.Random(14)``, of the aims at hand) the function alone is compiled, with the first
constants inside of its conditions, and so is what the rule makes of it, where its right-hand side can be built. Where
both give the same machine code the rule (or one that does the same) was applied, unless they are the same without
optimization too. The others are shown with their machine code, for a person to judge: of a lowering rule, whether the
instructions are there that it names.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.cli.commands.rules import crate_version
from fuzz.explain.disassembly import disassembled
from generators.aims.aim import Address, Aim, Apply, BadAim, Leaf, Open, Tree, parts, result_type, text
from generators.aims.store import read_file
from generators.rules.deriving import Derived, Deriver
from generators.rules.reaching import Reacher
from generators.rules.reading import read_programs
from generators.rules.results import NotBuilt, result
from generators.rules.skeletons import NotDerived
from generators.rules.trees import Leaf as Value
from oracles.crates import sources
from oracles.engine import EngineId
from oracles.engines.wasmtime import machine_code
from wasm.builder import ModuleBuilder
from wasm.encode import encode
from wasm.isa import OPS, Imm, Instr, MemArg
from wasm.valtypes import NUM_TYPES

_TYPES = {t.name: t for t in NUM_TYPES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", help="wasmtime@VERSION")
    parser.add_argument("--sample", type=int, default=50)
    args = parser.parse_args()
    version = args.engine.partition("@")[2]
    home = sources("cranelift-codegen", crate_version(version), ".isle", False)
    sample = random.Random(14).sample(read_file(args.engine)["aims"], args.sample)
    chosen = list(_derived(home, [(one["rules"][0], one["tree"]) for one in sample]))
    same = sum(_judge(args.engine, number, *one) for number, one in enumerate(chosen, 1))
    print(f"{same} of {len(chosen)} have the same machine code as what their rules make of them")


def _judge(engine: str, number: int, deriver: Deriver, derived: Derived, at: int) -> bool:
    """Print what a person needs to judge an aim; whether nobody has to."""
    aim, tree = derived.aims[at], derived.trees[at]
    after: Tree | None = None
    why = ""
    try:
        becomes = result(deriver.program, derived.rule, tree)
        reacher = Reacher(deriver.other)
        after = reacher.reach(becomes) if isinstance(becomes, Value) else reacher.root(becomes)[0]
        result_type(after)
    except (NotBuilt, NotDerived, BadAim, KeyError) as error:
        after, why = None, str(error)
    fast, plain = (_compiled(f"{engine}:opt={opt}", aim, after) for opt in ("speed", "none"))
    same = after is not None and fast[0] == fast[1]
    verdict = (
        "to be judged" if not same else "as its result" + (", without optimization too" if plain[0] == plain[1] else "")
    )
    print(f"{number}. {derived.rule.place} {text(aim.tree)} {','.join(map(str, aim.inside[0]))}: {verdict}")
    if after is not None:
        print(f"    becomes {text(after)}")
    if not same:
        print(f"    {'; '.join(fast[0])}")
        print(f"    {'its result: ' + '; '.join(fast[1]) if after is not None else f'({why})'}")
    return same


def _derived(home: Path, wanted: Sequence[tuple[str, str]]) -> Iterator[tuple[Deriver, Derived, int]]:
    """Aims by their rule's place and their tree, derived once more: with the trees that they were made of."""
    programs = list(read_programs(home))
    for place, tree in wanted:
        for deriver, rules in programs:
            for rule in rules:
                if rule.place == place:
                    derived = deriver.derive(rule)
                    at = next(at for at, aim in enumerate(derived.aims) if text(aim.tree) == tree)
                    yield deriver, derived, at


def _compiled(engine: str, aim: Aim, after: Tree | None) -> list[list[str]]:
    """The machine code of an aim's function, and of its result's, with the same parameters."""
    leaves = list(dict.fromkeys(part for part in parts(aim.tree) if isinstance(part, Leaf)))
    builder = ModuleBuilder()
    builder.memory(1, 1)
    trees = [aim.tree] + ([after] if after is not None else [])
    for number, tree in enumerate(trees):
        type_ = result_type(tree)
        params = [_TYPES["i32"], *(_TYPES[leaf.type] for leaf in leaves)]
        function = builder.func(params, [type_] if type_ is not None else [], export=f"f{number}")
        function.body += _body(tree, leaves, aim.inside[0])
    codes = machine_code(EngineId.parse(engine), encode(builder.finish()), False)
    return [_own(disassembled(codes[number])) for number in range(len(trees))]


def _own(lines: list[str]) -> list[str]:
    """The instructions between a function's entry and its return."""
    kept = [line.strip() for line in lines]
    if "ret" in kept:
        kept = kept[: kept.index("ret")]
    checked = next((at for at, line in enumerate(kept) if line.startswith("ja ")), -1)
    frame = ("push rbp", "mov rbp, rsp", "mov rsp, rbp", "pop rbp")
    return [line for line in kept[checked + 1 :] if line not in frame]


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
