"""What stands still and why: pauses, the waits of writes that failed, and moments that a wrong clock wrote down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from xnatsync.core.moment import later, seconds_between
from xnatsync.core.retry import LONGEST_S, effect_wait_s
from xnatsync.ledger.connection import Connection
from xnatsync.ledger.rows import BackoffRow, PauseRow

PAUSE = ", ".join(field.name for field in fields(PauseRow))
BACKOFF = ", ".join(field.name for field in fields(BackoffRow))


class Standstill(Connection):
    """What the ledger knows of things that wait."""

    # --- routes and servers --------------------------------------------------------------------------------------

    def pause(self, row: PauseRow) -> None:
        """Note that something is left alone; since when stays as it was first noted."""
        with self.write():
            self._run(
                f"insert into pause ({PAUSE}) values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (what) do update set "
                "run_id = excluded.run_id, until = excluded.until, failures = excluded.failures, "
                "code = excluded.code, detail = excluded.detail, advice = excluded.advice",
                [row.what, row.run_id, row.since, row.until, row.failures, row.code, row.detail, row.advice],
            )

    def unpause(self, what: str) -> None:
        """Note that it is well again."""
        with self.write():
            self._run("delete from pause where what = ?", [what])

    def outlive_pauses(self, run_id: int, what: Sequence[str]) -> None:
        """Forget what earlier runs left alone, as far as a later one that used it did not have to."""
        with self.write():
            marks = ", ".join("?" * len(what))
            self._run(f"delete from pause where run_id <> ? and what in ({marks})", [run_id, *what])

    def pauses(self) -> list[PauseRow]:
        """List what is, or was at the end of the run that noted it, left alone."""
        return self._all(PauseRow, f"select {PAUSE} from pause order by since, what")

    # --- writes that failed --------------------------------------------------------------------------------------

    def backoff(self, unit_id: int, effect: str) -> BackoffRow | None:
        """Tell when an effect that failed may be tried again."""
        return self._one(
            BackoffRow, f"select {BACKOFF} from backoff where unit_id = ? and effect = ?", [unit_id, effect]
        )

    def effect_failed(
        self, unit_id: int, effect: str, code: str, detail: str, now: str, retry_after_s: float | None
    ) -> None:
        """Count a failure of an effect; the wait grows with each."""
        with self.write():
            known = self.backoff(unit_id, effect)
            failures = known.failures + 1 if known is not None else 1
            until = later(now, effect_wait_s(failures, retry_after_s))
            self._run(
                f"insert or replace into backoff ({BACKOFF}) values (?, ?, ?, ?, ?, ?)",
                [unit_id, effect, failures, until, code, detail],
            )

    def effect_went(self, unit_id: int, effect: str | None = None) -> None:
        """Forget the failures of an effect that succeeded; of all, when a person has let a unit go."""
        with self.write():
            self._run(
                "delete from backoff where unit_id = :unit and (:effect is null or effect = :effect)",
                {"unit": unit_id, "effect": effect},
            )

    # --- clocks --------------------------------------------------------------------------------------------------

    def disbelieve_the_future(self, now: str) -> None:
        """Correct moments that only a clock which was ahead can have written: nothing waits for the clocks to agree.

        What may still land on a server keeps its whole quiet time, from now on.
        """
        with self.write():
            rows = self._fetch(
                "select id, began_at, ended_at, quiet_at from attempt "
                "where quiet_at > :now and (began_at > :now or ended_at > :now)",
                {"now": now},
            )
            for number, began_at, ended_at, quiet_at in rows:
                rest_s = max(0.0, seconds_between(ended_at or began_at, quiet_at))
                self._run(
                    "update attempt set began_at = min(began_at, :now), quiet_at = :quiet_at, "
                    "ended_at = min(ended_at, :now) where id = :id",
                    {"now": now, "quiet_at": later(now, min(rest_s, LONGEST_S)), "id": number},
                )
            self._run("update attempt set began_at = ? where began_at > ?", [now, now])
            for table in ("item", "unit", "owner"):
                far = later(now, LONGEST_S)
                self._run(f"update {table} set retry_at = ? where retry_at > ?", [now, far])
            self._run("update backoff set until = ? where until > ?", [now, later(now, LONGEST_S)])
