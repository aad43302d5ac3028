"""Direct archive: sessions whose files go straight to the archive folder while they arrive (import.md §3)."""

from __future__ import annotations

from xnatsync.sandbox.model.hierarchy import experiment_labelled, session_folder
from xnatsync.sandbox.model.naming import archive_label
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site


def receiving_directly(site: Site, project: str, study: str, name: str) -> Row | None:
    """Find the direct-archive session that still takes files; later ones go to the prearchive as a second session."""
    for row in site.prearchive.directly():
        if (row.project, row.tag, row.name, row.status) == (project, study, name, "RECEIVING"):
            return row
    return None


def make_direct(site: Site, row: Row) -> None:
    """Turn a new row into one of the direct archive, unless a folder or session of that label is there already."""
    label = archive_label(row.name)
    folder = session_folder(row.project, label)
    taken = any(other.direct == folder for other in site.prearchive.directly())
    if taken or site.store.exists(folder) or experiment_labelled(site, row.project, label) is not None:
        return
    row.direct, row.id = folder, site.next_key()


def fall_back(site: Site, row: Row) -> None:
    """Move a direct-archive session that failed to the prearchive."""
    store, prearchive = site.store, site.prearchive
    source = row.direct
    with site.lock:
        row.direct = ""
        prearchive.save(row)
    for path, _ in store.list(source):
        store.move(f"{source}/{path}", f"{row.path}/{path}")
    store.delete(source)


def described(row: Row) -> dict[str, object]:
    """Return a direct-archive session as its API shows it."""
    return {
        "id": row.id,
        "project": row.project,
        "tag": row.tag,
        "name": row.name,
        "folderName": row.folder,
        "subject": row.subject,
        "status": row.status.removeprefix("_"),
        "timestamp": row.timestamp,
        "lastmod": row.lastmod,
        "uploaded": row.uploaded,
        "url": row.uri,
        "location": row.direct,
        "source": row.source,
        "visit": row.visit,
        "protocol": row.protocol,
        "autoArchive": row.autoarchive,
        "preventAnon": row.prevent_anon,
    }
