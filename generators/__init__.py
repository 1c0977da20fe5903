"""Inventing cases: choices, expressions, module scaffolds and one file per fuzz target. Knows nothing of engines."""
