"""What people do at both ends of a transfer, in the middle of it and between two runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from transfer.model import Archive, Res, Thing
from xnatsync.core.described import ThingKind

if TYPE_CHECKING:
    from sim.faults import Chance
    from sim.transfer_world import TransferHistory

Act = Callable[["TransferHistory", "Chance"], str]
THINGS_MAX = 9
LABELS = ("NOTES", "DICOM", "QC")


def everything(archive: Archive) -> Iterator[tuple[Thing, Thing]]:
    """Each thing with the entity that it is in."""
    for thing in (*archive.projects.values(), *archive.things.values()):
        yield thing, thing
        for part in thing.parts:
            yield thing, part


def _one(archive: Archive, chance: Chance) -> tuple[Thing, Thing]:
    return chance.choice(sorted(everything(archive), key=lambda pair: (pair[0].id, pair[1].kind.value, pair[1].name)))


def touch(entity: Thing, thing: Thing) -> None:
    """A change leaves its stamp on both."""
    thing.changes += 1
    if thing is not entity:
        entity.changes += 1


def _sessions(archive: Archive) -> list[Thing]:
    return [one for one in archive.things.values() if one.kind is ThingKind.SESSION]


def _subjects(archive: Archive) -> list[Thing]:
    return [one for one in archive.things.values() if one.kind is ThingKind.SUBJECT]


# --- at the source -------------------------------------------------------------------------------------------------


def add_subject(history: TransferHistory, chance: Chance) -> str:
    if len(history.source.things) >= THINGS_MAX:
        return "enough"
    subject = history.source.subject("P", history.name("S"), note=history.value(), gender="f")
    subject.custom["form"] = history.value()
    if chance.random() < 0.4:
        subject.shares["P2"] = history.name("H")
    add_record(history, subject, chance)
    return add_session(history, subject, chance)


def add_record(history: TransferHistory, subject: Thing, chance: Chance) -> None:
    record = history.source.part_of(subject, ThingKind.RECORD, history.name("R"), "xnat:aData", note=history.value())
    history.source.put(record, "NOTES", {"f.txt": history.content()})
    touch(subject, record)


def add_session(history: TransferHistory, subject: Thing, chance: Chance) -> str:
    source = history.source
    session = source.session(subject, history.name("E"), UID=f"1.2.{next(history.numbers)}", note=history.value())
    session.xsi_type = chance.choice(("xnat:mrSessionData", "xnat:mrSessionData", "xnat:petSessionData"))
    for number in range(1, chance.choice((1, 2, 3))):
        scan = source.part_of(session, ThingKind.SCAN, str(number), "xnat:mrScanData", type=chance.choice(("T1", "T2")))
        names = ("1.dcm", "2.dcm", "3.nii.gz", "4.dcm", "5.dcm", "6.dcm", "7.dcm")[: chance.choice((1, 2, 3, 7))]
        res = source.put(scan, "DICOM", {name: history.content() for name in names})
        res.format, res.content = "DICOM", "RAW"
    if chance.random() < 0.5:
        made = source.part_of(session, ThingKind.ASSESSOR, history.name("A"), "xnat:qcData", rater=history.value())
        source.put(made, "QC", {"qc.json": history.content()}, "out")
    source.put(session, "NOTES", {"a.txt": history.content()} if chance.random() < 0.8 else {})
    return f"session {session.id}"


def new_session(history: TransferHistory, chance: Chance) -> str:
    if not _subjects(history.source) or len(history.source.things) >= THINGS_MAX:
        return add_subject(history, chance)
    return add_session(history, chance.choice(_subjects(history.source)), chance)


def change_field(history: TransferHistory, chance: Chance) -> str:
    entity, thing = _one(history.source, chance)
    name = chance.choice(("note", "note", "more"))
    if chance.random() < 0.2:
        thing.fields.pop(name, None)
    else:
        thing.fields[name] = history.value()
    touch(entity, thing)
    return f"{name} of {thing.id}"


def change_custom(history: TransferHistory, chance: Chance) -> str:
    entity, thing = _one(history.source, chance)
    thing.custom["form"] = history.value()
    touch(entity, thing)
    return f"form of {thing.id}"


def change_file(history: TransferHistory, chance: Chance) -> str:
    entity, thing = _one(history.source, chance)
    history.source.put(thing, chance.choice(LABELS[:1]), {chance.choice(("a.txt", "b.txt", "c.gz")): history.content()})
    touch(entity, thing)
    return f"file of {thing.id}"


def _resources(archive: Archive) -> list[tuple[Thing, Thing, Res]]:
    return [(entity, thing, res) for entity, thing in everything(archive) for res in thing.resources.values()]


def delete_file(history: TransferHistory, chance: Chance) -> str:
    full = [found for found in _resources(history.source) if found[2].files]
    if not full:
        return "none"
    entity, thing, res = chance.choice(full)
    name = chance.choice(sorted(res.files))
    del res.files[name]
    res.lost.discard(name)
    res.changes += 1
    touch(entity, thing)
    return f"{name} of {thing.id}"


def lose_file(history: TransferHistory, chance: Chance) -> str:
    """The index still names it, and its bytes are gone; or they are found again."""
    full = [found for found in _resources(history.source) if found[2].files]
    if not full:
        return "none"
    _, thing, res = chance.choice(full)
    if res.lost and chance.random() < 0.5:
        res.lost.clear()
        return f"found again, of {thing.id}"
    name = chance.choice(sorted(res.files))
    res.lost.add(name)
    return f"{name} of {thing.id}"


def add_scan(history: TransferHistory, chance: Chance) -> str:
    if not (sessions := _sessions(history.source)):
        return "none"
    session = chance.choice(sessions)
    if len(session.parts) > 4:
        return "enough"
    scan = history.source.part_of(
        session, ThingKind.SCAN, str(next(history.numbers)), "xnat:mrScanData", type="T1", note=history.value()
    )
    history.source.put(scan, "DICOM", {"1.dcm": history.content()})
    touch(session, scan)
    return f"scan {scan.name} of {session.id}"


def delete_part(history: TransferHistory, chance: Chance) -> str:
    whole = [entity for entity in history.source.things.values() if entity.parts]
    if not whole:
        return "none"
    entity = chance.choice(whole)
    part = entity.parts.pop(chance.randrange(len(entity.parts)))
    entity.changes += 1
    return f"{part.name} of {entity.id}"


def rename(history: TransferHistory, chance: Chance) -> str:
    if not history.source.things:
        return "none"
    thing = chance.choice(list(history.source.things.values()))
    thing.label = history.name("N")
    thing.changes += 1
    return thing.id


def delete_session(history: TransferHistory, chance: Chance) -> str:
    if not (sessions := _sessions(history.source)):
        return "none"
    session = chance.choice(sessions)
    del history.source.things[session.id]
    return session.id


def move_session(history: TransferHistory, chance: Chance) -> str:
    """It belongs to another subject from now on."""
    sessions, subjects = _sessions(history.source), _subjects(history.source)
    if not sessions or len(subjects) < 2:
        return "none"
    session = chance.choice(sessions)
    session.subject = chance.choice(subjects).id
    session.changes += 1
    return session.id


def share(history: TransferHistory, chance: Chance) -> str:
    if not history.source.things:
        return "none"
    thing = chance.choice(list(history.source.things.values()))
    if thing.shares and chance.random() < 0.3:
        thing.shares.clear()
    else:
        thing.shares[chance.choice(("P2", "ALONE"))] = history.name("H")
    thing.changes += 1
    return thing.id


AT_SOURCE: tuple[Act, ...] = (
    new_session, new_session, add_scan, change_field, change_field, change_custom, change_file, change_file,
    delete_file, lose_file, delete_part, rename, delete_session, move_session, share,
)  # fmt: skip


# --- at the destination --------------------------------------------------------------------------------------------


def edit_field(history: TransferHistory, chance: Chance) -> str:
    entity, thing = _one(history.there, chance)
    kind = chance.choice((thing.fields, thing.fields, thing.custom))
    name = "form" if kind is thing.custom else "note"
    if chance.random() < 0.25:
        kind.pop(name, None)
    else:
        kind[name] = history.value()
    touch(entity, thing)
    return f"{name} of {thing.id}"


def edit_file(history: TransferHistory, chance: Chance) -> str:
    """Another content of the same size leaves no trace in any listing but its digest (hierarchy.md §3.9)."""
    full = [found for found in _resources(history.there) if found[2].files]
    if not full:
        return "none"
    entity, thing, res = chance.choice(full)
    name = chance.choice(sorted(res.files))
    old = res.files[name]
    new = history.content()
    if chance.random() < 0.3 and len(old) > 8:
        res.files[name] = (new * len(old))[: len(old)]
        history.judge.silently(entity)
        return f"{name} of {thing.id}, the same size"
    res.files[name] = new
    res.changes += 1
    touch(entity, thing)
    return f"{name} of {thing.id}"


def add_file(history: TransferHistory, chance: Chance) -> str:
    entity, thing = _one(history.there, chance)
    name = chance.choice(("a.txt", "b.txt", "c.gz", "mine.txt"))
    res = history.there.put(thing, "NOTES", {})
    if name in res.files:
        return "there"
    res.files[name] = history.content()
    touch(entity, thing)
    return f"{name} of {thing.id}"


def remove_file(history: TransferHistory, chance: Chance) -> str:
    full = [found for found in _resources(history.there) if found[2].files]
    if not full:
        return "none"
    entity, thing, res = chance.choice(full)
    name = chance.choice(sorted(res.files))
    del res.files[name]
    res.changes += 1
    touch(entity, thing)
    return f"{name} of {thing.id}"


def remove_part(history: TransferHistory, chance: Chance) -> str:
    whole = [entity for entity in history.there.things.values() if entity.parts]
    if not whole:
        return "none"
    entity = chance.choice(whole)
    part = entity.parts.pop(chance.randrange(len(entity.parts)))
    entity.changes += 1
    return f"{part.name} of {entity.id}"


def remove_session(history: TransferHistory, chance: Chance) -> str:
    if not (sessions := _sessions(history.there)):
        return "none"
    session = chance.choice(sessions)
    del history.there.things[session.id]
    return session.id


def rename_there(history: TransferHistory, chance: Chance) -> str:
    if not history.there.things:
        return "none"
    thing = chance.choice(list(history.there.things.values()))
    thing.label = history.name("M")
    thing.changes += 1
    return thing.id


def upload_waits(history: TransferHistory, chance: Chance) -> str:
    """Somebody's upload under a label, or of a study, of the source waits in the prearchive."""
    if not (sessions := _sessions(history.source)) or "Q" not in history.there.projects:
        return "none"
    session = chance.choice(sessions)
    by_label = chance.random() < 0.6
    label = session.label if by_label else history.name("X")
    history.there.upload_waits("Q", label, "" if by_label else session.fields.get("UID", ""))
    history.judge.uploaded(label, session.fields.get("UID", "") if not by_label else "")
    return session.id


def made_before(history: TransferHistory, chance: Chance) -> str:
    """Somebody makes a session of the source at the destination by hand: the study, or another under its label."""
    if not (sessions := _sessions(history.source)) or "Q" not in history.there.projects:
        return "none"
    session = chance.choice(sessions)
    subjects = [one for one in _subjects(history.there) if one.project == "Q"]
    subject = chance.choice(subjects) if subjects else history.there.subject("Q", history.name("T"))
    if any(one.label == session.label for one in history.there.things.values()):
        return "there"
    same_study = chance.random() < 0.5
    label = history.name("U") if same_study else session.label
    uid = session.fields.get("UID", "") if same_study else f"9.{next(history.numbers)}"
    history.there.session(subject, label, UID=uid, note=history.value())
    return f"{'the study' if same_study else 'the label'} of {session.id}"


AT_DESTINATION: tuple[Act, ...] = (
    edit_field, edit_field, edit_file, edit_file, add_file, remove_file, remove_part, remove_session, rename_there,
    upload_waits, made_before,
)  # fmt: skip
