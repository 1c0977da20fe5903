"""One case on trial: all engines run it, the judge speaks, suspicion is tried again, and its worth is counted."""
