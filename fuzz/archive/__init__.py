"""The output folder: findings as bundles, and the journal of what was done; whole after a kill at any moment.

    OUT/journal.jsonl       one object a line, only appended to: a series begun, a batch done, a finding stored
    OUT/findings/NAME/      a bundle: one finding as a folder that explains itself and replays without this project

``archive``
    ``Archive``: the folder opened for writing, by one process. ``Series``: targets, seed and version of the generators,
    which determine a run's cases. Functions that read what is there.
``recorded``
    The records that reports are made of, from what is there.
``bundle``
    The files of a bundle. ``repro`` writes its ``repro.sh``, ``wast`` its ``case.wast`` and ``case.wat``, ``stand_ins``
    the modules that stand in for the host there.
``disk``
    Files and folders that appear at once, whole and durable; the lock; ``ArchiveError``.

A new file of a bundle is an entry in ``bundle.files`` and a line in reports/README.md;
``tests/harness/test_example.py`` compares the example there with what is written today.
"""
