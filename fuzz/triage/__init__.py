"""Which findings are one bug, and which bugs are known.

``signature``
    From a verdict to ``Signature``s: what stays the same when one bug shows on another module. ``split`` gives the
    findings in one verdict; ``refined`` adds what only a minimized case tells. ``template`` takes a message's numbers,
    registers and folders out.
``buckets``
    ``Buckets``: how many findings of one bucket are stored, so that an old bug does not eat the night. ``Admission`` is
    what becomes of one: first, stored, counted.
``known``
    Known issues as data (TOML): what a finding is recognised by, the releases that have it, and until when it is
    excused.

A part of a message that differs from case to case is one more pattern in ``signature._NOISE``, with a case in
tests/judging/test_signature.py; a bug of an engine is an entry in corpus/known/.
"""
