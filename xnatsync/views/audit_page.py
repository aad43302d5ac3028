"""The report of an audit as one page of HTML that needs nothing beside it: it can be mailed and filed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Final

from xnatsync.core.audit import WELL, Finding
from xnatsync.core.wording import counted

_STYLE: Final = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}"
    "th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd}td.n{text-align:right}"
    "tr.bad td:first-child{color:#b00020;font-weight:600}tr.good td:first-child{color:#1b5e20}"
)
_HEADINGS: Final = ("verdict", "session", "subject", "day", "age in days", "what")


def audit_page(project: str, today: date, findings: Sequence[Finding], differences: int) -> str:
    """Write the page; every word of a server or a file is escaped."""
    summary = f"{counted(differences, 'difference')} found" if differences else "everything is as expected"
    title = escape(f"Audit of project {project}, {today.isoformat()}")
    head = "".join(f"<th>{name}</th>" for name in _HEADINGS)
    rows = "\n".join(_row(finding) for finding in findings)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n<p>{escape(summary)}</p>\n"
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</body>\n</html>\n"
    )


def _row(finding: Finding) -> str:
    cells = (
        finding.verdict.value.replace("_", " "),
        finding.session or finding.session_id,
        finding.subject,
        finding.day.isoformat() if finding.day is not None else "",
        "" if finding.age_days is None else str(finding.age_days),
        finding.text,
    )
    kind = "good" if finding.verdict in WELL else "bad"
    return f'<tr class="{kind}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
