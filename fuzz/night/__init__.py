"""An unattended night: old causes are tried again, then a campaign, releases, the corpus, and the reports, with a hard
end to it. What a night is made of stands in ``fuzz.night.settings``; ``fuzz.night.running`` is the night itself.
"""
