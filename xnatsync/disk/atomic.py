"""Changes to our own disk that are there after a power cut, and never put one thing over another."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xnatsync.core.errors import DiskRefused, PlaceTaken, SourceChanged, XnatsyncError
from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.anchors import Anchors
from xnatsync.disk.failures import LinkOnTheWay, Operation, one_thing, our_disk
from xnatsync.disk.handles import Spot, empty_folders, reach, sync_opened

_OURS = 3  # `.xnatsync`, `custody` and the box: what is deeper there is what somebody dropped
_NOWHERE = Anchors()


def move(source: Path, target: Path, anchors: Anchors = _NOWHERE) -> None:
    """Rename a file or a folder, making the target's folder; PlaceTaken when something lies there.

    SourceChanged when the source is gone, or when a link is on the way to it.  LinkInOurWay when one is on the way to
    the target.  When this returns, both folders are on the disk.
    """
    try:
        start = _reach(anchors, source)
        start.lstat()
        end = way_to(anchors, target)
        start.rename_exclusively(end)
        end.sync()
        if start.folder != end.folder:
            start.sync()
    except FileExistsError:
        raise PlaceTaken(f"{target} is already there: {source} was not moved over it") from None
    except (FileNotFoundError, NotADirectoryError):
        raise SourceChanged(f"{source} is gone") from None
    except LinkOnTheWay as error:
        raise on_a_link(error) from error
    except OSError as error:
        doing = f"moving {source} to {target}"
        raise _closed(error, target, source) or one_thing(error, doing, Operation.RENAME) from error


def _closed(error: OSError, *places: Path) -> DiskRefused | None:
    """Name the folder in which this account may not write, where that is why something in it was refused."""
    if error.errno not in {errno.EACCES, errno.EPERM}:
        return None
    for place in places:
        folder = next(each for each in place.parents if os.path.lexists(each))
        if not os.access(folder, os.W_OK | os.X_OK):
            return DiskRefused(
                f"this account may not write in the folder {folder}, so {place.name} neither comes there nor leaves it",
                advice=f"Give this account the right to write in {folder}; what is to be moved is all right.",
            )
    return None


def way_to(anchors: Anchors, target: Path) -> Spot:
    """Reach a place, making the folders on the way."""
    anchor, steps = anchors.steps(target)
    try:
        make_folder(anchor)
        return reach(anchor, steps, make=True)
    except OSError as error:
        doing = f"making the way to {target}"
        raise _closed(error, target) or one_thing(error, doing, Operation.MKDIR) from error


def remove(path: Path, anchors: Anchors = _NOWHERE) -> None:
    """Remove one file durably; one that is already gone is as wanted.

    SourceChanged when a link is on the way: what lies behind it is somebody else's.
    """
    with _if_it_exists(lambda error: one_thing(error, f"removing {path}", Operation.REMOVE)):
        spot = _reach(anchors, path)
        spot.unlink()
        spot.sync()


def prune(folder: Path, anchors: Anchors = _NOWHERE) -> None:
    """Remove empty folders from the bottom up, and the folder itself when it is empty then; never a file or a link."""
    with _if_it_exists(lambda error: one_thing(error, f"removing empty folders of {folder}", Operation.REMOVE)):
        spot = _reach(anchors, folder)
        empty_folders(spot)
        spot.sync()


def settle(folder: Path, anchors: Anchors = _NOWHERE) -> None:
    """Bring the names in a folder to the disk, after a change of which nobody knows whether it got that far."""
    with _if_it_exists(lambda error: our_disk(error, f"flushing {folder}")):
        _reach(anchors, folder / "x").sync()


@contextmanager
def _if_it_exists(failed: Callable[[OSError], XnatsyncError]) -> Iterator[None]:
    """Act on a path below our folders; one that does not exist is as wanted, a link on the way is an error."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        return
    except LinkOnTheWay as error:
        raise on_a_link(error) from error
    except OSError as error:
        raise failed(error) from error


def on_a_link(error: LinkOnTheWay) -> XnatsyncError:
    """Tell a link in our own folders from one in what somebody dropped: that has changed, and is looked at again."""
    parts = Path(error.filename).parts
    if OWN_FOLDER in parts and len(parts) - parts.index(OWN_FOLDER) > _OURS:
        return SourceChanged(f"{error.filename} has become a link, which is never followed")
    return our_disk(error, "going there")


def _reach(anchors: Anchors, path: Path) -> Spot:
    return reach(*anchors.steps(path))


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder that a person named and those above it, each durably; links above it are followed."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(mode, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk.  Windows cannot, and writes them through by itself."""
    if sys.platform != "win32":
        sync_opened(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
