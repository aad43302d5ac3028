"""Machine-readable output: exactly one document on stdout, which says by `schema` what it is.

Fields are described in docs/json.md, and only ever added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.pasting import Calling

VERSION = 1


def document(command: str, fields: Mapping[str, object], calling: Calling | None = None) -> str:
    """Write the document of a command.  ASCII only, so that odd file names survive every pipe."""
    told = (calling or Calling()).in_fields({"schema": f"xnatsync/{command}/{VERSION}", **fields})
    return json.dumps(told, indent=2)


def array(rows: Sequence[Mapping[str, object]]) -> str:
    """Write a listing of an XNAT's things: an array of objects without an envelope, as scripts for xnatctl want it."""
    return json.dumps(rows, indent=2)


def error_fields(error: XnatsyncError) -> dict[str, object]:
    """Describe an error."""
    return {
        "code": error.code,
        "message": str(error),
        "advice": error.remedy,
        "exit_code": error.exit_code,
    }
