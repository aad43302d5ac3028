"""Is it one thing that fails, or everything on its disk?  A route is left alone only when that was proven."""

from __future__ import annotations

from xnatsync.core.errors import DiskError, DiskFull, DiskRefused, DiskUnwell, LedgerError, XnatsyncError
from xnatsync.engine.world import World
from xnatsync.routes.drop import DropRoute

LEDGER = "the ledger"


def of_the_ledger(error: XnatsyncError) -> bool:
    """Tells whether the ledger, or its disk, is the matter: then nothing can be done by anybody."""
    return isinstance(error, LedgerError) or (isinstance(error, DiskError) and error.of_ledger)


def of_one_thing(error: XnatsyncError) -> bool:
    """Tells whether a failure of our disk may speak of one thing alone, which a probe has to tell."""
    return isinstance(error, DiskFull | DiskUnwell | DiskRefused) and not of_the_ledger(error)


def of_everything(world: World, route: DropRoute, error: XnatsyncError) -> XnatsyncError | None:
    """Probes the route's own folder: gives what is wrong with all of it, None when one thing alone is the matter."""
    try:
        world.disk.probe(route.folder, route.done if route.after != "keep" else None)
    except XnatsyncError as wide:
        return wide
    return None
