"""Runs xnatsync and tells on stdout, as lines `wrote PATH`, each file that it opened for writing.

Python's own opening of files is audited; SQLite opens its files by itself, and the ledger's are those.
"""

from __future__ import annotations

import os
import sys

_WRITES = os.O_WRONLY | os.O_RDWR
_seen: list[str] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        path = arguments[0]
        if isinstance(path, str | bytes):
            _seen.append(os.fsdecode(path))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.addaudithook(_audit)
    from xnatsync.cli.program import run

    code = run(sys.argv[1:])
    for path in _seen:
        print(f"wrote {path}")
    sys.exit(code)
