"""Judging: when observations of one case agree, what excuses a difference, and who is probably wrong."""
