"""What the harness writes down and passes on: plain values, each with ``to_json`` and ``from_json``.

``finding``
    ``Finding``: a case on which engines disagree, with all that is needed to see it again; ``Signature``: what makes
    two findings the same bug, and its ``bucket``, the part that is known before minimizing; ``EngineRun``.
``stats``, ``target_yield``
    Counts over cases, of a run and of each of its targets. Both are ``Sums`` (``sums``): they add up exactly, whatever
    was counted where.
``history``
    What an archive remembers: ``Series``, ``Night``, ``Sighting``, ``Cause``, ``Minimization``, ...
``summary``
    ``Summary``: a run as far as it got; ``Stored``: a finding in the output folder;
    ``Observer``: whoever watches a run.
``morning``
    ``Morning``: a folder's causes with what the last night says of them, which every report is made of.
``exit_code``
    What commands end with.

A new count is a field of ``Stats`` or ``TargetYield`` and a line in docs/json.md: adding and JSON follow from the
field. An older archive has no such field and is read as zero. A change that older readers would misunderstand raises
the version beside it (``FINDING_VERSION``, ``SUMMARY_VERSION``).
"""
