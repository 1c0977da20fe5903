"""Running and judging: engines that run a case, the reference among them, and the judge that compares what they did.

    Case -> Engine.run -> Observation, one per engine -> judge -> Verdict

An *engine* runs a case (``wasm.case.Case``) and gives an *observation* (``wasm.embedding.Observation``): results,
traps, state and deaths, always as values. The *reference* is the interpreter of this project, in this process. The
*judge* holds every engine's observation against the reference's and gives a *verdict*. The judge runs nothing, the
reference judges nothing, and neither imports the other.

===================  ================================================================================================
``engine``           what an engine is: its id, its capabilities, its limits, the protocol of an adapter
``engines/``         one adapter a file; the listing is the registry
``remote/``          engines in worker processes: processes, how they are forked and confined, protocol, linking modules
``workers/``         the programs that run in those processes, in Python, JavaScript, Go, Rust and Java
``command/``         an engine that is a command line of the user's
``pywasm/``          the process that pywasm, an interpreter in Python, runs in
``transforming``     tools that must preserve what a module means, by running what they make; one a file in
                     ``transformers/``
``mutants``           neutral mutants of cases, with what the reference saw; engine ``mutant`` runs them
``interpreter/``     the reference (docs/interpreter.md)
``machine/``         other people's register allocators on our machine functions (docs/regalloc.md)
``compiled/``        running what our own compiler makes; only its worker and tests import this
``linking``          what these two share: linking, outcomes; ``stops`` has their exceptions
``modules/``         the modules that the harness brings along: probes, spectest
``judge/``           what may differ, what excuses a difference, who is probably wrong (docs/judging.md); an engine
                     against itself
``suite/``           the official test suite
``provision``        fetching releases of engines; ``clients`` and ``versions``: pip and npm, and the order of releases
``built``            workers around an engine that is a library, built once a release; ``crates`` is that by cargo,
                     ``maven`` for the JVM
``builds/``          building what nobody releases, by cargo
``emulation``        other kinds of machines: linking for them, and running that under qemu
``cpu``              what this machine's CPU can do
``reference``        the reference's name
===================  ================================================================================================

A new engine is one file in ``engines/`` (docs/engines.md has the steps); a new rule is a method in ``judge/compare.py``
with its section of the specification, and a test that shows it biting and not biting.
"""
