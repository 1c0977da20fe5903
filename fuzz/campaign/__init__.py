"""A campaign: cases by number, handed out in batches to processes, until the time or the cases are over.

``loop``
    ``Campaign``: the parent process. It hands out batches, records what comes back, and caps how many findings of one
    bucket are stored; it runs no case itself.
``slot``
    A slot: a process with engine workers of its own, which goes from a case's number to a finding by itself. Orders
    (``RunCases``, ``Minimize``) and reports (``Hello``, ``Batch``, ``Found``, ``Minimized``, ...) pass between
    the two, over a pipe.
``crew``, ``cluster``
    Who runs the slots: processes here, or workers of a Dask cluster, each of which holds a slot (``cluster_worker``,
    ``slot_process``). The rest of the campaign knows no difference.
``orders``
    ``Orders``: what each slot is told to do next.
``numbering``, ``epochs``, ``shards``
    Which cases are next; stretches of a thousand, of which each rests on what earlier ones have taught; and with
    ``--shard I/N`` which cases are whose when several runs divide a series.
``settings``, ``deadline``
    How long and how wide a run is; an end that nothing may go beyond.
``messages``
    The orders and reports themselves.
``desk``
    ``Desk``: where findings come together in the parent: bucket and cause of each, what waits, what is minimized next.
``sorting``
    In a slot: a disagreement is counted for a known cause, set aside while its bucket is worked on, or confirmed.
``steering``, ``allotment``, ``learning``
    What cases teach of how to make further ones: how often the generators write what known causes hang on, and what
    part of its turns each target takes, by what it gave. ``Learning`` keeps both.
``afterwards``, ``histories``
    What is found out about new causes when the cases are over; ``--bisect``: which releases show each.
``mutants``
    The neutral mutants of a case: what there is to suspect in one.
``feedback``
    ``--feedback``: a folder of cases that executed something new, from which some targets draw.

A slot may die and a case may kill it: the parent starts another and gives the case up after the second death. What a
slot reports is recorded before the next order, so a kill of all loses the batches under way and nothing else.
"""
