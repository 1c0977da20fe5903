"""The compiler's worker with a fault: ``python -m fuzz.faults.injection.worker NAME CONFIG``.

NAME is a fault (its partner comes with it), several joined by ``+``, or a mutant; the rest is
``oracles.compiled.worker_main``, which, like the compiler, knows nothing of it. A mutant has to be installed before the
compiler is imported.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from fuzz.faults.injection.mutants import Mutant, install


def main() -> None:
    name = sys.argv.pop(1)
    with ExitStack() as stack:
        if "#" in name:
            install(Mutant.parse(name))
        else:
            from fuzz.faults.injection.catalogue import with_partner

            for one in name.split("+"):
                for fault in with_partner(one):
                    stack.enter_context(fault.inject())
        from oracles.compiled import worker_main

        worker_main.main()


if __name__ == "__main__":
    main()
