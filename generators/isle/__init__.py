"""Rule files of compilers, as text: what ISLE, the language that Cranelift's rules are written in, says.

    text -> read_forms -> Word, Number, Group -> read_program -> Program: Decl, Macro, Rule

==============  ======================================================================================================
``syntax``      words with their places, and lists of them
``program``     declarations, extractors that are macros, rules with patterns and conditions
==============  ======================================================================================================

It is what the language's own description defines (cranelift/isle/docs/language-reference.md) as far as left-hand sides
need it: types, conversions, specifications and expressions' meaning are read over. Rule files belong to whom they
belong to: they are read where the user's machine has them, and none of their text is here.

A new form of the language is added in ``program``, a new kind of word in ``syntax``. Nouns: a *form* is a word or a
list; a *term* a pattern or an expression.
"""
