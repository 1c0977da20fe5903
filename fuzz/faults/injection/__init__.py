"""How faults get into the code under test: patches, the catalogue of faults, mutants, and a worker with a fault."""
