"""`python -m xnatsync` is the same program as `xnatsync`."""

from __future__ import annotations

from xnatsync.cli import main

if __name__ == "__main__":
    main()
