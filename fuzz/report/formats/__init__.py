"""One module per format of ``fuzz report``; each has ``render(summary) -> str``."""
