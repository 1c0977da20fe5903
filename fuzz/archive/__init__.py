"""The output folder: findings as bundles, and one file of what was done and seen; whole after a kill at any moment.

    OUT/archive.sqlite      nights, cases done, findings, causes, sightings, minimizations (``schema`` has the tables)
    OUT/findings/NAME/      a bundle: one finding as a folder that explains itself and replays without this project

``archive``
    ``Archive``: the folder opened for writing, by one process; ``Reader``: for reading, by any, at the same time.
``queries``, ``cause_tables``
    What both can be asked, one statement each, in the plain values of ``fuzz.records.history``; causes with what
    changes them.
``database``, ``schema``, ``writing``
    The SQLite file: opened with proof that it is whole, its tables, its rows. All errors name the file.
``done``
    Case numbers as ranges.
``bundles``
    The bundles on the disk beside the rows that speak of them: read, surveyed, set aside.
``settling``
    Which cause a finding gets, in a run and in a merge.
``merging``
    Several archives as one.
``takeover``
    Folders of the form before, with a ``journal.jsonl``.
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
