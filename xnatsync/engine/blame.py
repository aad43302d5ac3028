"""Is it one thing that fails, or everything on its disk?  A route is left alone only when that was proven."""

from __future__ import annotations

from xnatsync.core.errors import DiskError, DiskFull, DiskRefused, DiskUnwell, LedgerError, XnatsyncError

LEDGER = "the ledger"


def of_the_ledger(error: XnatsyncError) -> bool:
    """Return whether the ledger, or its disk, is the matter: then nothing can be done by anybody."""
    return isinstance(error, LedgerError) or (isinstance(error, DiskError) and error.of_ledger)


def of_one_thing(error: XnatsyncError) -> bool:
    """Return whether a failure of our disk may speak of one thing alone, which a probe has to tell."""
    return isinstance(error, DiskFull | DiskUnwell | DiskRefused) and not of_the_ledger(error)
