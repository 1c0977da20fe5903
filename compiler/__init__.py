"""The project's own code generator, written to be tested hard: SSA, machine code, register allocation, checker."""
