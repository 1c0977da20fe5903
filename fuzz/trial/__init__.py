"""One case at a time: on all engines, judged, counted; a suspicion again and alone; a finding made smaller.

    Case -> Bench.run -> Trial -> confirm -> Finding -> minimized -> Finding with a smaller case

``bench``
    ``Bench``: engines opened for a run, with the reference beside them. ``Trial``: what all of them did with one case,
    and the verdict. ``Seat``: an engine that works, and what the judge must know of it.
``retry``
    ``confirm``: a disagreement becomes a finding when it was tried again in fresh workers; a hang, with ten times the
    time.
``minimize``
    ``minimized``: hands the reducer the question whether a smaller case shows the same finding, and not another one.
``itself``
    An engine held against itself, on a case and a neutral mutant of it.
``slowness``
    Cases that take an engine more time or memory to compile than in proportion to their size.
``sequence``
    Findings that need a history: the cases that the same process ran before, as few of them as can be.
``compared``
    Which calls of a trial were compared, and why the others were not.
``instances``
    A case run to the end of its calls: where one ends an instance, the others are made on a fresh one.
``limits``
    Limits that grow with the module.
``account``
    What a trial adds to the counts: shapes asked for and reached, endings, what was not compared, CPU time.
``children``
    CPU time of programs that were started and have ended.

Whoever opens a bench closes it: its engines are processes.
"""
