"""Machine functions for the register allocators alone: no module, no code that means anything, any constraint.

=========  ===========================================================================================================
``funcs``  ``make_function``: control flow, values along edges, and the registers to allocate with
``insts``  ``InstMaker``: single instructions, whose demands fit the registers
=========  ===========================================================================================================

Nouns are those of ``compiler.machine`` and of regalloc2: a *VReg* is a value, a *PReg* a register of a class, an
*operand* uses or defines a value under a *constraint*, early or late in its instruction; *clobbers* are lost to it.
Besides:

- A *budget* is the registers that an instruction may still ask for, at its early and its late moment.
- What is *singular* about an instruction is one thing that needs the budget to be counted otherwise: reuse of an
  input's register, a late use, an early definition, a register outside of those to allocate.
- A *scope* is the values that may be used: all that are defined in dominating blocks.

Use:

    func, env = make_function(source)
    answer = ALLOCATORS["backtracking"](func, env)
    assert check(func, env, answer) == []

A new kind of control flow is a method of ``_Maker`` with a weight in ``_SHAPES``; a new demand one of ``InstMaker``
with a weight in ``_ASKS`` or ``_SINGULAR``. Functions must be satisfiable by construction: a refusal is a finding.
"""
