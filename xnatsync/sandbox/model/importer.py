"""Receiving DICOM objects one by one: what the handlers gradual-DICOM and DICOM-zip share (import.md §1, §9)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from xnatsync.sandbox.model import (
    anonymise,
    dicomstream,
    naming,
    projectscript,
    received,
    routingrules,
    scanfields,
    seriesfilter,
)
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.dicomhead import STOP, Head, NotDicomError
from xnatsync.sandbox.model.dicomrewrite import Changes
from xnatsync.sandbox.model.direct import make_direct, receiving_directly
from xnatsync.sandbox.model.prearchive import Row, new_row
from xnatsync.sandbox.model.received import Content, Seen
from xnatsync.sandbox.model.routing import Route, route
from xnatsync.sandbox.model.site import Site

_LOG = logging.getLogger(__name__)
_CODES: Final = {0: "Manual", 4: "AutoArchive", 5: "AutoArchiveOverwrite"}


@dataclass(slots=True)
class Importer:
    """One import request; `params` are XNAT's names (PROJECT_ID, SUBJECT_ID, EXPT_LABEL, ...)."""

    site: Site
    user: User
    params: Mapping[str, str]
    joins: bool = True  # an upload goes on in the row its study and label already have
    scripted: bool = True  # the site's script runs at receipt
    rows: dict[str, Row] = field(default_factory=dict)  # by URI, in the order of their first object
    _seen: dict[tuple[str, str, str], Row] = field(default_factory=dict)

    def receive(self, name: str, chunks: Iterable[bytes]) -> Row | None:
        """Store one object; return its row, None when a filter or script did not want it.

        Raises ModelError(400) for what cannot be stored; whatever came before stays (import.md §1.6).
        """
        try:
            return self._receive(name, chunks)
        except (ModelError, ConnectionError, TimeoutError):
            raise
        except NotDicomError as error:
            raise ModelError(400, f"unable to read DICOM object {name}") from error
        except Exception as error:  # XNAT wraps any Throwable this way, a full disk included
            _LOG.debug("import of %s failed", name, exc_info=True)
            raise ModelError(400, f"unable to read DICOM object {name}: {error}") from error

    def _receive(self, name: str, chunks: Iterable[bytes]) -> Row | None:
        script = self._site_script()
        item = dicomstream.opened(chunks, max(STOP, _reach(script), routingrules.reach(self.site)))
        head = item.head
        if not head.text(0x00080016):
            raise ModelError(400, f"object {name} contains no SOP Class UID")
        if not head.text(0x00080018):
            raise ModelError(400, f"object {name} contains no SOP Instance UID")
        place = route(self.site, self.user, head, self.params)
        if not seriesfilter.wanted(self.site, place.project, head):
            return None
        row, new = self._row(head, place)
        try:
            stored = self._store(row, name, item, script)
        except BaseException:
            self._withdraw(row, new=new)
            raise
        if stored:
            self.rows.setdefault(row.uri, row)
            return row
        self._withdraw(row, new=new)
        return None

    def _site_script(self) -> str:
        settings = self.site.settings
        if not self.scripted or not settings.flag("enableSitewideAnonymizationScript") or self._flag("prevent_anon"):
            return ""
        return settings.text("sitewideAnonymizationScript") or anonymise.DEFAULT_SITE_SCRIPT

    # -- the row -------------------------------------------------------------------------------------------------------

    def _row(self, head: Head, place: Route) -> tuple[Row, bool]:
        """Find or makes the row of (project, study, label); an existing one is reused in every status (§1.9)."""
        prearchive = self.site.prearchive
        study = head.text(0x0020000D)
        identity = (place.project, study, place.session)
        with self.site.lock:
            row = self._seen.get(identity)
            if row is None or row.status != "RECEIVING" or prearchive.rows.get(row.key) is not row:
                row = self._known_row(place, study)
            new = row is None
            if row is None:
                row = prearchive.add(self._new_row(head, place, study))
            else:
                _reopened(row)
            prearchive.touch(row, stale_only=not new)
            self._seen[identity] = row
        prearchive.content(row)
        if new:
            self.site.documents.flush()  # the row is on disk before its first file: a crash forgets no sender's wish
        return row, new

    def _known_row(self, place: Route, study: str) -> Row | None:
        prearchive = self.site.prearchive
        stamp, folder = self._asked_place()
        if stamp:
            row = prearchive.find(place.project, stamp, folder)
            if row is not None and row.tag != study and self.joins:
                raise ModelError(
                    400, f"Study Instance UID {study} does not match that of the session {row.uri}: {row.tag}"
                )
            return row
        if self._direct(place):
            row = receiving_directly(self.site, place.project, study, place.session)
            if row is not None:
                return row
        return prearchive.by_identity(place.project, study, place.session) if self.joins else None

    def _new_row(self, head: Head, place: Route, study: str) -> Row:
        row = new_row(self.site.prearchive, place.project, place.session, place.subject, study)
        stamp, folder = self._asked_place()
        if stamp:
            row.timestamp, row.folder = stamp, folder
        elif self._direct(place):
            make_direct(self.site, row)
        return self._filled(row, head, place)

    def _asked_place(self) -> tuple[str, str]:
        stamp, folder = self.params.get("PREARC_TIMESTAMP", ""), self.params.get("PREARC_SESSION_FOLDER", "")
        return (stamp, folder) if stamp and folder else ("", "")

    def _direct(self, place: Route) -> bool:
        return bool(place.project) and self._flag("Direct-Archive")

    def _filled(self, row: Row, head: Head, place: Route) -> Row:
        scan_date = scanfields.date(head.text(0x00080020))
        row.scan_date = f"{scan_date} 00:00:00.0" if scan_date else ""
        row.scan_time = scanfields.time(head.text(0x00080030))
        project = self.site.projects.get(place.project)
        row.autoarchive = _CODES.get(project.prearchive_code, "") if project is not None else "Manual"
        if place.archive is not None:
            row.autoarchive = "AutoArchive" if place.archive else "Manual"
        row.prevent_anon = self._flag("prevent_anon")
        row.prevent_auto_commit = self._flag("prevent_auto_commit")
        row.source = self.params.get("SOURCE", "")
        row.visit, row.protocol = self.params.get("VISIT", ""), self.params.get("SUBTYPE", "")
        row.timezone = self.params.get("TIMEZONE", "")
        return row

    def _withdraw(self, row: Row, *, new: bool) -> None:
        """Take a new row back when its first object could not be stored."""
        content = self.site.prearchive.content(row)
        with self.site.lock:
            empty = not content.objects and not content.busy
            if new and empty:
                self.site.prearchive.remove(row)
        if new and empty:
            self.site.store.delete(row.path)

    # -- the file ------------------------------------------------------------------------------------------------------

    def _store(self, row: Row, name: str, item: dicomstream.Opened, script: str) -> bool:
        head, store = item.head, self.site.store
        content = self.site.prearchive.content(row)
        names = anonymise.Names(row.project or "Unassigned", row.subject, row.name)
        changes: Changes = {}
        try:
            if script:
                item, changes = anonymise.apply(script, item, names, projectscript.script_number(self.site, ""))
        except anonymise.RejectedError:
            return False
        except anonymise.ScriptError as error:
            raise ModelError(400, f"unable to read DICOM object {name}: anonymization failed: {error}") from error
        number, series = head.text(0x00200011), head.text(0x0020000E)
        folder = f"SCANS/{naming.receiving_folder(number, series)}/DICOM"
        chosen = self._claim(content, folder, name, head)
        path = f"{row.path}/{folder}/{chosen}"
        done = False
        try:
            size, digest = store.write(path, item.written(changes), digest=self.site.settings.flag("checksums"))
            done = True
        finally:
            with self.site.lock:
                content.busy.discard(f"{folder}/{chosen}")
                if done:
                    seen = Seen(item.head, changes)
                    content.note(received.received(seen, folder, chosen, size, digest), seen)
            if not done:
                store.delete(path)
                with self.site.lock:
                    content.objects.pop(f"{folder}/{chosen}", None)
        if row.key not in self.site.prearchive.rows:
            store.delete(row.path)  # archived or deleted meanwhile: the directory was doomed (import.md §1.9)
        return True

    def _claim(self, content: Content, folder: str, sent: str, head: Head) -> str:
        """Choose the file's name and locks it (import.md §4.6)."""
        name = naming.file_name(sent)
        if self._flag("rename") or not name.strip("."):
            name = naming.template_name(head)
        with self.site.lock:
            known = content.objects.get(f"{folder}/{name}")
            same = (head.text(0x00080018), head.text(0x00080016))
            if known is not None and (known.sop_uid, known.sop_class) != same:
                name = naming.template_name(head)
            path = f"{folder}/{name}"
            if path in content.busy:
                raise ModelError(400, "Concurrent file sends of the same data is not supported.")
            content.busy.add(path)
        return name

    def _flag(self, name: str) -> bool:
        return self.params.get(name, "false").lower() not in {"false", "0"}


def _reopened(row: Row) -> None:
    if row.locked and row.status != "_BUILDING":
        return  # a locked status cannot be changed; the object goes where it will be lost (import.md §1.9)
    if row.status in {"BUILDING", "_BUILDING"}:
        row.status = "RECEIVING_INTERRUPT"
    elif row.status not in {"RECEIVING", "RECEIVING_INTERRUPT"}:
        row.status = "RECEIVING"


def _reach(script: str) -> int:
    try:
        return anonymise.reach(script) if script else 0
    except anonymise.ScriptError:
        return 0
