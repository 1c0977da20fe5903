"""From a compiler's rules to what WebAssembly reaches them: aims (``generators.aims``).

    Rule -> Grower.trees -> trees with open types and constants -> solutions -> Reacher -> solved -> Aim

==============  ======================================================================================================
``clif``        the types and operators that rules are written in
``typings``     which types an operator can have
``trees``       operators, leaves and holes; making two trees one
``functions``   what conditions compute: numbers, types
``skeletons``   the shapes of trees that a left-hand side takes
``matching``    whether a rule takes a tree without anything open: patterns, conditions
``constants``   constants inside and just outside of conditions, by trying
``reaching``    the instructions whose translation a tree is; of vectors, floats and memory in ``lanes``
``results``     what a rule makes of a tree, for checking that a release applies it
``deriving``    these in one: a rule's aims, or why it has none
``reading``     all rule files of a release
==============  ======================================================================================================

The shape comes from the pattern, everything else from trying: candidates for types and constants are put in, and
``matching``, which knows nothing of how they were found, says whether the rule holds. What no instruction is translated
to is looked for on the right-hand sides of the same release's mid-end rules (``Deriver.other``).

To add an operator, write a row in ``clif``, its types in ``typings`` and a word or a method in ``reaching``; a function
of conditions has its place in ``functions``.

Nouns: a *hole* is a constant that is open, a *leaf* any value.
"""
