"""What an audit found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.audit import WELL, Finding, Verdict
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.audit import AuditReport

_WORDS = {
    Verdict.OK: "OK",
    Verdict.DUE: "DUE",
    Verdict.MISSING: "MISSING",
    Verdict.MISMATCH: "MISMATCH",
    Verdict.EXTRA: "EXTRA",
    Verdict.NOT_ON_SERVER: "NOT ON SERVER",
    Verdict.NOT_IN_MIRROR: "NOT IN MIRROR",
    Verdict.NOT_SCHEDULED: "NOT SCHEDULED",
}


def audit_blocks(report: AuditReport, *, quiet: bool) -> Iterator[Block]:
    """Tell a person, a line for each session; with `quiet` only what differs."""
    if not quiet:
        whole = f"{counted(report.sessions, 'session')}, {counted(report.scans, 'scan')}"
        yield Line(f"project {report.project}, {report.today.isoformat()}: {whole} on the server", Tone.HEAD)
    for finding in report.findings:
        good = finding.verdict in WELL
        if not (quiet and good):
            tone = Tone.GOOD if good else Tone.WARN if finding.verdict is Verdict.EXTRA else Tone.BAD
            yield Line(f"{_WORDS[finding.verdict]}: {_name(finding)}: {finding.text}", tone, hang=4)
    if report.differences:
        yield Line(f"{counted(report.differences, 'difference')} found", Tone.BAD)
    elif not quiet:
        yield Line("everything is as expected", Tone.GOOD)


def _name(finding: Finding) -> str:
    if finding.session:
        return finding.session
    if finding.session_id:
        return finding.session_id
    return f"subject {finding.subject}" + (f" on {finding.day}" if finding.day is not None else "")


def audit_fields(report: AuditReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "exit_code": report.exit_code,
        "project": report.project,
        "today": report.today.isoformat(),
        "sessions": report.sessions,
        "scans": report.scans,
        "differences": report.differences,
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "findings": [
            {
                "verdict": finding.verdict.value,
                "session": finding.session or None,
                "session_id": finding.session_id or None,
                "subject": finding.subject or None,
                "expected_scans": finding.expected,
                "scans": finding.found,
                "day": finding.day.isoformat() if finding.day is not None else None,
                "age_days": finding.age_days,
                "text": finding.text,
            }
            for finding in report.findings
        ],
    }
