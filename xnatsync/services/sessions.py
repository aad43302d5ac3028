"""Imaging sessions: list, look into, create, delete, set fields, share."""

from __future__ import annotations

import builtins
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from xnatsync.core.errors import EffectMissing, NotThere, Usage
from xnatsync.core.modality import code_of, is_called, modality_of
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.services import fields, finding
from xnatsync.services.base import BaseService, further, limited, one_at_a_time
from xnatsync.services.models import Fields, Session
from xnatsync.services.sharing import Sharing
from xnatsync.services.spelling import also
from xnatsync.xnat import asked, edits, sessions, values
from xnatsync.xnat.asked import Item

__all__ = ["SessionService"]

_COLUMNS: Final = (
    *("ID", "label", "project", "subject_label", "subject_ID", "date", "xsiType", "modality"),
    *("scanner", "visit_id", "note", "UID"),
)
_TYPES: Final = {  # XNAT names the types by other words than DICOM its modalities
    "PT": "pet", "RTIMAGE": "rt", "OT": "otherDicom", "XC": "xcv", "PETMR": "petmr",
}  # fmt: skip
_TYPE: Final = re.compile(r"[a-z]+:[A-Za-z0-9]+SessionData")


class SessionService(BaseService):
    """The imaging sessions of projects."""

    def list(
        self,
        project: str | None = None,
        subject: str | None = None,
        modality: str | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> list[Session]:
        """List sessions by label: of a project with those shared into it, or all that can be read.

        `subject` is a label or an accession ID, `modality` any word for it (MR, PET, PT).  Further columns of XNAT are
        attributes of the sessions under the names that were asked for.
        """
        home = finding.project(self.client, project).id if project is not None else None
        wanted = [*_COLUMNS, *(column for column in columns or () if column not in _COLUMNS)]
        rows = asked.sessions(self.client.low, home, wanted)
        here = self._labels_here(home, rows) if home is not None else {}
        found = [_session(row, home, here.get(_id(row)), columns or ()) for row in rows if _id(row)]
        kept = [
            each
            for each in found
            if (subject is None or subject in {each.subject, each.subject_id})
            and (modality is None or is_called(each.modality, modality))
        ]
        return limited(sorted(kept, key=lambda each: (each.label, each.id)), limit)

    @also(session="session_id", experiment="session_id")
    def get(self, session_id: str, project: str | None = None) -> Session:
        """Look into a session; ResourceNotFoundError when it is not there.

        A label means something in a project only: the one that is named, or the client's default.
        """
        held = finding.session(self.client, session_id, project)
        item = asked.item(self.client.low, edits.held(edits.SESSION, held.id))
        subject = held.subject or self._subject_label(held)
        return Session(
            id=held.id,
            label=held.label,
            project=held.project,
            subject=subject,
            subject_id=held.subject_id or item.text("subject_ID"),
            xsi_type=item.xsi_type,
            modality=code_of(item.text("modality")) or modality_of(item.xsi_type),
            session_date=_date(item.text("date")),
            scan_count=len(item.children.get("scans/scan", ())),
            scanner=item.text("scanner") or None,
            visit_id=item.text("visit_id") or None,
            note=item.text("note") or None,
            uid=item.text("UID") or None,
        )

    def home(self, project: str | None) -> str:
        """Return the ID of the project that is meant, else of the client's default; it is there."""
        return finding.project(self.client, self._project(project)).id

    @also(session="label")
    @one_at_a_time
    def create(
        self,
        project: str,
        subject: str,
        label: str,
        xsi_type: str = "xnat:mrSessionData",
        date: str | None = None,
        time: str | None = None,
        visit_id: str | None = None,
        modality: str | None = None,
    ) -> Session:
        """Create a session of a subject that is there; `modality` (MR, PET) wins over `xsi_type`.

        ResourceNotFoundError for a subject that is not there: XNAT would create it.  AlreadyThere when the label is
        taken in the project, in whatever case.
        """
        kind = type_of(modality) if modality else xsi_type
        if not _TYPE.fullmatch(kind):
            raise Usage(f"{kind!r} is no type of an imaging session", advice="Write it as xnat:mrSessionData.")
        wanted = {"date": _day(date), "time": _clock(time), "visit_id": visit_id}
        given = {name: values.check_text(text) for name, text in wanted.items() if text is not None}
        if not values.are_plain(given, {}):
            raise Usage(
                "the visit holds a sign that XNAT would store as another", advice="Use letters, digits, _ and -."
            )
        found = self.check_new(project, subject, label)
        query = values.as_parameters(kind, given, {})
        deed = f"create a session of subject {found.id} in project {found.project}"
        with self.written_down("session.created", deed, project=found.project, subject=found.id) as told:
            call = edits.new_session(found.project, found.id, label, query)
            self.do(call, seen=lambda: self._labelled(found.project, label))
            made = self.get(label, found.project)
            told["session"] = made.id
        shows = asked.item(self.client.low, edits.held(edits.SESSION, made.id))
        if made.subject_id != found.id or made.xsi_type != kind or not _shows(shows, given):
            raise EffectMissing(f"session {made.id} was created, and does not show everything that was given")
        return made

    @also(session="label")
    def check_new(self, project: str, subject: str, label: str) -> finding.SubjectFound:
        """Find the subject of a new session; raise what `create` would raise about the labels."""
        found = finding.subject(self.client, subject, finding.project(self.client, project).id)
        rows = asked.sessions(self.client.low, found.project, ("ID", "label"))
        finding.new_label(label, (row["label"] for row in rows), "session")
        return found

    @also(session="session_id", experiment="session_id")
    def delete(self, session_id: str, project: str | None = None, remove_files: bool = False) -> bool:
        """Delete a session with its scans.  True when it is gone.

        InvalidInputError where the project only shows a session of another one: `unshare` takes it out of there.
        """
        held, held_by = self.deletable(session_id, project)
        deed = f"delete session {held.id} of project {held_by}"
        with self.written_down("session.deleted", deed, project=held_by, files=remove_files) as told:
            told["scans"] = len(asked.scans(self.client.low, held.id, ("ID",)))
            self.do(
                edits.gone(edits.SESSION, held.id, remove_files=remove_files),
                seen=lambda: not asked.is_there(self.client.low, edits.held(edits.SESSION, held.id)),
            )
        return True

    @also(session="session_id", experiment="session_id")
    def deletable(self, session_id: str, project: str | None = None) -> tuple[SessionHeld, str]:
        """Find a session and the project it belongs to; raise what `delete` would raise before it sends anything."""
        held = finding.session(self.client, session_id, project)
        held_by = self._held_by(held.id)
        if project is not None and finding.project(self.client, project).id != held_by:
            line = command_line("session", "unshare", "-E", held.id, "--from", project)
            raise Usage(
                f"session {held.id} belongs to project {held_by}, and {project} only shows it",
                advice=f"`{line}` takes it out of there.",
            )
        return held, held_by

    @also(session="session_id", experiment="session_id")
    def places(self, session_id: str) -> builtins.list[str]:
        """List the projects that a session is in, by its accession ID."""
        return [place.project for place in asked.places(self.client.low, edits.SESSION, session_id)]

    @also(session="session_id", experiment="session_id")
    def check_unshare(self, session_id: str, target_project: str) -> bool:
        """Return whether a session is shared into a project; raise what `unshare` would raise."""
        return Sharing(self).is_shown(edits.SESSION, session_id, target_project)

    @also(session="session_id", experiment="session_id")
    def get_scans(self, session_id: str, project: str | None = None) -> builtins.list[dict[str, Any]]:
        """List the scans of a session, under XNAT's names of the columns."""
        held = finding.session(self.client, session_id, project)
        columns = ("ID", "type", "quality", "xsiType", "note", "series_description", "frames", "UID")
        return [Fields(row) for row in asked.scans(self.client.low, held.id, columns)]

    @also(session="session_id", experiment="session_id")
    def get_resources(self, session_id: str, project: str | None = None) -> builtins.list[dict[str, Any]]:
        """List the resources of a session itself, under XNAT's names of the columns."""
        held = finding.session(self.client, session_id, project)
        rows = asked.resources(self.client.low, held.id, everything=False)
        return [Fields(row) for row in sorted(rows, key=lambda row: row["label"])]

    @also(session="session_id", experiment="session_id")
    def set_field(self, session_id: str, field: str, value: str, project: str | None = None) -> bool:
        """Set a field of a session that is there, such as `note`.  True when the server shows the value.

        Nothing is sent when it has it.  InvalidInputError for what says which session it is: label, project, subject.
        """
        return self.set_fields(session_id, {field: value}, project)

    @also(session="session_id", experiment="session_id")
    def set_fields(self, session_id: str, values: Mapping[str, str], project: str | None = None) -> bool:
        """Set several fields of a session in one request, as `set_field` does."""
        self._set(session_id, project, values, {})
        return True

    @also(session="session_id", experiment="session_id")
    def share(
        self,
        session_id: str,
        target_project: str,
        label: str | None = None,
        primary: bool = False,
        project: str | None = None,
    ) -> bool:
        """Show a session in a second project, under its own label unless another is given.  True when it is there.

        Its subject is shared too, so that the session lies under it there.  With `primary` the session moves to that
        project with its files.  Nothing is sent when it is there already.
        """
        held = finding.session(self.client, session_id, project)
        return Sharing(self).session(held, self._held_by(held.id), target_project, label, primary=primary)

    @also(session="session_id", experiment="session_id")
    def unshare(self, session_id: str, target_project: str, project: str | None = None) -> bool:
        """Take a session out of a project that it is shared into.  True when it is not there.

        InvalidInputError at the project that it belongs to: there XNAT would delete it.
        """
        held = finding.session(self.client, session_id, project)
        return Sharing(self).end(edits.SESSION, held.id, target_project)

    @also(session="session_id", experiment="session_id")
    def variables(self, session_id: str, project: str | None = None) -> dict[str, str]:
        """Return the custom variables of a session."""
        held = finding.session(self.client, session_id, project)
        return fields.variables_of(asked.item(self.client.low, edits.held(edits.SESSION, held.id)))

    @also(session="session_id", experiment="session_id")
    def set_variables(self, session_id: str, variables: Mapping[str, str], project: str | None = None) -> bool:
        """Set custom variables of a session that is there; the others stay.  True when the server shows them."""
        self._set(session_id, project, {}, variables)
        return True

    # --- parts ---------------------------------------------------------------------------------------------------

    def _set(
        self, session_id: str, project: str | None, wanted: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        held = finding.session(self.client, session_id, project)
        shows = edits.held(edits.SESSION, held.id)
        item = asked.item(self.client.low, shows)
        held_by = item.text("project")
        place = edits.session(held_by, item.text("subject_ID"), held.id)
        deed = f"change session {held.id} of project {held_by}"
        with self.written_down("session.changed", deed, project=held_by, fields=[*wanted, *variables]):
            fields.Setting(self, shows, place, item.xsi_type).apply(wanted, variables)

    def _held_by(self, session_id: str) -> str:
        """Return the project that a session belongs to, wherever it is shared."""
        return asked.item(self.client.low, edits.held(edits.SESSION, session_id)).text("project")

    def _labels_here(self, home: str, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
        return sessions.labels_here(self.client.low, home, (row.get("project", "") for row in rows))

    def _labelled(self, project_id: str, label: str) -> bool:
        return any(row["label"] == label for row in asked.sessions(self.client.low, project_id, ("ID", "label")))

    def _subject_label(self, held: SessionHeld) -> str:
        try:
            return finding.subject_by_id(self.client, held.subject_id).label if held.subject_id else ""
        except NotThere:
            return ""  # a subject that this account may not read


def type_of(modality: str) -> str:
    """Return XNAT's type of session for a modality: `MR`, `PET` and `PT` are known by any of their words."""
    code = code_of(modality.upper())
    if not re.fullmatch(r"[A-Z0-9]+", code):
        raise Usage(f"{modality!r} is no modality", advice="Write it as MR, PET, CT.")
    return f"xnat:{_TYPES.get(code, code.lower())}SessionData"


def _session(row: Mapping[str, str], home: str | None, label_here: str | None, columns: Sequence[str]) -> Session:
    more = further(row, columns, _COLUMNS)
    kind = row.get("xsiType", "")
    return Session(
        id=_id(row),
        label=label_here or row["label"],
        project=home or row.get("project", ""),
        subject=row.get("subject_label", ""),
        subject_id=row.get("subject_ID", ""),
        xsi_type=kind,
        modality=code_of(row.get("modality", "")) or modality_of(kind),
        session_date=_date(row.get("date", "")),
        scanner=row.get("scanner") or None,
        visit_id=row.get("visit_id") or None,
        note=row.get("note") or None,
        uid=row.get("UID") or None,
        **more,
    )


def _id(row: Mapping[str, str]) -> str:
    """Return the accession ID from the address: the ID column changes its name with what is asked (§3.4)."""
    return row["URI"].rpartition("/")[2]


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _day(text: str | None) -> str | None:
    if text is not None and _date(text) is None:
        raise Usage(f"{text!r} is no date", advice="Write it as 2026-03-02.")
    return text


def _clock(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", text):
        raise Usage(f"{text!r} is no time of the day", advice="Write it as 13:05:00.")
    return text


def _shows(item: Item, given: Mapping[str, str]) -> bool:
    return all(values.is_same(text, values.shown(item.fields, item.children, name)) for name, text in given.items())
