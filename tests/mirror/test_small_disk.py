"""A real disk that is too small: what fits comes, the rest is told, and the process ends by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from mirror_world import MirrorWorld

BOUND_S = 45.0
BIG, SMALL = 4_000_000, 50_000


@pytest.fixture
def small(world: MirrorWorld) -> Iterator[MirrorWorld]:
    """A mirror whose tree lies on a disk of 6 MB; the session holds 12.15 MB in 6 files."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    told = (
        subprocess.run([mount, "-t", "tmpfs", "-o", "size=6m", "none", str(world.tree)], check=False)
        if mount and umount and sys.platform == "linux"
        else None
    )
    if told is None or told.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    assert umount is not None
    try:
        session = world.session_with()
        for name, size in (("a", BIG), ("b", BIG), ("c", BIG), ("x", SMALL), ("y", SMALL), ("z", SMALL)):
            url = f"experiments/{session}/scans/1/resources/NIFTI/files/{name}.nii"
            world.upload(url, name.encode() * size)
        world.number = session
        yield world
    finally:
        subprocess.run([umount, "-l", str(world.tree)], check=True)


def environment(world: MirrorWorld) -> dict[str, str]:
    """All that the program is told."""
    return {**os.environ, "XNATSYNC_CONFIG": str(world.config), "NO_COLOR": "1", "COLUMNS": "200"}


def ran(world: MirrorWorld, *words: str) -> tuple[int, str, float]:
    """The program as a process of its own: how it ended, what it said, how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "xnatsync", *words],
        env=environment(world), capture_output=True, text=True, timeout=BOUND_S, check=False,
        cwd=world.root,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


def lengths(world: MirrorWorld) -> dict[str, int]:
    """The files of the tree by name."""
    return {path.rpartition("/")[2][0]: len(data) for path, data in world.files().items()}


def test_what_does_not_fit_is_told_beforehand(small: MirrorWorld) -> None:
    """By `plan`, which exits as the run would; `doctor` warns of a disk that is nearly full."""
    code, told, _ = ran(small, "plan")
    assert (code, "12.2 MB to fetch, 6.2 MB free" in told, "[XS-DISK-FULL]" in told) == (5, True, True), told
    code, told, _ = ran(small, "doctor")
    assert (code, "6.2 MB free" in told) == (0, True), told
    assert small.shown() == {}


def test_what_fits_comes_and_the_rest_is_told(small: MirrorWorld) -> None:
    """File by file, in the order listed; a later run with room brings the rest, and fetches nothing twice."""
    code, told, took = ran(small, "sync", "--patience", "1s")

    assert (code, "12.2 MB to fetch" in told, "no room for 2 files" in told) == (5, True, True), told
    assert took < BOUND_S
    assert lengths(small) == {"a": BIG, "x": SMALL, "y": SMALL, "z": SMALL}
    subprocess.run(["mount", "-o", "remount,size=30m", str(small.tree)], check=True)
    begun = len(small.server.log)
    assert ran(small, "sync", "--patience", "60s")[0] == 0
    assert lengths(small) == {"a": BIG, "b": BIG, "c": BIG, "x": SMALL, "y": SMALL, "z": SMALL}
    fetched = [entry for entry in small.requests(begun) if entry.endswith(".nii")]
    assert sorted(entry[-5] for entry in fetched) == ["b", "c"]


def test_the_first_wish_to_stop_ends_a_run_that_waits_for_room(small: MirrorWorld) -> None:
    """No answer is left unread, so that nothing waits for a connection: the report is printed and the process gone."""
    words = [sys.executable, "-m", "xnatsync", "sync", "--patience", "10m"]
    began = subprocess.Popen(
        words, env=environment(small), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=small.root
    )
    deadline = time.monotonic() + BOUND_S
    while len(lengths(small)) < 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    asked = time.monotonic()
    began.send_signal(signal.SIGINT)
    told = began.communicate(timeout=BOUND_S)[0]
    assert (began.returncode, "not finished" in told) == (130, True), told
    assert time.monotonic() - asked < 10


@pytest.mark.parametrize(
    ("how", "came"), [(["--unzip"], "xyz"), (["--unzip", "-w", "2"], "xyz"), ([], "")], ids=["folder", "workers", "zip"]
)
def test_a_download_takes_what_fits(small: MirrorWorld, how: list[str], came: str) -> None:
    """A zip lands whole or not at all: of one that does not fit nothing is fetched.  A dry run says it beforehand."""
    (small.tree / "ballast").write_bytes(bytes(4_000_000))
    words = ["session", "download", "-E", small.number, "--out", str(small.tree), "--name", "here", *how]

    code, told, _ = ran(small, *words, "--dry-run")
    assert (code, "12.2 MB to fetch, 2.2 MB free" in told) == (5, True), told
    begun = len(small.server.log)
    code, told, took = ran(small, *words)

    assert (code, "[XS-DISK-FULL]" in told, "S1_MR (XNAT_E00001)" in told) == (5, True, True), told
    assert took < BOUND_S
    found = [path for path in (small.tree / "here").rglob("*") if path.is_file() and ".xnatsync" not in path.parts]
    assert "".join(sorted(path.stem for path in found)) == came
    if not came:
        assert not [entry for entry in small.requests(begun) if "format=zip" in entry or entry.endswith(".nii")]
