"""Is everything in a drop folder in trouble, or one thing?  The folder itself is probed."""

from __future__ import annotations

from xnatsync.core.errors import XnatsyncError
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World


def of_everything(world: World, route: DropRoute, error: XnatsyncError) -> XnatsyncError | None:
    """Probe the route's own folder: gives what is wrong with all of it, None when one thing alone is the matter."""
    try:
        world.disk.probe(route.folder, route.done if route.after != "keep" else None)
    except XnatsyncError as wide:
        return wide
    return None
