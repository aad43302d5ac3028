"""The advice that goes with a code, for what the ledger has only the code of."""

from __future__ import annotations

from xnatsync.core.errors import XnatsyncError


def kind_of(code: str) -> type[XnatsyncError] | None:
    """Return the error of a code; None for what is no code of ours."""
    waiting: list[type[XnatsyncError]] = [XnatsyncError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            return kind
        waiting += kind.__subclasses__()
    return None


def advice_of(code: str) -> str:
    """Return the advice of the error of a code, "" when none has it."""
    kind = kind_of(code)
    return kind.advice if kind is not None else ""
