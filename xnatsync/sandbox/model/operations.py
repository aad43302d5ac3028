"""Operations on prearchive sessions, with their statuses and locks (import.md §2.2, §2.3)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

from xnatsync.sandbox.model import archiver, direct
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site

_LOG = logging.getLogger(__name__)


_LOCKED: Final = (409, "session document locked")
_TWICE: Final = (423, "Duplicate archive attempt. Prearchive session already archiving.")


@contextlib.contextmanager
def locked(site: Site, row: Row, operation: str, refusal: tuple[int, str] = _LOCKED) -> Iterator[None]:
    """Lock a row for an operation; a failure leaves CONFLICT (for a 409) or ERROR, and its reason in the log."""
    prearchive = site.prearchive
    with site.lock:
        if prearchive.rows.get(row.key) is not row:
            raise ModelError(404, f"{row.uri} not found.")
        if row.locked:
            raise ModelError(*refusal)
        prearchive.set_status(row, f"_{operation}")
    try:
        yield
    except ModelError as error:
        _failed(site, row, "CONFLICT" if error.status == 409 else "ERROR", error.message)
        raise
    except Exception as error:
        _LOG.debug("%s of %s failed", operation, row.uri, exc_info=True)
        _failed(site, row, "ERROR", str(error))
        raise ModelError(500, str(error)) from error


def _failed(site: Site, row: Row, status: str, message: str) -> None:
    site.prearchive.content(row).session = None
    if row.direct:
        direct.fall_back(site, row)
        site.prearchive.log(row, "Attempt to direct-archive failed")
    site.prearchive.log(row, message)
    site.prearchive.set_status(row, status)


def build(site: Site, row: Row, *, together: bool = False) -> bool:
    """Build a session; say whether it is READY: not when the row is locked or new files came meanwhile."""
    prearchive = site.prearchive
    with site.lock:
        if row.locked or prearchive.rows.get(row.key) is not row:
            return False
    with locked(site, row, "BUILDING"):
        content = prearchive.content(row)
        content.session = None
        if not content.objects:
            raise ModelError(500, "The session has no files.")
        session = archiver.built_session(site, row, together=together)
    with site.lock:
        if row.status == "RECEIVING_INTERRUPT":
            prearchive.set_status(row, "RECEIVING")
            return False
        row.built = True
        row.subject = row.subject or session.fields.get("dcmPatientName", "")
        prearchive.set_status(row, "READY")
        return True


def archive(site: Site, row: Row, request: archiver.Request) -> Experiment:
    """Archive a session; the row is gone when this returns, or it is in CONFLICT or ERROR when this raises."""
    with locked(site, row, "ARCHIVING", _TWICE):
        return archiver.archive(site, row, request)


def move(site: Site, row: Row, project: str) -> None:
    """Move a session to another project, with the same timestamp."""
    prearchive, store = site.prearchive, site.store
    with locked(site, row, "MOVING"):
        old_path, old_key = row.path, row.key
        with site.lock:
            if prearchive.find(project, row.timestamp, row.folder) not in {None, row}:
                raise ModelError(409, f"{row.timestamp}/{row.folder} is taken in {project}.")
            prearchive.content(row)
            site.forget(row)
            row.project = project
            prearchive.moved(row, old_key)
            prearchive.content(row).session = None
        if store.exists(old_path):
            store.move(old_path, row.path)
    prearchive.set_status(row, "READY" if row.built else "RECEIVING")


def delete(site: Site, row: Row) -> None:
    """Delete a session with all its files."""
    with locked(site, row, "DELETING"):
        site.store.delete(row.path)
        site.prearchive.remove(row)


def auto_archives(site: Site, row: Row, asked: bool) -> bool:
    """Decide whether a built session goes on to the archive by itself (import.md §2.3, commit details)."""
    if row.autoarchive.startswith("Auto") or asked:
        return True
    project = site.projects.get(row.project)
    return not row.autoarchive and project is not None and project.prearchive_code >= 4


def reset(site: Site, row: Row) -> None:
    """Set the status a session's files imply, whatever it was (`action=reset-status`)."""
    with site.lock:
        content = site.prearchive.content(row)
        status = "READY" if row.built else "RECEIVING"
        site.prearchive.set_status(row, status if content.objects else "ERROR")
