"""What was verified when, and what a repair changes about items that were done."""

from __future__ import annotations

import json
from collections.abc import Iterable

from xnatsync.ledger.connection import Connection
from xnatsync.ledger.rows import EntryRow

_AT_ONCE = 5000  # rows that go in one transaction, so that a run beside us need not wait for long

# A look is a row without a key, with the findings of its run about the same unit or owner.
_REPEATED = """
with finding as (
  select run_id, coalesce(unit_id, 0) as unit, coalesce(owner_id, 0) as owner, group_concat(text, char(30)) as found
  from (select run_id, unit_id, owner_id, level || char(31) || verdict || char(31) || key || char(31)
          || coalesce(detail, '') as text from audit where key is not null order by text)
  group by 1, 2, 3),
look as (
  select a.run_id, coalesce(a.unit_id, 0) as unit, coalesce(a.owner_id, 0) as owner, a.level, a.id, a.at,
    a.verdict || char(30) || case a.verdict when 'same' then '' else coalesce(a.detail, '') end
      || char(30) || coalesce(f.found, '') as seen
  from audit a left join finding f
    on f.run_id = a.run_id and f.unit = coalesce(a.unit_id, 0) and f.owner = coalesce(a.owner_id, 0)
  where a.key is null and (a.unit_id is not null or a.owner_id is not null)),
among as (
  select *, lag(seen) over w as former, lead(seen) over w as latter
  from look window w as (partition by unit, owner, level order by id)),
repeated as (select run_id, unit, owner from among where at < :before and seen = former and seen = latter)
select a.id from audit a cross join repeated r  -- in this order: the other way each look would read its whole run
  on r.run_id = a.run_id and r.unit = coalesce(a.unit_id, 0) and r.owner = coalesce(a.owner_id, 0)
"""
_ASIDE = """
select id from audit where at < :before and unit_id is null and owner_id is null
  and id not in (select max(id) from audit where unit_id is null and owner_id is null group by route, target, level)
"""


class Audits(Connection):
    """What the ledger knows of verifications, beside their findings."""

    def last_verified(self, route: str) -> list[tuple[str, int, str, int]]:
        """List what was verified as a whole: ("unit" | "owner", its number, how deeply, how late).

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

    def newest_audit(self) -> int:
        """How late it is, as `last_verified` counts."""
        return int(self._scalar("select coalesce(max(id), 0) from audit"))

    def position(self, route: str, name: str) -> str:
        """Say how far something that goes on from run to run has come; "" when it has not begun."""
        return str(self._scalar("select value from cursor where route = ? and name = ?", [route, name]) or "")

    def note_position(self, route: str, name: str, value: str, now: str) -> None:
        """Note how far it has come."""
        with self.write():
            self._run(
                "insert into cursor (route, name, value, at) values (?, ?, ?, ?) "
                "on conflict (route, name) do update set value = excluded.value, at = excluded.at",
                [route, name, value, now],
            )

    def thin_audits(self, before: str) -> int:
        """Forget looks from before a moment that saw just what those before and after them saw; return how many rows.

        What stays for ever: the first and the last look of each stretch in which nothing changed, with every finding;
        so also the newest of each depth, by which samples go.  Of what belongs to nobody the newest look stays.
        """
        ids = [int(row[0]) for sql in (_REPEATED, _ASIDE) for row in self._fetch(sql, {"before": before})]
        for first in range(0, len(ids), _AT_ONCE):
            with self.write():
                part = json.dumps(ids[first : first + _AT_ONCE])
                self._run("delete from audit where id in (select value from json_each(?))", [part])
        return len(ids)

    def confirm_entries(self, route: str, target: str, seen: Iterable[tuple[EntryRow, int, str]], now: str) -> None:
        """Note how objects that were proven anew look on their target now: (as last known, size, MD5).

        What a run beside us has proven in between is left as it is.
        """
        with self.write():
            self._run_many(
                "update entry set target_size = ?, target_digest = ?, at = ? "
                "where route = ? and target = ? and key = ? and state = 'verified' and unit_id = ? and at = ?",
                ((size, digest, now, route, target, was.key, was.unit_id, was.at) for was, size, digest in seen),
            )

    def others_at_work(self, run_id: int, beside: Iterable[int]) -> bool:
        """Return whether another run works with the ledger, has done so since this one began, or died at it.

        `beside`: those that had not ended when this one began.  No clock is asked: one may have been wrong.
        """
        sql = (
            "select exists (select 1 from run where id > :run or (id <> :run and ended_at is null) "
            "or id in (select value from json_each(:beside)))"
        )
        return bool(self._scalar(sql, {"run": run_id, "beside": json.dumps(list(beside))}))

    def unfile_item(self, item_id: int) -> None:
        """Note that the filed copy of an item was put back, to be delivered again as an item of its own."""
        with self.write():
            self._run("update item set filed_as = null where id = ?", [item_id])

    def make_due(self, owner_id: int) -> None:
        """Let the next run look at an owner file by file, as if the server had noted a change."""
        with self.write():
            self._run("update resource set stamp = '' where owner_id = ?", [owner_id])
