"""What a certificate says of a folder on the way: both legs, so that a gap of the first is never passed over."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from xnatsync.app.certificates import Certificate, Written
from xnatsync.app.transfer_ends import End
from xnatsync.routes.transfer.folder_state import FolderState

GRAVE_MAX: Final = 200  # differences of the first leg that travel with the folder, one by one; its certificate has all
STRANGERS_MAX: Final = 200
LEVEL_IN: Final = (
    "every field as text; every file by name, size and MD5 digest of what was written, against what the server lists"
)
LEVEL_OUT: Final = "every document and file by the SHA-256 that it was put into the folder with, while it was read"


def first_leg(certificate: Certificate, written: Written) -> dict[str, Any]:
    """Return what travels with a folder of the certificate of what was put into it."""
    grave = (
        {
            "kind": one.source.kind.value, "source_id": one.source.id, "subject": one.source.subject,
            "session": one.source.session, "fate": told.fate.value, "what": told.what, "part": told.part,
            "name": told.name, "detail": told.detail, "count": told.count,
        }
        for one in certificate.entities
        for told in one.comparison.differences
        if told.is_grave
    )  # fmt: skip
    return {
        "certificate": certificate.id,
        "json_sha256": written.row.json_sha256,
        "made_at": certificate.made_at,
        "program": certificate.program,
        "outcome": certificate.outcome,
        "level": LEVEL_IN,
        "filtering": dict(certificate.filtering),
        "entities": len(certificate.entities),
        "complete": sum(one.is_complete for one in certificate.entities),
        "files": sum(one.comparison.files for one in certificate.entities),
        "bytes": sum(one.comparison.size for one in certificate.entities),
        "differences": {fate.value: many for fate, many in certificate.counts().items()},
        "grave": list(islice(grave, GRAVE_MAX)),
    }


def seal(end: End, certificate: Certificate, written: Written, now: str) -> None:
    """Seal the folder that was filled with what was compared; one that is sealed and unchanged stays as it is."""
    if end.folder is not None:
        kept = kept_alone(end.folder, certificate)
        end.folder.seal({**first_leg(certificate, written), "kept": kept}, now)


def kept_alone(state: FolderState, certificate: Certificate) -> list[dict[str, str]]:
    """List what an earlier filling left in the folder, and the source no longer had when this one was certified."""
    shown = {one.source.key for one in certificate.entities}
    return [
        {"kind": one.owner.kind.value, "source_id": one.owner.id, "label": one.owner.session or one.owner.subject}
        for one in state.held.values()
        if one.owner.key not in shown
    ]


def leg_fields(source: End, destination: End) -> dict[str, object]:
    """Return what a certificate says of the folder that was a stop on the way; nothing where there is none."""
    if source.folder is not None:
        strangers = source.folder.strangers()
        return {
            **folder_fields(source.folder),
            "place": str(source.folder.root),
            "level": LEVEL_OUT,
            "first_leg": dict(source.folder.manifest.first_leg),
            "strangers": strangers[:STRANGERS_MAX],
            "strangers_in_all": len(strangers),
        }
    if destination.folder is not None:
        state = destination.folder
        return {"folder": state.manifest.id, "place": str(state.root), "level": LEVEL_IN}
    return {}


def folder_fields(state: FolderState) -> dict[str, object]:
    """Say which folder it is, and whose project is in it."""
    manifest = state.manifest
    origin = manifest.origin
    return {
        "folder": manifest.id, "digest": manifest.digest, "sealed_at": manifest.sealed_at,
        "filled_by": manifest.program,
        "from": {"server": origin.server, "url": origin.url, "project": origin.project, "version": origin.version},
    }  # fmt: skip
