"""Which filed copies were let go, on what evidence, and how the last try ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

from xnatsync.ledger.connection import Connection
from xnatsync.ledger.items import ITEM
from xnatsync.ledger.rows import ItemRow

Outcome = Literal["gone", "rest", "kept"]


@dataclass(frozen=True, slots=True)
class RetentionRow:
    """How the last try to let the copy of an item go has ended."""

    item_id: int
    outcome: Outcome
    detail: str
    at: str


RETENTION = ", ".join(field.name for field in fields(RetentionRow))


class Retention(Connection):
    """What the ledger knows of filed copies whose time is over."""

    def filed_items(self, route: str) -> list[ItemRow]:
        """List the items of a route of which a filed copy may still be there, the one that was filed first first."""
        sql = (
            f"select {ITEM} from item where route = ? and phase = 'done' and filed_as is not null "
            "and unkept_at is null and id not in (select item_id from retention where outcome <> 'kept') "
            "order by moved_at, id"
        )
        return self._all(ItemRow, sql, [route])

    def retention(self, item_id: int) -> RetentionRow | None:
        """Return how the last try has ended; None before the first."""
        rows = self._all(RetentionRow, f"select {RETENTION} from retention where item_id = ?", [item_id])
        return rows[0] if rows else None

    def let_go_of(self, item_id: int) -> frozenset[int]:
        """List the files of an item, by position in its manifest, that are or will be removed from its filed copy."""
        return frozenset(int(row[0]) for row in self._fetch("select position from let_go where item_id = ?", [item_id]))

    def sight(self, unit_ids: Iterable[int], run_id: int, level: str, now: str) -> None:
        """Note that a look found sessions whole on their server; once for each run."""
        with self.write():
            self._run_many(
                "insert into sighting values (?, ?, ?, ?) on conflict do nothing",
                ((number, run_id, level, now) for number in unit_ids),
            )

    def let_go(self, item_id: int, positions: Iterable[int], run_id: int, now: str) -> None:
        """Note that files are going to be removed; Bug where nothing shows that the server holds them now."""
        with self.write():
            known = self.let_go_of(item_id)
            self._run_many(
                "insert into let_go values (?, ?, ?, ?)",
                ((item_id, position, run_id, now) for position in sorted(set(positions) - known)),
            )

    def note_retention(self, row: RetentionRow) -> None:
        """Note how a try has ended."""
        with self.write():
            self._run(
                "insert into retention values (?, ?, ?, ?) on conflict (item_id) do update set "
                "outcome = excluded.outcome, detail = excluded.detail, at = excluded.at",
                [row.item_id, row.outcome, row.detail, row.at],
            )

    def shares_its_place(self, item: ItemRow) -> bool:
        """Return whether another item was filed under the same name since."""
        sql = "select exists (select 1 from item where route = ? and filed_as = ? and filed_in is ? and id <> ?)"
        return bool(self._scalar(sql, [item.route, item.filed_as, item.filed_in, item.id]))
