"""The judge: when observations of one case agree, what excuses a difference, and who is probably wrong.

    observations, reference's observation -> judge -> Agree | Disagree        (``verdict``)

``compare``
    ``judge``, and every rule of what may legally differ, with its section of the specification beside it.
``equality``
    When two values are the same: bit patterns, NaNs whose bits are open, references by identity.
``excuses``
    Limits that an engine may have, and growth that may fail.
``vote``
    One vote per family of independent code; who is a suspect.
``verdict``
    ``Dissent`` (an engine's first deviation), ``Poison`` (a vote that counts for nothing from some invocation on) and
    ``Verdict``.

The judge runs nothing: it is handed what the engines did, and a function that fetches a block of memory where two
checksums differ. A new rule is a method of ``compare`` and a test in tests/judging that shows it biting and not biting.
"""
