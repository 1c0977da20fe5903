"""Register allocation: two allocators over one input, one checker for the answers of both."""
