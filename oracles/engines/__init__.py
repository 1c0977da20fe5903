"""One engine a file; the listing of this folder is the registry (``oracles.engine`` says what a file holds).

An adapter says which settings its engine has (``check``), how it is started (``open_engine``), and under which ids the
contract suite in tests/engines meets it (``CONTRACT``). Behind it is one of two things:

- an object in this process with ``run`` (``interpreter``);
- a worker process behind ``oracles.remote.worker_engine.WorkerEngine``, for what may crash, hang or eat memory. The
  adapter describes the worker (``Worker``): its command line, the kinds of values that its host can carry, its
  family, and how to tell from its hello that the right thing was loaded.

``allocators`` and ``regalloc2`` are no engines for WebAssembly: they take machine functions, ours in this process and
regalloc2 in a worker. They show that the harness does not depend on what a case holds.

To add an engine, write the file; no other line names it.
"""
