"""The output folder: findings as bundles, and the journal of what was done; whole after any kill."""
