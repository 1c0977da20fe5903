"""Scalar code: expressions over the table, deep trees, idioms that compilers match."""
