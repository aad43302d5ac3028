"""Names that are not plain, and layouts that are not the default: what histories draw of them, and who mends it.

Servers hold names that lead out of a tree, that move the cursor, that are ours, or that differ from another in case
alone; people write such names into the tree.  Only some histories have them: in the others nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.faults import Chance
from sim.tree_server import PERSON, PROJECT, SECRET, Held
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.layout import Layout
from xnatsync.core.paths import HostileName, clashes, folded
from xnatsync.core.selection import Tier
from xnatsync.sandbox.model import resources, sharing
from xnatsync.sandbox.model.creation import ModelError, create_scan
from xnatsync.sandbox.model.hierarchy import label_in
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Subject

if TYPE_CHECKING:
    from sim.tree_world import TreeHistory

LAYOUTS: tuple[Mapping[Tier, str], ...] = (
    {},
    {
        "scan": "{project}/sub-{subject}/ses-{session}/scan-{scan}/{resource}/{path}",
        "session": "{project}/sub-{subject}/ses-{session}/own/{resource}/{path}",
        "subject": "{project}/sub-{subject}/about/{resource}/{path}",
        "project": "{project}/about/{resource}/{path}",
    },
    {  # by what identifies a session: no folder follows a label; and a folder that tells what identifies nothing
        "scan": "{project}/{session_id}/scans/{scan}/{scan_type}/{resource}/{path}",
        "session": "{project}/{session_id}/resources/{resource}/{path}",
        "subject": "{project}/subjects/{subject}/{resource}/{path}",
    },
    {  # owners share folders, so no owner has one of its own, nor metadata
        "scan": "{resource}/{project}/scans/{subject}/{session}/{scan}/{path}",
        "session": "{resource}/{project}/sessions/{subject}/{session}/{path}",
        "subject": "{resource}/{project}/subjects/{subject}/{path}",
        "project": "{resource}/{project}/itself/{path}",
    },
)
NAMES = (
    "NEW.nii", "New.nii", "Deep/other.nii", "deep", "0.NII", "\u00e9.nii", "e\u0301.nii", "two words.nii", ".hidden",
    "0.nii.xnatsync-conflict-0123456789abcdef", "session.xml", "con.txt", "star*", "a%41.nii",
    "../../evil.nii", "..", "/etc/evil", "a/../evil", "a\\evil", "bell\a.nii", "turn\u202efdp.nii", "x" * 300,
)  # fmt: skip
LABELS = (
    "..", "a/b", "a\\b", "bell\a", "session.xml", ".xnatsync", f"{SECRET.lower()}1", f"{SECRET.upper()}1_MR",
    f"{SECRET}1_mr", f"{SECRET.lower()}_r1", "two words", "r\u00e9sum\u00e9", "files",
)  # fmt: skip
RESOURCES = ("nifti", "Nifti", "qc", "..", "a/b", "two words", "2024", ".xnatsync", "files")
SCANS = ("1-X", "01", "A", "a", "..", "b/c", "two words", "T1")
RESULTS = ("Report0.txt", "two words.txt", "\u00fc.txt", "star*", "my_catalog.xml", "a%41.txt", "bell\a.txt", "deep/x")


# --- on the server -----------------------------------------------------------------------------------------------


def _resources(history: TreeHistory) -> list[tuple[Held, Scan | None, Resource]]:
    server = history.server
    return [(one, scan, resource) for one, _ in server.owners() for _, resource, scan in server.resources_of(one)]


def odd_file_there(history: TreeHistory, chance: Chance) -> str | None:
    """A file gets on the server under a name that is not plain, as a pipeline may write it there."""
    found = _resources(history)
    if not found:
        return None
    one, scan, resource = chance.choice(found)
    name = chance.choice(NAMES)
    if not history.server.site.store.exists(f"{resource.folder}/{name}"):
        data = history.content("server", chance)
        place = history.server.place(one, scan)
        history.server.people_store(place, resource.label, "in the making", data)
        entry = resource.entries.pop("in the making")
        entry.path = name
        resource.entries[name] = entry
        history.server.site.store.move(f"{resource.folder}/in the making", f"{resource.folder}/{name}")
        history.server.changed[history.server.key_of(place, resource.label, name)] = history.clock.ms
    return f"{resource.folder} {name!r}"


def odd_label_there(history: TreeHistory, chance: Chance) -> str | None:
    """A session or a subject is called as another one in capitals, or as nothing should be called."""
    items = [one for one, _ in history.server.owners() if isinstance(one, Experiment | Subject)]
    if not items:
        return None
    item, like = chance.choice(items), chance.choice(items)
    alike = like is not item and type(like) is type(item)
    return _relabel(history, item, like.label.swapcase() if alike else chance.choice(LABELS))


def _relabel(history: TreeHistory, item: Experiment | Subject, label: str) -> str:
    history.owners_moved_ms = history.clock.ms
    try:
        sharing.rename(history.server.site, item, label, project_id=PROJECT)
    except ModelError as error:
        return f"refused: {error.message}"
    return repr(label)


def odd_resource_there(history: TreeHistory, chance: Chance) -> str | None:
    """A resource is made whose label is not plain."""
    items = [one for one, _ in history.server.owners()]
    one = chance.choice(items)
    scans = [None, *(one.scans[key] for key in sorted(one.scans))] if isinstance(one, Experiment) else [None]
    label, scan = chance.choice(RESOURCES), chance.choice(scans)
    place, data = history.server.place(one, scan), history.content("server", chance)
    if label not in place.resources:
        before = f"in the making {history.contents}"
        history.server.people_store(place, before, "x.txt", data)
        made = place.resources[label] = place.resources.pop(before)
        made.label = label
    return repr(label)


def odd_scan_there(history: TreeHistory, chance: Chance) -> str | None:
    """A scan is made whose ID is not plain."""
    sessions = [one for one, _ in history.server.owners() if isinstance(one, Experiment) and len(one.scans) < 4]
    if not sessions:
        return None
    session, number = chance.choice(sessions), chance.choice(SCANS)
    if number not in session.scans:
        scan = create_scan(history.server.site, session, number, "xnat:mrScanData", PERSON)
        scan.fields.update({"type": chance.choice(("T1", "T1 / MPR", "..")), "quality": "usable"})
        place = history.server.place(session, scan)
        history.server.people_store(place, "NIFTI", "x.nii", history.content("server", chance))
    return repr(number)


# --- in the tree -------------------------------------------------------------------------------------------------


def odd_file_here(history: TreeHistory, chance: Chance) -> str | None:
    """Somebody writes a file whose name, or whose folder's name, differs from what is there in case alone."""
    paths = sorted(history.disk.shown()) if history.disk.mounted else []
    if not paths:
        return None
    parts = chance.choice(paths).split("/")
    at = chance.choice((len(parts) - 1, len(parts) - 1, chance.randrange(len(parts))))
    parts[at] = parts[at].swapcase()
    history.write_by_hand("/".join(parts), history.content("mine", chance), in_place=True)
    return "/".join(parts)


def odd_result_here(history: TreeHistory, chance: Chance) -> str | None:
    """An analyst puts a result into the tree under a name that XNAT, or nobody, can take."""
    if not history.disk.mounted:
        return None
    path = result_path(history, chance, "result")
    if path is not None:
        path = path.removesuffix("result") + chance.choice(RESULTS)
        history.write_by_hand(path, history.content("result", chance), in_place=True)
    return path


def result_path(history: TreeHistory, chance: Chance, name: str) -> str | None:
    """Where a result of a session, or of its first scan, lies in this history's layout; rarely that of no session."""
    owners = [one for one in history.shown() if one.kind is OwnerKind.SESSION]
    owner = Owner(OwnerKind.SESSION, PROJECT, "XNAT_E99999", subject="NOPE", subject_id="X", session="NOPE")
    if owners and chance.random() < 0.95:
        owner = chance.choice(owners)
    key = ResourceKey(chance.choice(("", "", "1")), "QC")
    try:
        return history.mirror.layout.path(owner, key, name, scan_type="T1")
    except HostileName:
        return None


ODD_ACTS = (
    odd_file_there, odd_file_there, odd_file_there, odd_label_there, odd_label_there, odd_resource_there,
    odd_scan_there, odd_file_here, odd_file_here, odd_result_here,
)  # fmt: skip


# --- what the advice says ----------------------------------------------------------------------------------------


def tame(history: TreeHistory) -> bool:
    """Renames or removes on the server what no tree can hold, or not beside another; False when there is nothing."""
    server, layout = history.server, history.mirror.layout
    acted = False
    for one, _ in server.owners():
        if isinstance(one, Project):
            continue
        label = label_in(one, PROJECT) or ""
        others = {
            folded(label_in(other, PROJECT) or "") for other, _ in server.owners()
            if other is not one and not isinstance(other, Project) and type(other) is type(one)
        }  # fmt: skip
        if folded(label) in others or not _is_tame(layout, label):
            history.faults.counts["tamed"] += 1
            _relabel(history, one, f"{SECRET}_tame{history.faults.counts['tamed']}")
            acted = True
    owners = history.shown()
    taken: set[str] = set()
    for owner in owners:
        one = server.held(owner.kind.value, owner.id)
        assert one is not None
        for key, resource, scan in list(server.resources_of(one)):
            place = server.place(one, scan)
            for name in sorted(resource.entries):
                try:
                    path = layout.path(owner, key, name, scan_type=scan.fields.get("type", "") if scan else "")
                except HostileName:
                    path = ""
                if path and not clashes([*taken, path]):
                    taken.add(path)
                    continue
                server.people_delete(place, resource, name)
                acted = True
            if not (_is_tame(layout, key.label) and _is_tame(layout, key.scan or "1")):
                resources.delete_resource(server.site, place, resource)
                acted = True
    return acted


def call_otherwise(history: TreeHistory, part: str) -> bool:
    """Gives another label to whom a folder names: where a label changed in case alone, no folder can follow."""
    acted = False
    for one, _ in history.server.owners():
        label = None if isinstance(one, Project) else label_in(one, PROJECT)
        if label and not isinstance(one, Project) and label in part:
            history.faults.counts["tamed"] += 1
            _relabel(history, one, f"{SECRET}_tame{history.faults.counts['tamed']}")
            acted = True
    return acted


def _is_tame(layout: Layout, label: str) -> bool:
    owner = Owner(OwnerKind.PROJECT, label, label)
    try:
        layout.path(owner, ResourceKey("", "X"), "x")
    except HostileName:
        return False
    return True
