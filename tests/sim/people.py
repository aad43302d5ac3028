"""What people do meanwhile: at the scanner's folder, in the web interface, at the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sim import content, given
from sim.faults import Chance
from xnatsync.core.remote import ImportTarget
from xnatsync.sandbox.model import deletion, operations
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.merge import Rules

if TYPE_CHECKING:
    from sim.world import History

PERSON, PROJECT = User("person", admin=True), "P1"
NAMES = ("exam1", "exam2", "exam3")
Act = Callable[["History", Chance], str | None]


# --- at the drop folder ------------------------------------------------------------------------------------------


def drop(history: History, chance: Chance) -> str | None:
    """Copies a study, or a part of it, into the folder; a slow copy takes a while."""
    number = chance.choice((0, 0, 0, 1, 2))
    study = content.studies()[number if not history.is_given or chance.random() < 0.3 else 0]
    things = [thing for thing in study if chance.random() < 0.85] or [study[0]]
    version = chance.choice((0, 0, 0, 0, 1))
    kinds = ("folder", "folder", "folder", "zip", "file", "flat", "flat")
    kind = chance.choice(kinds[:5] if history.is_given else kinds)
    name = chance.choice(given.NAMES if history.is_given else NAMES)
    keep_times = chance.random() < 0.3
    mtime = history.clock.wall_ns - 10**12 if keep_times else None
    if kind == "zip":
        data = content.packed(tuple((f"e/{thing.path}", _as(thing.data, version)) for thing in things))
        history.write(Path(f"{name}.zip"), data, mtime)
    elif kind == "flat":
        _drop_flat(history, chance, [_as(thing.data, version) for thing in things], mtime)
    elif kind == "file":
        history.write(Path(f"{name}.dcm"), _as(things[0].data, version), mtime)
    else:
        pause = chance.choice((0, 0, 500, 20_000))
        for number, thing in enumerate(things):
            history.later(number * pause, Path(name) / thing.path, _as(thing.data, version), mtime)
        if chance.random() < 0.6:
            history.later(0, Path(name) / "notes.txt", b"notes of " + name.encode(), mtime)
        if chance.random() < 0.05:
            history.later(0, Path(name) / "9/broken.dcm", things[0].data[:700], mtime)
        if chance.random() < 0.08:
            how, place = chance.choice(content.JUNK), chance.choice(("9/0009.dcm", "1/IM0007", "9/raw"))
            data = content.junk(things[0].data, how)
            history.junk.add(content.sha(data))
            history.later(0, Path(name) / place, data, mtime)
    return f"{kind} {name} of study {study[0].study}, {len(things)} objects, version {version}"


def _drop_flat(history: History, chance: Chance, objects: Sequence[bytes], mtime: int | None) -> None:
    """A scanner writes to the top of the folder, perhaps for minutes, with names that may come again.

    Sometimes a name is there before its content; an exam of somebody else is written between, now and then.
    """
    pause = chance.choice((0, 500, 20_000))
    first = chance.choice((0, 0, 0, 100))
    objects = [*objects, *(one.data for one in content.studies()[1][:2] if chance.random() < 0.4)]
    for number, data in enumerate(sorted(objects, key=lambda _: chance.random())):
        name = Path(f"IM{first + number:04d}")
        if chance.random() < 0.15:
            history.later(number * pause, name, data[: chance.choice((0, 140))], None)
        history.later(number * pause + chance.choice((0, 0, 0, 30_000)), name, data, mtime)
    if chance.random() < 0.3:
        history.later(0, Path("README"), b"for people", mtime)


def _as(data: bytes, version: int) -> bytes:
    return content.edited(data, version) if version else data


def add_late(history: History, chance: Chance) -> str | None:
    """A late object arrives in a folder that is there."""
    folders = sorted({Path(name).parts[2] for name in history.dropped_files() if len(Path(name).parts) > 3})
    if not folders:
        return None
    thing = chance.choice(content.studies()[chance.choice((0, 0, 1))])
    history.write(Path(chance.choice(folders)) / "late" / f"{thing.series}_{thing.slice}.dcm", thing.data)
    return "a late object"


def add_other(history: History, chance: Chance) -> str | None:
    """Something else of the first study comes: a report or a picture of another modality, alone or beside the rest."""
    what = chance.choice(("report", "report", "picture"))
    thing, version = content.others()[what], chance.choice((0, 0, 0, 1))
    data = _as(thing.data, version)
    folders = sorted({Path(name).parts[2] for name in history.dropped_files() if len(Path(name).parts) > 3})
    place = chance.choice(("alone", "beside", "beside", "flat" if not history.is_given else "alone"))
    if place == "flat":
        history.write(Path(f"{what}.dcm"), data)
    elif place == "beside" and folders:
        history.write(Path(chance.choice(folders)) / thing.path, data)
    else:
        history.write(Path("exam9") / thing.path, data)
    return f"a {what}, {place}, version {version}"


def edit(history: History, chance: Chance) -> str | None:
    """Overwrites an object with another picture of the same size."""
    names = [name for name in history.dropped_files() if name.endswith(".dcm")]
    if not names:
        return None
    name = chance.choice(names)
    data = history.disk.files[name].data
    if content.facts(data) is None:
        return None
    history.write(Path(name).relative_to(history.route.folder), content.edited(data, chance.choice((2, 3))))
    return name


def take_away(history: History, chance: Chance) -> str | None:
    """Takes a whole item out of the folder."""
    names = sorted({Path(name).parts[2] for name in history.dropped_files()})
    if not names:
        return None
    name = chance.choice(names)
    history.give_up(history.route.folder / name)
    return name


def take_one(history: History, chance: Chance) -> str | None:
    """Takes a single file out of an item."""
    names = history.dropped_files()
    if not names:
        return None
    name = chance.choice(names)
    history.give_up(Path(name))
    return name


def clear_done(history: History, chance: Chance) -> str | None:
    """Takes away what was filed."""
    names = history.disk.below(history.route.done)
    if not names:
        return None
    history.give_up(Path(chance.choice(names)))
    return "a filed file is taken"


def unmount(history: History, chance: Chance) -> str | None:
    """The drop folder's disk goes, and comes back some time later."""
    if not history.disk.mounted:
        return None
    history.disk.mounted = False
    history.disk.leaves_mount_point = chance.random() < 0.5
    history.at(chance.randrange(1_000, 400_000), history.mount)
    return "leaves an empty mount point" if history.disk.leaves_mount_point else "nothing is left"


def mount_over_done(history: History, chance: Chance) -> str | None:
    """Somebody mounts another disk over the done folder, for a while."""
    if history.disk.done_elsewhere:
        return None
    history.disk.done_elsewhere = True
    history.at(chance.randrange(1_000, 400_000), history.done_is_back)
    return "done is on another device"


# --- on the server -----------------------------------------------------------------------------------------------


def change_password(history: History, chance: Chance) -> str | None:
    """An administrator sets another password; the configuration follows later."""
    history.server.password = f"{content.PASSWORD}{chance.randrange(10)}"
    history.at(chance.randrange(1_000, 400_000), history.configure_password)
    return "the password changed"


def push(history: History, chance: Chance) -> str | None:
    """Somebody else uploads the same study, under the same or another label, with the same or other pictures."""
    number = chance.choice((0, 0, 1, 2))
    things = [thing for thing in content.studies()[number] if chance.random() < 0.5]
    if not things:
        return None
    label = content.LABELS[number] if chance.random() < 0.8 else "ELSEWHERE"
    version = chance.choice((0, 0, 4))
    members = [(f"IM{n:04d}.dcm", _as(thing.data, version)) for n, thing in enumerate(things)]
    before = {content.sha(data) for data, _ in history.server.site.store._files.values()}
    rows = history.server.receive(PERSON, ImportTarget(PROJECT, "SUB1", label), members)
    history.server.foreign |= {content.sha(data) for data, _ in history.server.site.store._files.values()} - before
    archived = chance.random() < 0.6
    if archived:
        for row in rows:
            _archive(history, row.uri)
    history.touched = True
    return f"{len(things)} objects of study {number} as {label}, {'archived' if archived else 'in the prearchive'}"


def push_other(history: History, chance: Chance) -> str | None:
    """Somebody else uploads the report of the first study, or another version of it, and archives it."""
    version = chance.choice((0, 4))
    data = _as(content.others()["report"].data, version)
    before = {content.sha(data) for data, _ in history.server.site.store._files.values()}
    rows = history.server.receive(PERSON, ImportTarget(PROJECT, "SUB1", content.LABELS[0]), [("IM0009.dcm", data)])
    history.server.foreign |= {content.sha(data) for data, _ in history.server.site.store._files.values()} - before
    for row in rows if chance.random() < 0.7 else ():
        _archive(history, row.uri)
    history.touched = True
    return f"the report, version {version}"


def archive(history: History, chance: Chance) -> str | None:
    """Somebody archives a row in the web interface."""
    rows = history.server.rows()
    if not rows:
        return None
    uri = chance.choice(rows).uri
    _archive(history, uri)
    return uri


def _archive(history: History, uri: str) -> None:
    history.touched = True
    row = history.server.row_of(uri)
    if row is None:
        return
    try:
        history.server.archive(row, PERSON)
    except ModelError:
        return


def delete_row(history: History, chance: Chance) -> str | None:
    """Somebody deletes a row in the web interface."""
    rows = history.server.rows()
    if not rows:
        return None
    row = chance.choice(rows)
    history.touched = True
    try:
        operations.delete(history.server.site, row)
    except ModelError:
        return None
    return row.uri


def resolve_conflict(history: History, chance: Chance) -> str | None:
    """Somebody resolves a conflict in the web interface: deletes the row, or lets it be merged all the same."""
    rows = [row for row in history.server.rows() if row.status in {"CONFLICT", "ERROR"}]
    if not rows:
        return None
    row = chance.choice(rows)
    history.touched = True
    try:
        if chance.random() < 0.4:
            operations.delete(history.server.site, row)
        else:
            history.server.archive(row, PERSON, Rules(override=True))
    except ModelError as error:
        return f"{row.uri}: refused: {error.message}"
    return row.uri


def delete_session(history: History, chance: Chance) -> str | None:
    """Somebody deletes a session from the archive."""
    sessions = history.server.sessions()
    if not sessions:
        return None
    session = chance.choice(sessions)
    history.touched = True
    deletion.delete_experiment(history.server.site, session, remove_files=True)
    return session.label


def finish(history: History, chance: Chance) -> str | None:
    """The server gets round to what it has taken."""
    if not history.server.pending:
        return None
    chance.choice(history.server.pending).due_ms = history.clock.ms
    history.server.tick()
    return "the server catches up"


ACTS: tuple[Act, ...] = (
    drop, drop, add_late, add_late, edit, take_away, take_one, clear_done, unmount, mount_over_done, change_password,
    push, archive, delete_row, resolve_conflict, resolve_conflict, delete_session, finish, finish,
)  # fmt: skip
