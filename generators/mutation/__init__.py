"""Typed edits of cases that exist: what an edit may touch, merging, splicing, fuel."""
