"""The command line.  Importing it is cheap: whatever a command needs is imported when it runs."""

from __future__ import annotations


def main() -> None:
    """Run the program with the arguments of the process; never returns."""
    import sys

    from xnatsync.cli.program import run
    from xnatsync.report.streams import open_standard_streams

    open_standard_streams()
    sys.exit(run())
