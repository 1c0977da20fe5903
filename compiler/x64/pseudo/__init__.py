"""Instructions that are no single row: each has a function here that writes its code.

A rule makes such an instruction with ``compiler.x64.build.pseudo``: a name, its operands with their constraints, an
immediate that only the two of them understand, and the registers that it ends. The allocators see the operands and
nothing else. After allocation the function of that name is called:

    @emits("mul_wide")
    def _mul_wide(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
        e.asm("imul1_64" if inst.imm else "mul64", hw(allocs[1]))

``allocs`` has a register or a spill slot for each of ``inst.operands``, in their order; ``hw`` is the register's number
where the constraint allows nothing else. ``e`` (``compiler.x64.assembler``) writes rows, jumps, loads, stores, exits.

What a function may rely on, and must keep: only ``TEMP`` and ``FTEMP``, the operands' registers and the clobbers may be
written, ``SCRATCH`` and ``FSCRATCH`` besides if no load or store of a spill slot comes between; an operand's register
may be written before all inputs were read only if its constraint or position says so (a late use, an early definition);
flags that a comparison set reach the ``jcc``, ``trap_if``, ``setcc`` or ``cmov`` behind it, because moves that an
allocator puts between them leave flags alone.

The folder's listing is the registry: ``compiler.x64.emission`` imports every file in it. A new sequence is a function
with ``@emits`` in the file of its subject, and a case in tests/encoding/cases.
"""
