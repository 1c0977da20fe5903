"""Which releases of an engine show a finding: first bad, last bad, and what cannot be asked (docs/bisecting.md).

    case, bucket ──  question.Question         what each release is asked
                     asking.ask                one release: a bench, as many tries as it takes, a word on it
    releases     ──  shelf.Shelf               fetched side by side, within a budget of disk
                     outcomes.Outcomes         what was asked before, in any run
                     plan.next_to_ask          which releases to ask next, given what is known
                     history.bisect            all of these together: a Strip (fuzz/records/strip.py)
                     keeping.keep              into the bundle and the archive

``builds`` asks a person's command about builds of their own in place of an engine's releases.
"""
