"""The commands, one a file: ``fuzz NAME`` is ``NAME.py``, imported when it is asked for.

A file's first line is what ``fuzz --help`` prints. Beside that it has

    def add_arguments(parser: argparse.ArgumentParser) -> None
    def run(args: argparse.Namespace) -> int      # the exit code; raises wasm.errors.UserError

What two commands need is in ``fuzz.cli.arguments``, ``cases`` and ``inputs``; what is no matter of a command line
belongs to another folder of ``fuzz``.
"""
