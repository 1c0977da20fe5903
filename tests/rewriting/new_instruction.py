"""A program for test_new_instruction.py: an instruction that nobody knows, typed in one place, and used by everything.

``br_on_odd $global $label`` branches with the values on the stack if an i32 plus a global is odd. It has an index of
the module, a label, and a rule of its own, since its type depends on the label. What stands between the two lines is
all that the project is told about it; it has to be told before the tables that depend on the rows are made.
"""

from __future__ import annotations

# ------------------------------------------------------------------
from wasm.isa import BY_CODE, OPS, Imm
from wasm.isa.row import op

ROW = op("br_on_odd", 0xE7, None, Imm.GLOBAL, Imm.LABEL)
OPS[ROW.name] = BY_CODE[ROW.prefix, ROW.code] = ROW

from wasm.context import item  # noqa: E402
from wasm.validate_flow import FLOW  # noqa: E402
from wasm.validate_stack import Checker  # noqa: E402
from wasm.valtypes import F64, I32, I64  # noqa: E402


def _br_on_odd(checker: Checker, imm: tuple[int, int]) -> None:
    index, depth = imm
    item(checker.context.globals, index, "global")
    checker.pop(I32)
    checker.replace(checker.branch(depth))


FLOW[ROW] = _br_on_odd
# ------------------------------------------------------------------

from fuzz.reduce import reduce_case  # noqa: E402
from generators.choices import ChoiceSource  # noqa: E402
from generators.config import DEFAULT  # noqa: E402
from generators.mutation.editor import Editor  # noqa: E402
from generators.mutation.edits import make_edit  # noqa: E402
from generators.mutation.guards import CodeReader, deep_functions  # noqa: E402
from wasm.builder import ModuleBuilder, const  # noqa: E402
from wasm.case import Case  # noqa: E402
from wasm.context import ModuleContext  # noqa: E402
from wasm.decode import decode  # noqa: E402
from wasm.encode import encode  # noqa: E402
from wasm.module import Module  # noqa: E402
from wasm.rewrite.index_map import labels_of, names_in, with_labels  # noqa: E402
from wasm.rewrite.lift import ModuleGraphs  # noqa: E402
from wasm.rewrite.merging import merged  # noqa: E402
from wasm.rewrite.spaces import Space  # noqa: E402
from wasm.rewrite.spans import closed  # noqa: E402
from wasm.text import print_wat  # noqa: E402
from wasm.validate import validate  # noqa: E402


def sample() -> Module:
    """A block with three results around the instruction, which reads the second global; and work on both sides."""
    made = ModuleBuilder()
    made.global_(I64, const("i64.const", 1))
    odd = made.global_(I32, const("i32.const", 1), mutable=True)
    made.memory(1, 1)
    fn = made.func((I32, I64), (I64,), export="f")
    fn.open("block", (), (I64, F64, I64))
    fn.emit("local.get", 1)
    fn.emit("f64.const", 0)
    fn.emit("local.get", 1)
    fn.i64(3)
    fn.emit("i64.mul")
    fn.emit("local.get", 0)
    fn.i32(5)
    fn.emit("i32.add")
    fn.emit(ROW.name, (odd, 0))
    fn.end()
    fn.emit("local.set", 1)
    fn.emit("drop")
    fn.emit("local.get", 1)
    fn.emit("i64.add")
    return made.finish()


def graph_knows_it() -> None:
    graph = ModuleGraphs(sample()).graph(0)
    (node,) = (node for node in graph.nodes if node.op is ROW)
    assert node.control
    assert node.targets == (graph.frames[1],)
    assert [slot.type for slot in node.ins] == [I64, F64, I64, I32]
    assert [slot.type for slot in node.outs] == [I64, F64, I64]
    assert (node.carried, node.passed, node.transfer) == (3, 3, False)


def index_map_knows_it() -> None:
    instr = (ROW, (1, 2))
    seen: list[tuple[Space, int]] = []
    names_in(instr, lambda space, index: seen.append((space, index)))
    assert seen == [(Space.GLOBAL, 1)]
    assert labels_of(instr) == (2,)
    assert with_labels(instr, [7]) == (ROW, (1, 7))
    whole, _, _ = merged(sample(), sample(), "b_")
    validate(whole)
    assert [imm for func in whole.funcs for row, imm in func.body if row is ROW] == [(1, 0), (3, 0)]


def reducer_knows_it() -> None:
    """The unused global goes and the other one moves up; the values that the branch carries go, and their makers."""

    def wanted(case: Case) -> bool:
        return any(row is ROW for func in decode(case.content).funcs for row, _ in func.body)

    made = decode(reduce_case(Case(encode(sample())), wanted).case.content)
    validate(made)
    text = " ".join(print_wat(made).split())
    assert len(made.globals) == 1, text
    assert [row.name for row, _ in made.funcs[0].body] == ["block", "i32.const", "br_on_odd", "end", "end"], text


def mutation_knows_it() -> None:
    assert not closed([(ROW, (1, 0))])
    done = 0
    for turn in range(60):
        module = sample()
        reader = CodeReader(ModuleContext.of(module))
        source = ChoiceSource.seeded("new", turn)
        editor = Editor.open(module, reader, DEFAULT, source, 0, deep_functions(module))
        assert editor is not None
        results = [make_edit(editor) for _ in range(4)]
        assert False not in results, "an edit was taken back"
        done += results.count(True)
        validate(module)
        assert any(row is ROW for row, _ in module.funcs[0].body)
    assert done > 120


if __name__ == "__main__":
    validate(sample())
    assert decode(encode(sample())) == sample()
    graph_knows_it()
    index_map_knows_it()
    reducer_knows_it()
    mutation_knows_it()
    print("known")
