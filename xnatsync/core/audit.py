"""Holds what a project contains against what is expected of it: a manifest, a schedule, a mirror.

Pure: who reads files and asks servers gives sets and counts.  Days are those of whoever keeps the schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from xnatsync.core.nouns import SessionHeld
from xnatsync.core.wording import counted


class Verdict(Enum):
    """What was found of one session."""

    OK = "ok"
    DUE = "due"  # scheduled for today or a day to come
    MISSING = "missing"  # in the manifest, not on the server
    MISMATCH = "mismatch"  # other scans or another subject than the manifest says
    EXTRA = "extra"  # on the server, not in the manifest
    NOT_ON_SERVER = "not_on_server"  # scheduled, or in the mirror
    NOT_IN_MIRROR = "not_in_mirror"
    NOT_SCHEDULED = "not_scheduled"


WELL = frozenset({Verdict.OK, Verdict.DUE})


@dataclass(frozen=True, slots=True)
class Expected:
    """A line of a manifest."""

    session: str  # label
    scans: int
    subject: str = ""  # label; "" says nothing


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A line of a schedule: a session by its label, or any session of a subject on a day."""

    session: str
    subject: str
    day: date


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a mirror holds of a project: labels, and accession IDs where its layout tells those alone."""

    labels: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()  # accession IDs of sessions that its selection leaves out

    def holds(self, session: SessionHeld) -> bool:
        """Return whether a session is there."""
        return session.label in self.labels or session.id in self.ids


@dataclass(frozen=True, slots=True)
class Finding:
    """One session, one verdict."""

    verdict: Verdict
    session: str  # label; "" when the schedule names a subject and a day alone
    text: str
    subject: str = ""
    session_id: str = ""
    expected: int | None = None  # scans
    found: int | None = None
    day: date | None = None  # scheduled, else of the session
    age_days: int | None = None  # since that day


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that is to be compared.  None: not asked for."""

    held: Mapping[SessionHeld, int]  # -> scans
    today: date
    manifest: Sequence[Expected] | None = None
    schedule: Sequence[Scheduled] | None = None
    mirror: Mirrored | None = None
    allow_extra: bool = False
    _used: set[str] = field(default_factory=set, init=False, compare=False)

    def findings(self) -> list[Finding]:
        """Compare; by session, and within one in the order manifest, schedule, mirror."""
        found = [*self._manifested(), *self._scheduled(), *self._mirrored()]
        return sorted(found, key=lambda finding: (finding.session or finding.subject, finding.session_id))

    def differs(self, finding: Finding) -> bool:
        """Return whether a finding is a difference."""
        return finding.verdict not in WELL and not (self.allow_extra and finding.verdict is Verdict.EXTRA)

    # --- the manifest ------------------------------------------------------------------------------------------

    def _manifested(self) -> Iterable[Finding]:
        if self.manifest is None:
            return
        by_label = {session.label: session for session in self.held}
        for expected in self.manifest:
            yield self._expected(expected, by_label.pop(expected.session, None))
        for session in by_label.values():
            count = self.held[session]
            text = f"{counted(count, 'scan')} on the server, and not in the manifest"
            yield _of(session, Verdict.EXTRA, text, found=count)

    def _expected(self, expected: Expected, session: SessionHeld | None) -> Finding:
        if session is None:
            text = f"not on the server ({counted(expected.scans, 'scan')} expected)"
            return Finding(Verdict.MISSING, expected.session, text, subject=expected.subject, expected=expected.scans)
        count = self.held[session]
        wrong = []
        if count != expected.scans:
            wrong.append(f"{counted(count, 'scan')} on the server (expected {expected.scans})")
        if expected.subject and expected.subject != session.subject:
            wrong.append(f"subject {session.subject} on the server (expected {expected.subject})")
        verdict = Verdict.MISMATCH if wrong else Verdict.OK
        text = ", ".join(wrong) or counted(count, "scan")
        return _of(session, verdict, text, expected=expected.scans, found=count)

    # --- the schedule ------------------------------------------------------------------------------------------

    def _scheduled(self) -> Iterable[Finding]:
        if self.schedule is None:
            return
        met: dict[str, Scheduled] = {}
        for entry in self.schedule:
            session = self._meeting(entry, met)
            if session is None:
                yield self._absent(entry)
            else:
                met[session.id] = entry
                if self.manifest is None:
                    yield _of(
                        session, Verdict.OK, "scheduled and on the server", found=self.held[session], day=entry.day
                    )
        for session in self.held:
            if session.id not in met:
                day = _day(session.date)
                yield _of(
                    session, Verdict.NOT_SCHEDULED, "on the server, not scheduled", found=self.held[session], day=day,
                    age_days=self._age(day),
                )  # fmt: skip

    def _meeting(self, entry: Scheduled, met: Mapping[str, Scheduled]) -> SessionHeld | None:
        """Find the session that an entry means; each session is met once."""
        for session in self.held:
            if session.id in met:
                continue
            if entry.session:
                if session.label == entry.session and entry.subject in {"", session.subject}:
                    return session
            elif session.subject == entry.subject and _day(session.date) == entry.day:
                return session
        return None

    def _absent(self, entry: Scheduled) -> Finding:
        age = (self.today - entry.day).days
        there = bool(entry.session) and self.mirror is not None and entry.session in self.mirror.labels
        if age <= 0:
            when = f"for {entry.day}, in {counted(-age, 'day', 'days')}" if age else "for today"
            verdict, text = Verdict.DUE, f"scheduled {when}"
        else:
            also = ", though in the mirror" if there else ""
            verdict, text = (
                Verdict.NOT_ON_SERVER,
                f"scheduled, not on the server since {counted(age, 'day', 'days')}{also}",
            )
        return Finding(verdict, entry.session, text, subject=entry.subject, day=entry.day, age_days=age)

    # --- the mirror --------------------------------------------------------------------------------------------

    def _mirrored(self) -> Iterable[Finding]:
        if self.mirror is None:
            return
        days = {entry.session: entry.day for entry in self.schedule or () if entry.session}
        for session in self.held:
            day = days.get(session.label) or _day(session.date)
            if session.id in self.mirror.unwanted:
                continue
            if not self.mirror.holds(session):
                since = f" ({counted(age, 'day', 'days')} old)" if (age := self._age(day)) is not None else ""
                text = f"on the server, not in the mirror{since}"
                yield _of(session, Verdict.NOT_IN_MIRROR, text, found=self.held[session], day=day, age_days=age)
            elif self.manifest is None and self.schedule is None:
                yield _of(session, Verdict.OK, "on the server and in the mirror", found=self.held[session])
        told = {entry.session for entry in self.schedule or ()}
        labels = {session.label for session in self.held}
        for label in sorted(self.mirror.labels - labels - told):
            yield Finding(Verdict.NOT_ON_SERVER, label, "in the mirror, not on the server")
        for accession in sorted(self.mirror.ids - {session.id for session in self.held}):
            yield Finding(Verdict.NOT_ON_SERVER, "", "in the mirror, not on the server", session_id=accession)

    def _age(self, day: date | None) -> int | None:
        return (self.today - day).days if day is not None else None


def _of(session: SessionHeld, verdict: Verdict, text: str, **more: object) -> Finding:
    known = {"subject": session.subject, "session_id": session.id, "day": _day(session.date)}
    return Finding(verdict, session.label, text, **{**known, **more})  # type: ignore[arg-type]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
