"""Telling people and machines what a campaign did, from a ``Summary`` and nothing else.

``words``
    The summary at a run's end and the progress line, in words that need no other page.
``live``
    ``Observer``s of a run: a live view in a terminal, plain lines elsewhere, JSON lines (docs/json.md).
``formats``
    ``fuzz report``: the folder's listing is the list of formats.
``suite``
    What ``fuzz spectest`` prints.

A new format is ``formats/NAME.py`` with ``render(summary) -> str``. A new line of the summary says what its words mean
before it uses them: it may be the first that a stranger reads of this project.
"""
