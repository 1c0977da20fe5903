"""The command line: one file a command, one parser, and one place where errors become a line and an exit code.

    commands/      the folder's listing is the list of commands; a file's first line is its help
    parser         builds the parser; imports the one command that was asked for, so that ``fuzz --help`` is quick
    arguments      arguments that several commands have
    cases          the case that a command names, generated or brought, and the engines to run it on
    inputs         files that people bring: a module's binary or text, a case's JSON; and calls as they are written
    main           runs a command

To add one: ``commands/NAME.py`` with ``add_arguments(parser)`` and ``run(args)``. An error that is the user's or the
machine's is a ``wasm.errors.UserError``, whose class has the exit code; any other exception is a fault of ours, and the
user sees one line and a file with the details.
"""
