"""One module per format of ``fuzz report``: ``render(morning) -> str`` is the whole report as text, ``FILE`` the name
of the file that ``--write`` makes of it."""
