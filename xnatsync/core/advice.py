"""The advice that goes with a code, for what the ledger has only the code of."""

from __future__ import annotations

from xnatsync.core.errors import XnatsyncError


def advice_of(code: str) -> str:
    """Return the advice of the error of a code, "" when none has it."""
    waiting: list[type[XnatsyncError]] = [XnatsyncError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            return kind.advice
        waiting += kind.__subclasses__()
    return ""
