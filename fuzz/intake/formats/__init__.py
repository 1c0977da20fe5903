"""One file a format, found by its name (``fuzz.intake.reading.all_formats``)."""
