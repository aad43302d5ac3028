"""What lies and lay in a tree: the living versions are the merge base, all of them together the history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from xnatsync.core.errors import Bug
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.misdated import NEVER, RunTime, misdated
from xnatsync.ledger.connection import Connection, Value
from xnatsync.ledger.tree_rows import DeedRow, Difference, NewVersion, PlacedVersion, VersionRow

_WRONG = (
    "with wrong (run, begins, ends, counts_at) as materialized (select value ->> 0, value ->> 1, value ->> 2, "
    "value ->> 3 from json_each(:wrong))"
)
_SINCE = "min(ifnull((select counts_at from wrong where run = version.run_id), since), :now)"
# No version says which run ended it: it is the wrong one at work at that time, unless another was at work as well.
_UNTIL = (
    "min(ifnull((select max(counts_at) from wrong where version.until between begins and ends and not exists ("
    "select 1 from run where version.until between started_at and ended_at and id not in (select run from wrong))), "
    "until), :now)"
)
VERSION = ", ".join(field.name for field in fields(VersionRow))
BEGIN = ", ".join(field.name for field in fields(NewVersion))
COPIED = "scan, label, name, route, size, sha256, md5, mtime_ns, origin"


@dataclass(frozen=True, slots=True)
class _Times:
    """How SQL reads begin and end of a version, with the values that it names."""

    values: Mapping[str, Value]
    table: str = ""
    since: str = "since"
    until: str = "until"


class Versions(Connection):
    """What the ledger knows of the files of trees."""

    # --- the merge base ------------------------------------------------------------------------------------------

    def living(self, route: str) -> list[tuple[str, tuple[int, int]]]:
        """Return path and (size, mtime in ns) of everything that should lie in a tree, in no order."""
        sql = "select path, size, mtime_ns from version where route = ? and until is null"
        return [(path, (size, mtime_ns)) for path, size, mtime_ns in self._fetch(sql, [route])]

    def living_resources(self, route: str, without: Iterable[int] = ()) -> dict[int, set[ResourceKey]]:
        """Return, by owner, the resources of which files should lie in a tree; some versions do not count."""
        sql = (
            "select distinct owner_id, scan, label from version where route = ? and until is null "
            "and id not in (select value from json_each(?))"
        )
        found: dict[int, set[ResourceKey]] = {}
        for owner_id, scan, label in self._fetch(sql, [route, json.dumps(list(without))]):
            found.setdefault(owner_id, set()).add(ResourceKey(scan, label))
        return found

    def has_living(self, route: str) -> bool:
        """Return whether anything should lie in a tree."""
        sql = "select exists (select 1 from version where route = ? and until is null)"
        return bool(self._scalar(sql, [route]))

    def living_of(self, owner_id: int) -> list[VersionRow]:
        """List what lies in the tree of one owner, by path."""
        sql = f"select {VERSION} from version where owner_id = ? and until is null order by path"
        return self._all(VersionRow, sql, [owner_id])

    def find_living(self, route: str, path: str) -> VersionRow | None:
        """Find what should lie at a path."""
        sql = f"select {VERSION} from version where route = ? and path = ? and until is null"
        return self._one(VersionRow, sql, [route, path])

    def had_from_server_before(self, deed: DeedRow, routes: Sequence[str], path: str) -> bool:
        """Tell whether what should lie at a path of some trees is what a deed stored, and came from the server before.

        Runs follow each other whatever their clocks say; moments tell the order within one run alone.
        """
        sql = (
            "select exists (select 1 from version where path = :path and until is null and origin = 'server' "
            "and route in (select value from json_each(:routes)) and sha256 = :sha256 "
            "and (coalesce(run_id, 0), since) < (:run, :began_at))"
        )
        values: dict[str, Value] = {"path": path, "routes": json.dumps(list(routes)), "sha256": deed.sha256}
        values |= {"run": deed.run_id, "began_at": deed.began_at}
        return bool(self._scalar(sql, values))

    def others_below(self, route: str, prefix: str, owner_id: int) -> bool:
        """Return whether something of other owners should lie at or below a path."""
        where, values = _below(prefix)
        sql = (
            "select exists (select 1 from version where route = :route and owner_id <> :owner and until is null "
            f"and {where})"
        )
        return bool(self._scalar(sql, {"route": route, "owner": owner_id, **values}))

    def living_of_others(self, route: str, owner_id: int, paths: Iterable[str]) -> list[int]:
        """List the living versions of other owners at some paths."""
        sql = (
            "select id from version where route = ? and owner_id <> ? and until is null "
            "and path in (select value from json_each(?)) order by id"
        )
        return [int(row[0]) for row in self._fetch(sql, [route, owner_id, json.dumps(list(paths))])]

    def change_versions(
        self, begun: Sequence[NewVersion], ended: Iterable[tuple[int, str]], now: str, run_id: int | None
    ) -> None:
        """End versions, by number and reason (see `Ended`), and begin others, all or nothing.

        Bug when one that is to end is not living, or when one is to begin where another is.
        """
        with self.write():
            for number, why in ended:
                sql = "update version set until = ?, ended = ? where id = ? and until is null"
                if self._run(sql, [now, why, number]).rowcount != 1:
                    raise Bug(f"version {number} is not living and cannot end")
            self._insert_rows(
                f"version ({BEGIN}, since, run_id)", [(*_values(version), now, run_id) for version in begun]
            )

    def touch_versions(self, mtimes_ns: Mapping[int, int]) -> None:
        """Note another time of files whose content is still what it was, so that they need not be read again."""
        with self.write():
            self._run_many(
                "update version set mtime_ns = ? where id = ? and until is null",
                ((mtime_ns, number) for number, mtime_ns in mtimes_ns.items()),
            )

    def move_versions(
        self,
        route: str,
        source: str,
        target: str,
        now: str,
        run_id: int | None,
        owners: Mapping[int, int] | None = None,
    ) -> int:
        """Follow a folder (or file) of the tree that was renamed; return how many files were in it.

        What is living at or below `source` ends as moved and begins at the same place below `target`.  `owners` says
        which owners are others from now on, as for a session that went to another project.
        """
        where, values = _below(source)
        with self.write():
            rows = self._fetch(
                f"select id from version where route = :route and until is null and {where}", {"route": route, **values}
            )
            ids = json.dumps([row[0] for row in rows])
            self._run(
                "update version set until = ?, ended = 'moved' where id in (select value from json_each(?))", [now, ids]
            )
            self._run(
                f"insert into version (owner_id, path, {COPIED}, since, run_id) "
                "select coalesce((select value from json_each(:owners) where key = cast(owner_id as text)), owner_id), "
                f":target || substr(path, :length), {COPIED}, :now, :run "
                "from version where id in (select value from json_each(:ids))",
                {
                    "owners": json.dumps({str(old): new for old, new in (owners or {}).items()}),
                    "target": target,
                    "length": len(source) + 1,
                    "now": now,
                    "run": run_id,
                    "ids": ids,
                },
            )
            return len(rows)

    # --- the trash -----------------------------------------------------------------------------------------------

    def announce_trash(self, places: Mapping[int, str]) -> dict[int, str]:
        """Note where in the trash the bytes of versions are going to be, before they are brought there.

        Gives the places that hold: one that was announced before stays, as something may lie there since a crash.
        """
        with self.write():
            self._run_many(
                "update version set trash = coalesce(trash, ?) where id = ?",
                ((place, number) for number, place in places.items()),
            )
            sql = "select id, trash from version where id in (select value from json_each(?))"
            return {int(number): str(place) for number, place in self._fetch(sql, [json.dumps(list(places))])}

    def move_trash(self, number: int, place: str) -> None:
        """Note another place in the trash for a version: at the one that was announced lies something else."""
        with self.write():
            self._run("update version set trash = ? where id = ?", [place, number])

    def trash_places(self, routes: Sequence[str]) -> set[str]:
        """List every place in the trash that some routes know."""
        sql = "select trash from version where trash is not null and route in (select value from json_each(?))"
        return {str(place) for (place,) in self._fetch(sql, [json.dumps(list(routes))])}

    def trash_older_than(self, route: str, moment: str) -> dict[int, str]:
        """List what ended before a moment and lies in the trash: number of the version -> place in the trash."""
        sql = "select id, trash from version where route = ? and until < ? and trash is not null order by until, id"
        return {int(number): str(place) for number, place in self._fetch(sql, [route, moment])}

    def forget_trash(self, ids: Iterable[int]) -> None:
        """Note that the bytes of ended versions are no longer in the trash."""
        with self.write():
            self._run_many(
                "update version set trash = null where id = ? and until is not null", ((number,) for number in ids)
            )

    # --- the past ------------------------------------------------------------------------------------------------

    def versions_at(self, route: str, moment: str, prefix: str = "", *, now: str = NEVER) -> list[PlacedVersion]:
        """List by path what lay at a moment in the tree, or below a folder of it, and where those bytes are today.

        Bytes that were moved, or that came again, are found by their digest.  What a run with a wrong clock did, as
        seen `now`, counts since the next run (see `core.misdated`).
        """
        rows = self._at(route, moment, prefix, self._times(now))
        lost = [row for row in rows if row.until is not None and row.trash is None]
        places = self._places(route) if lost else {}
        return [_placed(row, places) for row in rows]

    def differences(
        self, route: str, before: str, after: str, prefix: str = "", *, now: str = NEVER
    ) -> list[Difference]:
        """List by path what was another content at a later moment than at an earlier one."""
        times = self._times(now)
        old = self._only_at(route, before, after, prefix, times)
        new = self._only_at(route, after, before, prefix, times)
        return [
            Difference(path, old.get(path), new.get(path))
            for path in sorted(old.keys() | new.keys())
            if path not in old or path not in new or old[path].sha256 != new[path].sha256
        ]

    def versions_of(self, route: str, path: str) -> list[VersionRow]:
        """List all that ever lay at a path, the oldest first."""
        sql = f"select {VERSION} from version where route = ? and path = ?"
        found = self._all(VersionRow, f"{sql} and until is not null order by id", [route, path])
        return found + self._all(VersionRow, f"{sql} and until is null", [route, path])

    def find_versions(self, tail: str) -> list[VersionRow]:
        """List all that ever lay at a path, or at paths that end so, in any tree: by tree and path, the oldest first.

        `substr` knows no wildcards, and names may hold `%` and `_`.
        """
        sql = (
            f"select {VERSION} from version where path = :tail or substr(path, -:length) = :end "
            "order by route, path, until is null, id"
        )
        return self._all(VersionRow, sql, {"tail": tail, "end": f"/{tail}", "length": len(tail) + 1})

    def owners_in(self, folder: str) -> set[int]:
        """Return the numbers of the owners whose files lie or lay somewhere in a folder of that name or path."""
        sql = "select distinct owner_id from version where instr('/' || path, '/' || ? || '/') > 0"
        return {int(row[0]) for row in self._fetch(sql, [folder])}

    def count_past(self, owner_id: int) -> dict[str, int]:
        """Count what of an owner lay in the tree and no longer does, by how it ended."""
        sql = "select ended, count(*) from version where owner_id = ? and until is not null group by ended"
        return {str(why): int(many) for why, many in self._fetch(sql, [owner_id])}

    def last_change(self, route: str, moment: str) -> str | None:
        """Say when a tree last changed before or at a moment; None when nothing had ever lain in it."""
        times = self._times(moment)
        sql = (
            f"{times.table} select max(at) from (select max({times.since}) as at from version where route = :route "
            f"and {times.since} <= :now union all select max({times.until}) from version where route = :route "
            f"and until is not null and {times.until} <= :now)"
        )
        found = self._scalar(sql, {"route": route, "now": moment, **times.values})
        return str(found) if found is not None else None

    def whereabouts(self, route: str) -> dict[bytes, list[tuple[str, str]]]:
        """List every place in which each content of a route may lie today: ("tree" or "trash", place).

        Also those that were announced and perhaps never came to be: who reads there compares the digest.
        """
        tree = "select sha256, 'tree', path from version where route = :route and until is null"
        trash = "select sha256, 'trash', trash from version where route = :route and trash is not null"
        found: dict[bytes, list[tuple[str, str]]] = {}
        for digest, where, place in self._fetch(f"{tree} union all {trash}", {"route": route}):
            found.setdefault(bytes(digest), []).append((str(where), str(place)))
        return found

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _times(self, now: str) -> _Times:
        """Say how begin and end of versions are read: as they stand, unless a clock was wrong."""
        wrong = (
            "select exists (select 1 from (select started_at, lag(started_at) over (order by id) as before from run) "
            "where started_at < before) or exists (select 1 from run where max(started_at, ifnull(ended_at, '')) > ?)"
        )
        if not self._scalar(wrong, [now]):
            return _Times({"now": now})
        runs = self._all(RunTime, "select id, started_at, ended_at from run order by id")
        rows = [(run.run, run.begins, run.ends, run.counts_at) for run in misdated(runs, now)]
        return _Times({"now": now, "wrong": json.dumps(rows)}, _WRONG, _SINCE, _UNTIL)

    def _at(self, route: str, moment: str, prefix: str, times: _Times) -> list[VersionRow]:
        where, values = _below(prefix)
        head = f"select {VERSION} from version where route = :route and {times.since} <= :at and {where}"
        sql = f"{times.table} {head} and until is null union all {head} and until is not null and {times.until} > :at"
        found = self._latest(sql, {"route": route, "at": moment, **values, **times.values})
        return sorted(found.values(), key=lambda row: row.path)

    def _only_at(self, route: str, moment: str, other: str, prefix: str, times: _Times) -> dict[str, VersionRow]:
        """Find what was living at one moment and not at the other."""
        where, values = _below(prefix)
        since, until = times.since, times.until
        head = f"select {VERSION} from version where route = :route and {since} <= :at and {where}"
        sql = (
            f"{times.table} {head} and until is null and {since} > :other "
            f"union all {head} and until is not null and {until} > :at "
            f"and not ({since} <= :other and {until} > :other)"
        )
        return self._latest(sql, {"route": route, "at": moment, "other": other, **values, **times.values})

    def _latest(self, sql: str, values: Mapping[str, Value]) -> dict[str, VersionRow]:
        """Return one version for each path: a clock that was set back may have let two overlap."""
        found: dict[str, VersionRow] = {}
        for row in self._all(VersionRow, sql, values):
            if row.path not in found or found[row.path].id < row.id:
                found[row.path] = row
        return found

    def _places(self, route: str) -> dict[bytes, tuple[str, str]]:
        """Find where each content is, in the tree if it can be."""
        trash = "select sha256, trash from version where route = ? and until is not null and trash is not null"
        places = {bytes(digest): ("trash", str(place)) for digest, place in self._fetch(trash, [route])}
        tree = "select sha256, path from version where route = ? and until is null"
        return places | {bytes(digest): ("tree", str(path)) for digest, path in self._fetch(tree, [route])}


def _values(version: NewVersion) -> tuple[Value, ...]:
    return (
        version.owner_id, version.scan, version.label, version.name, version.route, version.path, version.size,
        version.sha256, version.md5, version.mtime_ns, version.origin,
    )  # fmt: skip


def _below(prefix: str) -> tuple[str, dict[str, Value]]:
    """A condition on paths: the prefix itself, or below it as a folder.  `0` is what follows the slash."""
    if not prefix:
        return "path >= ''", {}
    return (
        "(path = :prefix or (path >= :prefix_from and path < :prefix_to))",
        {"prefix": prefix, "prefix_from": f"{prefix}/", "prefix_to": f"{prefix}0"},
    )


def _placed(row: VersionRow, places: Mapping[bytes, tuple[str, str]]) -> PlacedVersion:
    if row.until is None:
        return PlacedVersion(row, "tree", row.path)
    if row.trash is not None:
        return PlacedVersion(row, "trash", row.trash)
    where, place = places.get(row.sha256, ("", ""))
    if where == "tree":
        return PlacedVersion(row, "tree", place)
    return PlacedVersion(row, "trash", place) if where else PlacedVersion(row, "nowhere", "")
