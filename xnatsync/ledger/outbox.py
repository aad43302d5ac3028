"""What needs a person, since when, and the messages about it: each is written down before it is sent.

A kill between the two loses nothing: what has no `sent_at` is sent again, with the same id.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from xnatsync.core.causes import Cause, State
from xnatsync.core.moment import later, seconds_between
from xnatsync.core.notices import Before, Draft, Episode
from xnatsync.ledger.connection import Connection

REFRESH_S = 60.0  # so often it is written down that a cause is still there
KEPT_S = 90 * 86400.0


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A message."""

    id: str
    target: str
    title: str
    body: str
    good: int
    made_at: str
    next_at: str | None
    tries: int
    sent_at: str | None
    failed: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """How many of a route wait for a person under a code."""

    route: str
    code: str
    many: int
    since: str
    detail: str


NOTIFICATION = ", ".join(field.name for field in fields(NotificationRow))
EPISODE = ", ".join(field.name for field in fields(Episode))
_HELD = """
select route, code, count(*), min(moved_at), max(detail) from item
  where hold = 'person' and phase not in ('done', 'dismissed') group by 1, 2
union all
select route, code, count(*), min(moved_at), max(detail) from unit
  where hold = 'person' and phase not in ('closed', 'dismissed') group by 1, 2
union all
select o.route, t.code, count(distinct o.id), min(t.at), max(t.detail)
  from trouble t join owner o on o.id = t.owner_id where t.person = 1 group by 1, 2
union all
select route, code, count(*), min(coalesce(agreed_at, seen_at)), max(detail) from owner
  where hold = 'person' and not exists (select 1 from trouble t where t.owner_id = owner.id and t.person = 1)
  group by 1, 2
union all
select route, code, sum(many), min(at), max(detail) from unplaced where person = 1 group by 1, 2
"""
_LOST = """
select route, count(*), min(at) from audit
where key is null and verdict in ('missing', 'differs', 'unreadable') and id in (
  select max(id) from audit where key is null and (unit_id is not null or owner_id is not null)
  group by route, unit_id, owner_id, level)
group by route
"""


class Outbox(Connection):
    """What the ledger knows of causes and messages."""

    # --- what is the matter ----------------------------------------------------------------------------------------

    def asked(self) -> list[Asked]:
        """List what waits for a person, by route and code."""
        return [
            Asked(str(route), str(code), int(many), str(since), str(detail or ""))
            for route, code, many, since, detail in self._fetch(_HELD)
        ]

    def lost(self) -> list[tuple[str, int, str]]:
        """List routes with what was not as proven at its last verification: how many, and since when."""
        return [(str(route), int(many), str(since)) for route, many, since in self._fetch(_LOST) if route is not None]

    def arrivals(self, route: str, since: str) -> list[str]:
        """List when items of a route were first seen."""
        sql = "select seen_at from item where route = ? and seen_at >= ? order by seen_at"
        return [str(row[0]) for row in self._fetch(sql, [route, since])]

    def last_arrival(self, route: str) -> str | None:
        """Return when something last came to a route, also to an item that was there; None: never."""
        found = self._scalar(
            "select max(at) from (select max(seen_at) as at from item where route = :route union all "
            "select max(steady_at) from item where route = :route and phase = 'seen')",
            {"route": route},
        )
        return str(found) if found is not None else None

    # --- causes ----------------------------------------------------------------------------------------------------

    def note_causes(self, found: Collection[Cause], now: str, gone_s: float) -> dict[int, str]:
        """Write down what is the matter, and end what has not been for so long; return the details by number."""
        known = {(one.state, one.place, one.code): one for one in self.open_causes()}
        details: dict[int, str] = {}
        with self.write():
            for cause in found:
                details[self._note(known.get(cause.key), cause, now)] = cause.detail
            keys = {cause.key for cause in found}
            for key, one in known.items():
                if key not in keys and not 0 <= seconds_between(one.seen_at, now) < gone_s:
                    self._run("update cause set ended_at = ? where id = ?", [now, one.id])
        return details

    def _note(self, known: Episode | None, cause: Cause, now: str) -> int:
        if known is None:
            return self._insert(
                "cause", state=str(cause.state), place=cause.place, code=cause.code, many=cause.many,
                since=cause.since or now, note=cause.note, opened_at=now, seen_at=now,
            )  # fmt: skip
        is_fresh = 0 <= seconds_between(known.seen_at, now) < REFRESH_S
        if not is_fresh or (known.many, known.note) != (cause.many, cause.note):
            self._run(
                "update cause set many = ?, note = ?, seen_at = ? where id = ?", [cause.many, cause.note, now, known.id]
            )
        return known.id

    def note_passing(self, cause: Cause, now: str) -> None:
        """Write down something that was over when it was noticed."""
        with self.write():
            self._insert(
                "cause", state=str(cause.state), place=cause.place, code=cause.code, many=cause.many,
                since=cause.since or now, note=cause.note, opened_at=now, seen_at=now, ended_at=now,
            )  # fmt: skip

    def open_causes(self) -> list[Episode]:
        """List what is the matter."""
        return self._episodes("ended_at is null")

    def causes(self, target: str, since: str) -> list[Episode]:
        """List what may be news to a target: what is open, and what ended lately or is still to be said as over."""
        return self._episodes(
            "ended_at is null or ended_at >= :since or (exists (select 1 from notified d join notification n "
            "on n.id = d.notification where d.cause_id = cause.id and n.target = :target) and not exists (select 1 "
            "from notified d join notification n on n.id = d.notification where d.cause_id = cause.id "
            "and n.target = :target and d.what = 'resolved'))",
            {"target": target, "since": since},
        )

    def _episodes(self, condition: str, values: dict[str, str] | None = None) -> list[Episode]:
        rows = self._fetch(f"select {EPISODE} from cause where {condition} order by id", values or {})
        return [Episode(int(row[0]), State(row[1]), *row[2:]) for row in rows]

    # --- messages --------------------------------------------------------------------------------------------------

    def before(self, target: str) -> dict[int, Before]:
        """Return what a target was sent of each cause."""
        sql = (
            "select d.cause_id, max(coalesce(n.sent_at, n.made_at)), max(d.what = 'resolved') from notified d "
            "join notification n on n.id = d.notification where n.target = ? group by 1"
        )
        return {int(cause): Before(str(at), bool(closed)) for cause, at, closed in self._fetch(sql, [target])}

    def made_since(self, target: str, since: str) -> list[str]:
        """List when messages were made for a target."""
        sql = "select made_at from notification where target = ? and made_at >= ?"
        return [str(row[0]) for row in self._fetch(sql, [target, since])]

    def post(self, target: str, name: str, draft: Draft, now: str) -> None:
        """Put a message into the outbox."""
        with self.write():
            self._insert(
                "notification", id=name, target=target, title=draft.title, body=draft.body,
                good=int(draft.is_good_news), made_at=now, next_at=now,
            )  # fmt: skip
            rows = ((name, cause, what) for cause, what in draft.parts)
            self._run_many("insert into notified (notification, cause_id, what) values (?, ?, ?)", rows)

    def first_waiting(self, target: str) -> NotificationRow | None:
        """Return the message of a target that is to go first; None: all are out."""
        return self._one(
            NotificationRow,
            f"select {NOTIFICATION} from notification where target = ? and next_at is not null "
            "order by made_at, id limit 1",
            [target],
        )

    def sent(self, name: str, now: str) -> None:
        """Note that a message is out."""
        with self.write():
            self._run(
                "update notification set sent_at = ?, next_at = null, failed = null, tries = tries + 1 where id = ?",
                [now, name],
            )

    def not_sent(self, name: str, why: str, wait_s: float, now: str) -> None:
        """Note that a message could not be sent, and when it is tried again."""
        with self.write():
            self._run(
                "update notification set failed = ?, next_at = ?, tries = tries + 1 where id = ?",
                [why, later(now, wait_s), name],
            )

    def notifications(self, limit: int) -> list[NotificationRow]:
        """List the newest messages, the newest first; those that wait come before."""
        sql = f"select {NOTIFICATION} from notification order by next_at is null, made_at desc, id limit ?"
        return self._all(NotificationRow, sql, [limit])

    def waiting_messages(self) -> list[tuple[NotificationRow, int]]:
        """List, of each target that has failed, the message that is tried next, and how many wait."""
        found: dict[str, tuple[NotificationRow, int]] = {}
        sql = f"select {NOTIFICATION} from notification where next_at is not null order by target, made_at, id"
        for row in self._all(NotificationRow, sql):
            first, many = found.get(row.target, (row, 0))
            found[row.target] = first, many + 1
        return [(first, many) for first, many in found.values() if first.failed is not None]

    def tidy_outbox(self, targets: Collection[str], now: str) -> None:
        """Forget messages to targets that are no longer configured, and what is long over."""
        before = later(now, -KEPT_S)
        with self.write():
            for row in self._all(NotificationRow, f"select {NOTIFICATION} from notification where next_at is not null"):
                if row.target not in targets:
                    self._run("delete from notification where id = ?", [row.id])
            self._run("delete from notification where sent_at < ?", [before])
            self._run("delete from cause where ended_at < ?", [before])
