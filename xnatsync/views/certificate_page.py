"""A certificate for people: one page of HTML that needs nothing beside it.

Names come from servers and may be hostile: every word is escaped, what would not be seen is spelled out, and the page
runs no script and fetches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from xnatsync.app.certificates import Certificate, Side, Written, sign
from xnatsync.core.fidelity import NEVER_CARRIED, Difference
from xnatsync.core.wording import counted
from xnatsync.ledger.ledger import Ledger
from xnatsync.verify.transfers import Examined
from xnatsync.views.certificate import certificate_text, level_of
from xnatsync.views.verification_page import said, table, whole_page

_SHOWN_MAX: Final = 5000  # differences on the page; the JSON file has all of them
_ENTITIES: Final = (
    *("complete", "kind", "subject", "session", "ID at the source", "ID at the destination"),
    *("fields", "files", "bytes", "differences"),
)
_DIFFERENCES: Final = ("what became of it", "kind", "subject", "session", "part", "what", "name", "count", "why")


def signed(ledger: Ledger, certificate: Certificate, folder: Path) -> Written:
    """Write both files of a certificate, and note them."""
    text = certificate_text(certificate)
    return sign(ledger, certificate, folder, text, lambda digest: certificate_page(certificate, digest))


def certificate_page(certificate: Certificate, json_sha256: str) -> str:
    """Write the page; it names the digest of the JSON file that it belongs to."""
    title = f"Transfer of project {certificate.source.project}: {certificate.outcome}"
    parts = [
        f"<h1>{said(title)}</h1>",
        f"<p>{said(_conclusion(certificate))}</p>",
        table(("what", "value"), ((None, row) for row in _facts(certificate, json_sha256))),
        "<h2>What was compared</h2>",
        table(_ENTITIES, (_entity(one) for one in certificate.entities)),
    ]
    if rows := list(_differences(certificate)):
        parts += ["<h2>What is not the same, and why</h2>", table(_DIFFERENCES, rows[:_SHOWN_MAX])]
        if len(rows) > _SHOWN_MAX:
            parts.append(f"<p>{said(counted(len(rows) - _SHOWN_MAX, 'difference'))} more: see the JSON file.</p>")
    never = ((None, row) for row in NEVER_CARRIED.items())
    parts += ["<h2>What no transfer carries</h2>", table(("what", "why"), never)]
    return whole_page(title, parts)


def _conclusion(certificate: Certificate) -> str:
    whole = sum(one.is_complete for one in certificate.entities)
    head = f"{whole} of {counted(len(certificate.entities), 'entity', 'entities')} are at the destination as they were"
    told = [f"{many} {fate.value}" for fate, many in certificate.counts().items() if many]
    failed = sum(one.error is not None for one in certificate.entities)
    told += [f"{failed} could not be compared"] if failed else []
    if certificate.first_leg.get("outcome", "complete") != "complete":
        told.append("the folder on the way was not complete when it was sealed")
    return f"{head}; {', '.join(told)}." if told else f"{head}; nothing differs."


def _facts(certificate: Certificate, json_sha256: str) -> Iterator[tuple[str, ...]]:
    yield "certificate", certificate.id
    yield "made at", certificate.made_at
    yield "made with", certificate.program
    yield "source", _side(certificate.source)
    yield "destination", _side(certificate.destination)
    yield "route, run", f"{certificate.route}, {certificate.run_id}"
    yield "DICOM", certificate.dicom
    yield "filters", str(dict(certificate.filtering)) if certificate.filtering else "none: everything"
    yield "planned", _counts(certificate.planned.items())
    yield "moved by the run", _counts(certificate.moved.items())
    yield "verified", level_of(certificate)
    yield from _folder(certificate)
    yield "SHA-256 of the JSON file", json_sha256


def _folder(certificate: Certificate) -> Iterator[tuple[str, str]]:
    """Say what was certified of a folder on the way, when it was filled."""
    folder, leg = certificate.manifest, certificate.first_leg
    if not folder:
        return
    yield "folder on the way", str(folder["folder"])
    if leg:
        yield "digest of the folder", str(folder["digest"])
        yield "it was sealed at", f"{folder['sealed_at']}, with {folder['filled_by']}"
        yield "certificate of the way into it", f"{leg['certificate']} of {leg['made_at']}: {leg['outcome']}"
        yield "SHA-256 of its JSON file", str(leg["json_sha256"])
        yield "verified there", f"{leg['files']} files, {leg['bytes']} bytes: {leg['level']}"
        yield "differences there", _counts((name, many) for name, many in leg["differences"].items() if many)
        kept = ", ".join(str(one["label"]) for one in leg.get("kept", ()))
        yield "kept in it, and no longer at its source", kept or "none"
        strangers = folder["strangers"]
        yield "files in it that were not sealed", ", ".join(strangers if isinstance(strangers, list) else ()) or "none"


def _counts(items: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name} {many}" for name, many in items) or "nothing"


def _side(side: Side) -> str:
    version = f", XNAT {side.version}" if side.version else ""
    return f"project {side.project} of {side.server} ({side.url}{version})"


def _entity(one: Examined) -> tuple[str, Sequence[str]]:
    comparison = one.comparison
    verdict = "yes" if one.is_complete else "not carried" if one.source.home else "no"
    return ("good" if one.is_complete else "bad"), (
        verdict, one.source.kind.value, one.source.subject, one.source.session,
        one.source.id, one.there_id or "none", str(comparison.fields), str(comparison.files), str(comparison.size),
        str(len(comparison.differences) + (one.error is not None)),
    )  # fmt: skip


def _differences(certificate: Certificate) -> Iterator[tuple[str, Sequence[str]]]:
    for one in certificate.entities:
        if one.error is not None:
            yield "bad", (
                "could not be compared", one.source.kind.value, one.source.subject, one.source.session, "", "", "",
                "1", f"{one.error.code}: {one.error}",
            )  # fmt: skip
        for difference in one.comparison.differences:
            yield _difference(one, difference)


def _difference(one: Examined, difference: Difference) -> tuple[str, Sequence[str]]:
    return ("bad" if difference.is_grave else "warn"), (
        difference.fate.value, one.source.kind.value, one.source.subject, one.source.session, difference.part,
        "entity" if difference.what == "thing" else difference.what, difference.name, str(difference.count),
        difference.detail,
    )  # fmt: skip
