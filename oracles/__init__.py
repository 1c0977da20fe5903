"""Running and judging: the reference interpreter, real engines in worker processes, and the comparison."""
