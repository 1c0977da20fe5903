"""Functions that call each other: calls of every kind, rows of values pushed and used, arguments from the host."""
