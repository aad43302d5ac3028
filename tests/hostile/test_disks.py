"""Real disks that are full, read-only, or gone: the right exit code, nothing lost, and it goes on when they are well.

Where the machine lets nobody mount, the same is asked with a limit on the size of files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli_world import REPOSITORY, Ran, World
from hostile.conftest import Disks, bytes_below
from xnatsync.sandbox.http.faults import Fault

LABEL = "P1_MR_20260302"
QUICK = 'quiet = "1s"'
SYNC = ("sync", "--patience", "1s", "--output", "json")


def on(box: World, ledger: Path) -> Path:
    """Puts the ledger somewhere else."""
    box.configure(route=QUICK)
    text = box.config.read_text()
    box.config.write_text(text.replace(f'path = "{box.root / "ledger.db"}"', f'path = "{ledger}"'))
    return ledger


def archived(box: World, label: str = LABEL) -> int:
    """How many objects the archive holds of a session."""
    found = [e for e in box.server.site.experiments.values() if e.label == label]
    return sum(len(r.entries) for e in found for scan in e.scans.values() for r in scan.resources.values())


def codes(ran: Ran) -> set[str]:
    """Every code that the report names."""

    def walk(part: Any) -> set[str]:
        if isinstance(part, dict):
            return set().union(*map(walk, part.values()))
        if isinstance(part, list):
            return set().union(*map(walk, part))
        return {part} if isinstance(part, str) and part.startswith("XS-") else set()

    return walk(json.loads(ran.out)) if ran.out.strip() else set()


def told(ran: Ran) -> str:
    return ran.out + ran.err


def imports(box: World) -> int:
    return sum(entry["path"] == "/data/services/import" for entry in box.server.log)


def fill(folder: Path) -> Path:
    """Writes until nothing more goes onto the disk."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return path


# --- the ledger's disk -------------------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_begun_for_want_of_space_is_temporary(box: World, disks: Disks) -> None:
    """Exit 5 and the code of a full disk; nothing was sent; with space it is an ordinary run."""
    small = disks.small(box.root / "small", "size=1m")
    on(box, small / "ledger.db")
    box.study("exam")
    before = bytes_below(box.drop)
    filler = fill(small)

    ran = box.run(*SYNC)

    assert (ran.code, "[XS-DISK-FULL]" in told(ran) or codes(ran) == {"XS-DISK-FULL"}) == (5, True), told(ran)
    assert imports(box) == 0
    filler.unlink()
    assert box.run(*SYNC).code == 0
    assert archived(box) == 4
    assert bytes_below(box.drop) == before


def test_a_ledger_that_is_full_in_mid_run_loses_nothing(box: World, disks: Disks) -> None:
    """The manifest of a thousand files does not fit any more: exit 5; the disk grows, and all is delivered."""
    small = disks.small(box.root / "small", "size=1m")
    on(box, small / "ledger.db")
    box.study("first", "P0")
    assert box.run(*SYNC).code == 0
    box.study("exam", seed=2)
    for number in range(3000):
        (box.drop / "exam" / f"note {number:04} {'x' * 150}.txt").write_text(str(number))
    before = bytes_below(box.drop)
    sent = imports(box)

    ran = box.run(*SYNC)

    assert (ran.code, codes(ran)) == (5, {"XS-DISK-FULL"}), told(ran)
    assert imports(box) == sent
    assert bytes_below(box.drop) == before
    disks.again(small, "size=64m")
    ran = box.run(*SYNC)
    assert ran.code == 0, told(ran)
    assert archived(box) == 4
    assert bytes_below(box.drop) == before
    assert box.run("status").code == 0


def test_a_ledger_that_becomes_full_during_the_upload_does_not_send_twice(box: World, disks: Disks) -> None:
    """What the server has is looked at, not sent again, once the ledger can be written."""
    small = disks.small(box.root / "small", "size=2m")
    on(box, small / "ledger.db")
    box.study("exam")
    before = bytes_below(box.drop)
    fillers: list[Path] = []

    def fill_up(*_: object) -> None:
        if not fillers:
            fillers.append(fill(small))

    box.server.faults.add(Fault("POST", "/services/import", "call", after_call=fill_up))  # type: ignore[arg-type]
    ran = box.run(*SYNC)

    assert fillers
    assert ran.code == 5, told(ran)
    assert codes(ran) <= {"XS-DISK-FULL", "XS-DISK-UNWELL"}
    assert bytes_below(box.drop) == before
    fillers[0].unlink()
    sent = imports(box)
    ran = box.run("sync", "--patience", "90s", "--output", "json")
    assert ran.code == 0, told(ran)
    assert imports(box) - sent <= 1  # of two series at most the one that had not gone
    assert archived(box) == 4
    assert bytes_below(box.drop) == before


@pytest.mark.parametrize("limit", [20_000, 120_000, 260_000])
def test_a_limit_on_the_size_of_files_is_a_full_disk(box: World, limit: int) -> None:
    """A quota, for machines where nobody may mount: the real program, its ledger cut short."""
    if sys.platform == "win32":
        pytest.skip("there are no such limits")
    import resource

    box.study("exam")
    for number in range(300):
        (box.drop / "exam" / f"note {number:04} {'x' * 150}.txt").write_text(str(number))
    before = bytes_below(box.drop)
    done = subprocess.run(
        box.command(*SYNC), capture_output=True, text=True, timeout=60, cwd=REPOSITORY,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    ran = Ran(done.returncode, done.stdout, done.stderr)

    assert ran.code == 5, told(ran)
    assert "XS-DISK-FULL" in told(ran) or "XS-DISK-UNWELL" in told(ran)
    assert "XS-BUG" not in told(ran)
    assert "Traceback" not in told(ran)
    assert bytes_below(box.drop) == before
    ran = box.run("sync", "--patience", "90s", "--output", "json")
    assert ran.code == 0, told(ran)
    assert archived(box) == 4
    assert bytes_below(box.drop) == before


# --- the drop folder's disk --------------------------------------------------------------------------------------


def test_a_drop_folder_without_room_for_names_is_filed_when_there_is_room(box: World, disks: Disks) -> None:
    """Custody and done need folders, and a full disk has none to give: delivered once, exit 5, then filed."""
    disks.small(box.drop, "size=8m,nr_inodes=60")
    box.study("exam")
    before = bytes_below(box.drop)
    taken = []
    try:
        for number in range(100):
            taken.append(box.root / "drop" / f".taken{number}")
            taken[-1].mkdir()
    except OSError:
        taken.pop()
    box.configure(route='ignore = [".taken*"]')

    ran = box.run(*SYNC)

    assert (ran.code, codes(ran)) == (5, {"XS-DISK-FULL"}), told(ran)
    assert bytes_below(box.drop) == before
    sent = imports(box)
    for folder in taken:
        folder.rmdir()
    ran = box.run(*SYNC)
    assert ran.code == 0, told(ran)
    assert imports(box) == sent
    assert archived(box) == 4
    assert bytes_below(box.drop) == before
    assert {path.name for path in box.drop.iterdir()} <= {".xnatsync", "done"}


@pytest.mark.parametrize("after", ["move", "delete"])
def test_a_read_only_drop_folder_is_delivered_and_filed_later(box: World, disks: Disks, after: str) -> None:
    """What cannot be moved stays, untouched; the server is not asked to take it again."""
    box.configure(route=f'after = "{after}"\nverify = "pixels"')
    box.study("exam")
    before = bytes_below(box.drop)
    disks.bound(box.drop)
    disks.again(box.drop, "ro,bind")

    ran = box.run(*SYNC)

    assert (ran.code, codes(ran)) == (5, {"XS-DISK-UNWELL"}), told(ran)
    assert bytes_below(box.drop) == before
    sent = imports(box)
    assert sent > 0
    disks.again(box.drop, "rw,bind")
    ran = box.run(*SYNC)
    assert ran.code == 0, told(ran)
    assert imports(box) == sent
    assert archived(box) == 4
    assert bytes_below(box.drop) == (before if after == "move" else Counter())


def test_a_read_only_drop_folder_can_be_kept(box: World, disks: Disks) -> None:
    """`after = "keep"` writes nothing there, so nothing is in its way; and a second run does nothing."""
    box.configure(route='after = "keep"')
    box.study("exam")
    before = bytes_below(box.drop)
    disks.bound(box.drop)
    disks.again(box.drop, "ro,bind")

    ran = box.run(*SYNC)

    assert ran.code == 0, told(ran)
    assert archived(box) == 4
    sent = imports(box)
    assert box.run(*SYNC).code == 0
    assert imports(box) == sent
    assert bytes_below(box.drop) == before


@pytest.mark.parametrize("path", ["/services/import", "action=build", "action=commit", "/files"])
def test_a_disk_that_is_unmounted_in_mid_run_is_taken_up_again(box: World, disks: Disks, path: str) -> None:
    """The mount point stays, empty, as real ones do.  The second run brings everything to its end."""
    box.configure(route=QUICK)
    store = disks.small(box.root / "store", "size=16m")
    box.drop.rmdir()
    box.drop.mkdir()
    disks.bound(store)  # the disk itself, which is shown at the drop folder
    subprocess.run(["mount", "--bind", str(store), str(box.drop)], check=True)
    box.study("exam")
    before = bytes_below(store)

    def unplug(*_: object) -> None:
        disks.unmount(box.drop)

    try:
        fault = box.server.faults.add(Fault("ANY", path, "call", after_call=unplug))  # type: ignore[arg-type]
        first = box.run(*SYNC)
        assert fault.hits == 1
        assert first.code in {0, 3, 5, 7}, told(first)
        assert "XS-BUG" not in told(first)
        assert bytes_below(store) == before
        assert list(box.drop.iterdir()) == []
        subprocess.run(["mount", "--bind", str(store), str(box.drop)], check=True)

        last = box.run("sync", "--patience", "90s", "--output", "json")

        assert last.code == 0, told(last)
        assert archived(box) == 4
        assert bytes_below(store) == before
        assert {path.name for path in store.iterdir()} <= {".xnatsync", "done"}
        assert sum(e.label == LABEL for e in box.server.site.experiments.values()) == 1
    finally:
        disks.unmount(box.drop)


# --- the judge ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: shutil.copyfile(path, path.with_name("twice")),
    ],
)
def test_a_lost_a_cut_and_a_doubled_file_are_noticed(box: World, harm: Callable[[Path], object]) -> None:
    """What these tests look at would show it."""
    before = bytes_below(box.study("exam"))
    harm(next(path for path in box.drop.rglob("*.dcm")))
    assert bytes_below(box.drop) != before


def test_a_full_disk_is_really_full(box: World, disks: Disks) -> None:
    """A filler that left room would prove nothing."""
    small = disks.small(box.root / "small", "size=1m")
    fill(small)
    with pytest.raises(OSError, match="No space"):
        (small / "more").write_bytes(b"x" * 5000)
    assert os.stat(small / "filler").st_size > 900_000
