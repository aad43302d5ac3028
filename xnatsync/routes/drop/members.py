"""What goes out with an upload, and where it came out: shared by the ways in which objects are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xnatsync.core.errors import OutcomeUnknown
from xnatsync.core.landing_place import landing_place
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.remote import ImportReply
from xnatsync.ledger.rows import FileRow, UnitRow
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World


def members_of(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow]
) -> Iterator[tuple[str, ManifestFile, Iterator[bytes]]]:
    """Stream objects of a unit in the manifest's order: the name of each in the upload, the file, and its content."""
    item = world.ledger.item(unit.item_id)
    members = {file.path: file.member for file in files}
    path = route.source(item)
    for file, chunks in world.disk.stream(path, [as_manifest(file) for file in files]):
        yield members[file.path], file, _counted(world, unit.id, chunks)


def _counted(world: World, unit_id: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if world.stopping():
            raise OutcomeUnknown("the upload was interrupted by a request to stop")
        yield chunk
        world.progress.sent(unit_id, len(chunk))


def as_manifest(file: FileRow) -> ManifestFile:
    """A ledger row as the disk wants it."""
    return ManifestFile(
        file.path,
        file.size,
        file.mtime_ns,
        file.sha256,
        file.crc32,
        file.md5,
        Kind(file.kind),
        pixels=file.pixels,
        packed=file.packed,
    )


def note_destination(world: World, unit: UnitRow, reply: ImportReply) -> None:
    """Read where the upload came out, which alone tells whether it was understood (import.md §1.5, §1.6)."""
    world.ledger.set_unit(unit.id, prearchive=landing_place(reply, unit.project))
