"""The command line.  Importing it is cheap: whatever a command needs is imported when it runs."""

from __future__ import annotations


def main() -> None:
    """Run the program with the arguments of the process; never returns."""
    import gc
    import sys

    gc.set_threshold(50_000, 20, 20)  # what is read stays, and nearly none of it is circular: 0.2 s for 2,000 objects
    # httpx imports a command line of its own, with rich and pygments, wherever click is installed; it does without.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    from xnatsync.cli.program import run
    from xnatsync.report.streams import open_standard_streams

    open_standard_streams()
    sys.exit(run())
