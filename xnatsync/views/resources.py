"""Resources: their listing, one with its files, and how an upload to one ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted, size, span
from xnatsync.views.blocks import Block, Line, Table, Tone
from xnatsync.views.jsonout import error_fields
from xnatsync.views.nouns import RESOURCE_COLUMNS, resource_row

if TYPE_CHECKING:
    from xnatsync.services.models import Resource, ResourceFile
    from xnatsync.services.resource_sending import Stored

__all__ = [
    "RESOURCE_COLUMNS",
    "deleted_line",
    "resource_blocks",
    "resource_fields",
    "resource_row",
    "stored_blocks",
    "stored_fields",
]
_FILES_SHOWN = 200


def resource_fields(held: Resource, files: Sequence[ResourceFile]) -> dict[str, object]:
    """One resource, for programs."""
    listed = [{"name": file.name, "size": file.size, "digest": file.digest} for file in files]
    return {**resource_row(held), "id": held.id, "scan": held.scan, "files": listed}


def resource_blocks(held: Resource, files: Sequence[ResourceFile]) -> Iterator[Block]:
    """One resource, for people."""
    total = sum(file.size or 0 for file in files)
    yield Line(f"{held.label}: {counted(len(files), 'file')}, {size(total)}", Tone.HEAD)
    for word, text in (("id", held.id), ("scan", held.scan), ("format", held.format), ("content", held.content)):
        if text:
            yield Line(f"{word}: {text}", indent=2)
    if held.file_count is not None and held.file_count != len(files):
        yield Line(f"the server counts {counted(held.file_count, 'file')}", Tone.WARN, indent=2)
    if files:
        rows = [
            (file.name, "" if file.size is None else size(file.size), file.digest or "")
            for file in files[:_FILES_SHOWN]
        ]
        yield Table(("name", "size", "md5"), rows, indent=2, right=frozenset({1}))
    if len(files) > _FILES_SHOWN:
        yield Line(f"and {counted(len(files) - _FILES_SHOWN, 'file')} more: `-o json` has all", Tone.DIM, indent=2)


def deleted_line(*, dry_run: bool) -> Line:
    """How a deletion ended."""
    return Line("would be deleted", Tone.WARN) if dry_run else Line("deleted, and gone from the listing", Tone.GOOD)


def stored_blocks(done: Stored) -> Iterator[Block]:
    """How an upload ended, for people."""
    whole = f"{counted(done.files, 'file')}, {size(done.bytes)}"
    yield Line(f"resource {done.label} of {done.place.words}: {whole}", Tone.HEAD)
    sent = f"{counted(done.sent, 'file')}, {size(done.sent_bytes)}, in {counted(done.requests, 'request')}"
    if done.dry_run:
        yield Line(f"+ would be stored: {sent}", indent=2)
    elif done.sent:
        yield Line(f"+ stored and proven in {span(done.seconds)}: {sent}", Tone.GOOD, indent=2)
    if done.replaced:
        would = "would replace" if done.dry_run else "replaced"
        yield Line(f"~ {would} another content: {counted(done.replaced, 'file')}", Tone.WARN, indent=2)
    if done.same:
        yield Line(f"= there already: {counted(done.same, 'file')}", indent=2)
    if done.no_digest:
        text = f"{counted(done.no_digest, 'file')} compared by size alone: the server states no digest of them"
        yield Line(text, Tone.WARN, indent=2)
    if done.errors:
        yield Line(f"! {counted(len(done.errors), 'problem')}, listed above", Tone.BAD, indent=2)


def stored_fields(done: Stored) -> dict[str, object]:
    """How an upload ended, for programs."""
    owner = done.place.owner
    return {
        "exit_code": done.exit_code,
        "level": "scan" if done.place.scan else owner.kind.value,
        "project": owner.project,
        "id": owner.id,
        "scan": done.place.scan or None,
        "resource": done.label,
        "dry_run": done.dry_run,
        "files": done.files,
        "bytes": done.bytes,
        "sent_files": done.sent,
        "sent_bytes": done.sent_bytes,
        "replaced_files": done.replaced,
        "same_files": done.same,
        "no_digest": done.no_digest,
        "requests": done.requests,
        "seconds": round(done.seconds, 3),
        "errors": [error_fields(error) for error in done.errors],
    }
