"""Is another ledger, which says that custody boxes are its own, still there?"""

from __future__ import annotations

import platform
from pathlib import Path

from xnatsync.core.claim import Claim
from xnatsync.core.errors import LedgerDamaged, NothingFound, XnatsyncError
from xnatsync.ledger.ledger import Ledger


def own_claim(ledger: Ledger, path: Path) -> Claim:
    """Return what a ledger says of itself beside the boxes it makes."""
    return Claim(ledger.identity(), platform.node(), str(path.resolve()))


def lives(claim: Claim) -> bool:
    """Tell whether the ledger of a claim is there.  True where that cannot be known: nothing is taken from anybody.

    On this machine its file tells.  On another machine a person must: who removes the mark gives the boxes free.
    """
    if claim.host != platform.node():
        return True
    from xnatsync.ledger.open import open_ledger

    try:
        ledger = open_ledger(Path(claim.path), read_only=True)
    except (NothingFound, LedgerDamaged):
        return False
    except (XnatsyncError, ValueError, OSError):
        return True
    try:
        return ledger.identity() == claim.ledger
    except XnatsyncError:
        return True
    finally:
        ledger.close()
