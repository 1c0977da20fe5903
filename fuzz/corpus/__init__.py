"""A corpus: a folder of cases, one file each, that are seeds for ``mutate`` and regressions with expected outcomes.

    DIR/NAME-DIGEST.json      a case as ``fuzz generate`` writes it, and beside it ``expected`` and ``origin``

What another release, project or person put in has no ``expected``; it is a case all the same.
"""
