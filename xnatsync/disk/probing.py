"""Is a whole disk unwell, or one thing on it?  The route's own folder is written to, and tells."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

from xnatsync.core.errors import DiskUnwell, FolderMissing
from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.failures import our_disk
from xnatsync.disk.handles import reach
from xnatsync.disk.space import nearest, same_device
from xnatsync.disk.spelling import real

_CAP_FOWNER = 3  # Linux: the right to act on what others own
_SIZE = 4096  # bytes: a file system may have room for a name and none for a block


def probe(folder: Path) -> None:
    """Write, flushes, renames and remove a small file of our own in a route's folder.

    FolderMissing, DiskFull or DiskUnwell when that cannot be done: then it is not one thing alone that fails there.
    """
    place = real(folder)
    if not place.is_dir():
        raise FolderMissing(f"{folder} is not there, or is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DiskUnwell(
            f"{folder} cannot be written by this account", advice="Give this account the right to write there."
        )
    name = f"probe-{os.getpid()}-{threading.get_ident()}"
    try:
        begun = reach(place, (OWN_FOLDER, name), make=True)
        ended = begun.beside(f"{name}-2")
        try:
            handle = begun.open_new(0o600)
            try:
                os.write(handle, bytes(_SIZE))
                os.fsync(handle)
            finally:
                os.close(handle)
            begun.replace(ended)
            begun.sync()
        finally:
            for spot in (begun, ended):
                with suppress(FileNotFoundError):
                    spot.unlink()
    except OSError as error:
        raise our_disk(error, f"writing to {folder / OWN_FOLDER}") from error


def probe_done(folder: Path, done: Path) -> None:
    """Prove, as far as it shows, that things can be renamed from a drop folder to its done folder."""
    if not same_device(folder, done):
        raise DiskUnwell(
            f"{done} is on another file system than {folder}: filing is a rename and cannot cross",
            advice="Set `done` to a folder on the file system of the drop folder.",
        )
    place = nearest(done)
    if not os.access(place, os.W_OK | os.X_OK):
        raise DiskUnwell(
            f"{place} cannot be written by this account", advice="Give this account the right to write there."
        )


def immovable(folder: Path) -> list[tuple[str, str]]:
    """List the entries of a drop folder that this account may not rename into another folder, and why.

    As far as it shows without trying: moving a folder to another parent needs the right to write in it.
    """
    place = real(folder)
    top = place.stat()
    sticky = bool(top.st_mode & stat.S_ISVTX) and hasattr(os, "geteuid") and os.geteuid() != top.st_uid
    sticky = sticky and not _may_move_everything()
    found = []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name == OWN_FOLDER:
                continue
            seen = entry.stat(follow_symlinks=False)
            if seen.st_dev != top.st_dev:
                found.append((entry.name, "it is a mount point"))
            elif sticky and seen.st_uid != os.geteuid():
                found.append((entry.name, "it belongs to another account, and the drop folder is sticky"))
            elif entry.is_dir(follow_symlinks=False) and not os.access(entry.path, os.W_OK | os.X_OK):
                found.append((entry.name, "this account may not write in it"))
    return sorted(found)


def _may_move_everything() -> bool:
    """Return whether we are the superuser with its rights: in a container it may lack them."""
    if os.geteuid() != 0:
        return False
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return True
    rights = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), -1)
    return bool(rights & 1 << _CAP_FOWNER)
