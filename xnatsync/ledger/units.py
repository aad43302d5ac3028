"""Units, the attempts made for them, the merge base, and the receipts that end them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from xnatsync.core.errors import Bug, LedgerDamaged
from xnatsync.core.hold import Hold
from xnatsync.core.manifest import Compared, Kind
from xnatsync.core.phases import UnitPhase, advance_unit
from xnatsync.ledger.connection import Value
from xnatsync.ledger.evidence import Evidence
from xnatsync.ledger.items import RELEASE, UNIT
from xnatsync.ledger.rows import AttemptRow, EntryRow, Outcome, ReceiptRow, UnitRow
from xnatsync.ledger.standstill import Standstill

ATTEMPT = ", ".join(field.name for field in fields(AttemptRow))
ENTRY = ", ".join(field.name for field in fields(EntryRow))
RECEIPT = ", ".join(field.name for field in fields(ReceiptRow))
LIVING = "phase not in ('closed', 'dismissed')"


class Units(Evidence, Standstill):
    """What the ledger knows of units."""

    def unit(self, unit_id: int) -> UnitRow:
        """Return a unit; NothingFound when there is none."""
        return self._unit(unit_id)

    def has_unit(self, unit_id: int) -> bool:
        """Return whether a unit is known."""
        return bool(self._scalar("select exists (select 1 from unit where id = ?)", [unit_id]))

    def units(self, item_id: int | None = None, route: str | None = None, *, living: bool = True) -> list[UnitRow]:
        """List units, the oldest first."""
        conditions, values = ["1"], list[Value]()
        if item_id is not None:
            conditions.append("item_id = ?")
            values.append(item_id)
        if route is not None:
            conditions.append("route = ?")
            values.append(route)
        if living:
            conditions.append(LIVING)
        return self._all(UnitRow, f"select {UNIT} from unit where {' and '.join(conditions)} order by id", values)

    def has_open_units(self, item_id: int) -> bool:
        """Tell whether anything of an item is still to be delivered or proven."""
        still = "phase in ('planned', 'staged', 'sent', 'landed')"
        return bool(self._scalar(f"select exists (select 1 from unit where item_id = ? and {still})", [item_id]))

    def planned_units(self, item_id: int) -> list[UnitRow]:
        """List the units that the present manifest of an item counts on, the oldest first.

        Those of a former manifest, of a content that has changed since, are closed or dismissed and own no file.
        """
        sql = (
            f"select {UNIT} from unit where item_id = ? and phase <> 'dismissed' "
            "and (phase <> 'closed' or exists (select 1 from file where unit_id = coalesce(unit.twin_of, unit.id))) "
            "order by id"
        )
        return self._all(UnitRow, sql, [item_id])

    def writer_of(self, target: str) -> UnitRow | None:
        """Say which unit holds the lease on a target."""
        return self._one(UnitRow, f"select {UNIT} from unit where target = ? and phase in ('sent', 'landed')", [target])

    def claimed_sessions(self, server: str, project: str, study_uid: str) -> frozenset[str]:
        """List the session labels that living units of other studies want in a project."""
        sql = f"select session from unit where server = ? and project = ? and study_uid <> ? and {LIVING}"
        return frozenset(str(row[0]) for row in self._fetch(sql, [server, project, study_uid]))

    def prearchive_uris(self, server: str, project: str, study_uid: str) -> frozenset[str]:
        """List the prearchive rows of a study that we ever made."""
        sql = (
            "select prearchive from unit where server = ? and project = ? and study_uid = ? and prearchive is not null"
        )
        return frozenset(str(row[0]) for row in self._fetch(sql, [server, project, study_uid]))

    def strangers_before(self, server: str, project: str, study_uid: str) -> frozenset[str] | None:
        """List the prearchive rows of a study that were there before one of our uploads; None when we never sent any.

        Whatever else appears afterwards for that study and label is ours.
        """
        sql = (
            "select a.before from attempt a join unit u on u.id = a.unit_id "
            "where a.effect = 'import' and u.server = ? and u.project = ? and u.study_uid = ?"
        )
        rows = self._fetch(sql, [server, project, study_uid])
        return frozenset(uri for row in rows for uri in _uris(row[0])) if rows else None

    def unsure_until(self, unit: UnitRow) -> str | None:
        """Tell until when an upload of this study, made for another unit and never answered, may still arrive."""
        sql = (
            "select max(a.quiet_at) from attempt a join unit u on u.id = a.unit_id "
            "where coalesce(a.outcome, 'unknown') = 'unknown' and u.id <> ? "
            "and u.server = ? and u.project = ? and u.study_uid = ?"
        )
        found = self._scalar(sql, [unit.id, unit.server, unit.project, unit.study_uid])
        return None if found is None else str(found)

    def left_in_part(self, unit: UnitRow) -> frozenset[str]:
        """List the attached files that an earlier unit of this target may have left in part.

        Its last store had no answer, or was refused after one that had none.
        """
        sql = (
            "select e.key, e.unit_id from entry e where e.route = ? and e.target = ? and e.unit_id <> ? "
            "and e.state = 'sent' and e.key like 'attached/%'"
        )
        of = "select outcome from attempt where unit_id = ? and effect = 'attach' order by id desc limit 2"
        found = set()
        for key, other in self._fetch(sql, [unit.route, unit.target, unit.id]):
            outcomes = [outcome for (outcome,) in self._fetch(of, [other])]
            if outcomes[:1] == ["unknown"] or outcomes == ["refused", "unknown"]:
                found.add(str(key))
        return frozenset(found)

    def is_sending_beside(self, unit: UnitRow) -> bool:
        """Return whether something of this study is under way for another unit at this moment."""
        sql = (
            "select count(*) from attempt a join unit u on u.id = a.unit_id where a.ended_at is null and u.id <> ? "
            "and u.server = ? and u.project = ? and u.study_uid = ?"
        )
        return bool(self._scalar(sql, [unit.id, unit.server, unit.project, unit.study_uid]))

    def move_unit(self, unit_id: int, phase: UnitPhase, now: str, *, session_id: str | None = None) -> None:
        """Move a unit on; what held it is forgotten, and its tries are when it has come to its goal.

        What has landed is in the session it was seen in now, or in none: one it was in before may have been deleted.
        Going back to be planned anew is no success: what fails and is planned again for ever has to end some day.
        """
        with self.write():
            to = advance_unit(self._unit(unit_id).phase, phase)
            self._run(
                "update unit set phase = :to, moved_at = :now, hold = null, code = null, detail = null, advice = null, "
                "retry_at = null, tries = case when :to in ('planned', 'staged', 'sent') then tries else 0 end, "
                "session_id = case :to when 'landed' then :session_id else coalesce(:session_id, session_id) end "
                "where id = :unit_id",
                {"to": to, "now": now, "session_id": session_id, "unit_id": unit_id},
            )

    def set_unit(self, unit_id: int, *, prearchive: str) -> None:
        """Note which prearchive row a unit made."""
        with self.write():
            self._run("update unit set prearchive = ? where id = ?", [prearchive, unit_id])

    def relabel_unit(self, unit_id: int, session: str, target: str) -> None:
        """Deliver a unit under another label; only while nothing was sent."""
        with self.write():
            if self._unit(unit_id).phase is not UnitPhase.PLANNED:
                raise Bug(f"unit {unit_id} was sent already and cannot be relabelled")
            self._run("update unit set session = ?, target = ? where id = ?", [session, target, unit_id])

    def hold_unit(self, unit_id: int, hold: Hold) -> None:
        """Hold a unit, for a time or for a person."""
        with self.write():
            self._run(
                "update unit set hold = ?, code = ?, detail = ?, advice = ?, retry_at = ?, tries = ? where id = ?",
                [hold.kind, hold.code, hold.detail, hold.advice, hold.retry_at, hold.tries, unit_id],
            )

    def count_try(self, unit_id: int) -> None:
        """Count a try of a unit that is not held for it."""
        with self.write():
            self._run("update unit set tries = tries + 1 where id = ?", [unit_id])

    def release_unit(self, unit_id: int) -> None:
        """Release a unit: it is stepped again, its tries and send are forgotten."""
        with self.write():
            self._run(RELEASE.format(table="unit"), [unit_id])
            self._run("update unit set sends = 0 where id = ?", [unit_id])
            self.effect_went(unit_id)

    def held_of_study(self, unit: UnitRow, code: str) -> list[UnitRow]:
        """List the other units of a unit's study in the same project that wait for a person with a code."""
        sql = (
            f"select {UNIT} from unit where server = ? and project = ? and study_uid = ? and id <> ? "
            "and hold = 'person' and code = ? and phase = 'planned'"
        )
        return self._all(UnitRow, sql, [unit.server, unit.project, unit.study_uid, unit.id, code])

    # --- attempts ------------------------------------------------------------------------------------------------

    def open_attempt(
        self,
        unit_id: int,
        *,
        run_id: int,
        effect: str,
        request_id: str,
        now: str,
        quiet_at: str,
        before: Sequence[str] = (),
        keys: Sequence[str] = (),
        detail: str | None = None,
    ) -> AttemptRow:
        """Announce an outside effect, in one transaction with everything that must be known if we die in it.

        The first effect takes the lease on the target.  An upload notes each of its objects as sent: whatever the
        target shows under their keys from now on may be our own half-done work.
        """
        with self.write():
            unit = self._unit(unit_id)
            number = self._insert(
                "attempt", unit_id=unit_id, run_id=run_id, effect=effect, request_id=request_id, began_at=now,
                quiet_at=quiet_at, before=json.dumps(list(before)), detail=detail,
            )  # fmt: skip
            if effect != "attach" and unit.phase is not UnitPhase.SENT:
                self.move_unit(unit_id, UnitPhase.SENT, now)
            self._note_sent(unit, frozenset(keys), now)
            return self._attempt(number)

    def close_attempt(
        self,
        attempt_id: int,
        *,
        outcome: Outcome,
        now: str,
        http: int | None = None,
        code: str | None = None,
        detail: str | None = None,
        quiet_at: str | None = None,
        retry_after_s: float | None = None,
        counts: bool = True,
    ) -> None:
        """Record how an outside effect ended; `quiet_at` moves the end of the quiet time.

        An upload that the server acknowledged is progress: the failures before it are forgotten.  With `counts`, what
        fails waits longer each time, until that very effect succeeds.
        """
        with self.write():
            if outcome == "ok":
                self._run(
                    "update unit set sends = sends + 1, tries = 0 where id = "
                    "(select unit_id from attempt where id = ? and effect = 'import')",
                    [attempt_id],
                )
            self._count_effect(attempt_id, outcome, now, code, detail, retry_after_s, counts=counts)
            self._run(
                "update attempt set ended_at = ?, outcome = ?, http = ?, code = ?, detail = coalesce(?, detail), "
                "quiet_at = coalesce(?, quiet_at) where id = ?",
                [now, outcome, http, code, detail, quiet_at, attempt_id],
            )

    def _count_effect(
        self,
        attempt_id: int,
        outcome: Outcome,
        now: str,
        code: str | None,
        detail: str | None,
        retry_after_s: float | None,
        *,
        counts: bool,
    ) -> None:
        unit_id, effect = self._fetch("select unit_id, effect from attempt where id = ?", [attempt_id])[0]
        if outcome == "ok":
            self.effect_went(unit_id, effect)
        elif counts:
            self.effect_failed(unit_id, effect, code or "", detail or "", now, retry_after_s)

    def attempts(self, unit_id: int) -> list[AttemptRow]:
        """List the attempts of a unit, the oldest first."""
        return self._all(_attempt, f"select {ATTEMPT} from attempt where unit_id = ? order by id", [unit_id])

    def open_attempts(self) -> list[AttemptRow]:
        """List the attempts whose end was never recorded."""
        return self._all(_attempt, f"select {ATTEMPT} from attempt where ended_at is null order by id")

    # --- the merge base and the proofs ---------------------------------------------------------------------------

    def entries(self, route: str, target: str) -> dict[str, EntryRow]:
        """Return the merge base of a target."""
        rows = self._all(EntryRow, f"select {ENTRY} from entry where route = ? and target = ?", [route, target])
        return {row.key: row for row in rows}

    def conclude(
        self,
        unit_id: int,
        *,
        level: str,
        place: str,
        evidence: Mapping[str, object],
        manifest_digest: bytes,
        expected: int,
        held: int,
        targets: Mapping[str, tuple[int | None, str]],
        compared: Mapping[str, Compared],
        stripped: Collection[str] = frozenset(),
        now: str,
        session_id: str | None,
    ) -> ReceiptRow:
        """Write evidence and receipt, marks the objects as verified and the unit as verified: all or nothing."""
        with self.write():
            unit = self._unit(unit_id)
            acknowledged = self.acknowledged(unit)
            self._run_many(
                "insert into evidence values (?, ?, ?, ?, ?)",
                (
                    (unit_id, key, by.value, int(key in acknowledged), int(key in stripped))
                    for key, by in compared.items()
                    if by is not Compared.NAMES
                ),
            )
            self._insert(
                "receipt", unit_id=unit_id, level=level, place=place, expected=expected, held=held,
                manifest=manifest_digest, evidence=json.dumps(dict(evidence)), at=now,
            )  # fmt: skip
            self._note_sent(unit, frozenset(targets), now, concluding=True)
            self._run_many(
                "update entry set state = 'verified', target_size = ?, target_digest = ?, at = ? "
                "where route = ? and target = ? and key = ?",
                ((size, digest, now, unit.route, unit.target, key) for key, (size, digest) in targets.items()),
            )
            self.move_unit(unit_id, UnitPhase.VERIFIED, now, session_id=session_id)
            receipt = self.receipt(unit_id)
            assert receipt is not None
            return receipt

    def receipt(self, unit_id: int) -> ReceiptRow | None:
        """Return the receipt of a unit."""
        return self._one(ReceiptRow, f"select {RECEIPT} from receipt where unit_id = ?", [unit_id])

    def receipts(self, item_id: int) -> list[ReceiptRow]:
        """List the receipts of an item."""
        sql = f"select {RECEIPT} from receipt where unit_id in (select id from unit where item_id = ?) order by id"
        return self._all(ReceiptRow, sql, [item_id])

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _attempt(self, attempt_id: int) -> AttemptRow:
        row = self._one(_attempt, f"select {ATTEMPT} from attempt where id = ?", [attempt_id])
        assert row is not None
        return row

    def _note_sent(self, unit: UnitRow, keys: frozenset[str], now: str, *, concluding: bool = False) -> None:
        """Write entries for keys of this unit's manifest: from now on what lies there may be half-done.

        That goes for a key that was verified long ago too: it is sent because the target lost it.  That a server had
        acknowledged it holds good only where it is not sent again.
        """
        rows = self._fetch("select key, member, kind, size, sha256 from file where unit_id = ?", [unit.id])
        sent = (
            (unit.route, unit.target, key, size, sha256, unit.id, now)
            for own_key, member, kind, size, sha256 in rows
            if kind != Kind.DUPLICATE and (key := own_key if kind == Kind.DICOM else f"attached/{member}") in keys
        )
        kept = "case when source_sha256 = excluded.source_sha256 then acknowledged else 0 end" if concluding else "0"
        self._run_many(
            "insert into entry (route, target, key, state, source_size, source_sha256, unit_id, at) "
            "values (?, ?, ?, 'sent', ?, ?, ?, ?) on conflict (route, target, key) do update set "
            f"acknowledged = {kept}, "
            "state = 'sent', target_size = null, target_digest = '', source_size = excluded.source_size, "
            "source_sha256 = excluded.source_sha256, unit_id = excluded.unit_id, at = excluded.at",
            sent,
        )


def _attempt(*values: Value) -> AttemptRow:
    facts: dict[str, Any] = dict(zip((field.name for field in fields(AttemptRow)), values, strict=True))
    return AttemptRow(**{**facts, "before": tuple(_uris(facts["before"]))})


def _uris(text: str) -> list[str]:
    """Read a list that we wrote; the file is examined whole only by who writes to it."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LedgerDamaged("the ledger is damaged: a list of addresses cannot be read") from error
    if not isinstance(listed, list) or not all(isinstance(uri, str) for uri in listed):
        raise LedgerDamaged("the ledger is damaged: prearchive URIs are not a list")
    return listed
