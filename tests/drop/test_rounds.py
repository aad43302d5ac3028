"""An item that changed is planned anew: what was proven of its former content is over, and is not counted twice."""

from __future__ import annotations

from drop_pieces import quick_sync
from drop_world import DropWorld
from xnatsync.views.sync import sync_blocks


def test_the_summary_counts_what_the_present_manifest_brought(world: DropWorld) -> None:
    """One study is proven, the other is held; then a series comes late, and both are planned anew."""
    world.study("exam/one", series=(2,), uid="2.25.11")
    world.study("exam/two", series=(1,), uid="2.25.22", patient="", seed=2)
    first = quick_sync(world)
    assert first.exit_code == 3
    assert sum(unit.receipt.held for unit in first.items[0].units if unit.receipt is not None) == 2

    for path in (world.folder / "exam" / "two").rglob("*.dcm"):
        path.unlink()
    world.study("exam/three", series=(1,), uid="2.25.33", patient="SUB3", seed=3)
    report = quick_sync(world)

    assert report.exit_code == 0
    (item,) = report.items
    assert sorted(unit.unit.study_uid for unit in item.units) == ["2.25.11", "2.25.33"]
    assert sum(unit.receipt.held for unit in item.units if unit.receipt is not None) == 3
    assert "1 item done (3 objects proven)" in str(list(sync_blocks(report))[-1])
    with world.ledger() as ledger:
        assert len(ledger.units(item_id=item.item.id, living=False)) == 4
