"""Which findings are one bug, and which bugs are known.

``signature``
    From a verdict to ``Signature``s: what stays the same when one bug shows on another module. ``split`` gives the
    findings in one verdict; ``refined`` adds what only a minimized case tells. ``template`` takes a message's numbers,
    registers and folders out.
``causes``
    ``classify``: whether a disagreement is a known cause: by what it executes, and by what is left of it when the
    guilty instructions are neutralized. ``cause_of`` makes the cause of a minimized finding; ``same_cause`` and
    ``united`` tell whether it is one that is known, and what it adds to that.
``essentials``
    What a minimized case cannot miss: the instructions and the sizes.
``neutral``, ``neutral_code``, ``equivalent``
    The same case without given instructions: what they computed stands there, or the same by other instructions.
``known``
    Known issues as data (TOML): what a finding is recognised by, the releases that have it, and until when it is
    excused.

A part of a message that differs from case to case is one more pattern in ``signature._NOISE``, with a case in
tests/judging/test_signature.py; a bug of an engine is an entry in corpus/known/.
"""
