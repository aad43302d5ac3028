"""On what file system does a folder lie?  Network drives tell nothing of what others change there."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_REMOTE = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs"),
        *("virtiofs", "vboxsf", "prl_fs", "davfs", "glusterfs", "ocfs2", "gfs2", "ncpfs", "coda", "pvfs2", "fuse"),
    }
)
_LOCAL_FUSE = frozenset(f"fuse.{kind}" for kind in ("ext2", "ext4", "ntfs", "ntfs-3g", "exfat", "mergerfs"))
_DRIVE_REMOTE = 4
_OCTAL = re.compile(r"\\([0-7]{3})")


def remote_kind(folder: Path) -> str | None:
    """Return the kind of a network file system that a folder lies on; None on a local one, or where nobody tells."""
    try:
        if os.name == "nt":
            return _windows(folder)
        if platform.system() == "Linux":
            return kind_in(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"), str(folder.resolve()))
    except OSError:
        return None
    return None


def kind_in(mounts: str, folder: str) -> str | None:
    """Return the same of a table of mounts: the longest mount point above the folder counts, the last of equals."""
    best, found = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, after = left.split(), right.split()
        if len(fields) < 5 or not after:
            continue
        point = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4])
        is_above = folder == point or folder.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= best:
            best, found = len(point), after[0]
    is_remote = found in _REMOTE or (found.startswith("fuse.") and found not in _LOCAL_FUSE)
    return found if is_remote else None


def _windows(folder: Path) -> str | None:
    import ctypes

    text = str(folder)
    if text.startswith(("\\\\", "//")):
        return "a network share"
    kind = ctypes.windll.kernel32.GetDriveTypeW(f"{folder.drive}\\")  # type: ignore[attr-defined,unused-ignore]
    return "a network drive" if kind == _DRIVE_REMOTE else None
