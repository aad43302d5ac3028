"""A certificate for programs: one document, and nothing in it but what was compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final

from xnatsync.app.certificates import Certificate, Checked, Side, Written
from xnatsync.core.fidelity import GRAVE, NEVER_CARRIED, Difference
from xnatsync.ledger.certificates import CertificateRow
from xnatsync.verify.transfers import Examined
from xnatsync.views.blocks import Block, Line, Tone

SCHEMA: Final = "xnatsync.certificate/1"


def certificate_text(certificate: Certificate) -> str:
    """Return the JSON file."""
    return json.dumps(certificate_fields(certificate), indent=1, ensure_ascii=True) + "\n"


def certificate_fields(certificate: Certificate) -> dict[str, object]:
    """Return the document."""
    entities, compared = certificate.entities, [one.comparison for one in certificate.entities]
    return {
        "schema": SCHEMA,
        "id": certificate.id,
        "outcome": certificate.outcome,
        "made_at": certificate.made_at,
        "program": certificate.program,
        "route": certificate.route,
        "run": certificate.run_id,
        "source": side_fields(certificate.source),
        "destination": side_fields(certificate.destination),
        "dicom": certificate.dicom,
        "filtering": dict(certificate.filtering),
        "planned": dict(certificate.planned),
        "moved": dict(certificate.moved),
        "verified": {
            "level": level_of(certificate),
            "entities": sum(one.is_complete for one in entities),
            "fields": sum(one.fields for one in compared),
            "files": sum(one.files for one in compared),
            "bytes": sum(one.size for one in compared),
        },
        "differences": {fate.value: many for fate, many in certificate.counts().items()},
        "entities": [entity_fields(one) for one in entities],
        "never_carried": dict(NEVER_CARRIED),
        "manifest": dict(certificate.manifest),
    }


LEVELS: Final[Mapping[str, str]] = {
    "copy": "every field as text; every file by name, size and MD5 digest, as the servers list them",
    "import": (
        "every field as text, but for those that an import fills in; DICOM objects by pixel data (by content "
        "without any) when they arrived, and since then by size and MD5 digest; other files by name, size and MD5"
    ),
}


def level_of(certificate: Certificate) -> str:
    """Say how both sides were compared; of a folder, how it was."""
    told = certificate.manifest.get("level")
    return f"{LEVELS[certificate.dicom]}; the folder: {told}" if told else LEVELS[certificate.dicom]


def side_fields(side: Side) -> dict[str, object]:
    """Return one of the servers for programs."""
    return asdict(side)


def entity_fields(one: Examined) -> dict[str, object]:
    """Return an entity for programs: where it is, what it is called on both sides, and what is not the same."""
    error = one.error
    return {
        "kind": one.source.kind.value,
        "source_id": one.source.id,
        "destination_id": one.there_id or None,
        "subject": one.source.subject,
        "session": one.source.session,
        "destination_label": one.there_label,
        "complete": one.is_complete,
        "fields": one.comparison.fields,
        "files": one.comparison.files,
        "bytes": one.comparison.size,
        "parts": dict(one.parts),
        "differences": [difference_fields(difference) for difference in one.comparison.differences],
        "error": {"code": error.code, "text": str(error)} if error is not None else None,
    }


def difference_fields(difference: Difference) -> dict[str, object]:
    """Return what is not the same, for programs."""
    return {
        "fate": difference.fate.value,
        "what": difference.what,
        "part": difference.part,
        "name": difference.name,
        "detail": difference.detail,
        "count": difference.count,
        "grave": difference.fate in GRAVE,
    }


def row_fields(row: CertificateRow) -> dict[str, object]:
    """Return a row of the ledger for programs."""
    return {
        "id": row.id, "route": row.route, "run": row.run_id, "made_at": row.made_at, "outcome": row.outcome,
        "json_sha256": row.json_sha256, "html_sha256": row.html_sha256, "path": row.path,
    }  # fmt: skip


def checked_fields(path: str, checked: Checked) -> dict[str, object]:
    """Return what is known of a file, for programs."""
    row = row_fields(checked.row) if checked.row is not None else None
    return {"path": path, "state": checked.state, "sha256": checked.sha256, "certificate": row}


def checked_blocks(path: str, checked: Checked) -> Iterator[Block]:
    """Tell a person what is known of a file."""
    row = checked.row
    if checked.state == "unknown" or row is None:
        yield Line(f"{path}: no certificate of this ledger", Tone.BAD)
    elif checked.state == "changed":
        yield Line(f"{path}: CHANGED since it was made: it is not what was signed for", Tone.BAD)
        yield Line(f"certificate {row.id} of {row.made_at} said {row.outcome}", indent=2)
    else:
        yield Line(f"{path}: unchanged since it was made", Tone.GOOD)
        yield Line(f"certificate {row.id} of {row.made_at}: {row.outcome}", indent=2)


def written_blocks(written: Written) -> Iterator[Block]:
    """Tell a person where a certificate lies."""
    tone = Tone.GOOD if written.row.outcome == "complete" else Tone.BAD
    yield Line(f"certificate: {written.row.outcome}, {written.json}", tone, hang=4)
    yield Line(f"the page for people: {written.html}", indent=2, hang=4)
