"""What each target gave for its cases: shapes asked for and reached, endings, instructions and features executed.

Cases are counted all; what takes a second look at the module, or a slower run of it, is counted in a sample.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fuzz.records.sums import Sums
from wasm.isa import Imm
from wasm.module import Module
from wasm.valtypes import FuncType, SubType


@dataclass(slots=True)
class TargetYield(Sums):
    """Counts over the cases of one target.

    ``wide`` cases have a call site of more than 20 values and ``passed_wide`` ones executed past such a site.
    ``asked`` is the histogram of the largest call site that the generator says a case has, ``passed`` that of the
    largest one whose last result was used (``results 21..32``). ``outcomes`` are invocations by their ending,
    ``features`` and ``labels`` cases. ``met`` counts what an enumerated target has in its cases, by kind.

    Of the ``sampled`` cases, ``measured`` is the histogram of what is in the module itself, whatever its generator
    says; ``generated`` and ``executed`` are in how many of them an instruction stands and was executed, by its name,
    and ``executed_features`` in how many an instruction of that feature was.
    """

    cases: int = 0
    wide: int = 0
    passed_wide: int = 0
    sampled: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    measured: Counter[str] = field(default_factory=Counter)
    generated: Counter[str] = field(default_factory=Counter)
    executed: Counter[str] = field(default_factory=Counter)
    executed_features: Counter[str] = field(default_factory=Counter)

    def share(self, *endings: str) -> float:
        """The share of the invocations whose ending begins with one of these words; 0 where there was none."""
        whole = sum(self.outcomes.values())
        part = sum(number for ending, number in self.outcomes.items() if ending.startswith(endings))
        return part / whole if whole else 0.0


def measure(module: Module) -> dict[str, int]:
    """Sizes of a module as it is, whoever made it: the largest of each kind, and how many instructions there are.

    ``results`` and ``params`` are those of its functions and imports, ``block values`` parameters or results of a
    block, ``labels`` those of a ``br_table``.
    """
    types, flat = module.func_types(), module.flat_types()
    nesting = targets = blocks = 0
    for func in module.funcs:
        depth = 0
        for op, imm in func.body:
            if not op.imms:
                depth -= op.name == "end"
            elif op.imms[0] is Imm.BLOCK_TYPE:
                depth += 1
                nesting = max(nesting, depth)
                blocks = max(blocks, _block_values(flat, imm[0] if len(op.imms) > 1 else imm))
            elif op.name == "br_table":
                targets = max(targets, len(imm[0]))
    return {
        "results": max((len(type_.results) for type_ in types), default=0),
        "params": max((len(type_.params) for type_ in types), default=0),
        "locals": max((sum(count for count, _ in func.locals) for func in module.funcs), default=0),
        "block values": blocks,
        "nesting": nesting,
        "labels": targets,
        "functions": len(module.funcs),
        "instructions": sum(len(func.body) for func in module.funcs),
    }


def _block_values(types: list[SubType], type_: object) -> int:
    if not isinstance(type_, int):
        return int(type_ is not None)
    composite = types[type_].composite
    return max(len(composite.params), len(composite.results)) if isinstance(composite, FuncType) else 0
