"""What shows whose a thing on a server is, what of it was compared, and what may be removed for that."""

from __future__ import annotations

from collections.abc import Iterable

from xnatsync.core.manifest import Compared
from xnatsync.ledger.items import OF_UNIT, UNIT, Items
from xnatsync.ledger.rows import UnitRow


class Evidence(Items):
    """What the ledger knows of proofs, object by object."""

    def acknowledge(self, unit: UnitRow, keys: Iterable[str]) -> None:
        """Note that the server answered "stored" to an upload of objects of a unit."""
        with self.write():
            self._run_many(
                "update entry set acknowledged = 1 where route = ? and target = ? and key = ? and unit_id = ?",
                ((unit.route, unit.target, key, unit.id) for key in keys),
            )

    def acknowledged(self, unit: UnitRow) -> frozenset[str]:
        """List the objects of a unit of which the server acknowledged this very content from here, now or earlier."""
        sql = (
            "select e.key from entry e join file f on f.key = e.key and f.sha256 = e.source_sha256 "
            f"where f.unit_id = {OF_UNIT} and f.kind = 'dicom' and e.route = ? and e.target = ? and e.acknowledged = 1"
        )
        return frozenset(str(row[0]) for row in self._fetch(sql, [unit.id, unit.route, unit.target]))

    def compared(self, item_id: int) -> dict[tuple[int, Compared], int]:
        """Count for each unit of an item what was compared of its objects; what was proven by name is not in it."""
        sql = (
            "select unit_id, compared, count(*) from evidence "
            "where unit_id in (select id from unit where item_id = ?) group by unit_id, compared"
        )
        return {(int(unit), Compared(by)): int(many) for unit, by, many in self._fetch(sql, [item_id])}

    def removable(self, item_id: int) -> dict[str, int]:
        """List the files of an item of which the evidence allows the removal: path -> position in the manifest.

        Pixels alone are not enough: somebody may have given the object another head, unless that was only stripped by
        a script.  Of an odd object its content is not all: only byte equality allows it.  Who wants to remove one
        announces it; a trigger asks for the evidence again.
        """
        sql = (
            "select f.path, f.position from file f join evidence e on e.unit_id = f.unit_id "
            "join receipt r on r.unit_id = f.unit_id where f.item_id = ? and r.place = 'archive' "
            "and e.key = case f.kind when 'other' then 'attached/' || f.member else f.key end "
            "and (e.compared = 'bytes' or (e.acknowledged = 1 and f.doubt <> 'odd' "
            "and (e.compared = 'content' or e.compared = 'pixels' and e.stripped = 1)))"
        )
        return {str(path): int(position) for path, position in self._fetch(sql, [item_id])}

    def announce_removals(self, item_id: int, positions: Iterable[int], now: str) -> None:
        """Note that files of an item are going to be removed; Bug where nothing shows that their server holds them."""
        with self.write():
            known = {int(row[0]) for row in self._fetch("select position from removal where item_id = ?", [item_id])}
            self._run_many(
                "insert into removal values (?, ?, ?)",
                ((item_id, position, now) for position in sorted(set(positions) - known)),
            )

    def claims(self, server: str, uri: str) -> list[UnitRow]:
        """List the units, of whatever route, living or proven, that made a prearchive row or wait in it."""
        sql = f"select {UNIT} from unit where server = ? and prearchive = ? and phase <> 'dismissed' order by id"
        return self._all(UnitRow, sql, [server, uri])

    def expecting(self, server: str, project: str, study_uid: str, session: str) -> list[UnitRow]:
        """List the units that sent something of a study or label, and do not know yet which row it made."""
        sql = (
            f"select {UNIT} from unit where server = ? and project = ? and (study_uid = ? or session = ?) "
            "and phase = 'sent' and prearchive is null order by id"
        )
        return self._all(UnitRow, sql, [server, project, study_uid, session])

    def landed_in(self, server: str, project: str, study_uid: str) -> frozenset[str]:
        """List the sessions, by accession ID, in which a study was ever seen to have landed."""
        sql = (
            "select session_id from unit where server = ? and project = ? and study_uid = ? and session_id is not null"
        )
        return frozenset(str(row[0]) for row in self._fetch(sql, [server, project, study_uid]))

    def names_of(self, server: str, project: str, study_uid: str, *, but: int) -> dict[str, str]:
        """Return under which names the objects of a study were sent by other items than one, and which they are."""
        sql = (
            "select f.member, f.key from file f join unit u on coalesce(u.twin_of, u.id) = f.unit_id"
            " where u.server = ? and u.project = ? and u.study_uid = ? and u.item_id <> ? and f.kind = 'dicom'"
        )
        return {str(name): str(key) for name, key in self._fetch(sql, [server, project, study_uid, but])}

    def note_archived(self, attempt_id: int, address: str) -> None:
        """Note the address that the server gave when it archived our row."""
        with self.write():
            self._run("update attempt set archived = ? where id = ?", [address, attempt_id])

    def archived_as(self, server: str, project: str, study_uid: str) -> frozenset[str]:
        """List the addresses at which the server said that it archived our rows of a study."""
        sql = (
            "select a.archived from attempt a join unit u on u.id = a.unit_id "
            "where a.archived is not null and u.server = ? and u.project = ? and u.study_uid = ?"
        )
        return frozenset(str(row[0]) for row in self._fetch(sql, [server, project, study_uid]))
