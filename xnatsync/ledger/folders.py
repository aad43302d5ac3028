"""Where things lie: this ledger's own name, every done folder that was ever used, and files without a folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from xnatsync.ledger.connection import Connection
from xnatsync.ledger.items import ITEM
from xnatsync.ledger.rows import ItemRow


@dataclass(frozen=True, slots=True)
class LooseRow:
    """A file at the top of a drop folder that holds an object of a study, as it was when its head was read."""

    name: str
    size: int
    mtime_ns: int
    study_uid: str
    item_id: int


LOOSE = ", ".join(field.name for field in fields(LooseRow))


class Folders(Connection):
    """What the ledger knows of folders."""

    def identity(self) -> str:
        """Return this ledger's own name, which is in the names of its custody boxes."""
        return str(self._scalar("select name from identity"))

    def custody_items(self, route: str) -> list[ItemRow]:
        """List the items that lie in custody, or may: found there, also if given up since, or being filed."""
        sql = (
            f"select {ITEM} from item where route = ? and (phase = 'verified' or "
            "(place = 'custody' and phase <> 'done'))"
        )
        return self._all(ItemRow, sql, [route])

    def note_drop_folder(self, route: str, folder: str, now: str) -> bool:
        """Note where the drop folder of a route is; True when it was another before.

        Then what was delivered from there and kept is no reason to pass over what looks like it here: a file of the
        same path, size and time may be another one.  What a person gave up stays given up.
        """
        known = self._scalar("select folder from drop_folder where route = ?", [route])
        if known == folder:
            return False
        with self.write():
            self._run(
                "insert into drop_folder values (?, ?, ?) on conflict (route) do update set folder = excluded.folder, "
                "at = excluded.at",
                [route, folder, now],
            )
            if known is not None:
                self._run("update item set fingerprint = '' where route = ? and phase = 'done'", [route])
        return known is not None

    # --- done folders --------------------------------------------------------------------------------------------

    def remember_done(self, route: str, folder: str, now: str) -> None:
        """Note where a route files from now on; what it filed before anybody noted that was filed in the first."""
        sql = "select exists (select 1 from done_folder where route = ? and folder = ?)"
        if self._scalar(sql, [route, folder]):
            return
        with self.write():
            if not self.done_folders(route):
                self._run(
                    "update item set filed_in = ? where route = ? and filed_as is not null and filed_in is null",
                    [folder, route],
                )
            self._run("insert into done_folder values (?, ?, ?)", [route, folder, now])

    def is_filed(self, route: str, filed_as: str, folder: str) -> bool:
        """Tell whether an item of a route was filed under this name in this done folder."""
        sql = "select exists (select 1 from item where route = ? and filed_as = ? and filed_in = ?)"
        return bool(self._scalar(sql, [route, filed_as, folder]))

    def done_folders(self, route: str) -> list[str]:
        """List every folder in which a route files, or filed."""
        return [str(row[0]) for row in self._fetch("select folder from done_folder where route = ?", [route])]

    def unkeep(self, item_id: int, now: str) -> bool:
        """Note that the filed copy of an item is wholly gone; True when that was not known."""
        with self.write():
            cursor = self._run("update item set unkept_at = ? where id = ? and unkept_at is null", [now, item_id])
            return cursor.rowcount == 1

    # --- files without a folder ----------------------------------------------------------------------------------

    def loose(self, route: str) -> dict[str, LooseRow]:
        """Return what is known of the files at the top of a drop folder, by name."""
        rows = self._all(LooseRow, f"select {LOOSE} from loose where route = ?", [route])
        return {row.name: row for row in rows}

    def loose_of(self, item_id: int) -> list[LooseRow]:
        """List the files of an item that has no folder, by name."""
        return self._all(LooseRow, f"select {LOOSE} from loose where item_id = ? order by name", [item_id])

    def note_loose(self, route: str, rows: Sequence[LooseRow]) -> None:
        """Note what files at the top are, and to which item each belongs."""
        with self.write():
            self._run_many(
                "insert into loose values (?, ?, ?, ?, ?, ?) on conflict (route, name) do update set "
                "size = excluded.size, mtime_ns = excluded.mtime_ns, study_uid = excluded.study_uid, "
                "item_id = excluded.item_id",
                ((route, row.name, row.size, row.mtime_ns, row.study_uid, row.item_id) for row in rows),
            )

    def forget_loose(self, route: str, names: Iterable[str]) -> None:
        """Forget files that are no longer at the top."""
        with self.write():
            self._run_many("delete from loose where route = ? and name = ?", ((route, name) for name in names))

    def flat_items(self, route: str) -> dict[int, ItemRow]:
        """Return the items, living or not, that known files at the top of a drop folder belong to, by number."""
        sql = f"select {ITEM} from item where id in (select item_id from loose where route = ?)"
        return {row.id: row for row in self._all(ItemRow, sql, [route])}
