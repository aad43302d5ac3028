"""Where a ledger lies, who has it, and how it answers without reading everything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unit.ledger_example import fresh
from xnatsync.core.errors import DiskUnwell, LedgerHeld
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.place import mounted_as

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/a/ledger.db", "ext4"), ("/mnt/a share/x/ledger.db", "nfs4"), ("/mnt/a share2/ledger.db", "ext4"),
     ("/mnt/tab\there/ledger.db", "cifs"), ("/mnt/back\\slash/ledger.db", "9p"), ("/over/ledger.db", "xfs")],
)  # fmt: skip
def test_the_deepest_and_latest_mount_counts(path: str, kind: str) -> None:
    """Blanks, tabs and backslashes are written as octal numbers there; of two mounts in one place the later hides."""
    mounts = (
        "root / ext4 rw 0 0\ns:/x /mnt/a\\040share nfs4 rw 0 0\n//s/x /mnt/tab\\011here cifs rw 0 0\n"
        "p /mnt/back\\134slash 9p rw 0 0\ns:/y /over nfs rw 0 0\n/dev/sdb /over xfs rw 0 0\n"
    )

    assert mounted_as(Path(path), mounts) == kind


@POSIX
def test_two_names_of_one_ledger_are_one_lock(tmp_path: Path) -> None:
    """A second configuration that reaches it through a link is a second instance all the same."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "ledger.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "ledger.db")

    with hold(tmp_path / "link.db"), pytest.raises(LedgerHeld), hold(tmp_path / "real" / "ledger.db"):
        pass

    assert not (tmp_path / "link.db.lock").exists()


@POSIX
def test_a_lock_that_cannot_be_made_is_not_a_lock_that_is_held(tmp_path: Path) -> None:
    """Nobody has it: the disk is at fault, and waiting would not help."""
    (tmp_path / "ledger.db.lock").mkdir()

    with pytest.raises(DiskUnwell, match=r"ledger\.db\.lock"), hold(tmp_path / "ledger.db"):
        pass


# --- questions by index ------------------------------------------------------------------------------------------


def plan_of(ledger: Ledger, sql: str) -> str:
    return " / ".join(row[3] for row in ledger.database.execute(f"explain query plan {sql}").fetchall())


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("select kind, count(*), sum(size) from file where item_id = 1 group by kind", "COVERING INDEX file_kind"),
        (
            "select route, phase, coalesce(hold, ''), count(*), sum(bytes) from item group by 1, 2, 3",
            "COVERING INDEX item_phase",
        ),
        ("select count(*) from file where unit_id = 1 and kind in ('dicom', 'other')", "COVERING INDEX file_unit"),
        ("select * from unit where target = 't' and phase in ('sent', 'landed')", "INDEX unit_lease"),
        ("select * from attempt where ended_at is null order by id", "INDEX attempt_open"),
        ("select item_id from file where key = 'x' or path = 'x'", "INDEX file_key"),
    ],
)  # fmt: skip
def test_what_is_asked_often_is_answered_by_an_index(tmp_path: Path, sql: str, index: str) -> None:
    """Counting a hundred thousand files reads no row of the manifest."""
    ledger = fresh(tmp_path)

    plan = plan_of(ledger, sql)

    assert index in plan, plan
    ledger.close()


@pytest.mark.parametrize("text", ["1.2.900", "series"])
def test_finding_a_series_does_not_read_every_manifest(tmp_path: Path, text: str) -> None:
    """`why UID` on a large ledger goes from the series to its files by an index."""
    ledger = fresh(tmp_path)
    sql = f"select f.item_id from series s join file f on f.series_id = s.id where s.uid = '{text}'"

    assert "SCAN" not in plan_of(ledger, sql), plan_of(ledger, sql)
    ledger.close()
