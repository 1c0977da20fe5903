"""Inventing cases: a module, the calls to make on it, and the call sites that it is about. Knows nothing of engines.

From choices to a case:

    choices --> targets/NAME.generate(source, config) --> Case            registry.make_case(name, seed, index)
                   |
                   |  Program: functions that call each other             program/
                   |  Function: instructions, locals, a running hash      module/
                   |  Shell: memory, tables, globals, checksum, digest    module/
                   v
                the wings: what is written into a function

======================  ==============================================================================================
``choices``             ``ChoiceSource``: where every decision comes from; smaller bytes are simpler
``config``              which features and sizes a generator may use, and how it draws a size
``registry``            targets by name, and case number ``index`` of a seed
``schedule``            whose turn it is where all targets run
``hypothesis``          the same generators as strategies
``peer``, ``peers/``    other projects' generators, one file each, for comparing
``targets/``            the fuzz targets, one file each: what is in a case, in which proportions
----------------------  ----------------------------------------------------------------------------------------------
``draw/``               what is drawn before code is written: constants, types, signatures
``module/``             what everything is written into: the shell, one function
``program/``            functions that call each other, values pushed and used, the host's arguments
``scalar/``             numbers: expressions, trees, conditions
``vector/``             vectors: expressions, constants, masks of shuffles
``control/``            labels, graphs, try_tables, pressure on registers, many locals, extreme signatures
``state/``              globals, tables, memories, segments
``refs/``               references, objects, casts
``linking/``            one program over several modules
``enumeration/``        meetings of instructions one after another, not drawn
``aims/``               what compilers' own rules look for, inside and just outside of their conditions
``shapes/``             what bugs of released engines needed: told in any module, and written
``isle/``, ``rules/``   rule files of a compiler read, and turned into aims
``mutation/``           edits of cases that exist
``validity/``           modules that are only validated, and near misses
``machine/``            machine functions for the register allocators alone
======================  ==============================================================================================

Each wing's ``__init__`` says what it is about, what its nouns are and how to add to it. Imports between the wings have
no circle: ``draw`` stands lowest, then ``module``, ``scalar``, ``program``, the others, and ``targets`` on top. The
files here import no wing; ``registry`` and ``peer`` list the folders that they name.

What holds everywhere: a case depends on (version, target, seed, index) only; without choices it is the simplest one; it
is valid in exactly the features that it states, it ends, and what it computes is determined, except where labelled.
docs/targets.md has the whole story.
"""
