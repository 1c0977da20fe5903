"""A campaign: cases by number, handed out in batches to processes, until the time or the cases are over.

``loop``
    ``Campaign``: the parent process. It hands out batches, records what comes back, and caps how many findings of one
    bucket are stored; it runs no case itself.
``slot``
    A slot: a process with engine workers of its own, which goes from a case's number to a finding by itself. Orders
    (``RunCases``, ``Minimize``) and reports (``Hello``, ``Batch``, ``Found``, ``Minimized``, ...) are what pass between
    the two, over a pipe.
``feedback``
    ``--feedback``: a folder of cases that executed something new, from which some targets draw.

A slot may die and a case may kill it: the parent starts another and gives the case up after the second death. What a
slot reports is recorded before the next order, so a kill of all loses the batches under way and nothing else.
"""
