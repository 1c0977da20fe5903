"""The passes: one file each; the listing is the registry. ``fuzz.reduce.contract`` says what a pass is."""
