"""What pushes did, announced before it was done; and what verifications found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from xnatsync.core.errors import Bug, ForeignContent
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.moment import later, seconds_between
from xnatsync.ledger.connection import Connection, Value
from xnatsync.ledger.rows import Outcome
from xnatsync.ledger.tree_rows import AuditRow, DeedRow, NewAudit

DEED = ", ".join(field.name for field in fields(DeedRow))
AUDIT = ", ".join(field.name for field in fields(AuditRow))
NEW_AUDIT = ", ".join(field.name for field in fields(NewAudit))


class Deeds(Connection):
    """What the ledger knows of effects on resources, and of findings about them."""

    def begin_deed(
        self,
        owner_id: int,
        resource: ResourceKey,
        name: str,
        *,
        run_id: int,
        sha256: bytes,
        request_id: str,
        now: str,
        quiet_at: str,
    ) -> DeedRow:
        """Announce that one file is about to be stored on the server."""
        with self.write():
            number = self._insert(
                "deed", owner_id=owner_id, run_id=run_id, scan=resource.scan, label=resource.label, name=name,
                sha256=sha256, request_id=request_id, began_at=now, quiet_at=quiet_at,
            )  # fmt: skip
            return self._deed(number)

    def end_deed(
        self, deed_id: int, *, outcome: Outcome, now: str, code: str | None = None, quiet_at: str | None = None
    ) -> None:
        """Note how it ended, once; without a new `quiet_at` a late effect is possible as long as announced."""
        with self.write():
            sql = (
                "update deed set ended_at = ?, outcome = ?, code = ?, quiet_at = coalesce(?, quiet_at) "
                "where id = ? and ended_at is null"
            )
            if self._run(sql, [now, outcome, code, quiet_at, deed_id]).rowcount != 1:
                raise Bug(f"deed {deed_id} is not open and cannot end")

    def open_deeds(self, owner_id: int | None = None) -> list[DeedRow]:
        """List the deeds whose end was never recorded, of one owner or of all, the oldest first."""
        sql = f"select {DEED} from deed where ended_at is null and (:owner is null or owner_id = :owner) order by id"
        return self._all(DeedRow, sql, {"owner": owner_id})

    def end_cut_deeds(self, now: str) -> None:
        """Note of deeds whose process died that nobody knows their end.

        Their quiet time begins now: when the process died, the server may still have been reading.
        """
        with self.write():
            for deed in self.open_deeds():
                quiet_s = seconds_between(deed.began_at, deed.quiet_at)
                self.end_deed(deed.id, outcome="unknown", now=now, quiet_at=later(now, max(0.0, quiet_s)))

    def shorten_deed(self, deed_id: int, quiet_at: str) -> None:
        """Note that the quiet time of a deed ends earlier than was written down, by a clock that was ahead.

        Its other moments stay: a deed is kept as it was.
        """
        with self.write():
            self._run("update deed set quiet_at = ? where id = ? and quiet_at > ?", [quiet_at, deed_id, quiet_at])

    def latest_deed(self, owner_id: int, resource: ResourceKey, name: str) -> DeedRow | None:
        """Find what was last done to one file of a resource."""
        where = "owner_id = ? and scan = ? and label = ? and name = ?"
        sql = f"select {DEED} from deed where {where} order by id desc limit 1"
        return self._one(DeedRow, sql, [owner_id, resource.scan, resource.label, name])

    def latest_taken(self, owner_id: int, resource: ResourceKey, name: str) -> DeedRow | None:
        """Find what was last done to one file of a resource and was not refused: that alone left something."""
        where = "owner_id = ? and scan = ? and label = ? and name = ? and outcome is not 'refused'"
        sql = f"select {DEED} from deed where {where} order by id desc limit 1"
        return self._one(DeedRow, sql, [owner_id, resource.scan, resource.label, name])

    def failed_stores(self, owner_id: int, resource: ResourceKey, name: str) -> int:
        """Count the stores of one file that did not succeed since the last one that did."""
        where = "owner_id = :owner and scan = :scan and label = :label and name = :name"
        sql = (
            f"select count(*) from deed where {where} and outcome is not 'ok' and id > coalesce("
            f"(select max(id) from deed where {where} and outcome = 'ok'), 0)"
        )
        values: dict[str, Value] = {"owner": owner_id, "scan": resource.scan, "label": resource.label, "name": name}
        return int(self._scalar(sql, values) or 0)

    def was_there_before(self, deed: DeedRow) -> bool:
        """Return whether the server had said before a store of this very content that a file of its name is there."""
        sql = (
            "select exists (select 1 from deed where owner_id = ? and scan = ? and label = ? and name = ? "
            "and sha256 = ? and id < ? and outcome = 'refused' and code = ?)"
        )
        at: list[Value] = [deed.owner_id, deed.scan, deed.label, deed.name]
        return bool(self._scalar(sql, [*at, deed.sha256, deed.id, ForeignContent.code]))

    def add_audits(self, run_id: int, findings: Sequence[NewAudit], now: str) -> None:
        """Write findings of one run of `verify`."""
        with self.write():
            self._insert_rows(
                f"audit (run_id, at, {NEW_AUDIT})",
                [
                    (
                        run_id, now, found.target, found.level, found.verdict, found.key, found.detail, found.route,
                        found.owner_id, found.unit_id,
                    )
                    for found in findings
                ],
            )  # fmt: skip

    def audits(self, run_id: int | None = None, route: str | None = None, limit: int = 1000) -> list[AuditRow]:
        """List the newest findings, the oldest of them first."""
        conditions, values = ["1"], list[Value]()
        if run_id is not None:
            conditions.append("run_id = ?")
            values.append(run_id)
        if route is not None:
            conditions.append("route = ?")
            values.append(route)
        values.append(limit)
        sql = f"select {AUDIT} from audit where {' and '.join(conditions)} order by id desc limit ?"
        return self._all(AuditRow, sql, values)[::-1]

    def _deed(self, deed_id: int) -> DeedRow:
        row = self._one(DeedRow, f"select {DEED} from deed where id = ?", [deed_id])
        if row is None:
            raise Bug(f"there is no deed {deed_id}")
        return row
