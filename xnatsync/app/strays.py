"""What lies in a drop folder's own places and is no item's: for whoever looks without running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.app.rivals import lives
from xnatsync.core.errors import FolderMissing, XnatsyncError
from xnatsync.routes.drop.custody import Found, in_custody
from xnatsync.routes.drop.done_folders import former_done

if TYPE_CHECKING:
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.ports.drop import Disk
    from xnatsync.routes.drop.settings import DropRoute


@dataclass(frozen=True, slots=True)
class Strays:
    """What no item of the ledger claims in custody, whose it is, and the done folders of former times."""

    found: tuple[Found, ...] = ()  # the next run makes items of them
    rivals: tuple[Found, ...] = ()  # another ledger's, which is there
    done: tuple[Path, ...] = ()


def strays(disk: Disk, route: DropRoute, ledger: Ledger | None) -> Strays:
    """Look at custody and at done folders; nothing is said of a folder that cannot be looked at."""
    try:
        held, own, known = _known(route, ledger)
        found = list(in_custody(disk, route, own, held, lives)) if disk.exists(route.custody) else []
        return Strays(
            tuple(one for one in found if one.rival is None),
            tuple(one for one in found if one.rival is not None),
            tuple(former_done(disk, route, known)),
        )
    except (FolderMissing, XnatsyncError):
        return Strays()


def _known(route: DropRoute, ledger: Ledger | None) -> tuple[set[str], str, list[str]]:
    if ledger is None:
        return set(), "", []
    from xnatsync.core.claim import box_name

    own = ledger.identity()
    held: set[str] = set()
    for item in ledger.custody_items(route.name):
        name = Path(item.path).name
        held |= (
            {item.path} if item.place == "custody" else {f"{box}/{name}" for box in (box_name(item.id, own), item.id)}
        )
    return held, own, ledger.done_folders(route.name)
