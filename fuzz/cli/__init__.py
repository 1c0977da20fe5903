"""The command line: one parser, one file a command, and one place where errors become a line and an exit code."""
