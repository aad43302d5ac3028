"""Bringing a built session into the archive: conflicts, renamed scans, files, fields (import.md §2.5, §2.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from xnatsync.sandbox.model.builder import count_up
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import scan_resource_folder
from xnatsync.sandbox.model.objects import Experiment, FileEntry, Resource, Scan
from xnatsync.sandbox.model.scantypes import merge_code
from xnatsync.sandbox.model.site import Site


@dataclass(slots=True)
class Rules:
    """What an archive request allows (import.md §1.3, §2.5)."""

    override: bool = False  # a UID clash, a scan under another number are accepted
    merge: bool = True  # an existing session may be added to
    overwrite_files: bool = False  # duplicates are replaced


@dataclass(slots=True)
class Problem:
    """One finding of a validation; codes as in import.md §2.5."""

    code: int
    kind: str  # WARN | FAIL | CONFLICT
    message: str


@dataclass(slots=True)
class Duplicates:
    """Files of the new session that the archived one has already: by scan, resource and path."""

    files: list[tuple[str, str, str]] = field(default_factory=list)
    objects: int = 0  # how many of them are the same SOP instance


def check(site: Site, session: Experiment, existing: Experiment, subject: str, rules: Rules) -> None:
    """Raise the first conflict between a session and the one that has its label (import.md §2.6)."""
    if not rules.merge:
        raise ModelError(409, "Session already exists, retry with overwrite enabled")
    if existing.project != session.project:
        raise ModelError(409, "Conflict: Duplicate experiment label")
    if existing.subject != subject:
        clash = f"{existing.label} Already Exists for another Subject"
        raise ModelError(409, f"Invalid modification of session subject via archive process.: {clash}")
    if existing.xsi_type != session.xsi_type and site.settings.flag("preventCrossModalityMerge"):
        raise ModelError(
            409,
            "Invalid modification of session modality via archive process. "
            f"Session {existing.label} is of type {existing.xsi_type}, not {session.xsi_type}.",
        )
    ours, theirs = session.fields.get("UID", ""), existing.fields.get("UID", "")
    if ours and theirs and ours != theirs and not rules.override:
        raise ModelError(
            409, f"Invalid modification of session UID via archive process. Study UID {theirs} is not {ours}."
        )
    for scan in session.scans.values():
        other = scan_with_uid(existing, scan)
        if other is not None and other.id != scan.id and not rules.override:
            raise ModelError(
                409, f"Session already contains a scan with the same UID, but a different number ({other.id})."
            )
    if not rules.override and not rules.overwrite_files and duplicates(session, existing).files:
        raise ModelError(409, "Session already exists with matching files.")


def scan_with_uid(existing: Experiment, scan: Scan) -> Scan | None:
    """Find the archived scan of the same series."""
    uid = scan.fields.get("UID", "")
    return next((other for other in existing.scans.values() if uid and other.fields.get("UID", "") == uid), None)


def duplicates(session: Experiment, existing: Experiment) -> Duplicates:
    """Find the files that are there already, by path or by SOP Instance UID."""
    found = Duplicates()
    for scan in session.scans.values():
        other = target_scan(existing, scan)
        if other is None:
            continue
        for label, resource in scan.resources.items():
            theirs = other.resources.get(label)
            if theirs is None:
                continue
            uids = {entry.uid for entry in theirs.entries.values() if entry.uid}
            for entry in resource.entries.values():
                if entry.path in theirs.entries or entry.uid in uids:
                    found.files.append((scan.id, label, entry.path))
                    found.objects += entry.uid in uids
    return found


def target_scan(existing: Experiment, scan: Scan) -> Scan | None:
    """Return the archived scan a new one is merged into: the same number, and no other series."""
    other = existing.scans.get(scan.id)
    if other is None:
        return None
    ours, theirs = scan.fields.get("UID", ""), other.fields.get("UID", "")
    return other if not ours or not theirs or ours == theirs else None


def rename_clashing_scans(session: Experiment, existing: Experiment) -> None:
    """Rename new scans whose number belongs to another series: `{n}-{MOD}{k}` (import.md §4.5)."""
    for scan in list(session.scans.values()):
        if scan.id not in existing.scans or target_scan(existing, scan) is not None:
            continue
        known = scan_with_uid(existing, scan)
        if known is not None:  # merged once before under the number it got then
            session.scans.pop(scan.id)
            scan.id = known.id
            session.scans[scan.id] = scan
            continue
        number, taken = 1, {*existing.scans, *session.scans}
        while (new := f"{scan.id}-{merge_code(scan.xsi_type)}{number}") in taken:
            number += 1
        session.scans.pop(scan.id)
        scan.id = new
        session.scans[new] = scan


def transfer(site: Site, session: Experiment, target: Experiment, user: str) -> None:
    """Move the files to the archive and enters scans, resources and files into the target; what it has stays."""
    for scan in session.scans.values():
        archived = target_scan(target, scan)
        if archived is None:
            archived = Scan(site.next_key(), scan.id, scan.xsi_type, site.stamp(user), dict(scan.fields))
        else:
            archived.fields = {**scan.fields, **{name: value for name, value in archived.fields.items() if value}}
        for resource in scan.resources.values():
            _transfer_resource(site, target, archived, resource, user)
        with site.lock:
            target.scans[archived.id] = archived


def _transfer_resource(site: Site, target: Experiment, scan: Scan, resource: Resource, user: str) -> None:
    store, now = site.store, site.now_text()
    known = scan.resources.get(resource.label)
    folder = known.folder if known is not None else scan_resource_folder(target, scan, resource.label)
    if resource.folder != folder:
        if known is None and not store.exists(folder):
            store.move(resource.folder, folder)
        else:
            _move_files(site, resource, known, folder)
    for entry in resource.entries.values():
        entry.created_by, entry.created_time = user, now
    if known is None:
        resource.id, resource.folder = site.next_key(), folder
        with site.lock:
            scan.resources[resource.label] = resource
        return
    with site.lock:
        known.entries.update(resource.entries)
        known.version += 1
        count_up(known)


def _move_files(site: Site, resource: Resource, known: Resource | None, folder: str) -> None:
    store = site.store
    by_uid = {entry.uid: entry for entry in known.entries.values() if entry.uid} if known is not None else {}
    for entry in resource.entries.values():
        replaced = by_uid.get(entry.uid)
        if known is not None and replaced is not None and replaced.path != entry.path:
            _drop(site, known, replaced)
        store.delete(f"{folder}/{entry.path}")
        store.move(f"{resource.folder}/{entry.path}", f"{folder}/{entry.path}")


def _drop(site: Site, resource: Resource, entry: FileEntry) -> None:
    site.store.delete(f"{resource.folder}/{entry.path}")
    with site.lock:
        resource.entries.pop(entry.path, None)


def validate(site: Site, session: Experiment, existing: Experiment | None, subject: str) -> list[Problem]:
    """Say what archiving would meet, without doing anything (`/data/services/validate-archive`, import.md §2.5)."""
    if existing is None:
        return []
    problems = [Problem(1, "WARN", "Session already exists.")]
    if existing.subject != subject:
        problems.append(Problem(4, "FAIL", f"{existing.label} already exists for another subject."))
    ours, theirs = session.fields.get("UID", ""), existing.fields.get("UID", "")
    if ours and theirs and ours != theirs:
        problems.append(Problem(5, "CONFLICT", "Session already exists with a different study instance UID."))
    if existing.xsi_type != session.xsi_type:
        refused = site.settings.flag("preventCrossModalityMerge")
        problems.append(
            Problem(19, "FAIL" if refused else "CONFLICT", "Session already exists with a different modality.")
        )
    for scan in session.scans.values():
        problems += _scan_problems(scan, existing)
    found = duplicates(session, existing)
    if found.objects:
        problems.append(
            Problem(22, "CONFLICT", f"{found.objects} files with SOP instance UIDs that are archived already.")
        )
    return problems


def _scan_problems(scan: Scan, existing: Experiment) -> list[Problem]:
    number = existing.scans.get(scan.id)
    same = scan_with_uid(existing, scan)
    if same is not None and same.id == scan.id:
        return [Problem(16, "CONFLICT", f"Session already contains scan {scan.id} with the same UID and number.")]
    if same is not None and not re.fullmatch(rf"{re.escape(scan.id)}-[A-Z]{{2}}\d+", same.id):
        return [
            Problem(
                18,
                "CONFLICT",
                f"Session already contains a scan ({same.id}) with the same UID, but a different number.",
            )
        ]
    if number is not None and target_scan(existing, scan) is None:
        return [
            Problem(17, "WARN", f"Session already contains a scan {scan.id} with a different UID.  It will be renamed.")
        ]
    return []
