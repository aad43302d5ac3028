"""What a verification found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from xnatsync.core.verification import DIFFERENCES, Finding, Repair, Summary, Tally, Target, Verdict, VerifyReport
from xnatsync.core.wording import counted, size, span
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.verification_page import SIDES, conclusion, tone_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS_SHOWN = 3  # of each kind; JSON has all
_TARGETS_SHOWN = 200
_TONES = {"good": Tone.GOOD, "bad": Tone.BAD, "warn": Tone.WARN}


def verify_blocks(report: VerifyReport) -> Iterator[Block]:
    """Tell a person what is not the same, where, and what was looked at."""
    shown = [(target, list(found)) for target, found in groupby(report.findings, key=lambda part: part[0])]
    for target, found in shown[:_TARGETS_SHOWN]:
        yield from _target_blocks(target, [finding for _, finding in found])
    if len(shown) > _TARGETS_SHOWN or report.more:
        hidden = len(shown) - _TARGETS_SHOWN
        rest = f"{counted(hidden, 'target')} and " if hidden > 0 else ""
        yield Line(
            f"{rest}{counted(report.more, 'finding')} more: `--report FILE` writes a report for programs", Tone.WARN
        )
    for unkept in report.unkept[:_TARGETS_SHOWN]:
        yield Line(f"item {unkept.item_id}: its filed copy {unkept.filed_as} is no longer kept, which is reported once")
    if len(report.unkept) > _TARGETS_SHOWN:
        yield Line(
            f"{counted(len(report.unkept) - _TARGETS_SHOWN, 'filed copy', 'filed copies')} more are no longer kept"
        )
    for name, items in report.unconfigured.items():
        yield Line(
            f"not verified: {counted(items, 'item')} that route {name} delivered, which is not configured any more",
            Tone.WARN,
        )
    yield from _repair_blocks(report)
    for error in report.errors:
        yield from error_blocks(error)
    yield from _levels(report)
    yield Line(conclusion(report), Tone.GOOD if report.exit_code == 0 else Tone.HEAD)


def _target_blocks(target: Target, findings: Sequence[Finding]) -> Iterator[Block]:
    bad = any(finding.verdict in DIFFERENCES for finding in findings)
    yield Line(f"{_name(target)}  (route {target.route})", Tone.BAD if bad else Tone.WARN)

    def kind(finding: Finding) -> tuple[str, str, str]:
        return finding.side, finding.verdict.value, finding.detail

    for (side, verdict, detail), group in groupby(sorted(findings, key=kind), key=kind):
        alike = list(group)
        keys = [finding.key for finding in alike if finding.key is not None]
        more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
        names = f": {', '.join(keys[:_KEYS_SHOWN])}{more}" if keys else ""
        many = sum(finding.count for finding in alike)
        why = f" ({detail})" if detail else ""
        yield Line(f"{many} {verdict} {SIDES[side]}{names}{why}", _TONES[tone_of(Verdict(verdict))], indent=2)


def _name(target: Target) -> str:
    if target.session:
        return f"session {target.session} of {target.project}"
    if target.subject:
        return f"subject {target.subject} of {target.project}"
    return f"project {target.project}" if target.project else "the tree"


def _repair_blocks(report: VerifyReport) -> Iterator[Block]:
    for repair in report.repairs:
        sigil = "!" if repair.action == "person" else "~"
        what = repair.key or _name(repair.target)
        yield Line(f"{sigil} {what}: {repair.text}", Tone.BAD if repair.action == "person" else Tone.PLAIN)
    if report.repairs and report.rehearsed:
        yield Line("This is a plan: nothing was changed.", Tone.HEAD)


def _levels(report: VerifyReport) -> Iterator[Block]:
    """How deeply it was looked, how much was read, how long it took."""
    for depth in sorted({part.depth for part in report.summaries}, key=str):
        yield Line(f"level: {depth.server} on the server, {depth.local} here", Tone.DIM)
    if report.summaries:
        read = f"{size(report.server.read_bytes)} fetched, {size(report.local.read_bytes)} read here"
        yield Line(f"{read}, in {span(report.elapsed_s)}", Tone.DIM)


# --- for programs ------------------------------------------------------------------------------------------------


def verify_fields(report: VerifyReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "exit_code": report.exit_code,
        "interrupted": report.interrupted,
        "run": report.run_id,
        "ledger": report.ledger,
        "began_at": report.began_at or None,
        "ended_at": report.ended_at or None,
        "elapsed_s": round(report.elapsed_s, 3),
        "routes": list(report.routes),
        "strict": report.strict,
        "known": report.known,
        "chosen": report.chosen,
        "counts": _counts(report.counts),
        "server": _side(report.server),
        "local": _side(report.local),
        "targets": [_summary(part) for part in report.summaries],
        "findings": [_finding(target, finding) for target, finding in report.findings],
        "more": report.more,
        "unconfigured": dict(report.unconfigured),
        "unkept": [{"route": part.route, "item": part.item_id, "filed_as": part.filed_as} for part in report.unkept],
        "rehearsed": report.rehearsed,
        "repairs": [_repair(part) for part in report.repairs],
        "errors": [error_fields(error) for error in report.errors],
    }


def _counts(counts: Mapping[Verdict, int]) -> dict[str, int]:
    return {verdict.value: counts[verdict] for verdict in Verdict}


def _side(tally: Tally) -> dict[str, int]:
    return {"expected": tally.expected, "same": tally.same, "read_bytes": tally.read_bytes}


def _place(target: Target) -> dict[str, object]:
    return {
        "route": target.route,
        "server": target.server,
        "project": target.project or None,
        "subject": target.subject or None,
        "session": target.session or None,
        "session_id": target.session_id or None,
    }


def _summary(part: Summary) -> dict[str, object]:
    return {
        **_place(part.target),
        "verdict": part.verdict.value,
        "server_level": part.depth.server.value,
        "local_level": part.depth.local.value,
        "on_server": _side(part.server),
        "here": _side(part.local),
        "counts": _counts(part.counts),
    }


def _finding(target: Target, finding: Finding) -> dict[str, object]:
    return {
        **_place(target),
        "side": finding.side,
        "verdict": finding.verdict.value,
        "key": finding.key,
        "count": finding.count,
        "detail": finding.detail,
    }


def _repair(part: Repair) -> dict[str, object]:
    return {**_place(part.target), "key": part.key, "action": part.action, "text": part.text, "done": part.done}
