"""The proof of what was imported: each object is read at the destination once, and shows what was sent.

What the destination lists of it then is kept: while it lists the same, the object is not read again.
"""

from __future__ import annotations

from dataclasses import replace

from xnatsync.core.errors import LostAtSource, ObjectsDiffer, Unverifiable, XnatsyncError
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.dicom.identity import PixelFacts
from xnatsync.ledger.imports import ObjectRow
from xnatsync.routes.transfer.limits import UNLIMITED
from xnatsync.routes.transfer.objects import Objects, seen
from xnatsync.routes.transfer.pixels import SAME, Verdict, facts_of_files, verdict
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.world import TransferWorld


def prove(world: TransferWorld, route: TransferRoute, here: Owner, there: Owner, found: Objects) -> None:
    """Read what came out at the destination, where its listing is not the one that was proven before."""
    open_ = {
        place: row
        for place, row in found.rows.items()
        if row.sop_uid in found.there and row.there != seen(found.there[row.sop_uid])
    }
    if not open_:
        return
    line = world.lines.between(route.server, route.to_server)
    line_there = line if route.server == route.to_server else UNLIMITED
    at = {row.sop_uid: found.there[row.sop_uid] for row in open_.values()}
    files = {uid: (ResourceKey(file.scan, file.resource), file.name) for uid, file in at.items()}
    theirs = facts_of_files(world.server(route.to_server), there, files.values(), line_there)
    unread = [place for place, row in open_.items() if not was_read(row)]
    mine = facts_of_files(world.server(route.server), here, unread, line)
    proven: list[ObjectRow] = []
    for place, row in open_.items():
        ours = facts_sent(row) if was_read(row) else mine.get(place)
        if ours is None:
            found.doubts[place] = LostAtSource("the source lists it and cannot give it")
            continue
        answer = verdict(ours, theirs.get(files[row.sop_uid]))
        if answer in SAME or (answer is Verdict.UID and row.there is None):
            proven.append(replace(row, proof=answer.value, there=seen(at[row.sop_uid])))
        else:
            found.doubts[place] = doubt_of(answer)
    world.ledger.note_objects(proven)
    found.rows |= {row.place: row for row in proven}


def was_read(row: ObjectRow) -> bool:
    """Return whether it is known what an object showed when it was sent; of a big one it is not."""
    return row.pixels is not None or row.content is not None


def facts_sent(row: ObjectRow) -> PixelFacts:
    """Return what an object showed when it was sent."""
    return PixelFacts(row.sop_uid, row.syntax, row.pixels, content=row.content)


def doubt_of(answer: Verdict) -> XnatsyncError:
    """Say what is wrong with an object at the destination."""
    if answer is Verdict.RECODED:
        return Unverifiable(
            "the destination keeps it in another transfer syntax, so its pixel data cannot be compared",
            advice="Ask the administrator of the destination how it keeps compressed objects, and compare it there.",
        )
    return ObjectsDiffer("the object at the destination does not show what was sent")
