"""Sorting findings: signatures, buckets, known issues."""
