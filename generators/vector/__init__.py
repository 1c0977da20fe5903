"""Vector code: expressions over every vector instruction, constants, shuffles, idioms."""
