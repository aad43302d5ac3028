"""The handler SI: one session per request, as a whole, with real conflicts (import.md §1.8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xnatsync.sandbox.model import importing, operations, unpack
from xnatsync.sandbox.model.archiver import Request
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.importer import Importer
from xnatsync.sandbox.model.importing import Order
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.routing import find_project
from xnatsync.sandbox.model.site import Site

_AUTOMATIC: Final = 4


def import_session(site: Site, order: Order, name: str, chunks: Iterable[bytes]) -> list[str]:
    """Import one session; what is no DICOM is skipped, nothing stays when the request fails before the archive."""
    params = importing.with_aliases(order.params)
    if params.get("PROJECT_ID"):
        project = find_project(site, params["PROJECT_ID"])
        if project is None or not site.can(order.user, project.id, "create"):
            raise ModelError(
                403, f"No project named {params['PROJECT_ID']}" if project is None else "Invalid permissions."
            )
    own = {**params, "prevent_auto_commit": "true", "SOURCE": "SessionImporter"}
    importer = Importer(site, order.user, own, joins=False, scripted=order.to_archive is not False)
    try:
        _receive_all(importer, name, chunks)
    except BaseException:
        for row in importer.rows.values():
            operations.delete(site, row)
        raise
    row = next(iter(importer.rows.values()))
    operations.build(site, row)
    if not _wants_archive(site, order, row):
        return [row.uri]
    return [_archived(site, order, row)]


def _receive_all(importer: Importer, name: str, chunks: Iterable[bytes]) -> None:
    try:
        for member in unpack.members(name, chunks):
            try:
                importer.receive(member.name, member.content)
            except ModelError as error:
                if "Concurrent" in error.message:
                    raise
            if len(importer.rows) > 1:
                raise ModelError(400, "Upload included files for multiple imaging sessions.")
    except (unpack.FormatError, unpack.BrokenArchiveError) as error:
        raise ModelError(400, str(error)) from error
    if not importer.rows:
        raise ModelError(400, "Upload did not include parsable files for session generation.")


def _wants_archive(site: Site, order: Order, row: Row) -> bool:
    """Follow the project's code where the request names no destination (T:`TestDicomRouting`)."""
    if order.to_archive is not None:
        return order.to_archive
    project = site.projects.get(row.project)
    return project is not None and project.prearchive_code >= _AUTOMATIC


def _archived(site: Site, order: Order, row: Row) -> str:
    request = Request(order.user, order.rules, importing.overrides(order.params), order.flag("quarantine"))
    return importing.archived_uri(site, operations.archive(site, row, request))
