"""The report of a verification as one page of HTML that needs nothing beside it: it can be mailed and filed.

Names come from servers and disks and may be hostile: every word is escaped, and what would not be seen is spelled out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from xnatsync.core.verification import DIFFERENCES, Finding, Repair, Summary, Target, Verdict, VerifyReport
from xnatsync.core.wording import counted

_STYLE: Final = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse;margin-bottom:2rem}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd}"
    "td.n{text-align:right}td{overflow-wrap:anywhere}tr.bad td:first-child{color:#b00020;font-weight:600}"
    "tr.good td:first-child{color:#1b5e20}tr.warn td:first-child{color:#8a6100}"
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
SIDES: Final = {"server": "on the server", "filed": "in the filed copy", "tree": "in the tree"}


def verification_page(report: VerifyReport, made_with: str) -> str:
    """Write the page; `made_with` names the program and its version."""
    title = f"Verification of {report.began_at[:10] or 'nothing'}"
    parts = [
        f"<h1>{said(title)}</h1>",
        f"<p>{said(conclusion(report))}</p>",
        table(("what", "value"), ((None, pair) for pair in _facts(report, made_with))),
        "<h2>What was looked at</h2>",
        table(_TARGETS, (_target(part) for part in report.summaries)),
    ]
    if report.findings:
        parts += ["<h2>What was found</h2>", table(_FINDINGS, (_finding(*found) for found in report.findings))]
    if report.more:
        more = f"{counted(report.more, 'finding')} more: see the ledger, run {report.run_id}."
        parts.append(f"<p>{said(more)}</p>")
    if report.repairs:
        head = "What a repair would do" if report.rehearsed else "Repair"
        parts += [f"<h2>{head}</h2>", table(("where", "what", "how"), map(_repair, report.repairs))]
    if report.errors:
        headings = ("code", "what happened", "what to do")
        rows = (("bad", (error.code, str(error), error.remedy)) for error in report.errors)
        parts += ["<h2>What could not be looked at</h2>", table(headings, rows)]
    return whole_page(title, parts)


def whole_page(title: str, parts: Iterable[str]) -> str:
    """Write a page of escaped parts, which runs no script and fetches nothing."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{said(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def conclusion(report: VerifyReport) -> str:
    """Say in a sentence what the whole comes to."""
    counts = report.counts
    others = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict] and verdict is not Verdict.SAME]
    of = f" of {report.known}" if report.known != report.chosen else ""
    targets = f"{counted(report.chosen, 'target')}{of}"
    sides = [
        f"{side.same} of {side.expected} {where}"
        for side, where in ((report.server, "on the server"), (report.local, "here"))
        if side.expected
    ]
    wrong = _NOT_SAME | ({Verdict.EXTRA} if report.strict else set())
    whole = not (report.errors or report.interrupted or any(counts[verdict] for verdict in wrong))
    if not (others or sides):
        parts = [f"{targets}: nothing to look at"]
    else:
        head = "everything is the same" if whole else "not everything is the same"
        parts = [f"{head}: {', '.join([targets, ' and '.join(sides)] if sides else [targets])}"]
    parts += [", ".join(others)] if others else []
    parts += [f"{counted(len(report.errors), 'error')}"] if report.errors else []
    parts += ["interrupted before everything was looked at"] if report.interrupted else []
    return "; ".join(parts)


_NOT_SAME: Final = DIFFERENCES | {Verdict.UNVERIFIABLE}
_TARGETS: Final = (
    *("verdict", "route", "server", "project", "subject", "session", "accession ID", "level (server/here)"),
    *("expected there", "same there", "expected here", "same here", "bytes fetched", "bytes read"),
)
_FINDINGS: Final = ("verdict", "side", "project", "session", "what", "count", "detail")


def _facts(report: VerifyReport, made_with: str) -> Iterator[tuple[str, ...]]:
    server, local = report.server, report.local
    yield "began", report.began_at
    yield "ended", report.ended_at
    yield "took", f"{report.elapsed_s:.0f} s"
    yield "routes", ", ".join(report.routes)
    yield "ledger", f"{report.ledger}, run {report.run_id}"
    yield "targets", f"{report.chosen} of {report.known}"
    yield "on servers", f"{server.same} of {server.expected} are the same; {server.read_bytes} bytes were fetched"
    yield "here", f"{local.same} of {local.expected} are the same; {local.read_bytes} bytes were read"
    yield "what is extra", "is a difference" if report.strict else "is reported, and is not a difference"
    yield "exit code", str(report.exit_code)
    yield "made with", made_with


def tone_of(verdict: Verdict) -> str:
    """How a verdict is meant: good, bad, or worth a look."""
    return "good" if verdict is Verdict.SAME else "bad" if verdict in DIFFERENCES else "warn"


def _target(part: Summary) -> tuple[str, Sequence[str]]:
    target = part.target
    return tone_of(part.verdict), (
        part.verdict.value, target.route, target.server, target.project, target.subject, target.session,
        target.session_id, str(part.depth), *map(str, (part.server.expected, part.server.same)),
        *map(str, (part.local.expected, part.local.same, part.server.read_bytes, part.local.read_bytes)),
    )  # fmt: skip


def _finding(target: Target, finding: Finding) -> tuple[str, Sequence[str]]:
    return tone_of(finding.verdict), (
        finding.verdict.value, SIDES[finding.side], target.project, target.session or target.subject,
        finding.key or "all of it", str(finding.count), finding.detail,
    )  # fmt: skip


def _repair(part: Repair) -> tuple[str | None, Sequence[str]]:
    kind = "bad" if part.action == "person" else None
    return kind, (part.target.name, part.key or "all of it", part.text)


def table(headings: Sequence[str], rows: Iterable[tuple[str | None, Sequence[str]]]) -> str:
    """Write a table; a row is a class of the page's style, and its cells."""
    head = "".join(f"<th>{said(name)}</th>" for name in headings)
    body = "\n".join(
        (f'<tr class="{kind}">' if kind else "<tr>") + "".join(_cell(text) for text in cells) + "</tr>"
        for kind, cells in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(text: str) -> str:
    return f'<td class="n">{text}</td>' if text.isascii() and text.isdigit() else f"<td>{said(text)}</td>"


def said(text: str) -> str:
    """Escape a text for a page; characters that are not seen are spelled out, so that none can hide another."""
    return escape(
        "".join(
            char if unicodedata.category(char) not in _UNSEEN else char.encode("unicode_escape").decode()
            for char in text
        )
    )
