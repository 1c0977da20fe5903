"""The lowering rules, found by listing this folder: ``compiler.x64.isa`` imports every file in it.

A rule says which machine instructions stand for one SSA instruction. It is registered under the name of the row of
``wasm.isa`` or of the operation of ``compiler.ir`` that it lowers, and found by that name
(``compiler.lower.RULES``); terminators have rules by their class (``compiler.lower.ends``).

    @lowers("f32.sqrt", "f64.sqrt")
    def _sqrt(c: Lowering, inst: Inst) -> None:
        build(c, f"sqrt{split_float(inst)[0]}", c.use(inst.args[0]), out=inst.results[0])

What a rule calls:

``c.use(value)``      the register of an operand; from then on the value is wanted, and its maker will be lowered
``c.constant(value)`` its bits if it is a constant, to be folded into an immediate; asking does not make it wanted
``c.maker(value, *names)``  the instruction that makes it, to be folded whole if nothing else needs the value
``build``             a row of the table in ``compiler.x64.insts``, with the constraints that the row's format implies
``pseudo``            anything else: a short sequence with an emission function in ``compiler.x64.pseudo``

What a rule must keep: it gives every result (``out=``, or a definition in a pseudo's operands); it asks for all its
operands before it sets flags; it folds nothing with ``opt=none``; a folded maker has no effects, since it is lowered
again where it is folded. Blocks are lowered from last to first, so what a rule does not ask for is never made.

What is shared stands lowest: ``scalars`` below ``conditions`` (flags, and what reads them), both below ``ints``,
``floats``, ``memory`` and ``control``; the vector files need only ``compiler.x64.vectors``.

To add one: a function with ``@lowers`` in the file of its subject, or a new file here. tests/lowering/test_totality.py
asks that every row has a rule and every rule a row, tests/lowering runs each row natively beside the interpreter, and
tests/lowering/cases shows what a rule makes of a small function, as text.
"""
