"""``fuzz selfcheck``: known faults put into the project one by one, and who finds each of them.

``search``
    ``search``: one fault, put into the part that it belongs to, and cases until some judge sees it. ``Search`` says how
    to look, ``Result`` what came of it, ``Discovery`` who saw it first: a checker, a verifier, or a kind of
    disagreement.
``searches``
    Many of them, each in a process of its own, since a fault must not outlive its search.
``together``
    ``fuzz selfcheck --together``: several faults in one campaign, told apart as causes.
``tables``
    Scores, lines for a terminal and tables for docs/selfcheck-results.md, from the lines of its JSON.

The faults are in ``fuzz/faults``: one more is an entry there and nothing here. A search that finds something without
any fault (``--baseline``) has found a bug of ours.
"""
