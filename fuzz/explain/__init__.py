"""Why a finding is wrong: by settings, by function, by operation (docs/explaining.md)."""
