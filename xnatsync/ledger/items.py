"""Items and their manifests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from xnatsync.core.errors import Bug, NothingFound
from xnatsync.core.hold import Hold
from xnatsync.core.phases import ItemPhase, advance_item
from xnatsync.ledger.connection import Connection, Value
from xnatsync.ledger.rows import FileRow, ItemRow, NewFile, NewUnit, UnitRow

ITEM = ", ".join(field.name for field in fields(ItemRow))
UNIT = ", ".join(field.name for field in fields(UnitRow))
OF_UNIT = "(select coalesce(twin_of, id) from unit where id = ?)"  # the unit that the manifest names for its files
FILE = (
    "f.item_id, f.path, f.position, f.size, f.mtime_ns, f.sha256, f.crc32, f.md5, f.kind, f.reason, f.unit_id, f.key, "
    "f.member, coalesce(s.uid, ''), coalesce(s.number, ''), coalesce(s.modality, ''), coalesce(s.sop_class, ''), "
    "coalesce(s.syntax, ''), f.pixels, f.pixel_bytes, f.left_by, f.doubt, "
    "f.packed from file f left join series s on s.id = f.series_id"
)
WRITTEN = (
    "item_id, position, path, size, mtime_ns, sha256, crc32, md5, kind, reason, unit_id, key, member, series_id, "
    "pixels, pixel_bytes, left_by, doubt, packed"
)
COMPLETE = "complete"  # the reason under which a person accepted that an item is complete, whatever its markers say
LIVING = "phase not in ('done', 'dismissed')"


class Items(Connection):
    """What the ledger knows of items."""

    def new_item(
        self,
        route: str,
        place: str,
        path: str,
        fingerprint: str,
        files: int,
        size_bytes: int,
        now: str,
        *,
        flat: int = 0,
    ) -> ItemRow:
        """Write down a thing that was not there before."""
        with self.write():
            number = self._insert(
                "item", route=route, place=place, path=path, fingerprint=fingerprint, phase="seen", files=files,
                bytes=size_bytes, seen_at=now, steady_at=now, moved_at=now, flat=flat,
            )  # fmt: skip
            return self.item(number)

    def pass_over(self, number: int) -> None:
        """Give no new item a number up to this one: a ledger that was restored would use it for a second time."""
        if number <= int(self._scalar("select coalesce(max(seq), 0) from sqlite_sequence where name = 'item'", [])):
            return
        with self.write():
            self._run("delete from sqlite_sequence where name = 'item'", [])
            self._run("insert into sqlite_sequence (name, seq) values ('item', ?)", [number])

    def item(self, item_id: int) -> ItemRow:
        """Give an item; NothingFound when there is none."""
        row = self._one(ItemRow, f"select {ITEM} from item where id = ?", [item_id])
        if row is None:
            raise NothingFound(f"there is no item {item_id}")
        return row

    def has_item(self, item_id: int) -> bool:
        """Return whether an item is known."""
        return bool(self._scalar("select exists (select 1 from item where id = ?)", [item_id]))

    def items(self, route: str | None = None, *, living: bool = True, limit: int | None = None) -> list[ItemRow]:
        """List items, the oldest first; with a limit, the newest so many."""
        conditions, values = ["1"], list[Value]()
        if route is not None:
            conditions.append("route = ?")
            values.append(route)
        if living:
            conditions.append(LIVING)
        where = " and ".join(conditions)
        values.append(-1 if limit is None else limit)
        found = self._all(ItemRow, f"select {ITEM} from item where {where} order by id desc limit ?", values)
        return found[::-1]

    def find_item(self, route: str, place: str, path: str) -> ItemRow | None:
        """Find the living item of that name."""
        sql = f"select {ITEM} from item where route = ? and place = ? and path = ? and {LIVING}"
        return self._one(ItemRow, sql, [route, place, path])

    def latest_item(self, route: str, place: str, path: str) -> ItemRow | None:
        """Find the newest item of that name, living or not."""
        sql = f"select {ITEM} from item where route = ? and place = ? and path = ? order by id desc limit 1"
        return self._one(ItemRow, sql, [route, place, path])

    def touch_item(self, item_id: int, fingerprint: str, files: int, size_bytes: int, now: str) -> None:
        """Note that an item looks different: it is steady from now on."""
        with self.write():
            self._run(
                "update item set fingerprint = ?, files = ?, bytes = ?, steady_at = ?, waits = '', waits_until = null "
                "where id = ?",
                [fingerprint, files, size_bytes, now, item_id],
            )

    def note_wait(self, item_id: int, why: str, until: str | None) -> None:
        """Write down what an item waits for, beyond being quiet; nothing is written when that is known."""
        item = self.item(item_id)
        if (item.waits, item.waits_until) != (why, until):
            with self.write():
                self._run("update item set waits = ?, waits_until = ? where id = ?", [why, until, item_id])

    def forget_item(self, item_id: int, now: str | None = None) -> None:
        """Forget an item that is gone and that nobody counts on; one with a history is kept as dismissed.

        Such a one loses its fingerprint: whoever puts the same thing back means a new item, however like it looks.
        """
        with self.write():
            item = self.item(item_id)
            if item.phase not in {ItemPhase.SEEN, ItemPhase.LEFT}:
                raise Bug(f"item {item_id} is {item.phase} and cannot be forgotten")
            if item.phase is ItemPhase.LEFT or self._scalar(
                "select exists (select 1 from unit where item_id = ?)", [item_id]
            ):
                self._set_phase(item, ItemPhase.DISMISSED, now or item.moved_at)
                self._run("update item set fingerprint = '' where id = ?", [item_id])
                return
            self._run("delete from item where id = ?", [item_id])

    def settle_item(self, item_id: int, files: Sequence[NewFile], units: Sequence[NewUnit], now: str) -> list[UnitRow]:
        """Freeze the manifest and plan the units, all or nothing."""
        with self.write():
            item = self.item(item_id)
            ids = list[int]()
            for unit in units:
                ids.append(self._new_unit(item, unit, now, ids[unit.twin] if unit.twin is not None else None))
            self._write_files(item_id, files, ids)
            self._set_phase(item, ItemPhase.SETTLED, now)
            return [self._unit(number) for number in ids]

    def leave_item(self, item_id: int, files: Sequence[NewFile], reason: str, now: str) -> None:
        """Freeze the manifest of an item in which nothing is to be delivered; it stays where it is."""
        with self.write():
            item = self.item(item_id)
            self._write_files(item_id, files, [])
            self._set_phase(item, ItemPhase.LEFT, now)
            self._run("update item set detail = ? where id = ?", [reason, item_id])

    def take_again(self, item_id: int) -> None:
        """Let a done item that lies where it was dropped be found there as a new one, however like it looks."""
        with self.write():
            self._run("update item set fingerprint = '' where id = ? and phase = 'done'", [item_id])

    def reset_item(self, item_id: int, fingerprint: str, files: int, size_bytes: int, now: str) -> None:
        """Take an item back to `seen` because its source changed; what was planned for it is dismissed."""
        with self.write():
            item = self.item(item_id)
            self._dismiss_units(item_id, now)
            self._close_units(item_id, now)
            self._set_phase(item, ItemPhase.SEEN, now)
            self._run("delete from file where item_id = ?", [item_id])
            if fingerprint != item.fingerprint:
                self.touch_item(item_id, fingerprint, files, size_bytes, now)

    def move_item(
        self, item_id: int, phase: ItemPhase, now: str, filed_as: str | None = None, filed_in: str | None = None
    ) -> None:
        """Move an item on; `filed_as` tells where it was filed, in the done folder `filed_in`."""
        with self.write():
            self._set_phase(self.item(item_id), phase, now)
            if filed_as is not None:
                self._run("update item set filed_as = ?, filed_in = ? where id = ?", [filed_as, filed_in, item_id])

    def hold_item(self, item_id: int, hold: Hold) -> None:
        """Hold an item, for a time or for a person."""
        with self.write():
            self._run(
                "update item set hold = ?, code = ?, detail = ?, advice = ?, retry_at = ?, tries = ? where id = ?",
                [hold.kind, hold.code, hold.detail, hold.advice, hold.retry_at, hold.tries, item_id],
            )

    def release_item(self, item_id: int) -> None:
        """Release an item: it is stepped again, and its tries are forgotten."""
        with self.write():
            self._run(RELEASE.format(table="item"), [item_id])

    def dismiss_item(self, item_id: int, now: str) -> None:
        """Give an item up, with what was planned for it; its source is not touched."""
        with self.write():
            item = self.item(item_id)
            self._dismiss_units(item_id, now)
            self._close_units(item_id, now)
            self._set_phase(item, ItemPhase.DISMISSED, now)

    def give_up_item(self, item_id: int, now: str) -> None:
        """Give an item up whose source was taken away; whoever puts the same thing back means a new one."""
        with self.write():
            self.dismiss_item(item_id, now)
            self._run(
                "update item set fingerprint = '', detail = 'taken away before anything of it was sent' where id = ?",
                [item_id],
            )

    def files(self, item_id: int, kind: str | None = None, unit_id: int | None = None) -> list[FileRow]:
        """List the manifest in the order in which it is read fastest."""
        conditions, values = ["f.item_id = ?"], list[Value]([item_id])
        if kind is not None:
            conditions.append("f.kind = ?")
            values.append(kind)
        if unit_id is not None:
            conditions.append(f"f.unit_id = {OF_UNIT}")
            values.append(unit_id)
        return self._all(FileRow, f"select {FILE} where {' and '.join(conditions)} order by f.position", values)

    def aside(self, item_id: int) -> list[FileRow]:
        """List what of an item is no object to be delivered, without what the route's selection left out.

        By its own index: SQLite would rather read the whole manifest, which is long and is asked for in every run.
        """
        wanted = FILE.replace("from file f", "from file f indexed by file_aside")
        sql = f"select {wanted} where f.item_id = ? and f.kind <> 'dicom' and f.left_by = '' order by f.position"
        return self._all(FileRow, sql, [item_id])

    def delivered_odd(self, item_id: int, unit_id: int | None = None) -> list[FileRow]:
        """List the objects of an item, or of one unit, that are delivered although they are not as they should be."""
        sql = (
            f"select {FILE} where f.item_id = :item and f.doubt <> '' and f.doubt = 'odd' and f.kind = 'dicom' "
            "and (:unit is null or f.unit_id = (select coalesce(twin_of, id) from unit where id = :unit)) "
            "order by f.position"
        )
        return self._all(FileRow, sql, {"item": item_id, "unit": unit_id})

    def accept(self, item_id: int, files: Sequence[FileRow], now: str) -> None:
        """Write down that a person has seen files that hold an item, and lets them be."""
        with self.write():
            sql = "insert into acceptance values (?, ?, ?, ?, ?) on conflict do nothing"
            self._run_many(sql, ((item_id, file.path, file.sha256, file.reason, now) for file in files))

    def accept_complete(self, item_id: int, now: str) -> None:
        """Write down that a person said that an item is complete, whatever its markers say."""
        with self.write():
            sql = "insert into acceptance values (?, '', zeroblob(32), ?, ?) on conflict do nothing"
            self._run(sql, [item_id, COMPLETE, now])

    def accepted(self, item_id: int) -> frozenset[tuple[str, bytes, str]]:
        """Give what a person has accepted of an item: path, digest and reason."""
        sql = "select path, sha256, reason from acceptance where item_id = ?"
        return frozenset(
            (str(path), bytes(sha256), str(reason)) for path, sha256, reason in self._fetch(sql, [item_id])
        )

    def left_out(self, item_id: int) -> dict[str, int]:
        """Count the files of an item that the route's selection left out, by the key that did."""
        sql = "select left_by, count(*) from file where item_id = ? and left_by <> '' group by left_by order by left_by"
        return {str(key): int(count) for key, count in self._fetch(sql, [item_id])}

    def never_sent(self, route: str) -> dict[str, int]:
        """Count what the selection of a route left out and what was never sent, by key: as it was last judged."""
        sql = (
            "select f.left_by, count(*) from item i join file f on f.item_id = i.id and f.left_by <> '' "
            "where i.route = ? and i.phase <> 'dismissed' and not exists (select 1 from file s "
            "left join unit u on u.id = s.unit_id where s.key = f.key and s.sha256 = f.sha256 "
            "and (u.phase in ('verified', 'closed') or (s.left_by <> '' and s.item_id > f.item_id))) "
            "group by f.left_by order by f.left_by"
        )
        return {str(key): int(count) for key, count in self._fetch(sql, [route])}

    def items_with_left_out(self, route: str) -> list[ItemRow]:
        """List the items, done ones too, of which the route's selection left something out."""
        sql = (
            f"select {ITEM} from item where route = ? and phase <> 'dismissed' "
            "and exists (select 1 from file where item_id = item.id and left_by <> '') order by id"
        )
        return self._all(ItemRow, sql, [route])

    def file_counts(self, item_id: int) -> dict[str, tuple[int, int]]:
        """Count the manifest by kind: files and bytes."""
        rows = self._fetch("select kind, count(*), sum(size) from file where item_id = ? group by kind", [item_id])
        return {str(kind): (int(count), int(size)) for kind, count, size in rows}

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _set_phase(self, item: ItemRow, phase: ItemPhase, now: str) -> None:
        to = advance_item(item.phase, phase)
        self._run(
            "update item set phase = ?, moved_at = ?, hold = null, code = null, detail = null, advice = null, "
            "retry_at = null, tries = 0, waits = '', waits_until = null where id = ?",
            [to, now, item.id],
        )

    def _dismiss_units(self, item_id: int, now: str) -> None:
        self._run(
            "update unit set phase = 'dismissed', moved_at = ?, hold = null, code = null, detail = null, "
            "advice = null, retry_at = null where item_id = ? and phase in ('planned', 'staged', 'sent', 'landed')",
            [now, item_id],
        )

    def _close_units(self, item_id: int, now: str) -> None:
        """End what was proven: its receipt holds, whatever becomes of the item."""
        self._run(
            "update unit set phase = 'closed', moved_at = ? where item_id = ? and phase = 'verified'", [now, item_id]
        )

    def _unit(self, unit_id: int) -> UnitRow:
        row = self._one(UnitRow, f"select {UNIT} from unit where id = ?", [unit_id])
        if row is None:
            raise NothingFound(f"there is no unit {unit_id}")
        return row

    def _new_unit(self, item: ItemRow, unit: NewUnit, now: str, twin_of: int | None) -> int:
        return self._insert(
            "unit", item_id=item.id, route=item.route, server=unit.server, project=unit.project, subject=unit.subject,
            session=unit.session, study_uid=unit.study_uid, target=unit.target, phase="planned", files=unit.files,
            bytes=unit.bytes, planned_at=now, moved_at=now, ruled=unit.ruled, destination=unit.destination,
            collision=unit.collision, twin_of=twin_of,
        )  # fmt: skip

    def _write_files(self, item_id: int, files: Sequence[NewFile], units: Sequence[int]) -> None:
        series: dict[tuple[str, ...], int] = {}
        for file in files:
            if file.series_uid and (found := _series_of(file)) not in series:
                series[found] = self._series(found)
        rows = [
            (
                item_id, file.position, file.path, file.size, file.mtime_ns, file.sha256, file.crc32, file.md5,
                file.kind, file.reason, units[file.unit] if file.unit is not None else None, file.key, file.member,
                series.get(_series_of(file)), file.pixels, file.pixel_bytes, file.left_by,
                file.doubt, file.packed,
            )
            for file in files
        ]  # fmt: skip
        self._insert_rows(f"file ({WRITTEN})", rows)

    def _series(self, facts: tuple[str, ...]) -> int:
        sql = "select id from series where uid = ? and number = ? and modality = ? and sop_class = ? and syntax = ?"
        known = self._scalar(sql, facts)
        if known is not None:
            return int(known)
        uid, number, modality, sop_class, syntax = facts
        return self._insert("series", uid=uid, number=number, modality=modality, sop_class=sop_class, syntax=syntax)


RELEASE = (
    "update {table} set hold = null, code = null, detail = null, advice = null, retry_at = null, tries = 0 where id = ?"
)


def _series_of(file: NewFile) -> tuple[str, ...]:
    return file.series_uid, file.series_number, file.modality, file.sop_class, file.transfer_syntax
