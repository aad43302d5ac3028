"""What people do meanwhile: in the tree, in the web interface, in the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.faults import Chance
from sim.tree_disk import TRASH
from sim.tree_names import result_path
from sim.tree_server import OTHER, PROJECT, SECRET
from xnatsync.core.paths import OWN_FOLDER
from xnatsync.sandbox.model import deletion, resources, sharing
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.objects import Experiment, Resource, Subject
from xnatsync.sandbox.model.resources import Place

if TYPE_CHECKING:
    from sim.tree_world import TreeHistory

Act = Callable[["TreeHistory", Chance], str | None]
AWAY_MS = (1_000, 400_000)


# --- in the tree -------------------------------------------------------------------------------------------------


def _file(history: TreeHistory, chance: Chance) -> str | None:
    paths = sorted(history.disk.shown()) if history.disk.mounted else []
    if history.at_hand in paths and chance.random() < 0.6:  # the very file that is being worked on
        return history.at_hand
    return chance.choice(paths) if paths else None


def edit(history: TreeHistory, chance: Chance) -> str | None:
    """Edits a file, in its place or as editors do with a new file of that name."""
    path = _file(history, chance)
    if path is None:
        return None
    size = len(history.disk.names[path].data) if chance.random() < 0.5 else None
    history.write_by_hand(path, history.content("edit", chance, size), in_place=chance.random() < 0.5)
    return path


def delete(history: TreeHistory, chance: Chance) -> str | None:
    """Deletes a file."""
    if (path := _file(history, chance)) is not None:
        history.delete_by_hand(path)
    return path


def touch(history: TreeHistory, chance: Chance) -> str | None:
    """Gives a file another time."""
    if (path := _file(history, chance)) is not None:
        inode = history.disk.names[path]
        data, flushed, ours = inode.data, inode.flushed, inode.ours
        history.disk.write(path, data, in_place=True, mtime_ns=history.clock.wall_ns - chance.randrange(10**12))
        inode.flushed, inode.ours = flushed, ours
        history.person_wrote[path] = history.clock.ms
    return path


def add_beside(history: TreeHistory, chance: Chance) -> str | None:
    """Puts a file of one's own somewhere into the tree."""
    path = _file(history, chance)
    if path is None:
        return None
    target = f"{path.rpartition('/')[0]}/mine{chance.randrange(3)}.txt"
    history.write_by_hand(target, history.content("mine", chance), in_place=True)
    return target


def add_result(history: TreeHistory, chance: Chance) -> str | None:
    """An analyst puts a result into the tree, or changes it; often several at once."""
    if not history.disk.mounted:
        return None
    path = result_path(history, chance, f"report{chance.randrange(2)}.txt")
    if path is not None:
        history.write_by_hand(path, history.content("result", chance), in_place=chance.random() < 0.5)
        more = history.faults.next("results")
        for name in ("report0.txt", "report1.txt", "table.txt") if more.random() < 0.6 else ():
            beside = f"{path.rpartition('/')[0]}/{name}"
            if beside not in history.disk.names and result_path(history, more, name) is not None:
                history.write_by_hand(beside, history.content("result", more), in_place=False)
    return path


def move_copy_away(history: TreeHistory, chance: Chance) -> str | None:
    """Takes a conflict copy out of the tree, or renames it."""
    copies = [path for path in sorted(history.disk.shown()) if ".xnatsync-conflict-" in path]
    if not copies or not history.disk.mounted:
        return None
    path = chance.choice(copies)
    if chance.random() < 0.5:
        history.delete_by_hand(path)
    else:
        target = path.partition(".xnatsync-conflict-")[0] + ".old"
        if target in history.disk.names:
            history.delete_by_hand(target)
        history.disk.move(path, target)
        history.person_wrote[path] = history.person_wrote[target] = history.clock.ms
    return path


def unmount(history: TreeHistory, chance: Chance) -> str | None:
    """The tree's disk goes, and comes back some time later."""
    if not history.disk.mounted or not history.disk.names:
        return None
    history.disk.mounted = False
    history.disk.leaves_mount_point = chance.random() < 0.6
    history.at(chance.randrange(*AWAY_MS), history.mount)
    return "leaves an empty mount point" if history.disk.leaves_mount_point else "nothing is left"


def take_own_folder(history: TreeHistory, chance: Chance) -> str | None:
    """Takes .xnatsync away, and brings it back later."""
    disk = history.disk
    own = [path for path in disk.names if path.startswith(f"{OWN_FOLDER}/")]
    if not own or disk.own_away is not None or not disk.mounted:
        return None
    disk.own_away = {path: disk.names.pop(path) for path in own}
    disk.unsynced.clear()
    history.at(chance.randrange(*AWAY_MS), history.bring_back)
    return "gone"


def empty_trash(history: TreeHistory, chance: Chance) -> str | None:
    """Empties the trash by hand."""
    trash = [path for path in history.disk.names if path.startswith(TRASH)]
    for path in trash if history.disk.mounted else ():
        history.delete_by_hand(path)
    return f"{len(trash)} files"


# --- on the server -----------------------------------------------------------------------------------------------


def _resource(history: TreeHistory, chance: Chance) -> tuple[Place, Resource] | None:
    found = [
        (history.server.place(one, scan), resource)
        for one, _ in history.server.owners()
        for _, resource, scan in history.server.resources_of(one)
    ]
    return chance.choice(found) if found else None


def replace_there(history: TreeHistory, chance: Chance) -> str | None:
    """Replaces a file on the server, often by one of equal size."""
    found = _resource(history, chance)
    if found is None or not found[1].entries:
        return None
    place, resource = found
    name = chance.choice(sorted(resource.entries))
    size = resource.entries[name].size if chance.random() < 0.4 else None
    try:
        history.server.people_store(place, resource.label, name, history.content("server", chance, size))
    except ModelError as error:
        return f"refused: {error.message}"
    return f"{resource.folder}/{name}"


def add_there(history: TreeHistory, chance: Chance) -> str | None:
    """Adds a file to a resource on the server."""
    if (found := _resource(history, chance)) is None:
        return None
    place, resource = found
    name = chance.choice(("new.nii", "deep/new.nii", "empty.txt"))
    data = b"" if name == "empty.txt" else history.content("server", chance)
    history.server.people_store(place, resource.label, name, data)
    return f"{resource.folder}/{name}"


def add_result_there(history: TreeHistory, chance: Chance) -> str | None:
    """Somebody else puts a result of the same name there."""
    sessions = [one for one, _ in history.server.owners() if isinstance(one, Experiment)]
    if not sessions:
        return None
    session = chance.choice(sessions)
    name = f"report{chance.randrange(2)}.txt"
    history.server.people_store(history.server.place(session), "QC", name, history.content("server", chance))
    return f"{session.label} {name}"


def delete_there(history: TreeHistory, chance: Chance) -> str | None:
    """Deletes a file on the server."""
    found = _resource(history, chance)
    if found is None or not found[1].entries:
        return None
    place, resource = found
    name = chance.choice(sorted(resource.entries))
    history.server.people_delete(place, resource, name)
    return f"{resource.folder}/{name}"


def delete_resource(history: TreeHistory, chance: Chance) -> str | None:
    """Deletes a resource on the server."""
    if (found := _resource(history, chance)) is None:
        return None
    place, resource = found
    for name in resource.entries:
        history.server.changed[history.server.key_of(place, resource.label, name)] = history.clock.ms
    resources.delete_resource(history.server.site, place, resource)
    return resource.folder


def add_scan(history: TreeHistory, chance: Chance) -> str | None:
    """A session gets another scan."""
    sessions = [one for one, _ in history.server.owners() if isinstance(one, Experiment) and len(one.scans) < 3]
    if not sessions:
        return None
    session = chance.choice(sessions)
    number = next(str(n) for n in range(1, 9) if str(n) not in session.scans)
    scan = history.server.scan(session, number)
    history.server.people_store(
        history.server.place(session, scan), "NIFTI", "1.nii", history.content("server", chance)
    )
    return f"{session.label} {number}"


def delete_scan(history: TreeHistory, chance: Chance) -> str | None:
    """A scan is deleted with everything in it."""
    sessions = [one for one, _ in history.server.owners() if isinstance(one, Experiment) and one.scans]
    if not sessions:
        return None
    session = chance.choice(sessions)
    scan = session.scans[chance.choice(sorted(session.scans))]
    history.owners_moved_ms = history.clock.ms
    deletion.delete_scan(history.server.site, session, scan)
    return f"{session.label} {scan.id}"


def add_session(history: TreeHistory, chance: Chance) -> str | None:
    """A subject gets another session."""
    subjects = [one for one, _ in history.server.owners() if isinstance(one, Subject) and one.project == PROJECT]
    if not subjects or len(history.server.site.experiments) > 4:
        return None
    subject = chance.choice(subjects)
    try:
        session = history.server.session(subject, f"{SECRET}_CT{chance.randrange(9)}")
    except ModelError:
        return None
    history.server.people_store(history.server.place(session), "NOTES", "note.txt", history.content("server", chance))
    return session.label


def delete_session(history: TreeHistory, chance: Chance) -> str | None:
    """A session is deleted."""
    sessions = [one for one, _ in history.server.owners() if isinstance(one, Experiment)]
    if not sessions:
        return None
    session = chance.choice(sessions)
    history.owners_moved_ms = history.clock.ms
    deletion.delete_experiment(history.server.site, session, remove_files=True)
    return session.label


def rename(history: TreeHistory, chance: Chance) -> str | None:
    """A session or a subject gets another label."""
    items = [one for one, _ in history.server.owners() if isinstance(one, Experiment | Subject)]
    if not items:
        return None
    item = chance.choice(items)
    label = f"{SECRET}_{'R' if isinstance(item, Experiment) else 'T'}{chance.randrange(6)}"
    history.owners_moved_ms = history.clock.ms
    try:
        sharing.rename(history.server.site, item, label, project_id=PROJECT)
    except ModelError as error:
        return f"refused: {error.message}"
    return label


def share(history: TreeHistory, chance: Chance) -> str | None:
    """A session of another project is shared into this one, or no longer."""
    site = history.server.site
    sessions = [site.experiments[key] for key in sorted(site.experiments) if site.experiments[key].project == OTHER]
    if not sessions:
        return None
    session = chance.choice(sessions)
    history.owners_moved_ms = history.clock.ms
    if PROJECT in session.shares:
        deletion.unshare(site, session, PROJECT)
        return "no longer"
    try:
        sharing.share(site, session, PROJECT, f"{SECRET}_SHARED")
    except ModelError as error:
        return f"refused: {error.message}"
    history.server.born[session.id] = history.clock.ms
    return "shared"


def change_password(history: TreeHistory, chance: Chance) -> str | None:
    """An administrator sets another password; the configuration follows later."""
    history.server.password = f"pass{chance.randrange(10)}"
    history.at(chance.randrange(*AWAY_MS), history.configure_password)
    return None


def change_policy(history: TreeHistory, chance: Chance) -> str | None:
    """Somebody changes the mirror's policy; the next process reads it."""
    policy = "add" if history.configured.policy == "replica" else "replica"
    history.configured = replace(history.configured, policy=policy)
    return policy


def finish(history: TreeHistory, chance: Chance) -> str | None:
    """The server gets round to what it has taken."""
    for one in history.server.pending:
        one.due_ms = history.clock.ms
    history.server.tick()
    return None


ACTS: tuple[Act, ...] = (
    edit, edit, edit, delete, delete, touch, add_beside, add_result, add_result, add_result, move_copy_away, unmount,
    take_own_folder, empty_trash, replace_there, replace_there, replace_there, add_there, add_there, add_result_there,
    delete_there, delete_there, delete_resource, add_scan, delete_scan, add_session, delete_session, rename, rename,
    share, change_password, change_policy, finish,
)  # fmt: skip
ON_A_FILE: tuple[Act, ...] = (edit, edit, edit, delete, touch)  # of the tree; often that which is being worked on
