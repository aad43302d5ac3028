"""Owners of resources, what was last agreed of each, and what troubles them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from xnatsync.core.errors import NothingFound
from xnatsync.core.hold import Hold
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.ledger.connection import Connection, Value
from xnatsync.ledger.items import RELEASE
from xnatsync.ledger.tree_rows import NewTrouble, OwnerRow, ResourceRow, TroubleRow

OWNER = ", ".join(field.name for field in fields(OwnerRow))
RESOURCE = ", ".join(field.name for field in fields(ResourceRow))
FREE = "hold = null, code = null, detail = null, advice = null, retry_at = null, tries = 0"


class Owners(Connection):
    """What the ledger knows of the owners of a mirror or a push."""

    def ensure_owners(self, route: str, owners: Sequence[Owner], now: str) -> list[OwnerRow]:
        """Return the row of each owner, in order: a new one begins with its labels, one that was gone is back.

        Labels of an owner that is known stay as they are: its folders lie under them.
        """
        with self.write():
            known = self._known(route)
            new = {_identity(owner): owner for owner in owners if _identity(owner) not in known}
            back = {known[key].id for owner in owners if (key := _identity(owner)) in known and _is_gone(known[key])}
            self._insert_rows(
                "owner (route, project, kind, server_id, subject, session, phase, seen_at)",
                [
                    (route, owner.project, owner.kind.value, owner.id, owner.subject, owner.session, "known", now)
                    for owner in new.values()
                ],
            )
            self._run_many(
                f"update owner set phase = 'known', gone_at = null, {FREE} where id = ?",
                ((number,) for number in sorted(back)),
            )
            if new or back:
                known = self._known(route)
            return [known[_identity(owner)] for owner in owners]

    def owners(self, route: str | None = None, phases: Sequence[str] = ("known", "agreed", "gone")) -> list[OwnerRow]:
        """List owners in some phases, the oldest first."""
        marks = ", ".join("?" for _ in phases)
        conditions, values = [f"phase in ({marks})"], list[Value](phases)
        if route is not None:
            conditions.append("route = ?")
            values.append(route)
        return self._all(OwnerRow, f"select {OWNER} from owner where {' and '.join(conditions)} order by id", values)

    def has_owner(self, owner_id: int) -> bool:
        """Return whether an owner is known."""
        return bool(self._scalar("select exists (select 1 from owner where id = ?)", [owner_id]))

    def owner(self, owner_id: int) -> OwnerRow:
        """Return an owner; NothingFound when there is none."""
        row = self._one(OwnerRow, f"select {OWNER} from owner where id = ?", [owner_id])
        if row is None:
            raise NothingFound(f"the ledger holds no o{owner_id}")
        return row

    def agree_owner(
        self, owner_id: int, owner: Owner, resources: Mapping[ResourceKey, tuple[str, int, int]], now: str
    ) -> None:
        """Note that tree and server agree: labels and stamp as seen, and (stamp, files, bytes) of every resource.

        What held the owner is forgotten.  A resource that is not named is no longer one of it.
        """
        with self.write():
            self._run(
                f"update owner set phase = 'agreed', agreed_at = ?, gone_at = null, stamp = ?, subject = ?, "
                f"session = ?, {FREE} where id = ?",
                [now, owner.stamp, owner.subject, owner.session, owner_id],
            )
            self._run("delete from resource where owner_id = ?", [owner_id])
            self._insert_rows(
                f"resource ({RESOURCE})",
                [(owner_id, key.scan, key.label, *facts, now) for key, facts in resources.items()],
            )

    def note_resources(self, owner_id: int, resources: Mapping[ResourceKey, tuple[str, int, int]], now: str) -> None:
        """Note (stamp, files, bytes) of the resources of an owner, as they were when both sides last agreed."""
        with self.write():
            self._run("delete from resource where owner_id = ?", [owner_id])
            self._insert_rows(
                f"resource ({RESOURCE})",
                [(owner_id, key.scan, key.label, *facts, now) for key, facts in resources.items()],
            )

    def note_labels(self, owner_id: int, subject: str, session: str) -> None:
        """Note the labels that an owner's folders are named by from now on."""
        with self.write():
            self._run("update owner set subject = ?, session = ? where id = ?", [subject, session, owner_id])

    def hold_owner(self, owner_id: int, hold: Hold) -> None:
        """Hold an owner, for a time or for a person."""
        with self.write():
            self._run(
                "update owner set hold = ?, code = ?, detail = ?, advice = ?, retry_at = ?, tries = ? where id = ?",
                [hold.kind, hold.code, hold.detail, hold.advice, hold.retry_at, hold.tries, owner_id],
            )

    def release_owner(self, owner_id: int) -> None:
        """Release an owner: it is stepped again, and its tries are forgotten."""
        with self.write():
            self._run(RELEASE.format(table="owner"), [owner_id])

    def unhold_owner(self, owner_id: int) -> None:
        """Let an owner be that nothing holds any more; how often it failed in a row is known still."""
        with self.write():
            self._run(
                "update owner set hold = null, code = null, detail = null, advice = null, retry_at = null where id = ?",
                [owner_id],
            )

    def owner_gone(self, owner_id: int, now: str) -> None:
        """Note that a complete inventory no longer names an owner; its versions stay as they are."""
        with self.write():
            self._run(
                f"update owner set phase = 'gone', gone_at = coalesce(gone_at, ?), {FREE} where id = ?", [now, owner_id]
            )
            self._run("delete from resource where owner_id = ?", [owner_id])

    # --- resources -----------------------------------------------------------------------------------------------

    def resource_stamps(self, route: str) -> dict[int, dict[ResourceKey, str]]:
        """Return, for each owner of a route by its number, the stamp of each resource as it was last agreed."""
        sql = (
            "select r.owner_id, r.scan, r.label, r.stamp from resource r join owner o on o.id = r.owner_id "
            "where o.route = ?"
        )
        found: dict[int, dict[ResourceKey, str]] = {}
        for owner_id, scan, label, stamp in self._fetch(sql, [route]):
            found.setdefault(owner_id, {})[ResourceKey(scan, label)] = stamp
        return found

    def resources(self, owner_id: int) -> list[ResourceRow]:
        """List the resources of an owner, as last agreed."""
        sql = f"select {RESOURCE} from resource where owner_id = ? order by scan, label"
        return self._all(ResourceRow, sql, [owner_id])

    # --- troubles ------------------------------------------------------------------------------------------------

    def set_troubles(self, owner_id: int, troubles: Sequence[NewTrouble], now: str) -> None:
        """Replace what troubles an owner; what was there before keeps the moment since when it is there."""
        with self.write():
            since = {(old.path, old.code): old.at for old in self._troubles("owner_id = :value", owner_id)}
            self._run("delete from trouble where owner_id = ?", [owner_id])
            rows = {(new.path, new.code): new for new in troubles}
            self._insert_rows(
                "trouble (owner_id, path, code, detail, person, at, many)",
                [
                    (owner_id, new.path, new.code, new.detail, int(new.person), since.get(key, now), new.many)
                    for key, new in rows.items()
                ],
            )

    def troubles(self, route: str | None = None, owner_id: int | None = None) -> list[TroubleRow]:
        """List what troubles a route, or one owner, by path."""
        if owner_id is not None:
            return self._troubles("owner_id = :value", owner_id)
        return self._troubles(":value is null or owner_id in (select id from owner where route = :value)", route)

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _known(self, route: str) -> dict[tuple[str, str, str], OwnerRow]:
        return {(row.project, row.kind, row.server_id): row for row in self.owners(route)}

    def _troubles(self, condition: str, value: Value) -> list[TroubleRow]:
        columns = "owner_id, path, code, detail, person, at, many"
        sql = f"select {columns} from trouble where {condition} order by owner_id, path"
        return [
            TroubleRow(number, path, code, detail, bool(person), at, many)
            for number, path, code, detail, person, at, many in self._fetch(sql, {"value": value})
        ]


def _identity(owner: Owner) -> tuple[str, str, str]:
    return owner.project, owner.kind.value, owner.id


def _is_gone(row: OwnerRow) -> bool:
    return row.phase == "gone"
