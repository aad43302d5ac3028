"""The prearchive: what has arrived and is not yet in the archive (docs/xnat/import.md §2).

Every action looks at the row first, acts once, and looks at the row and at the archive afterwards: XNAT tells failures
inside a 200, archives what it answered 401 or 504 to, and archives without a word into a session that is there.
"""

from __future__ import annotations

import builtins
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from xnatsync.app.prearchive_needs import Need, needs, undisturbed
from xnatsync.core.errors import (
    AccessDenied,
    Declined,
    LoginLost,
    NotThere,
    OutcomeUnknown,
    ReadFailed,
    RequestRefused,
    ServerBusy,
    SessionCollision,
    Usage,
    XnatsyncError,
)
from xnatsync.core.labels import clean_label, is_valid_label
from xnatsync.core.nouns import not_empty
from xnatsync.core.remote import PrearchiveState, SessionSeen
from xnatsync.services import finding
from xnatsync.services.base import BaseService
from xnatsync.services.client import WORK_S, XNATClient
from xnatsync.services.models import Fields
from xnatsync.services.prearchive_rows import Rows, build_command, fields, move_command, refuse_while_working, told
from xnatsync.services.spelling import also
from xnatsync.xnat import listing, prearchive, prearchive_table
from xnatsync.xnat.names import archive_uri
from xnatsync.xnat.prearchive_table import CODES, UNASSIGNED, Row

__all__ = ["PrearchiveService"]

DELETED: Final = "deleted"  # what may not be said of the only copy without a word
_GONE: Final = (NotThere, OutcomeUnknown, LoginLost)  # what an archive is answered that may have happened all the same


class PrearchiveService(BaseService):
    """Looks at what waits in the prearchive, archives it, moves it, and deletes it.

    A row is a `Fields` with XNAT's own columns (`project`, `timestamp`, `folderName`, `name`, `subject`, `status`,
    `tag`, `uploaded`, `lastmod`, `scan_date`, `autoarchive`, `url`), and with `session` (the label), `upload_date` (the
    column `uploaded`), `study_uid` (the column `tag`) and `scan_count`.  `session_name` is the name in the row's
    address (`folderName`) or the label (`name`).
    """

    def __init__(
        self, client: XNATClient, *, sleep: Callable[[float], object] = time.sleep, patience_s: float = WORK_S
    ) -> None:
        super().__init__(client)
        self._rows = Rows(client.low, sleep, patience_s)

    def list(self, project: str | None = None, *, count_scans: bool = True) -> builtins.list[Fields]:
        """List what waits in a project, or in all projects that this account may edit, the newest last.

        `scan_count` is None where the session is not built, where this account may not look inside, and everywhere
        without `count_scans`: counting takes a request for each built row.
        """
        count = self._rows.scan_count if count_scans else lambda _: None
        with self._known(project):
            rows = prearchive_table.rows(self.client.low, project)
        return [fields(row, count(row)) for row in rows]

    def _named(self, project: str, timestamp: str, name: str) -> Row:
        with self._known(project):
            return self._rows.named(project, timestamp, name)

    @contextmanager
    def _known(self, project: str | None) -> Iterator[None]:
        """Tell a project that is not there from one whose prearchive is refused: XNAT answers 403 to both."""
        not_empty(project)
        try:
            yield
        except AccessDenied:
            if project not in {None, UNASSIGNED}:
                finding.project(self.client, str(project))
            raise

    @also(session="session_name")
    def get(self, project: str, timestamp: str, session_name: str) -> Fields:
        """Return one row, with `scans` as get_scans() gives them and `log`, XNAT's last words about it.

        ResourceNotFoundError when it is not there (any more).
        """
        row = self._named(project, timestamp, session_name)
        scans = self._rows.scans(row)
        count = None if scans is None else len(scans)
        return Fields(fields(row, count), scans=scans or [], log=self._rows.log(row))

    @also(session="session_name")
    def get_scans(self, project: str, timestamp: str, session_name: str) -> builtins.list[Fields]:
        """List the scans of a built session: `ID`, `xsiType`, `series_description`, `file_count`, `file_size`.

        ResourceNotFoundError when it is not there, and when it is not built.
        """
        row = self._named(project, timestamp, session_name)
        scans = self._rows.scans(row)
        if scans is None:
            raise NotThere(
                f"the scans of {told(row)} are not known: it is not built ({row.seen.status})",
                advice=f"Build it with `{build_command(row)}`.",
            )
        return scans

    @also(session="session_name")
    def archive(
        self,
        project: str,
        timestamp: str,
        session_name: str,
        subject: str | None = None,
        experiment_label: str | None = None,
        overwrite: bool = False,
        *,
        although_needed: bool = False,
    ) -> Fields:
        """Archive one session; returns once it is in the archive and its row has gone.

        `subject` and `experiment_label` win over what the headers say.  A session of that label that holds the same
        study takes in what it lacks; what it has is refused by XNAT, with `overwrite` it is replaced.  A session of
        that label that holds another study is never touched: SessionCollision, with `overwrite` too.  The result has
        `project`, `subject`, `session`, `session_id`, `uri`, `merged` (a session of that label was there) and `status`.
        Declined where a delivery of our own goes on through it, unless `although_needed`.
        """
        row = self._named(project, timestamp, session_name)
        refuse_while_working(row, "archived")
        if row.seen.project == UNASSIGNED:
            raise Usage(
                "a session without a project cannot be archived",
                advice=f"Move it first: `{move_command(row)}`.",
            )
        for name in filter(None, (subject, experiment_label)):
            if not is_valid_label(name):
                raise Usage("XNAT would change this label", advice="Give letters, digits, `_` and `-` alone.")
        label = experiment_label or clean_label(row.seen.name)
        there = self._session(row.seen.project, label)
        if there is not None and there.study_uid and row.seen.study_uid not in {"", there.study_uid}:
            raise SessionCollision(
                f"project {row.seen.project} has a session of that label ({there.id}) that holds another study",
                advice="Give another label with --label (experiment_label=), or correct what is in the archive.",
            )
        deed = f"archive {told(row)}{' over what is there' if overwrite else ''}"
        with (
            self._undisturbed(row, "archived", sure=although_needed),
            self._written_down("prearchive.archived", deed, project=row.seen.project) as note,
        ):
            uri = self._archived(row, subject, experiment_label, overwrite)
            held = self._look_after(row, uri, label)
            note["session_id"] = held.id
        return Fields(
            project=row.seen.project,
            subject=held.subject,
            session=held.label,
            session_id=held.id,
            uri=uri or f"/archive/experiments/{held.id}",
            merged=there is not None and there.id == held.id,
            status="archived",
        )

    @also(session="session_name")
    def deletable(self, project: str, timestamp: str, session_name: str) -> Fields:
        """Return the row that delete() would delete; ServerBusy where it would not."""
        row = self._named(project, timestamp, session_name)
        refuse_while_working(row, "deleted")
        return fields(row, self._rows.scan_count(row))

    @also(session="session_name")
    def delete(self, project: str, timestamp: str, session_name: str, *, although_needed: bool = False) -> bool:
        """Delete one session; True once its row has gone.

        ServerBusy while files arrive or the server works on it, Declined where an item of our own counts on it, unless
        `although_needed`, LedgerHeld while a run may act on it: then nothing is deleted.
        """
        row = self._named(project, timestamp, session_name)
        refuse_while_working(row, "deleted")
        with (
            self._undisturbed(row, DELETED, sure=although_needed),
            self._written_down("prearchive.deleted", f"delete {told(row)}", project=row.seen.project),
        ):
            try:
                prearchive.delete(self.client.low, row.uri, request_id=_id(), timeout_s=WORK_S)
            except (OutcomeUnknown, LoginLost):
                if self._rows.settled(row) is not None:
                    raise
            if (left := self._rows.again(row)) is not None:
                raise OutcomeUnknown(f"{told(row)} was to be deleted, and is still there ({left.seen.status})")
        return True

    @also(session="session_name")
    def rebuild(self, project: str, timestamp: str, session_name: str, *, although_needed: bool = False) -> Fields:
        """Build one session anew from its files, also one that is still receiving; returns its row, which is READY.

        RequestRefused with XNAT's words when it could not be built; Declined as with `archive`.
        """
        row = self._named(project, timestamp, session_name)
        refuse_while_working(row, "built", receiving=True)
        with self._undisturbed(row, "built", sure=although_needed):
            try:
                prearchive.build(self.client.low, row.uri, request_id=_id(), timeout_s=WORK_S)
            except (OutcomeUnknown, ReadFailed):
                if self._rows.settled(row) is None:
                    raise
        built = self._rows.again(row)
        if built is None:
            raise OutcomeUnknown(f"{told(row)} was to be built, and is not there any more")
        if built.seen.state is not PrearchiveState.READY:
            raise RequestRefused(f"{told(row)} could not be built: {built.seen.status}{self._rows.words(built)}")
        return fields(built, self._rows.scan_count(built))

    @also(session="session_name")
    def move(
        self,
        project: str,
        timestamp: str,
        session_name: str,
        target_project: str,
        *,
        although_needed: bool = False,
    ) -> Fields:
        """Move one session to another project; returns its row there once it has gone here.

        ResourceNotFoundError when this account does not see the target; nothing is moved then.  Declined as with
        `archive`.
        """
        row = self._named(project, timestamp, session_name)
        target = self._target(target_project)
        if target == row.seen.project:
            raise Usage(f"{told(row)} is in project {target} already")
        refuse_while_working(row, "moved")
        if self._rows.moved(row, target) is not None:
            raise SessionCollision(f"project {target} has a prearchive session of that time and name already")
        with (
            self._undisturbed(row, "moved", sure=although_needed),
            self._written_down("prearchive.moved", f"move {told(row)} to project {target}", project=target),
        ):
            try:
                prearchive_table.move(self.client.low, row.uri, target, request_id=_id(), timeout_s=WORK_S)
            except (OutcomeUnknown, LoginLost, ServerBusy):
                if not self._rows.awaited(lambda: self._rows.again(row) is None):
                    raise
            arrived, left = self._rows.moved(row, target), self._rows.again(row)
            if arrived is None or left is not None:
                where = "it is still where it was" if left is not None else "it is in neither of the projects"
                raise OutcomeUnknown(f"{told(row)} was to be moved to project {target}: {where}")
        return fields(arrived, self._rows.scan_count(arrived))

    # --- our own deliveries ------------------------------------------------------------------------------------------

    @also(session="session_name")
    def needs(self, project: str, timestamp: str, session_name: str, *, deed: str = DELETED) -> builtins.list[Need]:
        """List the items of our own ledger for which a session must not be `archived`, `built`, `moved` or `deleted`.

        Those whose delivery still goes on through it; of what is to be deleted, also those that were proven there.
        """
        return self._needs(self._named(project, timestamp, session_name), deed)

    def _needs(self, row: Row, deed: str) -> builtins.list[Need]:
        found = needs(self.client.profile, row.seen)
        return [need for need in found if need.is_waiting or deed == DELETED]

    @contextmanager
    def _undisturbed(self, row: Row, deed: str, *, sure: bool) -> Iterator[None]:
        """Keep our own runs away from a row while it is acted on; Declined where they need it, unless `sure`."""
        if (found := self._needs(row, deed)) and not sure:
            raise Declined(
                f"{told(row)} is not {deed}: {'; '.join(need.words for need in found)}",
                advice="Let it come to its end (`xnatsync sync`), or say that it is meant (`although_needed=True`).",
            )
        with undisturbed(self.client.profile, needs(self.client.profile, row.seen)):
            yield

    # --- settings ----------------------------------------------------------------------------------------------------

    def get_routing_code(self, project: str) -> int:
        """Return what a project does with what arrives: 0 lets it wait, 4 archives it, 5 archives and overwrites."""
        return prearchive_table.routing_code(self.client.low, project)

    def get_routing_mode(self, project: str) -> str:
        """Return the same in words: `manual`, `auto-archive` or `auto-archive-overwrite`, else `code N`."""
        code = self.get_routing_code(project)
        return next((mode for mode, number in CODES.items() if number == code), f"code {code}")

    def set_routing_mode(self, project: str, mode: str) -> None:
        """Set what a project does with what arrives, and see that it is set."""
        if mode not in CODES:
            raise Usage(f"{mode} is no such setting", advice=f"Give one of {', '.join(CODES)}.")
        code, deed = CODES[mode], f"let project {project} treat what arrives as {mode}"
        with self._written_down("prearchive.set", deed, project=project, before=self.get_routing_code(project)):
            prearchive_table.set_routing_code(self.client.low, project, code, request_id=_id(), timeout_s=WORK_S)
            if (found := self.get_routing_code(project)) != code:
                raise OutcomeUnknown(f"the server did not keep the setting of project {project}: it says {found}")

    def _target(self, project: str) -> str:
        found = listing.project(self.client.low, project)
        if found is None:
            raise NotThere(f"there is no project {project}, or this account may not see it")
        return found.id

    # --- archiving ---------------------------------------------------------------------------------------------------

    def _session(self, project: str, label: str) -> SessionSeen | None:
        return next(iter(listing.sessions(self.client.low, project, label=label, study_uid=None)), None)

    def _archived(self, row: Row, subject: str | None, label: str | None, overwrite: bool) -> str:
        """Ask once; "" when the answer does not tell, and the row has gone."""
        try:
            return prearchive_table.archive(
                self.client.low,
                row.uri,
                subject=subject,
                label=label,
                overwrite=overwrite,
                request_id=_id(),
                timeout_s=WORK_S,
            )
        except _GONE:
            left = self._rows.settled(row)
            if left is not None:
                raise self._refused(left) from None
            return ""
        except RequestRefused as error:
            left = self._rows.again(row)
            if left is None:
                return ""  # whatever was said: it has gone, and the archive tells
            raise RequestRefused(f"{error}{self._rows.words(left)}", advice=error.remedy, http=error.http) from error

    def _refused(self, row: Row) -> XnatsyncError:
        """Say what became of an archive whose answer was lost and whose row is there."""
        if row.seen.state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR}:
            return RequestRefused(f"{told(row)} was not archived: {row.seen.status}{self._rows.words(row)}")
        if row.seen.state is PrearchiveState.READY:
            return OutcomeUnknown(f"no answer came to archiving {told(row)}, and it waits there as before")
        return OutcomeUnknown(f"no answer came to archiving {told(row)}, and the server works on it still")

    def _look_after(self, row: Row, uri: str, label: str) -> SessionSeen:
        """See that the row has gone and that the session is in the archive; OutcomeUnknown when not."""
        if not self._rows.awaited(lambda: self._rows.again(row) is None):
            left = self._rows.again(row)
            status = left.seen.status if left is not None else "gone now"
            raise OutcomeUnknown(f"the server says that {told(row)} is archived, and it still waits there ({status})")
        found: builtins.list[SessionSeen] = []

        def is_there() -> bool:
            found[:] = self._held(row, uri, label)
            return bool(found)

        if not self._rows.awaited(is_there):
            raise OutcomeUnknown(
                f"{told(row)} has left the prearchive, and no session of project {row.seen.project} holds its study",
                advice="Look for it in the web interface, and in the server's logs, before anything is sent again.",
            )
        return found[0]

    def _held(self, row: Row, uri: str, label: str) -> builtins.list[SessionSeen]:
        """Find the session that the answer names; without an answer, that of the label or of the study."""
        archived = archive_uri(uri, "the answer") if uri else None
        name = archived.rpartition("/")[2] if archived else label
        low, project = self.client.low, row.seen.project
        found = [*listing.sessions(low, project, label=name, study_uid=None)]
        if not found and row.seen.study_uid:
            found = [*listing.sessions(low, project, label=None, study_uid=row.seen.study_uid)]
        return [
            one for one in found if not (one.study_uid and row.seen.study_uid) or one.study_uid == row.seen.study_uid
        ]


def _id() -> str:
    return str(uuid.uuid4())
