"""One item of many studies costs as much for each of them as one of few: what is read of the ledger is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drop_world import DropWorld
from xnatsync.app.app import App
from xnatsync.app.sync import sync
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress
from xnatsync.ledger.connection import Row, Values
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.rows import UnitRow


class Counting(Ledger):
    """Counts the units that are read."""

    units_read = 0

    def _all(self, make: Callable[..., Row], sql: str, values: Values = ()) -> list[Row]:
        found = super()._all(make, sql, values)
        type(self).units_read += len(found) if make is UnitRow else 0
        return found


class CountingApp(App):
    """The application on such a ledger."""

    def make_ledger(self) -> Ledger:
        return Counting(open_ledger(self.config.ledger.path)._raw)


def _units_read(world: DropWorld, studies: int) -> int:
    for n in range(studies):
        world.study(f"batch{studies}/exam{n}", patient=f"N{studies}x{n}", seed=studies * 100 + n, series=(1,))
    Counting.units_read = 0
    report = sync(CountingApp(load(world.config)), [], progress=Progress(), patience_s=60.0, on_bug=world.bugs.append)
    assert report.exit_code == 0
    assert Path(world.folder / f"batch{studies}").exists() is False
    return Counting.units_read


@pytest.mark.parametrize("few", [6])
def test_what_is_read_of_an_item_grows_with_its_studies_and_not_with_their_square(few: int, world: DropWorld) -> None:
    """Four times as many studies: about four times as many units are read, and not sixteen times."""
    small, large = _units_read(world, few), _units_read(world, few * 4)

    assert large / small < 6.0


def test_the_counting_counts(world: DropWorld) -> None:
    """Each unit is read at least once for each of its steps."""
    assert _units_read(world, 2) >= 2 * 4
