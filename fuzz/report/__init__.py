"""Telling people and machines what a campaign did."""
