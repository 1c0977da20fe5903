"""Shapes that bugs of released engines needed: each as a question to a module, whoever made it.

    loops  |  a loop that copies memory byte by byte  |  WebKit's byte-loop-idiom-recognition
    trees  |  (i32.extend16_s (i32.mul x:i32 (i32.const -7937)))  |  wasmtime #10817

==============  ======================================================================================================
``seen``        a case's modules as graphs: ``Seen``, and what recognisers ask them
``trees``       shapes that are a tree of operands, as text
``memory``      addresses, bounds, bulk instructions, atomics
``flow``        branches, calls, exceptions, what lies on the stack meanwhile
``references``  objects, casts, segments, joins of types
``places``      statements that make those of ``memory``; the target ``shapes`` draws from these three
``paths``       statements that make those of ``flow``
``objects``     statements that make those of ``references``
``catalogue``   all of them, ``SHAPES``, and which a case has
==============  ======================================================================================================

They were read off the tests that Wasmtime, V8, WebKit and SpiderMonkey added with their fixes, and off reports; nothing
of those tests is here. A shape is a function of ``Seen`` with what it is after; add one to the file of its kind.
``benchmarks/outside.py`` measures how often each target makes each (docs/targets.md).
"""
