"""Which releases of an engine show a finding: first bad, last bad, and what cannot be asked (docs/bisecting.md)."""
