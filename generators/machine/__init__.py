"""Machine functions for the register allocators alone."""
