"""The project's script once more, on the files of an archived session whose names changed (import.md §2.9)."""

from __future__ import annotations

from typing import Final

from xnatsync.sandbox.model import anonymise, dicomstream, projectscript, received
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.dicomhead import STOP, NotDicomError
from xnatsync.sandbox.model.objects import Experiment, FileEntry, Resource
from xnatsync.sandbox.model.site import Site

_PART: Final = ".anonymised"


def names_changed(site: Site, session: Experiment) -> None:
    """Run the script of a session's project on its DICOM files, if there is one and the site wants that."""
    script = projectscript.script_of(site, session.project)
    if not script or not site.settings.flag("rerunProjectAnonOnRename"):
        return
    subject = site.subjects.get(session.subject)
    names = anonymise.Names(session.project, subject.label if subject is not None else "", session.label)
    try:
        for scan in session.scans.values():
            for resource in scan.resources.values():
                if resource.dicom:
                    for entry in resource.entries.values():
                        _rewrite(site, session.project, resource, entry, script, names)
    except (anonymise.ScriptError, anonymise.RejectedError) as error:
        raise ModelError(500, f"Anonymization failed: {error}") from error
    site.save(session)


def _rewrite(
    site: Site, project: str, resource: Resource, entry: FileEntry, script: str, names: anonymise.Names
) -> None:
    path = f"{resource.folder}/{entry.path}"
    try:
        opened = dicomstream.opened(received.chunks(site.store, path), max(STOP, anonymise.reach(script)))
    except (NotDicomError, FileNotFoundError):
        return
    opened, changes = anonymise.apply(script, opened, names, projectscript.script_number(site, project))
    size, digest = site.store.write(f"{path}{_PART}", opened.written(changes), digest=site.settings.flag("checksums"))
    site.store.delete(path)
    site.store.move(f"{path}{_PART}", path)
    entry.size, entry.digest = size, digest
