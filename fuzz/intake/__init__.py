"""What people bring: files recognised by what is in them, whatever they are called.

    piece        one thing that can be run: a case, or a script of the test suite (``Piece``)
    format       a way in which pieces come: one file in ``formats/``, found by its name
    calls        which exports to call with what, as people write it (``calls.py``)

    reading.py   ``bring(path, wish)``: the pieces in a file or a bundle

To add a format: a file in ``formats/`` with ``WHAT`` (its name in messages), ``fits(content)`` (from the first bytes or
words, never from the file's name) and ``read(given)``. A format that holds other files, as a zip does, hands them to
``given.inside``. No two formats may fit one content: ``tests/intake`` tries every sample on every format.
"""
