"""Telling people and machines what a campaign did, from a ``Summary`` or a ``Morning`` and nothing else.

``words``
    The summary at a run's end and the progress line, in words that need no other page.
``live``
    ``Observer``s of a run: a live view in a terminal, plain lines elsewhere, JSON lines (docs/json.md).
``formats``
    ``fuzz report``, of a ``Morning``: the folder's listing is the list of formats.
``phrases``, ``upstream``, ``waste``
    What they say: of a cause, to an engine's maintainers, of what was of no use.
``svg``, ``plots``, ``strip_cells``, ``templates``
    What the page draws, and the page.
``suite``
    What ``fuzz spectest`` prints.

A new format is ``formats/NAME.py`` with ``render(morning) -> str`` and ``FILE``. A new line of the summary says what
its words mean before it uses them: it may be the first that a stranger reads of this project.
"""
