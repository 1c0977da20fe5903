"""The harness: runs cases on all engines, keeps every disagreement, and makes a small and named finding of it.

    a number -> Case -> Trial -> Finding -> smaller Finding -> a bundle on the disk -> Summary -> a report

``cli``
    One file a command.
``campaign``, ``selfcheck``
    Many cases in many processes, until the time is over; a search for a fault that was put in on purpose.
``trial``, ``archive``
    One case: on all engines, again, smaller, counted. The output folder.
``reduce``, ``triage``, ``report``, ``faults``
    Stages that know nothing of each other: smaller cases; which findings are one bug; telling people; faults of our
    own.
``records``
    What all of them pass on: plain values with a JSON form each.
``atheris_targets``
    The project's own decoder and compiler under a coverage-guided fuzzer.

Every folder has a floor in ``pyproject.toml`` and imports only from those below; a new folder needs one there, and a
stage that has to run something is handed a function.
"""

VERSION = "0.1.0"
