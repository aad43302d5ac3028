"""A world in which the commands are run, and disks of its own where the machine permits them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cli_world import PASSWORD, World, world


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A drop folder, a configuration and a stand-in XNAT."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("XNATSYNC_CONFIG", raising=False)
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", PASSWORD)

    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    with world(tmp_path, read) as found:
        yield found


def bytes_below(folder: Path) -> Counter[str]:
    """The content of every file of a drop folder, wherever it lies below; our own two kinds of marks are nobody's."""
    own = folder / ".xnatsync"
    return Counter(
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path != own / "done-folders" and path.parent != own / "ledgers"
    )


class Disks:
    """Mounts file systems, and takes them away again at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def small(self, place: Path, options: str) -> Path:
        """A file system in memory with these bounds: `size=1m`, `nr_inodes=50`."""
        place.mkdir(exist_ok=True)
        self._mount("-t", "tmpfs", "-o", options, "tmpfs", str(place))
        self._stack.callback(self.unmount, place)
        return place

    def bound(self, place: Path) -> Path:
        """A folder as a mount point of its own, so that it can be made read-only."""
        self._mount("--bind", str(place), str(place))
        self._stack.callback(self.unmount, place)
        return place

    def again(self, place: Path, options: str) -> None:
        """Changes the options of something that is mounted."""
        self._mount("-o", f"remount,{options}", str(place))

    def unmount(self, place: Path) -> None:
        """Takes it away, even while somebody looks at it."""
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine does not let us mount: {done.stderr.strip()}")


@pytest.fixture
def disks() -> Iterator[Disks]:
    """Real disks; skips where they cannot be had."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("there is no mounting of tmpfs here")
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    with ExitStack() as stack:
        yield Disks(stack)
