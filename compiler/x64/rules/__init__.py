"""Lowering rules: one file a family of instructions; importing the package registers all of them."""
