"""What was verified when, and what a repair changes about items that were done."""

from __future__ import annotations

from collections.abc import Iterable

from xnatsync.ledger.connection import Connection
from xnatsync.ledger.rows import EntryRow


class Audits(Connection):
    """What the ledger knows of verifications, beside their findings."""

    def last_verified(self, route: str) -> list[tuple[str, int, str, int]]:
        """Lists what was verified as a whole: ("unit" | "owner", its number, how deeply, how late).

        How late is a number that grows with each look, whatever the clock says.
        """
        sql = (
            "select unit_id, owner_id, level, max(id) from audit "
            "where route = ? and key is null and (unit_id is not null or owner_id is not null) group by 1, 2, 3"
        )
        return [
            ("owner", int(owner), str(level), int(late)) if unit is None else ("unit", int(unit), str(level), int(late))
            for unit, owner, level, late in self._fetch(sql, [route])
        ]

    def confirm_entries(self, route: str, target: str, seen: Iterable[tuple[EntryRow, int, str]], now: str) -> None:
        """Notes how objects that were proven anew look on their target now: (as last known, size, MD5).

        What a run beside us has proven in between is left as it is.
        """
        with self.write():
            self._run_many(
                "update entry set target_size = ?, target_digest = ?, at = ? "
                "where route = ? and target = ? and key = ? and state = 'verified' and unit_id = ? and at = ?",
                ((size, digest, now, route, target, was.key, was.unit_id, was.at) for was, size, digest in seen),
            )

    def others_at_work(self, run_id: int) -> bool:
        """Tells whether another run works with the ledger, has done so since this one began, or died at it."""
        sql = (
            "select exists (select 1 from run where id <> :run and (id > :run or ended_at is null "
            "or ended_at >= (select started_at from run where id = :run)))"
        )
        return bool(self._scalar(sql, {"run": run_id}))

    def unfile_item(self, item_id: int) -> None:
        """Notes that the filed copy of an item was put back, to be delivered again as an item of its own."""
        with self.write():
            self._run("update item set filed_as = null where id = ?", [item_id])

    def make_due(self, owner_id: int) -> None:
        """Lets the next run look at an owner file by file, as if the server had noted a change."""
        with self.write():
            self._run("update resource set stamp = '' where owner_id = ?", [owner_id])
