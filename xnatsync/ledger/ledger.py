"""The ledger as a whole: routes, runs, the diary and the questions people ask, on top of items, units and mirrors."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from xnatsync.core.errors import LedgerDamaged
from xnatsync.disk.atomic import move
from xnatsync.disk.failures import our_disk
from xnatsync.ledger.agents import Agents
from xnatsync.ledger.assignments import Assignments
from xnatsync.ledger.certificates import Certificates
from xnatsync.ledger.confirmations import Confirmations
from xnatsync.ledger.connection import Value
from xnatsync.ledger.counterparts import Counterparts
from xnatsync.ledger.figures import Figures
from xnatsync.ledger.folders import Folders
from xnatsync.ledger.imports import Imports
from xnatsync.ledger.items import ITEM
from xnatsync.ledger.items import LIVING as LIVING_ITEM
from xnatsync.ledger.mirrors import Mirrors
from xnatsync.ledger.outbox import Outbox
from xnatsync.ledger.retention import Retention
from xnatsync.ledger.rows import EventRow, ItemRow, RunRow
from xnatsync.ledger.units import Units
from xnatsync.ledger.usual import Usual

RUNS_MAX = 20_000  # that are looked back on: two weeks of one each minute
EVENT = ", ".join(field.name for field in fields(EventRow))
RUN = ", ".join(field.name for field in fields(RunRow))


class Ledger(
    Units,
    Mirrors,
    Folders,
    Confirmations,
    Counterparts,
    Imports,
    Assignments,
    Usual,
    Certificates,
    Agents,
    Retention,
    Outbox,
    Figures,
):
    """What was seen, what was tried, what was proven."""

    # --- routes and runs -----------------------------------------------------------------------------------------

    def route_kinds(self) -> dict[str, str]:
        """Return the kind of every route that was ever run: `drop`, `mirror`, `push` or `transfer`."""
        return {str(name): str(kind) for name, kind in self._fetch("select name, kind from route")}

    def remember_route(self, name: str, kind: str, digest: str, now: str) -> bool:
        """Note a route's settings; True when they changed.

        Owners that agreed under other settings are known and no longer agreed: another selection or policy asks of
        each again, and what the server shows tells nothing of that.
        """
        with self.write():
            known = self._scalar("select digest from route where name = ?", [name])
            self._run(
                "insert into route values (?, ?, ?, ?) on conflict (name) do update set kind = excluded.kind, "
                "digest = excluded.digest, seen_at = excluded.seen_at",
                [name, kind, digest, now],
            )
            changed = known is not None and known != digest
            if changed:
                self._run("update owner set phase = 'known' where route = ? and phase = 'agreed'", [name])
            return changed

    def start_run(self, cause: str, pid: int, boot_id: str, version: str, now: str) -> int:
        """Begin a run."""
        with self.write():
            return self._insert("run", cause=cause, pid=pid, boot_id=boot_id, version=version, started_at=now)

    def end_run(
        self,
        run_id: int,
        outcome: str,
        counts: Mapping[str, int],
        now: str,
        *,
        exit_code: int | None = None,
        code: str | None = None,
        detail: str | None = None,
    ) -> None:
        """End a run; `code` and `detail` are of the gravest failure that did not concern one thing alone."""
        with self.write():
            self._run(
                "update run set ended_at = ?, outcome = ?, counts = ?, exit_code = ?, code = ?, detail = ? "
                "where id = ?",
                [now, outcome, json.dumps(dict(counts)), exit_code, code, detail, run_id],
            )

    def open_runs(self) -> list[RunRow]:
        """List the runs whose end was never recorded."""
        return self._all(RunRow, f"select {RUN} from run where ended_at is null order by id")

    def runs(self, limit: int) -> list[RunRow]:
        """List the newest runs, the newest first."""
        return self._all(RunRow, f"select {RUN} from run order by id desc limit ?", [limit])

    def runs_before(self, run_id: int) -> list[str]:
        """List the moments at which the runs before one began, as their clocks told them, the latest run first."""
        sql = "select started_at from run where id < ? order by id desc limit ?"
        return [str(began) for (began,) in self._fetch(sql, [run_id, RUNS_MAX])]

    def interrupt_runs(self, ids: Sequence[int], now: str) -> None:
        """Close runs that were killed."""
        with self.write():
            self._run_many(
                "update run set ended_at = ?, outcome = 'interrupted' where id = ? and ended_at is null",
                ((now, number) for number in ids),
            )

    # --- the diary -----------------------------------------------------------------------------------------------

    def event(
        self,
        code: str,
        text: str,
        *,
        level: str,
        now: str,
        route: str | None = None,
        run_id: int | None = None,
        item_id: int | None = None,
        unit_id: int | None = None,
        data: Mapping[str, object] | None = None,
    ) -> EventRow:
        """Write a line in the diary, for `engine.diary` alone.  Never contains patient data (S8)."""
        told = json.dumps(dict(data)) if data is not None else None
        with self.write():
            number = self._insert(
                "event", at=now, level=level, code=code, text=text, route=route, run_id=run_id, item_id=item_id,
                unit_id=unit_id, data=told,
            )  # fmt: skip
        return EventRow(number, now, level, code, text, route, run_id, item_id, unit_id, told)

    def events(self, item_id: int | None = None, unit_id: int | None = None, limit: int = 1000) -> list[EventRow]:
        """List the newest lines of the diary, the oldest of them first."""
        conditions, values = ["1"], list[Value]()
        if item_id is not None:
            conditions.append("item_id = ?")
            values.append(item_id)
        if unit_id is not None:
            conditions.append("unit_id = ?")
            values.append(unit_id)
        values.append(limit)
        sql = f"select {EVENT} from event where {' and '.join(conditions)} order by id desc limit ?"
        return self._all(EventRow, sql, values)[::-1]

    # --- questions -----------------------------------------------------------------------------------------------

    def find(self, text: str) -> list[ItemRow]:
        """Return items by number (`12`, `#12`), path, a file's path, a UID or a session label.

        The one of that number comes first: what is printed as a number means it, whatever else is called so.
        """
        if text.startswith("#"):
            return self._numbered(text[1:])
        tail = text.rstrip("/")
        if not tail:
            return []
        numbered = self._numbered(text)
        found = [*numbered, *(item for item in self._called(tail) if item not in numbered)]
        if not found and "\\" in tail:  # a path as Windows writes it; elsewhere names may hold a backslash
            found = self._called(tail := tail.replace("\\", "/"))
        if not found and "/" in tail:
            found = self._called(tail.rsplit("/", 1)[1])
        return found

    def _called(self, name: str) -> list[ItemRow]:
        """Find items by a name, or as a part of a path: `instr` knows no wildcards, and names may hold `%` and `_`."""
        sql = (
            f"select {ITEM} from item where instr(:whole, '/' || path || '/') > 0 "
            "or instr(:whole, '/' || filed_as || '/') > 0 "
            "or id in (select item_id from unit where study_uid = :name or session = :name or session_id = :name) "
            "or id in (select item_id from file where key = :name or path = :name) "
            "or id in (select item_id from loose where name = :name or study_uid = :name) "
            "or id in (select f.item_id from series s join file f on f.series_id = s.id where s.uid = :name) "
            "order by id desc"
        )
        return self._all(ItemRow, sql, {"whole": f"/{name}/", "name": name})

    def _numbered(self, digits: str) -> list[ItemRow]:
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):  # more is no number of SQLite's
            return []
        return self._all(ItemRow, f"select {ITEM} from item where id = ?", [int(digits)])

    def history(self, limit: int = 50, route: str | None = None, since: str | None = None) -> list[ItemRow]:
        """List the items that moved last, the newest first."""
        conditions, values = ["1"], list[Value]()
        if route is not None:
            conditions.append("route = ?")
            values.append(route)
        if since is not None:
            conditions.append("moved_at >= ?")
            values.append(since)
        values.append(limit)
        sql = f"select {ITEM} from item where {' and '.join(conditions)} order by moved_at desc, id desc limit ?"
        return self._all(ItemRow, sql, values)

    def phase_counts(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """Count items by (route, phase, hold or ""): how many, and their bytes."""
        rows = self._fetch("select route, phase, coalesce(hold, ''), count(*), sum(bytes) from item group by 1, 2, 3")
        return {(str(r), str(p), str(h)): (int(n), int(size)) for r, p, h, n, size in rows}

    def held_items(self) -> list[ItemRow]:
        """List living items that wait for a person, themselves or one of their units."""
        sql = (
            f"select {ITEM} from item where {LIVING_ITEM} and (hold = 'person' or id in "
            "(select item_id from unit where hold = 'person' and phase not in ('closed', 'dismissed'))) order by id"
        )
        return self._all(ItemRow, sql)

    def examine(self) -> None:
        """Read every page of the file; LedgerDamaged when one is not as it was written."""
        found = self._scalar("pragma quick_check(1)")
        if found != "ok":
            raise LedgerDamaged(f"the ledger is damaged: {found}")

    def backup(self, path: Path) -> None:
        """Write a compact copy that only we may read, complete or not at all; PlaceTaken when something is there."""
        begun = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with begun.open("xb") as file:
                begun.chmod(0o600)
                self._run("vacuum into ?", [str(begun)])  # an empty file is filled in its place
                os.fsync(file.fileno())
            move(begun, path)
        except OSError as error:
            raise our_disk(error, f"writing {path}") from error
        finally:
            begun.unlink(missing_ok=True)
