"""What the server would refuse after the upload, and can be known before the first byte of it."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.core.drop_view import ServerView
from xnatsync.core.errors import ObjectsConflict, SessionCollision, SessionTypeDiffers, Unverifiable, XnatsyncError
from xnatsync.core.manifest import Kind
from xnatsync.core.remote import SessionSeen
from xnatsync.core.session_type import is_refused, session_type
from xnatsync.core.tree import Node
from xnatsync.core.wording import counted
from xnatsync.ledger.rows import FileRow, UnitRow
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

SETTING = "preventCrossModalityMerge"


def refuse_what_is_there(route: DropRoute, unit: UnitRow, view: ServerView) -> None:
    """Raise where a session is there that would be added to, and the command asked for it to be left as it is."""
    if route.given is None or route.given.adds:
        return
    there = next((one for one in view.sessions if unit.study_uid == one.study_uid or one.label == unit.session), None)
    if there is not None:
        raise SessionCollision(
            f"the session {there.label} is already in project {unit.project}, and it was asked to add nothing to one "
            "that is there; nothing was sent",
            advice="Give `--overwrite append` to have what it lacks added, or another label.",
        )


def refuse_what_is_refused(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], view: ServerView
) -> None:
    """Raise what archiving would end with: the part would become a session of another type than the one it belongs to.

    The site's setting decides.  Where the account may not read that, a person's `retry` is their word that it is off.
    """
    holder = next((one for one in view.sessions if one.study_uid == unit.study_uid), None)
    if holder is None or route.destination_of(unit) != "archive":
        return
    if (refusal := _other_type(unit, files, view, holder)) is None:
        return
    setting = world.server(unit.server).site_setting(SETTING)
    if setting == "false" or (setting is None and _was_released(world, unit)):
        return
    raise refusal


def refuse_to_send_twice(
    world: World, unit: UnitRow, files: Sequence[FileRow], keys: frozenset[str], view: ServerView
) -> None:
    """Raise where what was acknowledged lies there by its own names, and nothing under a UID that was sent.

    A script rewrote the UIDs, and a name that is no UID proves nothing: what is there cannot be known again, and sent
    once more it would be there twice, or in conflict with itself for ever.
    """
    objects = [file for file in files if file.kind == Kind.DICOM]
    archived = view.archive if view.archive is not None else {}
    if not archived or any(file.key in archived for file in objects):
        return
    names = {node.where.rpartition("/")[2] for node in archived.values() if isinstance(node, Node)}
    known = world.ledger.acknowledged(unit)
    if any(file.key not in known or file.member not in names for file in objects if file.key in keys):
        return
    raise Unverifiable(
        f"{counted(len(keys), 'object')} of study {unit.study_uid} came into session {unit.session} under other UIDs: "
        "a script of the server rewrites them, and by their own names they cannot be distinguished from others",
        advice='Set `member_names = "uid"` for the route, and rename the session on the server, so that it is kept: '
        "the next `xnatsync sync` sends it again. Or dismiss the item if what is there is right.",
    )


def refuse_taken_names(files: Sequence[FileRow], keys: frozenset[str], view: ServerView) -> None:
    """Raise where the scan has a file under the name that another object of it would get: the server joins neither."""
    archived = view.archive if view.archive is not None else {}
    places = {node.where.casefold(): node.key for node in archived.values() if isinstance(node, Node)}
    there = {(place.partition("/")[0], place.rpartition("/")[2]): key for place, key in places.items()}
    for file in files:
        if file.kind != Kind.DICOM or file.key not in keys:
            continue
        if there.get((file.series_number.casefold(), file.member.casefold()), file.key) != file.key:
            raise ObjectsConflict(
                f"scan {file.series_number} on the server has another object under the file name {file.member}: it "
                "would take the upload and refuse to archive it; nothing was sent",
                advice='Set `member_names = "uid"` for the route: the next sync plans it again, under other names.',
            )


def _other_type(unit: UnitRow, files: Sequence[FileRow], view: ServerView, holder: SessionSeen) -> XnatsyncError | None:
    archived = view.archive if view.archive is not None else {}
    part = [file for file in files if file.kind == Kind.DICOM and file.key not in archived]
    kind = session_type((file.sop_class, file.modality) for file in part)
    if not is_refused(kind, holder.xsi_type):
        return None
    modalities = ", ".join(sorted({file.modality for file in part} - {""})) or "no modality"
    return SessionTypeDiffers(
        f"what is new of study {unit.study_uid} ({modalities}) is of another type than session {holder.label} "
        f"({holder.xsi_type}): the server would take the upload and refuse to archive it ({SETTING}); nothing was sent"
    )


def _was_released(world: World, unit: UnitRow) -> bool:
    return any(event.code == "unit.released" for event in world.ledger.events(unit_id=unit.id))
